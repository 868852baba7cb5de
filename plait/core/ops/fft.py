"""Discrete Fourier transforms, through NumPy's pocketfft.

A transform is a symmetric matrix: the gradient of `fft` is `fft`. That of `rfft` reads its bins as
the first of a whole transform; that of `irfft` counts twice the bins that stand for two.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import complex_of, real_of
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.complex_parts import CONJ
from plait.core.ops.elementwise import ADD, EQ, MUL, OR, WHERE, cast
from plait.core.ops.source import ARANGE, constant
from plait.core.ops.view import PAD, broadcast, reshape

Norm = Literal["backward", "ortho", "forward"]
_NORMS = ("backward", "ortho", "forward")
_REALS = (dtypes.float32, dtypes.float64)


def _require(name: str, x: Any, axes: tuple[int, ...], norm: Norm, kinds: tuple[Any, ...]) -> None:
    if x.dtype not in kinds:
        wanted = ", ".join(d.name for d in kinds)
        raise DTypeError(f"{name}: dtype {x.dtype.name} is not supported; expected {wanted}")
    if norm not in _NORMS:
        raise ValueError(f"{name}: norm {norm!r} is not one of {', '.join(_NORMS)}")
    if not axes or len(set(axes)) != len(axes) or any(not 0 <= a < len(x.shape) for a in axes):
        raise ShapeError(f"{name}: axes {axes} do not fit a shape of {list(x.shape)}")
    if any(x.shape[a] == 0 for a in axes):
        raise ShapeError(f"{name}: no transform of extent 0, received shape {list(x.shape)}")


def _flops(x: Any, **attrs: Any) -> int:
    """The usual count for a transform by halves: 5 n log2 n, n all elements."""
    n = elements(x.shape)
    return 5 * n * math.ceil(math.log2(max(2, n)))


def _infer_fft(x: Any, *, axes: tuple[int, ...], inverse: bool, norm: Norm) -> tuple[Any, Any]:
    """The complex transform along `axes`, or its inverse; complex in and out."""
    _require("fft", x, axes, norm, dtypes.COMPLEX)
    return x.shape, x.dtype


def _fft(x: np.ndarray, *, axes: tuple[int, ...], inverse: bool, norm: Norm) -> np.ndarray:
    return (np.fft.ifftn if inverse else np.fft.fftn)(x, axes=axes, norm=norm)


FFT = Op(
    "fft",
    infer=_infer_fft,
    lowering=Lowering.OPAQUE,
    reference=_fft,
    vjp=lambda g, y, x, **attrs: FFT(g, **attrs),
    flops=_flops,
    dtypes=dtypes.COMPLEX,
)


def _infer_rfft(x: Any, *, axes: tuple[int, ...], norm: Norm) -> tuple[Any, Any]:
    """The transform of real values along `axes`; the last of them keeps its first n // 2 + 1."""
    _require("rfft", x, axes, norm, _REALS)
    last = axes[-1]
    shape = (*x.shape[:last], x.shape[last] // 2 + 1, *x.shape[last + 1 :])
    return shape, complex_of(x.dtype)


def _rfft_vjp(g: Any, y: Any, x: Any, *, axes: tuple[int, ...], norm: Norm) -> Any:
    last = axes[-1]
    missing = x.shape[last] - g.shape[last]
    none = (0,) * len(x.shape)
    high = tuple([missing if i == last else 0 for i in range(len(x.shape))])
    whole = PAD(g, low=none, high=high, interior=none, value=0) if missing else g
    return cast(FFT(whole, axes=axes, inverse=False, norm=norm), x.dtype)


RFFT = Op(
    "rfft",
    infer=_infer_rfft,
    lowering=Lowering.OPAQUE,
    reference=lambda x, *, axes, norm: np.fft.rfftn(x, axes=axes, norm=norm),
    vjp=_rfft_vjp,
    flops=_flops,
    dtypes=_REALS,
)


def _infer_irfft(x: Any, *, axes: tuple[int, ...], n: int, norm: Norm) -> tuple[Any, Any]:
    """The inverse of `rfft`: real values, of extent `n` along the last of `axes`."""
    _require("irfft", x, axes, norm, dtypes.COMPLEX)
    if n < 1:
        raise ShapeError(f"irfft: expected an extent n of at least 1, received {n}")
    last = axes[-1]
    if x.shape[last] != n // 2 + 1:
        raise ShapeError(
            f"irfft: expected {n // 2 + 1} elements along axis {last} for {n} real values, "
            f"received shape {list(x.shape)}"
        )
    return (*x.shape[:last], n, *x.shape[last + 1 :]), real_of(x.dtype)


def _irfft(x: np.ndarray, *, axes: tuple[int, ...], n: int, norm: Norm) -> np.ndarray:
    extents = [x.shape[a] for a in axes[:-1]]
    return np.fft.irfftn(x, s=[*extents, n], axes=axes, norm=norm)


#: What an inverse is divided by, the transform of the other name is.
SWAPPED: dict[str, Norm] = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _irfft_vjp(g: Any, y: Any, x: Any, *, axes: tuple[int, ...], n: int, norm: Norm) -> Any:
    bins = CONJ(RFFT(g, axes=axes, norm=SWAPPED[norm]))
    last = axes[-1]
    place = ARANGE(start=0, step=1, size=x.shape[last], dtype=dtypes.int64)
    middle = EQ(MUL(place, constant(2, place)), constant(n, place))
    single = OR(EQ(place, constant(0, place)), middle)
    one = cast(constant(1, place), x.dtype)
    weight = WHERE(single, one, ADD(one, one))
    shape = tuple([x.shape[last] if i == last else 1 for i in range(len(x.shape))])
    return MUL(bins, broadcast(reshape(weight, shape), x.shape))


IRFFT = Op(
    "irfft",
    infer=_infer_irfft,
    lowering=Lowering.OPAQUE,
    reference=_irfft,
    vjp=_irfft_vjp,
    flops=_flops,
    dtypes=dtypes.COMPLEX,
)
