"""Choice by truth values, logic, bits, and tests for what is not a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from plait._functions.common import both_operands, operand, public, tensor_argument
from plait._functions.comparison import eq, ne
from plait._functions.elementwise import apply
from plait._promotion import number_dtype, promote_types, result_type
from plait._tensor import Tensor
from plait.core.functional.broadcasting import Number, elementwise
from plait.core.functional.numbers import fitting_number
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.ir.op import Op
from plait.core.ops import elementwise as prim
from plait.core.ops.source import full


@public
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where condition holds, else other; with one argument, the indices that hold."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    tensor_argument("where", "condition", condition)
    if condition.dtype.kind != "b":
        if condition.dtype is not dtypes.uint8:
            raise error(
                RuntimeError,
                f"where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{condition.dtype}",
            )
        condition = ne(condition, 0)
    input, other = operand("where", "input", input), operand("where", "other", other)
    dtype = _where_dtype(input, other)
    if isinstance(input, Number) or isinstance(other, Number):
        # 16-bit floats are made of float32, in which the number stands.
        held = dtypes.float32 if dtype.kind == "f" and dtype.itemsize == 2 else dtype
        input, other = [
            fitting_number(x, held) if isinstance(x, Number) else x for x in (input, other)
        ]
    return elementwise(prim.WHERE, (condition, input, other), (dtypes.bool_, dtype, dtype))


def _where_dtype(input: Any, other: Any) -> DType:
    if isinstance(input, Number) and isinstance(other, Number):
        return promote_types(number_dtype(input), number_dtype(other))
    return result_type(input, other)


def without_slope(value: Tensor, *sources: Any) -> Tensor:
    """`value`, a gradient of 0 flowing from it to `sources` (of shapes that broadcast to its own).

    For results that do not change with an argument, where PyTorch gives zeros and not None.
    """
    for source in sources:
        if isinstance(source, Tensor) and source.requires_grad:
            never = Tensor.of_node(full(False, value._shape, dtypes.bool_))
            value = where(never, source, value)
    return value


def _truth(value: Any) -> Any:
    if isinstance(value, Number):
        return bool(value)
    return value if value.dtype.kind == "b" else ne(value, 0)


def _logical(name: str, op: Op) -> Callable[..., Tensor]:
    def logical(input: Any, other: Any) -> Tensor:
        tensor_argument(name, "input", input)
        tensor_argument(name, "other", other)
        return apply(op, dtypes.bool_, _truth(input), _truth(other))

    logical.__name__ = name
    logical.__doc__ = f"Elementwise `{name}` of truth values."
    return public(logical, inplace=True)


logical_and = _logical("logical_and", prim.AND)
logical_or = _logical("logical_or", prim.OR)
logical_xor = _logical("logical_xor", prim.XOR)


@public(inplace=True)
def logical_not(input: Tensor) -> Tensor:
    """The negated truth value."""
    return prim.NOT(_truth(input))


def _bitwise(name: str, op: Op) -> Callable[..., Tensor]:
    def bitwise(input: Any, other: Any) -> Tensor:
        input, other = both_operands(name, input, other)
        dtype = result_type(input, other)
        if dtype.kind == "f":
            raise error(
                RuntimeError, f"{name}: '{dtype.name}' is not supported; expected integers or bool"
            )
        return apply(op, dtype, input, other)

    bitwise.__name__ = name
    bitwise.__doc__ = f"Elementwise `{name}` of integers or bools."
    return public(bitwise, inplace=True)


bitwise_and = _bitwise("bitwise_and", prim.AND)
bitwise_or = _bitwise("bitwise_or", prim.OR)
bitwise_xor = _bitwise("bitwise_xor", prim.XOR)
bitwise_left_shift = _bitwise("bitwise_left_shift", prim.SHIFT_LEFT)
bitwise_right_shift = _bitwise("bitwise_right_shift", prim.SHIFT_RIGHT)


@public(inplace=True)
def bitwise_not(input: Tensor) -> Tensor:
    """The inverted bits; of bools, the negation."""
    return prim.NOT(input)


def _float_test(name: str, op: Op, whole: bool) -> Callable[..., Tensor]:
    def test(input: Tensor) -> Tensor:
        if input.dtype.kind in "fc":
            return op(input)
        return apply(prim.EQ if whole else prim.NE, input.dtype, input, input)

    test.__name__ = name
    test.__doc__ = f"Elementwise `{name}`."
    return public(test)


isnan = _float_test("isnan", prim.ISNAN, False)
isinf = _float_test("isinf", prim.ISINF, False)
isfinite = _float_test("isfinite", prim.ISFINITE, True)


@public
def isposinf(input: Tensor) -> Tensor:
    """Whether an element is +inf."""
    return eq(input, math.inf)


@public
def isneginf(input: Tensor) -> Tensor:
    """Whether an element is -inf."""
    return eq(input, -math.inf)


@public(inplace=True)
def nan_to_num(
    input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Replace nan and the infinities by finite numbers (the dtype's extremes by default)."""
    if input.dtype.kind != "f":
        return input
    from plait._types import finfo

    limits = finfo(input.dtype)
    value = where(isnan(input), 0.0 if nan is None else nan, input)
    value = where(isposinf(input), limits.max if posinf is None else posinf, value)
    return where(isneginf(input), limits.min if neginf is None else neginf, value)
