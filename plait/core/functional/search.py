"""Binary search in sorted values, as recorded ops: nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.ir import dtypes
from plait.core.ops.elementwise import ADD, AND, GE, GT, LT, MINIMUM, NOT, SHIFT_RIGHT, WHERE
from plait.core.ops.index import GATHER, TAKE
from plait.core.ops.source import full


def searchsorted(boundaries: Any, values: Any, right: bool) -> Any:
    """Where each value would be inserted to keep the boundaries sorted: int64, shaped as values.

    boundaries: (n,), or (*batch, n) with the batch axes of values (*batch, m), n > 0. Not `right`:
    before equal boundaries; `right`: after them. nan goes to the end.
    """
    beyond = GT if right else GE
    # A bound is passed unless it is known to be beyond the value: nan passes all.
    return _bisect(boundaries, values, lambda found: NOT(beyond(found, values)))


def first_equal(line: Any, values: Any) -> Any:
    """The first place in a sorted line (n,) that holds each value, if any does; at most n.

    nan, which sorts last, equals nothing and does not disturb the search for numbers.
    """
    return _bisect(line, values, lambda found: LT(found, values))


def _bisect(boundaries: Any, values: Any, passes: Callable[[Any], Any]) -> Any:
    """The number of boundaries that pass, of which none comes after one that does not."""
    size = boundaries.shape[-1]
    shape = values.shape

    def number(value: int) -> Any:
        return full(value, shape, dtypes.int64)

    low: Any = number(0)
    high: Any = number(size)
    last, one = number(size - 1), number(1)
    flat = len(boundaries.shape) == 1
    for _ in range(size.bit_length()):
        middle = SHIFT_RIGHT(ADD(low, high), one)
        place = MINIMUM(middle, last)
        if flat:
            found = TAKE(boundaries, place, axis=0)
        else:
            found = GATHER(boundaries, place, axis=len(shape) - 1)
        passed = AND(passes(found), LT(low, high))
        low = WHERE(passed, ADD(middle, one), low)
        high = WHERE(passed, high, middle)
    return low
