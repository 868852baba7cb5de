"""Functions that pass over NaN."""

from __future__ import annotations

import math
from typing import Any

from keras.src.backend.common.dtypes import result_type
from keras.src.backend.config import floatx

import plait as torch
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from keras_plait.src.numpy import reductions
from keras_plait.src.operands import as_float, axes_of, name_of


def _filled(x: Any, value: float) -> Any:
    x = convert_to_tensor(x)
    return torch.where(torch.isnan(x), value, x) if x.dtype.is_floating_point else x


def _counted(x: Any, axis: Any, keepdims: bool) -> Any:
    return reductions.sum((~torch.isnan(x)).to(torch.int32), axis, keepdims)


def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reductions.sum(_filled(x, 0.0), axis, keepdims)


def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reductions.prod(_filled(x, 1.0), axis, keepdims)


def nancumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return reductions.cumsum(_filled(x, 0.0), axis, dtype)


def nancumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return reductions.cumprod(_filled(x, 1.0), axis, dtype)


def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _or_nan(reductions.max(_filled(x, -math.inf), axis, keepdims), x, axis, keepdims)


def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _or_nan(reductions.min(_filled(x, math.inf), axis, keepdims), x, axis, keepdims)


def _or_nan(made: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """NaN where nothing else was there."""
    x = convert_to_tensor(x)
    if not x.dtype.is_floating_point:
        return made
    return torch.where(_counted(x, axis, keepdims) == 0, math.nan, made)


def nanargmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _place(reductions.argmax, x, -math.inf, axis, keepdims)


def nanargmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _place(reductions.argmin, x, math.inf, axis, keepdims)


def _place(function: Any, x: Any, fill: float, axis: Any, keepdims: bool) -> Any:
    """-1 where there is nothing but NaN."""
    x = convert_to_tensor(x)
    found = function(_filled(x, fill), axis, keepdims)
    if not x.dtype.is_floating_point:
        return found
    return torch.where(_counted(x, axis, keepdims) == 0, -1, found)


def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_float(x)
    wide = x.to(torch.float32) if name_of(x) in ("float16", "bfloat16") else x
    made = nansum(wide, axis, keepdims) / _counted(x, axis, keepdims).to(wide.dtype)
    return made.to(x.dtype)


def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = convert_to_tensor(x)
    result = to_plait_dtype(result_type(name_of(x), float))
    wide = x.to(to_plait_dtype(result_type(name_of(x), "float32")))
    offset = wide - nanmean(wide, axes_of(axis, x.ndim), True)
    return nanmean(offset * offset, axis, keepdims).to(result)


def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return torch.sqrt(nanvar(as_float(x), axis, keepdims))


def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return nanquantile(x, 0.5, axis, keepdims=keepdims)


def nanpercentile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    return nanquantile(x, as_float(q) / 100, axis, method, keepdims)


def nanquantile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    x = convert_to_tensor(x)
    x = x.to(to_plait_dtype(floatx() if name_of(x) == "int64" else result_type(name_of(x), float)))
    return reductions.quantile_by(torch.nanquantile, x, q, axis, method, keepdims)


def nan_to_num(x: Any, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    x = convert_to_tensor(x)
    if not x.dtype.is_floating_point:
        return x
    return torch.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
