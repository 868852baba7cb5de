"""Programs that change their structure, put together from blocks: the same bits as recorded anew,
nothing compiled for a new arrangement, nothing kept of what is over."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import plait
from plait.core.lazy.replay.thread import threads
from plait.core.runtime import compiled
from plait.utils.checkpoint import checkpoint
from tests.replay.changing import PROGRAMS
from tests.replay.machine import ACTIONS, Machine, program
from tests.replay.twice import assert_same, run


def _trained(name: str, steps: int) -> list[Any]:
    model, step = PROGRAMS[name]()
    losses = [step().item() for _ in range(steps)]
    return [*losses, *[p.detach().numpy().copy() for p in model.parameters()]]


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_bits_as_recorded_anew(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert assert_same(_trained, name, 60, blocks=True)


@pytest.mark.parametrize("name", PROGRAMS)
def test_native_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    assert assert_same(_trained, name, 16, rtol=1e-4, blocks=True)


@pytest.mark.parametrize("action", ACTIONS)
def test_any_program_may_be_put_together_from_blocks(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")

    def body() -> list[Any]:
        machine = Machine(2)
        for _ in range(4):
            for _ in range(3):
                machine.do_train()
            getattr(machine, action)()
        machine.report(*machine.net.parameters())
        return machine.reports

    assert assert_same(body, blocks=True)


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


def _counted(name: str, steps: int, every: int) -> list[Any]:
    """(points of the tree, programs, live objects) after every so many steps."""
    _, step = PROGRAMS[name]()
    counts: list[Any] = []
    for number in range(steps):
        step()
        if number % every == every - 1:
            threads.end()
            gc.collect()
            counts.append((threads.points, len(compiled._programs), len(gc.get_objects())))
    return counts


@pytest.mark.parametrize("name", ["stochastic_layers", "trees"])
def test_new_arrangements_of_known_blocks_compile_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 256 choices of layers, and trees without end: 180 steps have seen few of them, and nearly
    # every block.
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setattr(compiled, "_programs", {})
    counts = run(_counted, name, 240, 60, replay=True, blocks=True)
    points, programs, _ = zip(*counts)
    assert programs[-1] < 160
    assert programs[-1] - programs[-2] <= 2, "programs of the last 60 steps"
    assert points[-1] - points[-2] <= 20, "points of the tree of the last 60 steps"


@pytest.mark.parametrize("name", ["stochastic_layers", "trees"])
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
        model, changing = PROGRAMS["trees"]()
        for _ in range(150):
            changing()
        found = [threads.in_blocks]
        for _ in range(200):
            model.last.weight.sum().item()
        return [*found, threads.in_blocks]

    assert run(body, replay=True) == [True, False]
