"""Fourier transforms under the names of `torch.fft`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plait._functions.common import write_out
from plait._functions.creation import owned
from plait._functions.joining import roll
from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait.core.functional.axes import normal_axis
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops import fft as _ops
from plait.core.ops.complex_parts import CONJ
from plait.core.ops.elementwise import cast
from plait.core.ops.view import PAD, slice_axis

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "hfft2",
    "hfftn",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "ihfft2",
    "ihfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

Axes = int | Sequence[int] | None


def _floating(input: Tensor) -> Tensor:
    """Integers become the default float dtype."""
    return cast(input, get_default_dtype()) if input.dtype.kind in "biu" else input


def _complex(input: Tensor) -> Tensor:
    value = _floating(input)
    return value if value.dtype.kind == "c" else cast(value, dtypes.complex_of(value.dtype))


def _real(name: str, input: Tensor) -> Tensor:
    value = _floating(input)
    if value.dtype.kind != "f":
        raise error(RuntimeError, f"{name} expects a real input tensor, but got {value.dtype.name}")
    return value


def _axes_and_sizes(
    name: str, input: Tensor, s: Any, dim: Any
) -> tuple[tuple[int, ...], list[int | None]]:
    """The axes and, per axis, the extent asked for (None or -1: as it is)."""
    s = (s,) if isinstance(s, int) else s
    dim = (dim,) if isinstance(dim, int) else dim
    sizes = None if s is None else list(s)
    if dim is None:
        count = input.ndim if sizes is None else len(sizes)
        axes = tuple(range(input.ndim - count, input.ndim))
    else:
        axes = tuple([normal_axis(d, input.ndim, name) for d in dim])
    if sizes is None:
        sizes = [None] * len(axes)
    if len(sizes) != len(axes):
        raise error(
            RuntimeError,
            f"{name}: When given, dim and shape arguments must have the same length, received "
            f"{len(axes)} and {len(sizes)}",
        )
    return axes, [None if n in (None, -1) else n for n in sizes]


def _sized(name: str, input: Tensor, axes: tuple[int, ...], sizes: list[int | None]) -> Tensor:
    """Cut, or padded with zeros, to these extents."""
    for axis, size in zip(axes, sizes):
        extent = input.shape[axis] if size is None else size
        if extent < 1:
            raise error(
                RuntimeError,
                f"{name}: Invalid number of data points ({extent}) specified along axis {axis}",
            )
        present = input.shape[axis]
        if extent < present:
            input = slice_axis(input, axis, 0, extent)
        elif extent > present:
            none = (0,) * input.ndim
            high = tuple([extent - present if i == axis else 0 for i in range(input.ndim)])
            input = PAD(input, low=none, high=high, interior=none, value=0)
    return input


def _norm(norm: str | None) -> str:
    if norm not in (None, "backward", "ortho", "forward"):
        raise error(RuntimeError, f'Invalid normalization mode: "{norm}"')
    return norm or "backward"


def _transform(name: str, inverse: bool, default: Axes) -> Callable[..., Tensor]:
    """A complex transform of several axes."""

    def transform(
        input: Tensor,
        s: Any = None,
        dim: Any = default,
        norm: str | None = None,
        *,
        out: Any = None,
    ) -> Tensor:
        axes, sizes = _axes_and_sizes(name, input, s, dim)
        value = _sized(name, _complex(input), axes, sizes)
        result = _ops.FFT(value, axes=axes, inverse=inverse, norm=_norm(norm))
        return result if out is None else write_out(name, out, result)

    transform.__name__ = name
    what = "inverse discrete" if inverse else "discrete"
    transform.__doc__ = f"The {what} Fourier transform along axes, cut or padded to `s` first."
    return transform


fftn, ifftn = _transform("fftn", False, None), _transform("ifftn", True, None)
fft2, ifft2 = _transform("fft2", False, (-2, -1)), _transform("ifft2", True, (-2, -1))


def fft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None
) -> Tensor:
    """The discrete Fourier transform along one axis."""
    return fftn(input, None if n is None else (n,), (dim,), norm, out=out)


def ifft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None
) -> Tensor:
    """The inverse of `fft`."""
    return ifftn(input, None if n is None else (n,), (dim,), norm, out=out)


def _real_transform(name: str, default: Axes) -> Callable[..., Tensor]:
    def transform(
        input: Tensor,
        s: Any = None,
        dim: Any = default,
        norm: str | None = None,
        *,
        out: Any = None,
    ) -> Tensor:
        axes, sizes = _axes_and_sizes(name, input, s, dim)
        value = _sized(name, _real(name, input), axes, sizes)
        result = _ops.RFFT(value, axes=axes, norm=_norm(norm))
        return result if out is None else write_out(name, out, result)

    transform.__name__ = name
    transform.__doc__ = "The transform of real values; the last axis keeps its first n // 2 + 1."
    return transform


rfftn, rfft2 = _real_transform("rfftn", None), _real_transform("rfft2", (-2, -1))


def rfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None
) -> Tensor:
    """The transform of real values along one axis: its first n // 2 + 1 elements."""
    return rfftn(input, None if n is None else (n,), (dim,), norm, out=out)


