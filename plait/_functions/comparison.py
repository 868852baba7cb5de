"""Comparisons of elements, and of whole tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._functions.common import public, tensor_argument
from plait._functions.elementwise import promoted
from plait._tensor import Tensor
from plait.core.functional.broadcasting import Number
from plait.core.ir.op import Op
from plait.core.ops import elementwise as prim


def _comparison(name: str, op: Op, aliases: tuple[str, ...] = ()) -> Callable[..., Tensor]:
    def compare(input: Any, other: Any) -> Tensor:
        if isinstance(input, Number):
            tensor_argument(name, "input", input)
        return promoted(op, input, other)

    compare.__name__ = name
    compare.__doc__ = f"Elementwise `{name}`, in the operands' common dtype; bool result."
    return public(compare, inplace=True, names=aliases)


eq = _comparison("eq", prim.EQ)
ne = _comparison("ne", prim.NE, ("not_equal",))
lt = _comparison("lt", prim.LT, ("less",))
le = _comparison("le", prim.LE, ("less_equal",))
gt = _comparison("gt", prim.GT, ("greater",))
ge = _comparison("ge", prim.GE, ("greater_equal",))


@public
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and values."""
    tensor_argument("equal", "other", other)
    if input.shape != other.shape:
        return False
    return bool(eq(input, other).all().item())
