"""The functions of `keras.ops` for mathematics beyond NumPy's."""

from __future__ import annotations

import math as python_math
from typing import Any

from keras.src.backend.common.variables import standardize_dtype

import plait as torch
import plait.nn.functional as F
from keras_plait.src.core import convert_to_tensor
from keras_plait.src.numpy.creation import hamming, hanning
from keras_plait.src.operands import as_float, axes_of


def _segment(data: Any, segment_ids: Any, num_segments: int | None, start: Any, how: str) -> Any:
    """Rows of `data` combined by their segment; rows of other segments are left out."""
    data = convert_to_tensor(data)
    number = convert_to_tensor(segment_ids).to(torch.int64)
    if num_segments is None:
        num_segments = int(torch.max(number)) + 1 if number.numel() else 0
    # One more row takes what belongs to no segment.
    number = torch.where((number < 0) | (number >= num_segments), num_segments, number)
    made = torch.full((num_segments + 1, *data.shape[1:]), start, dtype=data.dtype)
    place = number.reshape(-1, *[1] * (data.ndim - 1)).expand(data.shape)
    return made.scatter_reduce(0, place, data, how)[:num_segments]


def segment_sum(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    return _segment(data, segment_ids, num_segments, 0, "sum")


def segment_prod(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    return _segment(data, segment_ids, num_segments, 1, "prod")


def segment_max(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    data = convert_to_tensor(data)
    least = -python_math.inf if data.dtype.is_floating_point else torch.iinfo(data.dtype).min
    return _segment(data, segment_ids, num_segments, least, "amax")


def segment_min(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Any:
    data = convert_to_tensor(data)
    most = python_math.inf if data.dtype.is_floating_point else torch.iinfo(data.dtype).max
    return _segment(data, segment_ids, num_segments, most, "amin")


def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    values, index = torch.topk(convert_to_tensor(x), k, sorted=sorted)
    return values, index.to(torch.int32)


def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether the prediction of each target is among the k largest of its row."""
    predictions = convert_to_tensor(predictions)
    targets = convert_to_tensor(targets).to(torch.int64)
    own = torch.gather(predictions, -1, targets[..., None])
    own = torch.where(torch.isnan(own), -python_math.inf, own)
    return torch.sum(predictions > own, -1) < k


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_float(x)
    axes = axes_of(axis, x.ndim)
    return torch.logsumexp(x, axes, keepdim=keepdims) if axes else x


def cdist(x: Any, y: Any) -> Any:
    """Euclidean distances between the rows of x (..., n, size) and y (..., m, size)."""
    x, y = as_float(x), as_float(y)
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError("`cdist` inputs must have rank >= 2")
    if x.shape[-1] != y.shape[-1]:
        raise ValueError("Last dimension of inputs to `cdist` must match")
    offset = x.unsqueeze(-2) - y.unsqueeze(-3)
    return torch.sqrt(torch.sum(offset * offset, -1))


def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Windows along the last axis, as an axis before it."""
    return convert_to_tensor(x).unfold(-1, sequence_length, sequence_stride)


# -- Fourier transforms ----------------------------------------------------------------------------


def _get_complex_tensor_from_tuple(x: Any) -> Any:
    """A complex tensor of its two parts."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(
            f"Input `x` should be a tuple of two tensors - real and imaginary.Received: x={x}"
        )
    real, imag = (convert_to_tensor(part) for part in x)
    if real.shape != imag.shape:
        raise ValueError(
            "Input `x` should be a tuple of two tensors - real and imaginary. Both the real and "
            f"imaginary parts should have the same shape. Received: x[0].shape = "
            f"{tuple(real.shape)}, x[1].shape = {tuple(imag.shape)}"
        )
    if not (real.dtype.is_floating_point and imag.dtype.is_floating_point):
        raise ValueError(f"At least one tensor in input `x` is not of type float. Received: x={x}.")
    return torch.complex(real, imag)


def _parts(x: Any) -> tuple[Any, Any]:
    return torch.real(x), torch.imag(x)


def fft(x: Any) -> tuple[Any, Any]:
    return _parts(torch.fft.fft(_get_complex_tensor_from_tuple(x)))


def fft2(x: Any) -> tuple[Any, Any]:
    return _parts(torch.fft.fft2(_get_complex_tensor_from_tuple(x)))


def ifft2(x: Any) -> tuple[Any, Any]:
    return _parts(torch.fft.ifft2(_get_complex_tensor_from_tuple(x)))


def rfft(x: Any, fft_length: int | None = None) -> tuple[Any, Any]:
    return _parts(torch.fft.rfft(as_float(x), n=fft_length))


def irfft(x: Any, fft_length: int | None = None) -> Any:
    return torch.fft.irfft(_get_complex_tensor_from_tuple(x), n=fft_length)


def _window(window: Any, length: int, fft_length: int, dtype: Any) -> Any:
    """A window of `length` in the middle of zeros."""
    if window is None:
        return torch.ones(fft_length, dtype=dtype)
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(
                'If a string is passed to `window`, it must be one of `"hann"`, `"hamming"`. '
                f"Received: window={window}"
            )
        # Periodic: a symmetric one of one more point, without the last.
        made = {"hann": hanning, "hamming": hamming}[window](length + 1)[:-1].to(dtype)
    else:
        made = convert_to_tensor(window, dtype=dtype)
    if tuple(made.shape) != (length,):
        raise ValueError(
            "The shape of `window` must be equal to [sequence_length]."
            f"Received: window shape={tuple(made.shape)}"
        )
    before = (fft_length - length) // 2
    return F.pad(made, (before, fft_length - length - before))


def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> tuple[Any, Any]:
    """The short-time Fourier transform (..., windows, frequencies) of signals (..., time)."""
    x = convert_to_tensor(x)
    if standardize_dtype(x.dtype) not in ("float32", "float64"):
        raise TypeError(
            "Invalid input type. Expected `float32` or `float64`. "
            f"Received: input type={standardize_dtype(x.dtype)}"
        )
    if fft_length < sequence_length:
        raise ValueError(
            "`fft_length` must equal or larger than `sequence_length`. Received: "
            f"sequence_length={sequence_length}, fft_length={fft_length}"
        )
    shape = _window(window, sequence_length, fft_length, x.dtype)
    if center:
        from keras_plait.src.numpy.shaping import pad

        x = pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2,) * 2], mode="reflect")
    return rfft(extract_sequences(x, fft_length, sequence_stride) * shape)


def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """Signals (..., time) of a short-time Fourier transform, by overlapping and adding."""
    frames = torch.fft.irfft(_get_complex_tensor_from_tuple(x), n=fft_length)
    if frames.ndim < 2:
        raise ValueError(
            f"Input `x` must have at least 2 dimensions. Received shape: {tuple(frames.shape)}"
        )
    total = fft_length + sequence_stride * (frames.shape[-2] - 1)
    if window is not None:
        shape = _window(window, sequence_length, fft_length, frames.dtype)
        frames = frames * (shape / _overlapping_squares(shape, sequence_stride))
    made = _overlapped(frames, sequence_stride, total)
    start = fft_length // 2 if center else 0
    if length is not None:
        end = start + length
    else:
        end = total - fft_length // 2 if center else total
    return made[..., start:end]


def _overlapping_squares(window: Any, stride: int) -> Any:
    """For each place of a window, the squares of all windows that lie over it in mid-signal."""
    size = window.shape[0]
    rows = -(-size // stride)
    squares = F.pad(window * window, (0, rows * stride - size)).reshape(rows, stride)
    return torch.sum(squares, 0).repeat(rows)[:size]


def _overlapped(frames: Any, stride: int, total: int) -> Any:
    """Frames (..., count, size) added up at every `stride`-th place: (..., total)."""
    *batch, count, size = frames.shape
    columns = frames.reshape(-1, count, size).movedim(1, 2)
    made = F.fold(columns, (1, total), (1, size), stride=(1, stride))
    return made.reshape(*batch, total)


# -- special functions -----------------------------------------------------------------------------


def rsqrt(x: Any) -> Any:
    return torch.rsqrt(as_float(x))


def erf(x: Any) -> Any:
    return torch.erf(as_float(x))


def erfc(x: Any) -> Any:
    return torch.erfc(as_float(x))


def erfinv(x: Any) -> Any:
    return torch.erfinv(as_float(x))


def logdet(x: Any) -> Any:
    return torch.linalg.slogdet(as_float(x))[1]