def _inverse_real_transform(name: str, default: Axes) -> Callable[..., Tensor]:
    def transform(
        input: Tensor,
        s: Any = None,
        dim: Any = default,
        norm: str | None = None,
        *,
        out: Any = None,
    ) -> Tensor:
        axes, sizes = _axes_and_sizes(name, input, s, dim)
        extent = sizes[-1]
        last = 2 * (input.shape[axes[-1]] - 1) if extent is None else extent
        sizes[-1] = last // 2 + 1
        value = _sized(name, _complex(input), axes, sizes)
        result = _ops.IRFFT(value, axes=axes, n=last, norm=_norm(norm))
        return result if out is None else write_out(name, out, result)

    transform.__name__ = name
    transform.__doc__ = "The inverse of the real transform: real values."
    return transform


irfftn = _inverse_real_transform("irfftn", None)
irfft2 = _inverse_real_transform("irfft2", (-2, -1))


def irfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None
) -> Tensor:
    """The inverse of `rfft`; n is the number of real values (default 2 (m - 1))."""
    return irfftn(input, None if n is None else (n,), (dim,), norm, out=out)


# -- Hermitian ones ---------------------------------------------------------------------------


def _hermitian_transform(name: str, default: Axes) -> Callable[..., Tensor]:
    inverse = _inverse_real_transform(name, default)

    def transform(
        input: Tensor,
        s: Any = None,
        dim: Any = default,
        norm: str | None = None,
        *,
        out: Any = None,
    ) -> Tensor:
        return inverse(CONJ(_complex(input)), s, dim, _ops.SWAPPED[_norm(norm)], out=out)

    transform.__name__ = name
    transform.__doc__ = "The transform of a signal that is Hermitian along axes: real values."
    return transform


hfftn, hfft2 = _hermitian_transform("hfftn", None), _hermitian_transform("hfft2", (-2, -1))


def hfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None
) -> Tensor:
    """The transform of a Hermitian signal, of which `input` is one half: n real values."""
    return hfftn(input, None if n is None else (n,), (dim,), norm, out=out)


def _inverse_hermitian_transform(name: str, default: Axes) -> Callable[..., Tensor]:
    forward = _real_transform(name, default)

    def transform(
        input: Tensor,
        s: Any = None,
        dim: Any = default,
        norm: str | None = None,
        *,
        out: Any = None,
    ) -> Tensor:
        result = CONJ(forward(input, s, dim, _ops.SWAPPED[_norm(norm)]))
        return result if out is None else write_out(name, out, result)

    transform.__name__ = name
    transform.__doc__ = "The inverse of the Hermitian transform: half of a Hermitian signal."
    return transform


ihfftn = _inverse_hermitian_transform("ihfftn", None)
ihfft2 = _inverse_hermitian_transform("ihfft2", (-2, -1))


def ihfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None
) -> Tensor:
    """The inverse of `hfft`: the first n // 2 + 1 elements of a Hermitian signal."""
    return ihfftn(input, None if n is None else (n,), (dim,), norm, out=out)


# -- frequencies ------------------------------------------------------------------------------


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, **kwargs: Any) -> Tensor:
    """The frequencies of `fft`'s elements for samples `d` apart."""
    kind = dtype or get_default_dtype()
    return owned(np.fft.fftfreq(n, d).astype(kind.numpy))


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, **kwargs: Any) -> Tensor:
    """The frequencies of `rfft`'s elements for samples `d` apart."""
    kind = dtype or get_default_dtype()
    return owned(np.fft.rfftfreq(n, d).astype(kind.numpy))


def fftshift(input: Tensor, dim: Axes = None) -> Tensor:
    """Put frequency 0 in the middle."""
    axes = _shift_axes(input, dim)
    return roll(input, tuple([input.shape[a] // 2 for a in axes]), axes)


def ifftshift(input: Tensor, dim: Axes = None) -> Tensor:
    """The inverse of `fftshift`."""
    axes = _shift_axes(input, dim)
    return roll(input, tuple([-(input.shape[a] // 2) for a in axes]), axes)


def _shift_axes(input: Tensor, dim: Axes) -> tuple[int, ...]:
    if dim is None:
        return tuple(range(input.ndim))
    given = (dim,) if isinstance(dim, int) else dim
    return tuple([normal_axis(d, input.ndim, "fftshift") for d in given])
