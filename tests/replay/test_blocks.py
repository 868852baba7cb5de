"""Programs that change their structure, put together from blocks: the same bits as recorded anew,
nothing compiled for a new arrangement, nothing kept of what is over."""

from __future__ import annotations

import gc
import random
import threading
from typing import Any

import numpy as np
import pytest

import plait
from bench.changing import PROGRAMS, sgd
from plait.core.lazy.replay import block_launch, launch
from plait.core.lazy.replay.thread import threads
from plait.core.runtime import compiled
from plait.utils.checkpoint import checkpoint
from tests.parity.compare import outcome
from tests.parity.view_sequences import SEEDS
from tests.parity.view_sequences import run as sequence
from tests.replay.machine import ACTIONS, action_between_known_steps, program
from tests.replay.twice import assert_same, run


def _adam(torch: Any, parameters: Any) -> Any:
    return torch.optim.Adam(parameters, lr=0.01)


def _trained(name: str, optimizer: Any, steps: int) -> list[Any]:
    model, step = PROGRAMS[name](plait, random.Random(5), optimizer)
    losses = [step().item() for _ in range(steps)]
    return [*losses, *[p.detach().numpy().copy() for p in model.parameters()]]


@pytest.mark.parametrize("optimizer", [sgd, _adam])
@pytest.mark.parametrize("name", PROGRAMS)
def test_same_bits_as_recorded_anew(
    name: str, optimizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert assert_same(_trained, name, optimizer, 60, blocks=True)


@pytest.mark.parametrize("name", PROGRAMS)
def test_native_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    assert assert_same(_trained, name, sgd, 16, rtol=1e-4, blocks=True)


@pytest.mark.parametrize("action", ACTIONS)
def test_any_program_may_be_put_together_from_blocks(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")

    assert assert_same(action_between_known_steps, action, blocks=True)


@pytest.mark.parametrize("seed", range(12))
def test_actions_in_any_order(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert assert_same(program, seed, 60, 2 + seed % 7, blocks=True)


@pytest.mark.parametrize("seed", range(4))
def test_native_blocks_take_over_no_memory_that_is_still_read(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    assert assert_same(program, seed, 24, 2 + seed % 5, rtol=1e-4, blocks=True)


class _Twice(plait.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 2


def test_a_way_around_a_users_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it reads is read by what comes after it, too: no pass may take both for one block."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")

    def body() -> list[Any]:
        w = plait.ones(3, requires_grad=True)
        found: list[Any] = []
        for number in range(12):
            w.grad = None
            h = (w * (number + 1)).sin()
            y = (_Twice.apply(h) + h).cos() * checkpoint(plait.tanh, h, use_reentrant=True)
            y.sum().backward()
            found.append(w.grad.numpy().copy())
        return found

    assert assert_same(body, blocks=True)


def test_sequences_of_views_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")

    def body() -> list[Any]:
        found: list[Any] = []
        for seed in SEEDS[:300]:
            for _ in range(2):
                found.append(repr(outcome(lambda torch: sequence(torch, seed), plait)))  # noqa: B023 -- it runs before the loop goes on
        return found

    assert assert_same(body, blocks=True)


def test_one_gradient_on_two_ways_is_not_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made for `x + x`, whose gradients are one, must not serve `x - x * 2`."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")

    def body() -> list[Any]:
        w = plait.arange(1.0, 5.0).requires_grad_()
        found: list[Any] = []
        for number in range(40):
            w.grad = None
            x = ((w * 3).exp() * 0.1).sin().cos().tanh()  # long enough to end at the decision
            y = (x + x) if number % 2 == 0 else (x - x * 2)
            y.square().sum().backward()
            found.append(w.grad.numpy().copy())
        return found

    assert assert_same(body, blocks=True)


def _counted(name: str, steps: int, every: int) -> list[Any]:
    """(points of the tree, programs, live objects) after every so many steps."""
    _, step = PROGRAMS[name](plait, random.Random(5))
    counts: list[Any] = []
    for number in range(steps):
        step()
        if number % every == every - 1:
            threads.end()
            gc.collect()
            counts.append((threads.points, len(compiled._programs), len(gc.get_objects())))
    return counts


@pytest.mark.parametrize("name", ["stochastic_layers", "tree_lstm"])
def test_new_arrangements_of_known_blocks_compile_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 256 choices of layers, and trees without end: 360 steps have seen few of them, and nearly
    # every block.
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setattr(compiled, "_programs", {})
    counts = run(_counted, name, 420, 60, replay=True, blocks=True)
    points, programs, _ = zip(*counts)
    assert programs[-1] < 160
    assert programs[-1] - programs[-2] <= 2, "programs of the last 60 steps"
    assert points[-1] - points[-2] <= 20, "points of the tree of the last 60 steps"


@pytest.mark.parametrize("name", ["stochastic_layers", "tree_lstm"])
def test_nothing_is_kept_of_what_is_over(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    counts = run(_counted, name, 1050, 350, replay=True, blocks=True)
    objects = [count for _, _, count in counts]
    # A step of the trees makes some 500 nodes: one step in fifty that was kept would show.
    assert objects[-1] - objects[-2] < 1500


def test_a_program_is_put_together_from_blocks_once_it_strays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")

    def body() -> list[Any]:
        model, changing = PROGRAMS["tree_lstm"](plait, random.Random(6))
        for _ in range(150):
            changing()
        found = [threads.in_blocks]
        for _ in range(200):
            model[-1].weight.sum().item()
        return [*found, threads.in_blocks]

    assert run(body, replay=True) == [True, False]


def test_known_blocks_never_go_the_ordinary_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be right, and slow: an op at a time, on the reference."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    ordinary: list[Any] = []

    def body() -> list[Any]:
        _, step = PROGRAMS["tree_lstm"](plait, random.Random(5))
        for number in range(120):
            if number == 60:
                monkeypatch.setattr(launch, "realize", ordinary.append)
            step()
        return [number]

    assert run(body, replay=True, blocks=True) == [119]
    assert ordinary == []


def test_another_thread_reads_what_waits_in_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    launch_block: Any = block_launch._launch
    launched: list[Any] = []

    def watched(block: Any, *args: Any) -> bool:
        launched.append(block)
        return launch_block(block, *args)

    monkeypatch.setattr(block_launch, "_launch", watched)
    threads.keep_to_blocks()
    try:
        weight = plait.ones(3, requires_grad=True)
        loss = ((weight * 3).sin() * weight).sum()
        block: Any = threads.run
        found: list[Any] = []

        def other() -> None:
            threads.keep_to_blocks()
            found.append((threads.run is None, loss.item()))
            loss.backward()
            assert weight.grad is not None
            found.append(weight.grad.numpy().copy())

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert found[0] == (True, pytest.approx(3 * np.sin(3.0), rel=1e-6))
        np.testing.assert_allclose(found[1], np.sin(3.0) + 3 * np.cos(3.0), rtol=1e-6)
        # It is this thread's, whoever reads from it.
        assert threads.run is block and block.waits
        assert block not in launched
    finally:
        threads.forced = False
        threads.forget_the_program()


def test_a_compiled_step_after_an_optimizer_has_worked_in_parts() -> None:
    """Compiling watches the optimizer's options: no part may be done unseen."""

    def body() -> list[Any]:
        layers = plait.nn.ModuleList([plait.nn.Linear(3, 3) for _ in range(4)])
        optimizer = plait.optim.SGD(layers.parameters(), lr=0.1)
        x, draw = plait.ones(2, 3), random.Random(2)

        def step(chosen: list[int]) -> Any:
            optimizer.zero_grad()
            h = x
            for number in chosen:
                h = plait.tanh(layers[number](h))
            loss = h.square().mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        for _ in range(80):
            step([n for n in range(4) if draw.random() < 0.5] or [0])
        worked_in_parts.append(bool(optimizer.__dict__.get("_parts")))
        fast: Any = plait.compile(step)
        found = []
        for number in range(6):
            optimizer.param_groups[0]["lr"] = 0.1 * (1 + number)
            found.append(fast([0, 1, 2, 3]).item())
        why_not = [kind.plain for kind in fast._kinds.values()]
        return [*found, why_not, *[p.detach().numpy().copy() for p in layers.parameters()]]

    worked_in_parts: list[bool] = []
    reports = assert_same(body, rtol=1e-5, blocks=True)
    assert [None] in reports  # one kind of call, and nothing against compiling it
    assert worked_in_parts == [False, True]


@pytest.mark.once
def test_a_program_that_turns_to_blocks_between_two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value asked for just then is no launch of the new block, which holds nothing of it."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    threads.forget_the_program()
    waiting = [plait.ones(3) * number for number in range(3)]
    threads.end()
    threads.turns = True
    try:
        for number, made in enumerate(waiting):
            assert made.tolist() == [float(number)] * 3
            assert (made + 1).tolist() == [number + 1.0] * 3
    finally:
        threads.forget_the_program()
