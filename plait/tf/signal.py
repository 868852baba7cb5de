"""`tf.signal`: frames, windows, Fourier transforms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import plait
from plait._unbuilt import unbuilt
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert, core_dtype, inner, ints, require, wrap
from plait.tf._dispatch import op
from plait.tf._dtypes import complex64, complex128, float32, float64


def _complex_transform(public: str, compute: Callable[..., Any], axes: int) -> Callable[..., Any]:
    def transform(input: Any) -> Any:
        # Python's numbers become complex; tensors must be.
        held = convert(input, hint=complex64)
        value = require(public.upper(), held, "c")
        return wrap(compute(value, dim=tuple(range(-axes, 0))))

    transform.__name__ = public
    transform.__doc__ = f"The transform of complex numbers along the last {axes} axes."
    return op(transform)


fft = _complex_transform("fft", plait.fft.fftn, 1)
ifft = _complex_transform("ifft", plait.fft.ifftn, 1)
fft2d = _complex_transform("fft2d", plait.fft.fftn, 2)
ifft2d = _complex_transform("ifft2d", plait.fft.ifftn, 2)
fft3d = _complex_transform("fft3d", plait.fft.fftn, 3)
ifft3d = _complex_transform("ifft3d", plait.fft.ifftn, 3)


def _length(fft_length: Any, least: int) -> int | None:
    return least if fft_length is None else ints(fft_length)[-1]


@op
def rfft(input_tensor: Any, fft_length: Any = None) -> Any:
    """The first half of the transform of real numbers along the last axis."""
    value = require("RFFT", input_tensor, "f")
    return wrap(plait.fft.rfft(value, _length(fft_length, value.shape[-1])))


@op
def irfft(input_tensor: Any, fft_length: Any = None) -> Any:
    """The real numbers whose transform begins with these."""
    value = require("IRFFT", input_tensor, "c")
    return wrap(plait.fft.irfft(value, _length(fft_length, 2 * (value.shape[-1] - 1))))


@op
def fftshift(x: Any, axes: Any = None) -> Any:
    """The zero frequency in the middle."""
    return wrap(plait.fft.fftshift(inner(x), None if axes is None else ints(axes)))


@op
def ifftshift(x: Any, axes: Any = None) -> Any:
    """The zero frequency in front."""
    return wrap(plait.fft.ifftshift(inner(x), None if axes is None else ints(axes)))


# -- windows ---------------------------------------------------------------------------------------


def _cosine_window(length: int, periodic: bool, dtype: Any, a: float, b: float) -> Any:
    kind = core_dtype(dtype)
    if length == 1:
        return wrap(plait.ones(1, dtype=kind))
    # As TensorFlow: a window of odd length is the same, periodic or not.
    even = 1 - length % 2
    span = length + int(periodic) * even - 1
    turns = plait.arange(length, dtype=kind) * (2 * math.pi / span)
    return wrap(a - b * plait.cos(turns))


@op
def hann_window(window_length: Any, periodic: bool = True, dtype: Any = float32) -> Any:
    """0.5 - 0.5 cos."""
    return _cosine_window(int(window_length), periodic, dtype, 0.5, 0.5)


@op
def hamming_window(window_length: Any, periodic: bool = True, dtype: Any = float32) -> Any:
    """0.54 - 0.46 cos."""
    return _cosine_window(int(window_length), periodic, dtype, 0.54, 0.46)


# -- frames ----------------------------------------------------------------------------------------


@op
def frame(
    signal: Any,
    frame_length: Any,
    frame_step: Any,
    pad_end: bool = False,
    pad_value: Any = 0,
    axis: int = -1,
) -> Any:
    """Pieces of a signal, `frame_step` apart: the axis becomes (pieces, frame_length)."""
    value = inner(signal)
    length, step = int(frame_length), int(frame_step)
    place = axis % value.ndim
    value = value.movedim(place, -1)
    extent = value.shape[-1]
    if pad_end:
        count = -(-extent // step)
        short = max((count - 1) * step + length - extent, 0)
        fill = convert(pad_value, hint=convert(signal).dtype)._array().item()
        value = plait.nn.functional.pad(value, (0, short), value=fill)
    count = max((value.shape[-1] - length) // step + 1, 0)
    if count == 0:
        made = plait.zeros((*value.shape[:-1], 0, length), dtype=value.dtype)
    else:
        made = value.unfold(-1, length, step).clone()
    return wrap(made.movedim((-2, -1), (place, place + 1)))


@op
def overlap_and_add(signal: Any, frame_step: Any) -> Any:
    """The signal whose pieces (..., pieces, length), `frame_step` apart, are added."""
    value = inner(signal)
    step = int(frame_step)
    *rest, count, length = value.shape
    total = (count - 1) * step + length if count else 0
    places = (plait.arange(count) * step).unsqueeze(1) + plait.arange(length)
    flat = value.reshape((math.prod(rest), count * length))
    base = plait.zeros((math.prod(rest), total), dtype=value.dtype)
    made = plait.index_add(base, 1, places.reshape(-1), flat)
    return wrap(made.reshape((*rest, total)))


@op
def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Any = hann_window,
    pad_end: bool = False,
) -> Any:
    """The transforms of the windowed pieces of a signal."""
    value = require("STFT", signals, "f")
    length = int(frame_length)
    size = 1 << (length - 1).bit_length() if fft_length is None else int(fft_length)
    pieces = frame(signals, length, frame_step, pad_end).inner()
    if window_fn is not None:
        pieces = pieces * window_fn(length, dtype=convert(signals).dtype).inner()
    return wrap(plait.fft.rfft(pieces.to(value.dtype), size))


@op
def inverse_stft(
    stfts: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Any = hann_window,
) -> Any:
    """The signal of transforms of its pieces (windowed again, where `window_fn` is not None)."""
    value = require("InverseSTFT", stfts, "c")
    length = int(frame_length)
    size = 1 << (length - 1).bit_length() if fft_length is None else int(fft_length)
    if size < length:
        raise error(
            errors.InvalidArgumentError, f"fft_length {size} is shorter than a frame, {length}"
        )
    pieces = plait.fft.irfft(value, size)[..., :length]
    if window_fn is not None:
        kind = {complex64: float32, complex128: float64}[convert(stfts).dtype]
        pieces = pieces * window_fn(length, dtype=kind).inner()
    return overlap_and_add(wrap(pieces), frame_step)


__getattr__ = unbuilt(
    "tf.signal",
    (
        *("dct", "idct", "mdct", "inverse_mdct", "inverse_stft_window_fn", "rfft2d", "irfft2d"),
        *("rfft3d", "irfft3d", "linear_to_mel_weight_matrix", "mfccs_from_log_mel_spectrograms"),
        *("kaiser_window", "vorbis_window", "kaiser_bessel_derived_window"),
    ),
)
