"""Faults found when a value is read: the recording line is named, and state is as it was.

A label or an index that is itself a pending result cannot be checked when it is recorded. What such
a fault leaves behind must be what it would leave had the op raised at its own line: the same step
with labels that are known at once says what that is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import plait as torch
from plait import nn
from plait.nn import functional as F

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9),
    "adam": lambda params: torch.optim.Adam(params, lr=0.1),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.1, amsgrad=True),
    "rmsprop": lambda params: torch.optim.RMSprop(params, lr=0.1),
    "adagrad": lambda params: torch.optim.Adagrad(params, lr=0.1),
    "adadelta": lambda params: torch.optim.Adadelta(params, lr=0.1),
}


def here() -> str:
    """`FILE:LINE in FUNCTION` of the caller."""
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def pending_labels() -> Any:
    """Labels 0, 5, 10, 15 that are not computed yet; 10 classes do not have the last two."""
    return torch.arange(4) * 5


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """One executor: with `auto`, the second of two equal programs may run on another one."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")


def bits(value: Any) -> Any:
    """The value with each tensor as its bytes, to be compared exactly."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy().tobytes()
    if isinstance(value, dict):
        return {str(key): bits(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [bits(part) for part in value]
    return value


class Training:
    """A network with running statistics and dropout, its optimizer, and one batch."""

    def __init__(self, optimizer: str) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 10)
        )
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.batch = torch.randn(4, 6)
        self.after: Any = None
        self.next_loss = 0.0

    def step(self, labels: Any, read_loss: bool = False, clip: bool = False) -> float:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(self.batch), labels)
        if read_loss:
            loss.item()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()

    def learned(self) -> Any:
        """Parameters and optimizer state, exactly."""
        return bits([list(self.model.parameters()), self.optimizer.state_dict()])

    def all_state(self) -> Any:
        """Everything that outlives a step, the random state too."""
        return self.learned(), bits(self.model.state_dict()), bits(torch.get_rng_state())


# -- where it happened ------------------------------------------------------------------------


def test_label_fault_names_the_line_of_the_loss():
    loss, line = F.cross_entropy(torch.zeros(4, 10), pending_labels()), here()
    with pytest.raises(IndexError, match="Target 10 is out of bounds") as caught:
        loss.item()
    assert str(caught.value).endswith(f"\n  at {line}")
    assert "cross_entropy: labels of shape [4]" in str(caught.value)


LATE = {
    "embedding": (lambda i: F.embedding(i, torch.ones(4, 2)), IndexError),
    "indexing": (lambda i: torch.ones(4, 2)[i], IndexError),
    "gather": (lambda i: torch.ones(4).gather(0, i), RuntimeError),
    "scatter_add": (lambda i: torch.zeros(4).scatter_add(0, i, torch.ones(4)), RuntimeError),
    "index_select": (lambda i: torch.ones(4, 2).index_select(0, i), IndexError),
    "index_add": (lambda i: torch.zeros(4).index_add(0, i, torch.ones(4)), IndexError),
    "one_hot": (lambda i: F.one_hot(i, 4), RuntimeError),
    "ZeroDivisionError": (lambda i: i // i, RuntimeError),
}


@pytest.mark.parametrize("name", LATE)
def test_index_fault_names_op_and_recording_line(name: str):
    act, kind = LATE[name]
    index = pending_labels()
    result = act(index)
    line = f"{__file__}:{act.__code__.co_firstlineno} in <lambda>"
    with pytest.raises(kind) as caught:
        result.sum().tolist()
    assert name in str(caught.value)
    assert str(caught.value).endswith(f"\n  at {line}")


def looked_up_here(index: Any) -> Any:
    return F.embedding(index, torch.ones(4, 2))


def looked_up_there(index: Any) -> Any:
    return F.embedding(index, torch.ones(4, 2))


def in_a_branch(look_up: Any) -> Any:
    def branch(index: Any) -> Any:
        return look_up(index).sum()

    return lambda index: torch.cond(index.sum() > -1, branch, branch, (index,))


@pytest.mark.parametrize("around", [lambda look_up: look_up, in_a_branch], ids=["plain", "cond"])
@pytest.mark.parametrize("known", [1, 4])
def test_a_known_program_names_the_line_of_who_runs_it(
    known: int, around: Any, monkeypatch: pytest.MonkeyPatch
):
    """Both compute the same, so that one program serves both."""
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    for _ in range(known):
        around(looked_up_here)(torch.tensor([0, 1, 2, 3]) * 1).sum().item()
    for look_up in (looked_up_there, looked_up_here):
        with pytest.raises(IndexError) as caught:
            around(look_up)(torch.tensor([0, 1, 2, 4]) * 1).sum().item()
        assert str(caught.value).endswith(f" in {look_up.__name__}")


def test_fault_is_raised_again_and_its_neighbours_still_compute():
    x = torch.arange(4) * 2
    good, bad = x + 1, torch.ones(4)[x]
    for _ in range(2):
        with pytest.raises(IndexError, match="index 4 is out of bounds"):
            bad.sum().item()
    assert good.tolist() == [1, 3, 5, 7]


# -- what it leaves ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"read_loss": True}, {"clip": True}], ids=str)
@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_failing_step_changes_nothing_that_was_learned(optimizer, steps_before, how):
    late, known = Training(optimizer), Training(optimizer)
    good = torch.tensor([1, 2, 3, 4])
    for training in (late, known):
        torch.manual_seed(1)
        for _ in range(steps_before):
            training.step(good, **how)
        before = training.learned()
        labels = pending_labels()
        if training is known:
            labels = torch.tensor(labels.tolist())
        with pytest.raises(IndexError, match="Target 10"):
            training.step(labels, **how)
        assert training.learned() == before
        training.after = training.all_state()
        training.next_loss = training.step(good, **how)
    assert late.after == known.after
    assert late.next_loss == known.next_loss


def test_running_statistics_are_untouched_by_a_fault_before_them():
    table, norm = nn.Embedding(4, 3), nn.BatchNorm1d(3)
    norm(torch.randn(5, 3))
    before = bits(norm.state_dict())
    out = norm(table(pending_labels()))
    with pytest.raises(IndexError, match="embedding"):
        out.sum().item()
    assert bits(norm.state_dict()) == before
    norm(table(torch.tensor([0, 1, 2, 3])))
    assert bits(norm.state_dict())["num_batches_tracked"] == bits(torch.tensor(2))


@pytest.mark.plain
def test_write_after_the_fault_is_undone_and_one_before_stays():
    first, second = torch.tensor([0, 0]), torch.tensor([0, 0])
    first.add_(1)
    bad = torch.ones(4)[pending_labels()]
    second.add_(1)
    with pytest.raises(IndexError):
        bad.sum().item()
    assert first.tolist() == [1, 1]
    assert second.tolist() == [0, 0]


def test_write_of_a_failing_value_is_undone():
    x = torch.zeros(4)
    x.add_(1).tolist()
    x.copy_(torch.ones(4)[pending_labels()])
    with pytest.raises(IndexError):
        x.tolist()
    assert x.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("in_part", [False, True])
def test_writes_that_were_computed_with_something_else_stay(in_part: bool):
    x = torch.zeros(4).add(1)
    x.tolist()
    other = torch.zeros(4)
    seen = other.numpy()
    x.add_(1)
    other.copy_(x * 2)  # at once, as NumPy sees it, and what it is made of as well
    assert seen.tolist() == [4, 4, 4, 4]
    if in_part:
        x[0] = torch.tensor(9.0)
    x.add_(torch.ones(4).index_select(0, pending_labels()))
    with pytest.raises(IndexError):
        x.tolist()
    assert x.tolist() == [9 if in_part else 2, 2, 2, 2]


def test_immediate_errors_leave_the_tensor_as_it_was():
    x = torch.arange(4.0)
    version = x._version
    for act in (
        lambda: x.add_(torch.ones(3)),
        lambda: x.copy_(torch.ones(5)),
        lambda: x.scatter_(0, torch.tensor([4]), torch.ones(1)),
        lambda: x.__setitem__(4, 1.0),
        lambda: x.view(3),
        lambda: x.uniform_(1, 0),
    ):
        with pytest.raises((RuntimeError, IndexError)):
            act()
    assert x.tolist() == [0, 1, 2, 3]
    assert x._version == version


def test_refused_state_dict_of_an_optimizer_changes_nothing():
    weight = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.5)
    weight.sum().backward()
    optimizer.step()
    before = bits(optimizer.state_dict())
    other = torch.optim.Adam([torch.ones(2, requires_grad=True) for _ in range(2)])
    with pytest.raises(ValueError, match="doesn't match the size"):
        optimizer.load_state_dict(other.state_dict())
    assert bits(optimizer.state_dict()) == before


@pytest.mark.parametrize("known", [0, 4])
@pytest.mark.parametrize("faults", [1, 2])
def test_a_step_that_is_known_fails_as_one_that_is_not(known: int, faults: int):
    """What was recorded on the way that is known comes before what was recorded off it."""
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(8)
    model = nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])

    def step(labels: Any) -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    for _ in range(known):
        step(labels)
    before = bits(model[0].weight)
    for _ in range(faults):
        with pytest.raises(IndexError):
            step(torch.full((5,), 7))
    # The forward pass has been gone through, the update has not.
    assert bits(norm.num_batches_tracked) == bits(torch.tensor(known + faults))
    assert bits(model[0].weight) == before


@pytest.mark.plain
def test_a_write_before_a_run_stays_where_the_run_takes_its_nodes_in():
    """A node that waited before a run has a place in the run too, behind its own."""
    buffer, table, ones = torch.zeros(3), torch.randn(4, 2), torch.ones(2)

    def turn(start: int) -> None:
        rows = F.embedding(torch.tensor([0, 1]) + start, table)
        (rows * 2).tolist()

    for count in range(1, 25):
        buffer.add_(1)
        if count > 13:
            for k in range(count - 13):
                ones * k  # what is not read leads off the way that is known
        torch.compile(lambda x: x * 2)(ones)  # ends the run without a launch
        if count in (13, 24):
            with pytest.raises(IndexError):
                turn(3)
        else:
            turn(1)
    assert buffer.tolist() == [24, 24, 24]
