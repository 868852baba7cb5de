"""PyTorch's type promotion.

Operands fall into three groups: tensors with axes, 0-d tensors, Python numbers. A lower group takes
part only where its category (bool < integer < float < complex) is above that of the higher groups.
Source: "Tensor Attributes: type promotion" in PyTorch's documentation.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error

_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


class Defaults:
    """The dtype that Python floats and float factories get."""

    float_dtype = dtypes.float32


def get_default_dtype() -> DType:
    """The dtype of floating tensors made without one."""
    return Defaults.float_dtype


def set_default_dtype(d: DType) -> None:
    """Set the dtype of floating tensors made without one. Raises TypeError for other dtypes."""
    if not isinstance(d, DType) or not d.is_floating_point:
        raise error(TypeError, f"only floating-point types are supported as the default type: {d}")
    Defaults.float_dtype = d


@cache
def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest dtype that both convert to."""
    a, b = type1, type2
    if a is b:
        return a
    if _CATEGORY[a.kind] != _CATEGORY[b.kind]:
        if _CATEGORY[a.kind] < _CATEGORY[b.kind]:
            a, b = b, a
        if a.kind == "c" and b is dtypes.float64:
            return dtypes.complex128
        return a
    if a.kind == "f":
        # float16 and bfloat16 hold neither one the other.
        return dtypes.float32 if a.itemsize == b.itemsize else max(a, b, key=lambda d: d.itemsize)
    if a.kind == b.kind:
        return max(a, b, key=lambda d: d.itemsize)
    signed, unsigned = (a, b) if a.kind == "i" else (b, a)
    if signed.itemsize > unsigned.itemsize:
        return signed
    wider = {1: dtypes.int16, 2: dtypes.int32, 4: dtypes.int64}
    return wider.get(unsigned.itemsize, dtypes.float32)


def number_dtype(value: Any) -> DType:
    """The dtype a Python number has as a tensor."""
    if isinstance(value, bool):
        return dtypes.bool_
    if isinstance(value, int):
        return dtypes.int64
    if isinstance(value, float):
        return Defaults.float_dtype
    return dtypes.complex_of(Defaults.float_dtype)


def result_type(*operands: Any) -> DType:
    """The dtype in which an operation on these tensors and Python numbers is carried out."""
    groups: list[DType | None] = [None, None, None]
    for x in operands:
        if isinstance(x, (bool, int, float, complex)):
            group, dtype = 2, number_dtype(x)
        else:
            group, dtype = (0 if x.shape else 1), x.dtype
        held = groups[group]
        groups[group] = dtype if held is None else promote_types(held, dtype)
    result = groups[0]
    for lower in groups[1:]:
        if lower is None:
            continue
        if result is None:
            result = lower
        elif _CATEGORY[lower.kind] > _CATEGORY[result.kind]:
            # A float number beside an integer tensor counts as the default float dtype already.
            result = promote_types(result, lower) if lower.kind != "c" else _complex(result, lower)
    assert result is not None
    return result


def _complex(result: DType, lower: DType) -> DType:
    return dtypes.complex_of(result) if result.is_floating_point else lower


def float_result(*operands: Any) -> DType:
    """Like `result_type`, but integers and bools become the default float dtype."""
    found = result_type(*operands)
    return found if found.kind in "fc" else Defaults.float_dtype


def can_cast(from_: DType, to: DType) -> bool:
    """Whether in-place operations may store a `from_` result in a `to` tensor."""
    return _CATEGORY[from_.kind] <= _CATEGORY[to.kind]
