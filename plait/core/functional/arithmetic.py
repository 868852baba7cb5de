"""Arithmetic on values of one dtype, with broadcasting and Python numbers: the words of formulas.

Each function takes tensors or nodes of one dtype, and Python numbers in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.functional.broadcasting import Number, elementwise, same_dtype
from plait.core.ir import dtypes
from plait.core.ir.op import Op
from plait.core.ops import elementwise as prim
from plait.core.ops.elementwise import cast
from plait.core.ops.reduce import MAX, MEAN, SUM
from plait.core.ops.rows import widen
from plait.core.ops.view import reshape


def _binary(op: Op) -> Callable[[Any, Any], Any]:
    def function(a: Any, b: Any) -> Any:
        return same_dtype(op, a, b)

    function.__name__ = op.name
    function.__doc__ = f"Elementwise `{op.name}`."
    return function


add = _binary(prim.ADD)
sub = _binary(prim.SUB)
mul = _binary(prim.MUL)
div = _binary(prim.DIV)
power = _binary(prim.POW)
maximum = _binary(prim.MAXIMUM)
minimum = _binary(prim.MINIMUM)
equal = _binary(prim.EQ)
differs = _binary(prim.NE)
less = _binary(prim.LT)
at_most = _binary(prim.LE)
greater = _binary(prim.GT)
at_least = _binary(prim.GE)
both = _binary(prim.AND)


def where(condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b."""
    dtype = next(x.dtype for x in (a, b) if not isinstance(x, Number))
    return elementwise(prim.WHERE, (condition, a, b), (dtypes.bool_, dtype, dtype))


def positive_part(x: Any) -> Any:
    """max(x, 0) whose slope at 0 is 1, as that of PyTorch's `clamp_min`."""
    return where(less(x, 0), 0, x)


def within(x: Any, low: float, high: float) -> Any:
    """x limited to [low, high]; the slope at the limits and beyond is 0; nan stays."""
    return where(at_most(x, low), low, where(at_least(x, high), high, x))


def square(x: Any) -> Any:
    """x * x."""
    return prim.MUL(x, x)


def _without(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def _folded(op: Op, x: Any, axes: tuple[int, ...] | None, keep: bool) -> Any:
    axes = tuple(range(len(x.shape))) if axes is None else axes
    made = op(x, axes=axes) if axes else x
    return made if keep else reshape(made, _without(x.shape, axes))


def total(x: Any, axes: tuple[int, ...] | None = None, keep: bool = False) -> Any:
    """The sum over axes (sorted, non-negative; None: all), which `keep` leaves with extent 1."""
    return _folded(SUM, x, axes, keep)


def average(x: Any, axes: tuple[int, ...] | None = None, keep: bool = False) -> Any:
    """The mean over axes; see `total`."""
    return _folded(MEAN, x, axes, keep)


def largest(x: Any, axes: tuple[int, ...] | None = None, keep: bool = False) -> Any:
    """The maximum over axes; see `total`."""
    return _folded(MAX, x, axes, keep)


def rounded_once(formula: Callable[..., Any], *values: Any) -> Any:
    """formula(*values) in float32 for 16-bit floats, rounded to their dtype at the end."""
    return cast(formula(*[widen(x) for x in values]), values[0].dtype)
