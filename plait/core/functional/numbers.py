"""Python numbers as elements of a dtype."""

from __future__ import annotations

import math
from typing import Any

from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error

#: What messages call the types, where it is not `name_t`.
_NAMES = {
    "int32": "int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
}
#: The largest numbers of the floats that are narrower than Python's.
_MOST = {
    "float16": (2 - 2**-10) * 2.0**15,
    "bfloat16": (2 - 2**-7) * 2.0**127,
    "float32": (2 - 2**-23) * 2.0**127,
}


def number_for(value: Any, dtype: DType) -> Any:
    """A Python number as an element of a dtype: integers wrap to the width, floats to bool test."""
    kind = dtype.kind
    if kind == "b":
        return bool(value)
    if kind in "iu":
        bits = 8 * dtype.itemsize
        wrapped = int(value) & ((1 << bits) - 1)
        return wrapped - (1 << bits) if kind == "i" and wrapped >> (bits - 1) else wrapped
    return complex(value) if kind == "c" else float(value)


def fitting_number(value: Any, dtype: DType) -> Any:
    """`number_for` a value that the dtype can hold, as what writes numbers into tensors takes it.

    Fractions are cut off. Negative integers to minus the largest element are read modulo the width
    by unsigned types, and infinities and nan pass to floats. Raises RuntimeError for any other.
    """
    kind = dtype.kind
    if kind in "bc":
        return number_for(value, dtype)
    if isinstance(value, complex):
        if value.imag:
            raise _overflow(value, dtype)
        value = value.real
    if not _fits(value, dtype):
        raise _overflow(value, dtype)
    return number_for(value, dtype)


def _fits(value: Any, dtype: DType) -> bool:
    endless = isinstance(value, float) and not math.isfinite(value)
    if dtype.kind == "f":
        if endless or dtype.name not in _MOST:
            return True
        return abs(value) <= _MOST[dtype.name]
    if endless:
        return False
    bits = 8 * dtype.itemsize
    if dtype.kind == "i":
        return -(1 << (bits - 1)) <= value < 1 << (bits - 1)
    least = 0 if isinstance(value, float) else 1 - (1 << bits)
    return least <= value < 1 << bits


def _overflow(value: Any, dtype: DType) -> Exception:
    name = _NAMES.get(dtype.name, f"{dtype.name}_t")
    return error(
        RuntimeError, f"value cannot be converted to type {name} without overflow (value {value})"
    )
