"""Compiled functions that write to an argument whose elements share memory: as PyTorch's eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plait


def _all(x: Any) -> Any:
    x.add_(1)
    return x * 1


def _a_row(x: Any) -> Any:
    row = x[0]
    before = x.sum() + row.sum()
    row.add_(1)
    return before, row * 1, x * 1, x.sum()


def _an_item(x: Any) -> Any:
    x[1, 1] = 9.0
    return x * 1


def _filled(x: Any) -> Any:
    x.fill_(3)
    return x.sum()


def _read(x: Any) -> Any:
    return x * 2


VIEWS: dict[str, Callable[[Any], Any]] = {
    "expanded": lambda base: base.expand(3, 2),
    "part of it": lambda base: base.expand(4, 2)[1:],
    "windows": lambda base: base.repeat(2).unfold(0, 2, 1),
    "strides": lambda base: base.as_strided((2, 2), (0, 1)),
}


def _outcome(module: Any, function: Callable[[Any], Any], view: Callable[[Any], Any]) -> Any:
    base = module.tensor([1.0, 2.0])
    given = view(base)
    try:
        made = function(given)
        results: Any = [x.tolist() for x in (made if isinstance(made, tuple) else (made,))]
    except RuntimeError as fault:
        results = type(fault), str(fault).split(". ")[0]
    return results, given.tolist(), base.tolist()


@pytest.mark.parametrize("function", [_all, _a_row, _an_item, _filled, _read])
@pytest.mark.parametrize("view", VIEWS)
def test_each_call_is_as_eager_in_pytorch(view: str, function: Callable[[Any], Any]) -> None:
    if function is _all and view == "windows":
        return  # PyTorch's depend on the order in which it goes through the elements
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    expected = _outcome(torch, function, VIEWS[view])
    assert _outcome(plait, function, VIEWS[view]) == expected
    compiled = plait.compile(function)
    for _ in range(4):
        assert _outcome(plait, compiled, VIEWS[view]) == expected


@pytest.mark.parametrize("function", [_all, _filled])
def test_between_calls_with_memory_of_its_own(function: Callable[[Any], Any]) -> None:
    compiled = plait.compile(function)
    for view in [lambda base: base.repeat(3, 1)] * 4 + [VIEWS["expanded"]] * 2:
        assert _outcome(plait, compiled, view) == _outcome(plait, function, view)


def test_what_stands_in_the_way_is_named() -> None:
    step = plait.compile(_filled, fullgraph=True)
    with pytest.raises(Exception, match="an argument whose elements share memory is written"):
        step(plait.zeros(2).expand(3, 2))
