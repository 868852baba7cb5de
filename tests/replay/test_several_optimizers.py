"""Several optimizers of one step: each reads what the launches before it have left waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plait as torch
from plait import nn
from plait.core.lazy.replay.run import Run
from plait.core.lazy.replay.thread import threads
from plait.core.runtime.objects import machine
from plait.optim import _replay
from tests.replay.twice import assert_same, run


class _Program:
    def __init__(self, sparse: bool) -> None:
        self.table = nn.Embedding(9, 3, sparse=sparse)
        self.hidden, self.head = nn.Linear(6, 4), nn.Linear(4, 1)
        parts = [self.head, self.hidden, self.table]
        self.optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in parts]
        self.index, self.y = torch.tensor([[1, 4], [8, 1], [0, 2]]), torch.randn(3, 1)
        self.log: list[Any] = []

    def passes(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        rows = [self.table(self.index[:, 0]), self.y.expand(3, 3)]
        made = self.head(torch.relu(self.hidden(torch.cat(rows, dim=1))))
        loss = nn.functional.mse_loss(made, self.y)
        loss.backward()
        self.log.append(loss)

    def report(self) -> list[Any]:
        parts = (self.table, self.hidden, self.head)
        values = [p.detach().numpy() for part in parts for p in part.parameters()]
        return [*[float(loss) for loss in self.log], *values]


def _all(program: _Program, i: int) -> None:
    for optimizer in program.optimizers:
        optimizer.step()


def _some(program: _Program, i: int) -> None:
    """Which come changes: a run that goes on for another one may wait in vain."""
    for number, optimizer in enumerate(program.optimizers):
        if (i // 5 + number) % 3:
            optimizer.step()


def _clipped(program: _Program, i: int) -> None:
    """Something is recorded between two of them, in some steps."""
    first, second, _ = program.optimizers
    first.step()
    if i % 7 > 3:
        nn.utils.clip_grad_norm_(program.hidden.parameters(), 0.01)
    second.step()


def _failing(program: _Program, i: int) -> None:
    """What the second one reads is not there: it is as if it had not been called."""
    first, second, _ = program.optimizers
    first.step()
    if i == 9:
        program.hidden.weight.grad.add_(torch.ones(4, 5).sum(1, keepdim=True))
    second.step()


def _kept(program: _Program, i: int) -> None:
    """Old parameters and gradients are read later."""
    program.optimizers[0].step()
    program.log += [program.hidden.weight.grad.sum(), program.hidden.weight.detach().sum()]
    program.optimizers[1].step()
    program.log.append(program.hidden.weight.grad[0, 0].clone())


_WAYS: list[Callable[[_Program, int], None]] = [_all, _some, _clipped, _failing, _kept]


def _training(way: Callable[[_Program, int], None], sparse: bool, steps: int = 20) -> list[Any]:
    program = _Program(sparse)
    for i in range(steps):
        program.passes()
        way(program, i)
    return program.report()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("way", _WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("backend", ["reference", "compiled"])
def test_the_same_with_and_without_replay(
    way: Callable[[_Program, int], None],
    sparse: bool,
    backend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", backend)
    assert_same(_training, way, sparse, rtol=0.0 if backend == "reference" else 1e-5)


@pytest.mark.parametrize("sparse", [False, True])
def test_what_waits_is_known_by_its_places(sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No later optimizer takes in, node after node, what an earlier one has left waiting."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    taken: list[Any] = []
    before = Run.take_in
    monkeypatch.setattr(Run, "take_in", lambda run, node: taken.append(node) or before(run, node))
    run(_training, _all, sparse, 12, replay=True)
    early = len(taken)
    taken.clear()
    run(_training, _all, sparse, 40, replay=True)
    assert len(taken) <= early


def test_a_run_goes_on_in_vain_but_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the other optimizer does not come any more, steps begin at the root again."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    lengths: list[int] = []

    def program() -> list[Any]:
        made = _Program(False)
        for i in range(40):
            made.passes()
            made.optimizers[0].step()
            lengths.append(0 if threads.run is None else len(threads.run.nodes))
            if i < 8:
                made.optimizers[1].step()
        return made.report()

    run(program, replay=True)
    assert max(lengths[:8]) > 0  # it goes on
    assert not any(lengths[20:])


@pytest.mark.skipif(machine() is None, reason="this Python has no object machine to go by")
@pytest.mark.parametrize("sparse", [False, True])
def test_all_go_by_the_object_machine(sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    made: list[Any] = []
    before = _replay._made
    monkeypatch.setattr(_replay, "_made", lambda *args: made.append(args) or before(*args))
    run(_training, _all, sparse, 15, replay=True)
    early = len(made)
    made.clear()
    run(_training, _all, sparse, 30, replay=True)
    assert len(made) == early
