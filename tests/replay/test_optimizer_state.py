"""Optimizer state that a program takes away, moves or replaces between steps that repeat."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

import plait as torch
from plait import nn, optim
from tests.replay.twice import assert_same


def _one(optimizer: Any, param: Any) -> None:
    optimizer.state.pop(param)


def _all(optimizer: Any, param: Any) -> None:
    optimizer.state.clear()


def _empty(optimizer: Any, param: Any) -> None:
    optimizer.state[param] = {}


def _copied(optimizer: Any, param: Any) -> None:
    optimizer.state[param] = deepcopy(optimizer.state[param])


def _exchanged(optimizer: Any, param: Any) -> None:
    state, other = optimizer.state, optimizer.param_groups[0]["params"][-1]
    state[other], state[param] = state[param], state[other]


def _loaded(optimizer: Any, param: Any) -> None:
    saved = deepcopy(optimizer.state_dict())
    del saved["state"][0]
    optimizer.load_state_dict(saved)


_CHANGES: list[Callable[[Any, Any], None]] = [_one, _all, _empty, _copied, _exchanged, _loaded]
_RULES: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
    "adam": lambda params: optim.Adam(params, lr=0.1),
}


def _training(change: Callable[[Any, Any], None], rule: str, steps: int = 24) -> list[Any]:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4))
    optimizer = _RULES[rule](model.parameters())
    x, log = torch.randn(5, 3), []
    for i in range(steps):
        if i in (9, 16, 17):
            change(optimizer, model[0].bias)
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()
        # Copies: a step whose values NumPy can read is not repeated.
        log += [p.detach().clone().numpy() for p in model.parameters()]
        log += [value.clone().numpy() for p in model.parameters() for value in _held(optimizer, p)]
    return log


def _held(optimizer: Any, param: Any) -> list[Any]:
    state = optimizer.state[param]
    return [state[name].detach() for name in sorted(state)]


@pytest.mark.parametrize("rule", _RULES)
@pytest.mark.parametrize("change", _CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_changed_state_counts_at_once(
    change: Callable[[Any, Any], None], rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert_same(_training, change, rule)


def _sparse(rule: Callable[[Any], Any]) -> list[Any]:
    table, log = nn.Embedding(9, 3, sparse=True), []
    optimizer = rule(table.parameters())
    for i in range(20):
        optimizer.zero_grad()
        ordered = i % 16 < 10
        (table(torch.tensor([1, 2, 5] if ordered else [5, 2, 5])) ** 2).sum().backward()
        if ordered:
            table.weight.grad = table.weight.grad.coalesce()
        optimizer.step()
        log.append(table.weight.detach().clone().numpy())
    return log


@pytest.mark.parametrize("rule", [optim.SparseAdam, optim.Adagrad])
def test_rows_that_are_in_order_are_another_kind_of_gradient(
    rule: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read as they are; others are put in order first."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert_same(_sparse, rule)


def _sharing(rule: str) -> list[Any]:
    """Two parameters have one memory at times: they are updated one after the other."""
    first, second = [nn.Parameter(torch.ones(3)) for _ in range(2)]
    optimizer, log = _RULES[rule]([first, second]), []
    for i in range(28):
        if i in (0, 12):
            second.data = first.data
        elif i in (6, 20):
            second.data = second.data.clone()
        optimizer.zero_grad()
        x = torch.arange(3.0) + i
        (first * x + second * x.cos()).sum().backward()
        before = first.detach().clone()
        optimizer.step()
        log += [p.detach().clone().numpy() for p in (first, second)]
        if rule == "sgd" and i == 0:
            moved = 0.1 * (x + x.cos())
            torch.testing.assert_close(before - first.detach(), moved)
    return log


@pytest.mark.parametrize("rule", _RULES)
def test_parameters_that_share_memory(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert_same(_sharing, rule)
