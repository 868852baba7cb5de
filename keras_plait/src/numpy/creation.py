"""Tensors from nothing: filled, ranges, grids, windows."""

from __future__ import annotations

import math
from operator import index
from typing import Any

from keras.src.backend.common.dtypes import result_type
from keras.src.backend.common.variables import standardize_dtype
from keras.src.backend.config import floatx

import plait as torch
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from keras_plait.src.operands import name_of


def _extents(shape: Any) -> tuple[int, ...]:
    return (
        tuple(int(e) for e in shape)
        if isinstance(shape, (list, tuple, torch.Size))
        else (int(shape),)
    )


def array(x: Any, dtype: Any = None) -> Any:
    return convert_to_tensor(x, dtype=dtype)


def zeros(shape: Any, dtype: Any = None) -> Any:
    return torch.zeros(_extents(shape), dtype=to_plait_dtype(dtype or floatx()))


def ones(shape: Any, dtype: Any = None) -> Any:
    return torch.ones(_extents(shape), dtype=to_plait_dtype(dtype or floatx()))


#: Memory is never seen before it is written: an empty tensor holds zeros.
empty = zeros


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    fill = convert_to_tensor(fill_value, dtype=dtype or floatx())
    return fill.expand(_extents(shape)).clone()


def zeros_like(x: Any, dtype: Any = None) -> Any:
    x = convert_to_tensor(x)
    return zeros(x.shape, dtype or x.dtype)


def ones_like(x: Any, dtype: Any = None) -> Any:
    x = convert_to_tensor(x)
    return ones(x.shape, dtype or x.dtype)


empty_like = zeros_like


def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    x = convert_to_tensor(x)
    return full(x.shape, fill_value, dtype or x.dtype)


def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on the k-th diagonal."""
    rows, columns = index(N), index(N if M is None else M)
    on = torch.arange(columns)[None, :] - k == torch.arange(rows)[:, None]
    return on.to(to_plait_dtype(dtype or floatx()))


def identity(n: int, dtype: Any = None) -> Any:
    return eye(n, dtype=dtype)


def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones at and below the k-th diagonal."""
    rows, columns = int(N), int(N if M is None else M)
    below = torch.arange(columns)[None, :] - k <= torch.arange(rows)[:, None]
    return below.to(to_plait_dtype(dtype or floatx()))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    given = [x for x in (start, stop, step) if x is not None]
    if dtype is None:
        dtype = result_type(*[getattr(x, "dtype", type(x)) for x in given])
    values = [x.item() if hasattr(x, "item") else x for x in (start, stop, step)]
    first, last, step = values[0], values[1], 1 if values[2] is None else values[2]
    if last is None:
        first, last = 0, first
    wanted = to_plait_dtype(dtype)
    if wanted.is_floating_point or wanted in (torch.int32, torch.int64):
        return torch.arange(first, last, step, dtype=wanted)
    return torch.arange(first, last, step).to(wanted)


def _ends(start: Any, stop: Any, dtype: Any) -> tuple[Any, Any, str, str]:
    """Both ends in the dtype of computation; its name, and that of the result."""
    kinds = [getattr(x, "dtype", type(x)) for x in (start, stop)]
    if any(isinstance(x, (list, tuple)) for x in (start, stop)):
        kinds = [convert_to_tensor(x).dtype for x in (start, stop)]
    computed = floatx() if kinds == ["int64"] * 2 else result_type(*kinds, float)
    computed = floatx() if computed == "int64" else computed
    wanted = standardize_dtype(dtype) if dtype is not None else computed
    if wanted == "float64":  # which Keras' promotion never gives
        computed = wanted
    start = convert_to_tensor(start, dtype=computed)
    stop = convert_to_tensor(stop, dtype=computed)
    return start, stop, computed, wanted


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` numbers from `start` to `stop` in equal steps, along a new axis."""
    start, stop, computed, wanted = _ends(start, stop, dtype)
    if num < 0:
        raise ValueError(f"`num` must be a non-negative integer. Received: num={num}")
    parts = num - 1 if endpoint else num
    step = (stop - start) / parts if parts > 0 else (stop - start) * math.nan
    start, stop = torch.broadcast_tensors(start, stop)
    part = torch.arange(num, dtype=to_plait_dtype(computed))
    part = (part / parts if parts > 0 else part).reshape(-1, *[1] * start.ndim)
    made = start * (1 - part) + stop * part
    if endpoint and num > 1:  # the last is `stop` itself, whatever rounding does
        made = torch.cat([made[:-1], stop[None]])
    made = made.movedim(0, axis if axis >= 0 else axis + made.ndim)
    if not to_plait_dtype(wanted).is_floating_point:
        made = torch.floor(made)
    made = made.to(to_plait_dtype(wanted))
    return (made, step) if retstep else made


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    _, _, computed, wanted = _ends(start, stop, dtype)
    powers = linspace(start, stop, num, endpoint, dtype=computed, axis=axis)
    base = convert_to_tensor(base, dtype=computed)
    return torch.pow(base, powers).to(to_plait_dtype(wanted))


def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` numbers from `start` to `stop`, each the same multiple of the one before."""
    start, stop, _, wanted = _ends(start, stop, dtype)
    sign = torch.sign(start)
    powers = linspace(
        torch.log10(torch.abs(start)), torch.log10(torch.abs(stop)), num, endpoint, axis=axis
    )
    made = sign * torch.pow(torch.full((), 10.0, dtype=powers.dtype), powers)
    return made.to(to_plait_dtype(wanted))


def meshgrid(*x: Any, indexing: str = "xy") -> list[Any]:
    if indexing not in ("xy", "ij"):
        raise ValueError(
            f"Valid values for `indexing` are 'xy' and 'ij', but received {indexing!r}"
        )
    flat = [convert_to_tensor(one).reshape(-1) for one in x]
    return list(torch.meshgrid(*flat, indexing=indexing))


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Columns of powers of x (n,)."""
    x = convert_to_tensor(x)
    kind = result_type(name_of(x), "int32") if x.dtype is torch.bool else name_of(x)
    x = x.to(to_plait_dtype(kind))
    columns = x.shape[0] if N is None else N
    powers = torch.arange(columns)
    if not increasing:
        powers = torch.flip(powers, (0,))
    return torch.pow(x[:, None], powers[None, :].to(x.dtype))


# -- windows ---------------------------------------------------------------------------------------


def _window(make: Any, x: Any, **options: Any) -> Any:
    dtype = to_plait_dtype(floatx())
    return make(int(convert_to_tensor(x)), periodic=False, dtype=dtype, **options)


def bartlett(x: Any) -> Any:
    """The triangular window of x points."""
    return _window(torch.bartlett_window, x)


def hamming(x: Any) -> Any:
    return _window(torch.hamming_window, x)


def hanning(x: Any) -> Any:
    return _window(torch.hann_window, x)


def blackman(x: Any) -> Any:
    return _window(torch.blackman_window, x)


def kaiser(x: Any, beta: Any) -> Any:
    """The Kaiser window of x points."""
    return _window(torch.kaiser_window, x, beta=float(convert_to_tensor(beta)))
