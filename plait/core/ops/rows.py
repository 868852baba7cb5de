"""Small helpers of the composites that work row by row."""

from __future__ import annotations

from typing import Any

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ops.elementwise import MUL, SUB, cast
from plait.core.ops.reduce import MEAN, SUM
from plait.core.ops.source import constant
from plait.core.ops.view import broadcast


def wide_of(dtype: DType) -> DType:
    """The dtype that a composite computes in: float32 for the 16-bit floats, else its own."""
    return dtypes.float32 if dtype.is_half else dtype


def widen(x: Any) -> Any:
    """`x` in the dtype that composites compute in, so that a 16-bit result is rounded once."""
    return cast(x, wide_of(x.dtype))


def spread(x: Any, like: Any) -> Any:
    """`x` repeated to the shape of `like`."""
    return broadcast(x, like.shape)


def times(x: Any, rows: Any) -> Any:
    """x * rows, with `rows` repeated to the shape of `x`."""
    return MUL(x, spread(rows, x))


def minus(x: Any, rows: Any) -> Any:
    """x - rows, with `rows` repeated to the shape of `x`."""
    return SUB(x, spread(rows, x))


def centred(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """(x - mean, mean, biased variance) over `axes`, which stay with extent 1."""
    mean = MEAN(x, axes=axes)
    rest = minus(x, mean)
    return rest, mean, MEAN(MUL(rest, rest), axes=axes)


def plus_number(x: Any, number: float) -> Any:
    """x + number."""
    return SUB(x, constant(-number, x))


def row_sum(x: Any, y: Any, axes: tuple[int, ...]) -> Any:
    """The sum of x * y over `axes`."""
    return SUM(MUL(x, y), axes=axes)
