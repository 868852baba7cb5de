"""Effects: gain, distortion, dither; waves mixed and convolved."""

from __future__ import annotations

import math
from typing import Any

import plait as torch
from plait import Tensor
from plait.audio.functional.filters import lfilter
from plait.core.ir.errors import error
from plait.nn import functional as F

_MODES = ("full", "valid", "same")


def gain(waveform: Tensor, gain_db: float = 1.0) -> Tensor:
    """The wave amplified by decibels."""
    return waveform if gain_db == 0 else waveform * 10 ** (gain_db / 20)


def contrast(waveform: Tensor, enhancement_amount: float = 75.0) -> Tensor:
    """The wave made to sound louder. ValueError for an amount outside 0 .. 100."""
    if not 0 <= enhancement_amount <= 100:
        raise error(
            ValueError,
            f"Allowed range of values for enhancement_amount : 0-100, got {enhancement_amount}",
        )
    angle = waveform * (math.pi / 2)
    return torch.sin(angle + enhancement_amount / 750.0 * torch.sin(angle * 4))


def dcshift(waveform: Tensor, shift: float, limiter_gain: float | None = None) -> Tensor:
    """The wave shifted and clamped to [-1, 1]; with a limiter, peaks on that side are pressed."""
    shifted = (waveform + shift).clamp(-1, 1)
    if limiter_gain is None or shift == 0:
        return shifted
    limit = 1.0 - (abs(shift) - limiter_gain)
    side = 1 if shift > 0 else -1
    over = waveform * side - limit
    pressed = over * limiter_gain / (1 - limit) + limit + abs(shift)
    return torch.where(over > 0, pressed.clamp(max=limit) * side, shifted)


def overdrive(waveform: Tensor, gain: float = 20, colour: float = 20) -> Tensor:
    """Soft distortion of `gain` decibels; `colour` of even harmonics."""
    driven = waveform * math.exp(gain * math.log(10) / 20.0) + colour / 200
    inside = driven.clamp(-1, 1)
    bent = inside - inside**3 / 3  # 2/3 at the ends
    a = torch.tensor([1.0, -0.995], dtype=waveform.dtype)
    b = torch.tensor([1.0, -1.0], dtype=waveform.dtype)
    return (waveform * 0.5 + lfilter(bent, a, b, clamp=False) * 0.75).clamp(-1, 1)


def dither(waveform: Tensor, density_function: str = "TPDF", noise_shaping: bool = False) -> Tensor:
    """The wave rounded to 16 bits after adding what `density_function` says.

    "TPDF", a triangle over time; "RPDF", one value of the wave; "GPDF", a sum of seven of them. As
    torchaudio draws them. noise_shaping: add the error of the sample before.
    """
    shape = tuple(waveform.shape)
    rows = waveform.reshape(-1, shape[-1])
    last_row, last_time = rows.shape[0] - 1, rows.shape[1] - 1

    def place() -> tuple[int, int]:
        row = int(torch.randint(last_row, [1]).item()) if last_row > 0 else 0
        return row, int(torch.randint(last_time, [1]).item()) if last_time > 0 else 0

    first = rows[place()]
    added: Any
    if density_function == "RPDF":
        added = first - 0.5
    elif density_function == "GPDF":
        added = sum((rows[place()] for _ in range(6)), first)
    else:
        added = torch.bartlett_window(last_time + 1, dtype=rows.dtype)
    found = torch.round(rows * (2**15 - 2) + added) / 2**15
    if noise_shaping:
        found = found + F.pad(found - rows, (1, 0))[..., :-1]
    return found.reshape(shape)


def add_noise(
    waveform: Tensor, noise: Tensor, snr: Tensor, lengths: Tensor | None = None
) -> Tensor:
    """The wave (..., time) with noise of its shape, so that their powers stand `snr` (...,)
    decibels apart; measured up to `lengths` (...,). Raises ValueError for other shapes."""
    ranks = {waveform.ndim - 1, noise.ndim - 1, snr.ndim}
    if len(ranks | ({lengths.ndim} if lengths is not None else set())) > 1:
        raise error(ValueError, "Input leading dimensions don't match.")
    time = waveform.shape[-1]
    if time != noise.shape[-1]:
        raise error(
            ValueError,
            f"Length dimensions of waveform and noise don't match (got {time} and "
            f"{noise.shape[-1]}).",
        )
    inside: Any = 1 if lengths is None else torch.arange(time) < lengths.unsqueeze(-1)
    powers = [
        torch.log10(torch.linalg.vector_norm(x * inside, ord=2, dim=-1) ** 2)
        for x in (waveform, noise)
    ]
    scale = 10 ** ((10 * (powers[0] - powers[1]) - snr) / 20.0)
    return waveform + scale.unsqueeze(-1) * noise


def _require_convolvable(x: Tensor, y: Tensor, mode: str) -> None:
    if x.ndim != y.ndim:
        raise error(
            ValueError, f"The operands must be the same dimension (got {x.ndim} and {y.ndim})."
        )
    if any(n != m and 1 not in (n, m) for n, m in zip(x.shape[:-1], y.shape[:-1])):
        raise error(
            ValueError,
            f"Leading dimensions of x and y are not broadcastable (got {tuple(x.shape)} and "
            f"{tuple(y.shape)}).",
        )
    if mode not in _MODES:
        raise error(
            ValueError, f"Unrecognized mode value '{mode}'. Please specify one of {list(_MODES)}."
        )


def _part(full: Tensor, x: int, y: int, mode: str) -> Tensor:
    """The middle of a whole convolution of x and y samples."""
    length = {"full": x + y - 1, "valid": abs(x - y) + 1, "same": x}[mode]
    begin = (full.shape[-1] - length) // 2
    return full[..., begin : begin + length]


def fftconvolve(x: Tensor, y: Tensor, mode: str = "full") -> Tensor:
    """The convolution along the last axis, by Fourier transforms; other axes broadcast.

    mode: "full", "same" (as long as x) or "valid" (without borders). Raises ValueError for shapes
    that do not fit and another mode.
    """
    _require_convolvable(x, y, mode)
    n = x.shape[-1] + y.shape[-1] - 1
    full = torch.fft.irfft(torch.fft.rfft(x, n=n) * torch.fft.rfft(y, n=n), n=n)
    return _part(full, x.shape[-1], y.shape[-1], mode)


def convolve(x: Tensor, y: Tensor, mode: str = "full") -> Tensor:
    """`fftconvolve` by products: exact, and as fast where one operand is short."""
    _require_convolvable(x, y, mode)
    lead = tuple(max(n, m) for n, m in zip(x.shape[:-1], y.shape[:-1]))
    long, short = (x, y) if x.shape[-1] >= y.shape[-1] else (y, x)
    rows = long.expand(*lead, -1).reshape(1, -1, long.shape[-1])
    filters = short.expand(*lead, -1).reshape(-1, 1, short.shape[-1]).flip(-1)
    full = F.conv1d(rows, filters, groups=rows.shape[1], padding=short.shape[-1] - 1)
    return _part(full.reshape(*lead, -1), x.shape[-1], y.shape[-1], mode)
