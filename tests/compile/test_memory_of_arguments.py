"""Compiled functions that give their arguments other memory or another shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plait as torch


def _other_memory(x: Any) -> Any:
    x.data = torch.full((3, 2), 7.0)
    return x * 1


def _a_part(x: Any) -> Any:
    x.data = x[1:]
    x.mul_(2)
    return x * 1


def _transposed(x: Any) -> Any:
    x.t_()
    return x * 1


def _transposed_and_written(x: Any) -> Any:
    x.t_()
    x[0] = 5
    return x * 1


def _an_earlier_view(x: Any) -> Any:
    v = x[0:2]
    x.data = torch.full((3, 2), 7.0)
    return v * 1, x * 1


FUNCTIONS = (_other_memory, _a_part, _transposed, _transposed_and_written)


def _outcome(function: Callable[[Any], Any], whole: bool) -> list[Any]:
    base = torch.arange(10.0).reshape(5, 2).clone()
    given = base[:3].clone() if whole else base[1:4]
    made = function(given)
    results = made if isinstance(made, tuple) else (made,)
    return [*[x.tolist() for x in results], given.tolist(), base.tolist()]


@pytest.mark.parametrize(
    ("function", "whole"),
    [*[(f, whole) for f in FUNCTIONS for whole in (True, False)], (_an_earlier_view, True)],
)
def test_every_call_leaves_what_a_plain_one_does(
    function: Callable[[Any], Any], whole: bool
) -> None:
    compiled = torch.compile(function)
    expected = _outcome(function, whole)
    for _ in range(5):
        assert _outcome(compiled, whole) == expected
