"""Short-time Fourier transforms: spectra of overlapping frames, and signals from them."""

from __future__ import annotations

import warnings
from typing import Any

from plait._functions.common import public
from plait._functions.conjugation import view_as_real
from plait._functions.creation import ones
from plait._functions.joining import stack
from plait._functions.shape import transpose
from plait._tensor import Tensor
from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.core.ops.complex_parts import VIEW_AS_COMPLEX, VIEW_AS_REAL
from plait.core.ops.view import PAD, reshape


def _lengths(name: str, n_fft: int, hop_length: int | None, win_length: int | None) -> Any:
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if hop <= 0:
        raise error(RuntimeError, f"{name}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= n_fft:
        raise error(
            RuntimeError,
            f"{name}: expected 0 < win_length <= n_fft, but got win_length={width}, n_fft={n_fft}",
        )
    return hop, width


def _window(name: str, window: Any, width: int, n_fft: int, like: Any) -> Tensor:
    """The window, of ones where none is given, with zeros on both sides up to n_fft."""
    given: Any = ones(width, dtype=like) if window is None else window
    if given.ndim != 1 or given.shape[0] != width:
        raise error(
            RuntimeError,
            f"{name}: expected a 1D window tensor of size equal to win_length={width}, but got "
            f"window with size {list(given.shape)}",
        )
    before = (n_fft - width) // 2
    after = n_fft - width - before
    return PAD(given, low=(before,), high=(after,), interior=(0,), value=0)


def _checked_kind(
    input: Tensor, window: Tensor | None, onesided: bool | None, return_complex: bool | None
) -> tuple[bool, bool]:
    """(onesided, return_complex) with their defaults."""
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None and not is_complex:
        raise error(
            RuntimeError,
            "stft requires the return_complex parameter be given for real inputs, and will "
            "further require that return_complex=True in a future PyTorch release.",
        )
    if onesided and is_complex:
        raise error(RuntimeError, "Cannot have onesided output if window or input is complex")
    half = not is_complex if onesided is None else onesided
    return half, True if return_complex is None else return_complex


def _frames(input: Tensor, n_fft: int, hop: int, center: bool, pad_mode: str) -> Tensor:
    """(B, frames, n_fft) pieces of (L,) or (B, L)."""
    from plait.nn.functional import pad

    if input.ndim not in (1, 2):
        raise error(
            RuntimeError,
            f"stft: expected a 1D or 2D tensor, received shape {list(input.shape)}",
        )
    signal = input if input.ndim == 2 else reshape(input, (1, *input.shape))
    if center:
        signal = pad(signal[None], (n_fft // 2, n_fft // 2), pad_mode)[0]
    if not 0 < n_fft <= signal.shape[-1]:
        raise error(
            RuntimeError,
            f"stft: expected 0 < n_fft < {signal.shape[-1]}, but got n_fft={n_fft}",
        )
    return signal.unfold(-1, n_fft, hop)


@public
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The spectra of frames of n_fft values, `hop_length` apart: (..., frequencies, frames).

    input: (L,) or (B, L). center: with n_fft // 2 padded on both sides first. onesided (default
    for real input and window): n_fft // 2 + 1 frequencies. Raises RuntimeError as PyTorch does.
    """
    from plait import fft

    if align_to_window is not None and center:
        raise error(RuntimeError, "stft align_to_window should only be set when center = false")
    if align_to_window:
        raise not_built("torch.stft with align_to_window")
    half, as_complex = _checked_kind(input, window, onesided, return_complex)
    hop, width = _lengths("stft", n_fft, hop_length, win_length)
    frames = _frames(input, n_fft, hop, center, pad_mode)
    frames = frames * _window("stft", window, width, n_fft, input.dtype)
    norm = "ortho" if normalized else None
    spectra = fft.rfft(frames, norm=norm) if half else fft.fft(frames, norm=norm)
    found = transpose(spectra, 1, 2)
    found = found if input.ndim == 2 else found[0]
    return found if as_complex else view_as_real(found)


@public
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose `stft` is nearest to `input`, (..., frequencies, frames), complex.

    length: of the result; without it, what the frames cover. Raises RuntimeError where the windows
    leave a gap.
    """
    from plait import fft

    if not input.dtype.is_complex:
        raise error(
            RuntimeError,
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True.",
        )
    if input.ndim not in (2, 3) or not input.numel():
        raise error(
            RuntimeError,
            "istft: expected a tensor with 2 or 3 dimensions and elements, received shape "
            f"{list(input.shape)}",
        )
    hop, width = _lengths("istft", n_fft, hop_length, win_length)
    spectra = input if input.ndim == 3 else reshape(input, (1, *input.shape))
    if onesided is None:
        onesided = spectra.shape[1] != n_fft
    bins = n_fft // 2 + 1 if onesided else n_fft
    if spectra.shape[1] != bins:
        raise error(
            RuntimeError,
            "istft: expected the frequency dimension (3rd to the last) of the input tensor to "
            f"match n_fft / 2 + 1 when onesided=True and n_fft when False, but got "
            f"{spectra.shape[1]} for n_fft={n_fft}",
        )
    if return_complex and onesided:
        raise error(RuntimeError, "cannot have onesided output if window or input is complex")
    real = VIEW_AS_REAL(input.detach()).dtype
    shape = _window("istft", window, width, n_fft, real)
    norm = "ortho" if normalized else None
    spectra = transpose(spectra, 1, 2)
    if return_complex:
        frames = fft.ifft(spectra, norm=norm) * shape
        parts = VIEW_AS_REAL(frames)
        added = [_overlapped(parts[..., i], n_fft, hop) for i in (0, 1)]
        signal = VIEW_AS_COMPLEX(stack(added, -1))
    else:
        half = spectra[..., : n_fft // 2 + 1]
        signal = _overlapped(fft.irfft(half, n=n_fft, norm=norm) * shape, n_fft, hop)
    count = spectra.shape[1]
    squares = (shape * shape).expand(1, count, n_fft)
    envelope = _overlapped(squares, n_fft, hop)
    start = n_fft // 2 if center else 0
    covered = n_fft + hop * (count - 1)
    end = covered - n_fft // 2 if center else covered
    if length is not None:
        end = min(start + length, covered)
    signal, envelope = signal[:, start:end], envelope[:, start:end]
    least = float(envelope.detach().abs().min().item())
    if least <= 1e-11:
        raise error(RuntimeError, f"istft: window overlap add min: {least}")
    found = signal / envelope
    if length is not None and found.shape[-1] < length:
        warnings.warn(
            "The length of signal is shorter than the length parameter. Result is being padded with"
            " zeros in the tail. Please check your center and hop_length settings",
            stacklevel=2,
        )
        missing = length - found.shape[-1]
        found = PAD(found, low=(0, 0), high=(0, missing), interior=(0, 0), value=0)
    return found if input.ndim == 3 else found[0]


def _overlapped(frames: Tensor, n_fft: int, hop: int) -> Tensor:
    """(B, length) sums of (B, frames, n_fft) that lie `hop` apart."""
    from plait.nn.functional import fold

    length = n_fft + hop * (frames.shape[1] - 1)
    columns = transpose(frames, 1, 2)
    made = fold(columns, (1, length), kernel_size=(1, n_fft), stride=(1, hop))
    return reshape(made, (frames.shape[0], length))
