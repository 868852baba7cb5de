"""A native training step that meets a bad index: the user's words, and nothing has changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import plait as torch
from plait import nn
from plait.nn import functional as F
from tests.compile.test_steps import assert_equal, programs

ROWS, CLASSES = 7, 4


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of this folder's fixture: everything is compiled."""
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")


class Net(nn.Module):
    """An embedding, batch norm (whose statistics are written) and dropout (which draws)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(ROWS, 6)
        self.norm = nn.BatchNorm1d(6)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(6, CLASSES)

    def forward(self, ids: Any) -> Any:
        return self.out(self.drop(torch.relu(self.norm(self.table(ids)))))


def _embedding(model: Net, ids: Any, labels: Any) -> Any:
    return F.cross_entropy(model(ids), labels % CLASSES)


def _cross_entropy(model: Net, ids: Any, labels: Any) -> Any:
    return F.cross_entropy(model(ids % ROWS), labels)


def _gather(model: Net, ids: Any, labels: Any) -> Any:
    return -F.log_softmax(model(ids % ROWS), 1).gather(1, labels[:, None]).mean()


def _scatter(model: Net, ids: Any, labels: Any) -> Any:
    logits = model(ids % ROWS)
    wanted = torch.zeros(*logits.shape).scatter(1, labels[:, None], 1.0)
    return ((logits - wanted) ** 2).mean()


def _index(model: Net, ids: Any, labels: Any) -> Any:
    rows = model(ids % ROWS)
    return rows[labels].square().mean()


#: The loss; the argument that it checks, and bad values for it; the exception's type (PyTorch's for
#: that function) and words.
Fault = tuple[Callable[[Net, Any, Any], Any], str, tuple[int, ...], type[Exception], str]
FAULTS: dict[str, Fault] = {
    "embedding": (_embedding, "ids", (ROWS, -1), IndexError, "index out of range in self"),
    "cross_entropy": (
        _cross_entropy,
        "labels",
        (CLASSES, -1),
        IndexError,
        "Target {} is out of bounds",
    ),
    "gather": (
        _gather,
        "labels",
        (CLASSES, -1),
        RuntimeError,
        "index {} is out of bounds for dimension 1",
    ),
    "scatter": (
        _scatter,
        "labels",
        (CLASSES, -1),
        RuntimeError,
        "index {} is out of bounds for dimension 1",
    ),
    "index": (
        _index,
        "labels",
        (9, -10),
        IndexError,
        "index {} is out of bounds for dimension 0 with size 9",
    ),
}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
}


def state_of(model: nn.Module, optimizer: Any) -> Any:
    """All that a step may change."""
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    return copy.deepcopy(
        (dict(model.state_dict()), optimizer.state_dict(), grads, torch.get_rng_state())
    )


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_has_changed(name: str, kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "momentum":
        request.getfixturevalue("blocks_for_all")
    loss_of, place, values, kind_of_fault, words = FAULTS[name]
    torch.manual_seed(0)
    model = Net()
    optimizer = OPTIMIZERS[kind](model.parameters())

    def plain(ids: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model, ids, labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = torch.compile(plain)
    good = {"ids": torch.arange(9) % ROWS, "labels": torch.arange(9) % CLASSES}
    for _ in range(3):
        step(**good)
    assert programs(step) == 1
    for value in values:
        bad = {key: tensor.clone() for key, tensor in good.items()}
        bad[place][5] = value
        before = state_of(model, optimizer)
        with pytest.raises(kind_of_fault, match=words.format(value)):
            step(**bad)
        assert_equal(state_of(model, optimizer), before)
        step(**good)
        changed = state_of(model, optimizer)
        assert not torch.equal(changed[0]["out.weight"], before[0]["out.weight"])
    assert programs(step) == 1
