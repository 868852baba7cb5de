"""Passes whose gradients are added to those that are there: as they are without replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plait as torch
from plait import nn
from plait.core.lazy.replay.unroll import Recipes
from plait.core.runtime.objects import machine
from tests.replay.twice import assert_same, run


class _Program:
    """A net whose gradients are added up over several batches, each of which is read."""

    def __init__(self) -> None:
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        self.x = torch.randn(5, 3)
        self.log: list[Any] = []
        self.keep: list[Any] = []

    @property
    def first(self) -> Any:
        return self.model[0].weight

    @property
    def last(self) -> Any:
        return self.model[2].bias

    def batch(self) -> None:
        loss = (self.model(self.x) ** 2).mean()
        try:
            loss.backward()
        except RuntimeError as fault:
            self.log.append(type(fault).__name__)
        self.log.append(loss.item())

    def report(self) -> list[Any]:
        for p in self.model.parameters():
            grad = p.grad
            self.log.append(None if grad is None else grad.detach().numpy().copy())
            self.log.append(None if grad is None else grad._version)
        return self.log


def _nothing(program: _Program) -> None:
    pass


def _one_gradient_of_two(program: _Program) -> None:
    """Both are added to the same memory, one after the other."""
    program.model[2].weight.grad = None
    bias = program.model[0].bias
    other = torch.ones(4)
    bias.grad = other
    program.keep.append(other)
    twin = nn.Parameter(torch.ones(4))
    twin.grad = other
    program.model[0].bias = twin
    program.model.register_parameter("old", bias)


def _twin_reads(program: _Program) -> None:
    program.keep.append(program.first.grad.detach())


def _view_reads(program: _Program) -> None:
    program.keep.append(program.first.grad[1:])


def _numpy_reads(program: _Program) -> None:
    program.keep.append(program.first.grad.numpy())


def _view_as_gradient(program: _Program) -> None:
    program.keep.append(torch.ones(8))
    program.first.grad = None
    program.last.grad = program.keep[-1][2:4]


def _recorded_gradient(program: _Program) -> None:
    scale = torch.ones(2, requires_grad=True)
    program.last.grad = scale * 3
    program.keep.append(scale)


def _gradient_that_requires_one(program: _Program) -> None:
    program.last.grad = torch.ones(2, requires_grad=True)


def _without(program: _Program) -> None:
    program.last.grad = None


def _zeros(program: _Program) -> None:
    for p in program.model.parameters():
        p.grad.zero_()


def _hook(program: _Program) -> None:
    program.last.register_hook(lambda grad: grad * 2)


def _hook_afterwards(program: _Program) -> None:
    program.last.register_post_accumulate_grad_hook(
        lambda p: program.log.append(p.grad.sum().item())
    )


def _waiting(program: _Program) -> None:
    """What is added to is itself a sum that waits."""
    program.last.grad.add_(program.last.detach() * 2)


def _silent(program: _Program) -> None:
    program.last.grad = program.last.grad.data


def _saved_value_is_written(program: _Program) -> None:
    """The next pass fails, and adds nothing."""

    def write(module: Any, inputs: Any, made: Any) -> None:
        made.mul_(1)

    handle = program.model[1].register_forward_hook(write)
    program.batch()
    handle.remove()


_EVENTS: list[Callable[[_Program], None]] = [
    _nothing, _one_gradient_of_two, _twin_reads, _view_reads, _numpy_reads, _view_as_gradient,
    _recorded_gradient, _gradient_that_requires_one, _without, _zeros, _hook, _hook_afterwards,
    _waiting, _silent, _saved_value_is_written,
]  # fmt: skip


def _adding_up(event: Callable[[_Program], None]) -> list[Any]:
    program = _Program()
    for _ in range(6):
        for _ in range(3):
            program.batch()
        program.model.zero_grad()
    program.batch()
    program.batch()
    event(program)
    for _ in range(4):
        program.batch()
    report = program.report()
    return [*report, *[kept.tolist() for kept in program.keep]]


@pytest.mark.parametrize("event", _EVENTS, ids=lambda event: event.__name__)
@pytest.mark.parametrize("backend", ["reference", "compiled"])
def test_an_event_between_sums(
    event: Callable[[_Program], None], backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", backend)
    rtol = 0.0 if backend == "reference" else 1e-5
    assert_same(_adding_up, event, rtol=rtol)


def _several_in_one_launch(parts: int) -> list[Any]:
    """The sums of a step wait, one on the other, for its one launch."""
    program = _Program()
    optimizer = torch.optim.SGD(program.model.parameters(), lr=0.1)
    for _ in range(12):
        optimizer.zero_grad()
        for part in range(parts):
            (program.model(program.x * (part + 1)) ** 2).mean().backward()
        optimizer.step()
    return program.report()


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_sums_that_wait(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert_same(_several_in_one_launch, parts)


def _tables(dense_last: bool) -> list[Any]:
    """Gradients of rows, which are left to Python, beside dense ones that are added up."""
    table = nn.Embedding(7, 3, sparse=True)
    head = nn.Linear(3, 2)
    index = torch.tensor([1, 4, 1, 6])
    log: list[Any] = []
    for i in range(24):
        loss = (head(table(index)) ** 2).mean()
        if dense_last:
            loss = loss + (table.weight.detach() * 0).sum()
        loss.backward()
        log.append(loss.item())
        if i % 3 == 2:
            log += [table.weight.grad.to_dense().numpy(), head.weight.grad.numpy().copy()]
            log.append(table.weight.grad._nnz())
            table.zero_grad()
            if i % 2:
                head.zero_grad()
    return log


@pytest.mark.parametrize("dense_last", [False, True])
def test_rows_beside_sums(dense_last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert_same(_tables, dense_last)


@pytest.mark.skipif(machine() is None, reason="this Python has no object machine to go by")
@pytest.mark.parametrize(
    "program", [lambda: _adding_up(_nothing), lambda: _tables(False)], ids=["dense", "rows"]
)
def test_known_sums_go_by_the_object_machine(
    program: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most passes find what one before them has found."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    made: list[Any] = []
    before = Recipes.make
    monkeypatch.setattr(Recipes, "make", lambda *args: made.append(args) or before(*args))
    run(program, replay=True)
    by_machine = len(made)
    made.clear()
    monkeypatch.setattr("plait.core.lazy.replay.quick_pass.quick_pass", lambda *args: None)
    run(program, replay=True)
    assert 2 * by_machine < len(made)
