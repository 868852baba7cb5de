"""Operands of ops: tensors in the dtype that Keras' promotion gives.

Keras promotes as JAX does: Python numbers are weak, 64-bit integers become the default float where
a float is needed. Source: `keras.src.backend.common.dtypes`.
"""

from __future__ import annotations

from typing import Any

from keras.src.backend.common.dtypes import result_type
from keras.src.backend.common.variables import standardize_dtype
from keras.src.backend.config import floatx

import plait as torch
from keras_plait.src.core import convert_to_tensor, to_plait_dtype

_NUMBERS = (bool, int, float)


def name_of(x: Any) -> str:
    """The name of a tensor's dtype."""
    return standardize_dtype(x.dtype)


def float_name(*xs: Any) -> str:
    """The float dtype in which these are computed together."""
    kinds = [_kind(x) for x in xs]
    if set(kinds) == {"int64"}:
        return floatx()
    return result_type(*kinds, float)


def _kind(x: Any) -> Any:
    dtype = getattr(x, "dtype", None)
    return type(x) if dtype is None else standardize_dtype(dtype)


def as_float(x: Any) -> Any:
    """A tensor in a float (or complex) dtype."""
    x = convert_to_tensor(x)
    if x.dtype.is_floating_point or x.dtype.is_complex:
        return x
    return x.to(to_plait_dtype(float_name(x)))


def as_integer(x: Any) -> Any:
    """A tensor that is not boolean: True and False become integers."""
    x = convert_to_tensor(x)
    return x.to(torch.int32) if x.dtype is torch.bool else x


def together(x1: Any, x2: Any, *, floating: bool = False, no_bool: bool = False) -> tuple[Any, Any]:
    """Both in their common dtype. A Python number beside a tensor stays a number."""
    x1, x2 = _readable(x1), _readable(x2)
    if _fits(x1, x2) or _fits(x2, x1):
        return x1, x2
    kinds = [_kind(x1), _kind(x2)]
    if floating and kinds != ["int64", "int64"]:
        kinds.append(float)
    name = floatx() if floating and len(kinds) == 2 else result_type(*kinds)
    if no_bool and name == "bool":
        name = "int32"
    dtype = to_plait_dtype(name)
    if isinstance(x1, _NUMBERS) and isinstance(x2, _NUMBERS):
        x1 = convert_to_tensor(x1)
    return _in(x1, dtype), _in(x2, dtype)


def _fits(x: Any, other: Any) -> bool:
    """Whether x decides the dtype: a float, beside another of its dtype or a Python number."""
    if not isinstance(x, torch.Tensor) or not x.dtype.is_floating_point:
        return False
    if isinstance(other, torch.Tensor):
        return other.dtype is x.dtype
    return True


def _readable(x: Any) -> Any:
    """A Python number, or a tensor."""
    return x if type(x) in _NUMBERS else convert_to_tensor(x)


def _in(x: Any, dtype: Any) -> Any:
    if isinstance(x, torch.Tensor):
        return x.to(dtype)
    if dtype.kind in "iu" or not isinstance(x, (int, float)):
        return convert_to_tensor(x, dtype)
    return float(x) if dtype.kind == "f" else convert_to_tensor(x, dtype)


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front; all of them for None. Raises ValueError out of range."""
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    for one in given:
        if not -ndim <= one < ndim:
            raise ValueError(f"axis {one} is out of bounds for array of dimension {ndim}")
    return tuple(int(one) % ndim for one in given)
