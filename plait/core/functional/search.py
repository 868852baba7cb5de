"""Binary search in sorted values, as recorded ops: nothing is computed here."""

from __future__ import annotations

from typing import Any

from plait.core.ir import dtypes
from plait.core.ops.elementwise import ADD, AND, GE, GT, LT, MINIMUM, NOT, SHIFT_RIGHT, WHERE
from plait.core.ops.index import GATHER, TAKE
from plait.core.ops.source import full


def searchsorted(boundaries: Any, values: Any, right: bool) -> Any:
    """Where each value would be inserted to keep the boundaries sorted: int64, shaped as values.

    boundaries: (n,), or (*batch, n) with the batch axes of values (*batch, m). Not `right`: before
    equal boundaries; `right`: after them. nan goes to the end.
    """
    size = boundaries.shape[-1]
    shape = values.shape

    def number(value: int) -> Any:
        return full(value, shape, dtypes.int64)

    low: Any = number(0)
    if size == 0:
        return low
    high: Any = number(size)
    last = number(size - 1)
    flat = len(boundaries.shape) == 1
    for _ in range(size.bit_length()):
        middle = SHIFT_RIGHT(ADD(low, high), number(1))
        place = MINIMUM(middle, last)
        if flat:
            found = TAKE(boundaries, place, axis=0)
        else:
            found = GATHER(boundaries, place, axis=len(shape) - 1)
        # A bound is passed unless it is known to be beyond the value: nan passes all.
        passed = NOT((GT if right else GE)(found, values))
        passed = AND(passed, LT(low, high))
        low, high = (
            WHERE(passed, ADD(middle, number(1)), low),
            WHERE(passed, high, MINIMUM(middle, high)),
        )
    return low
