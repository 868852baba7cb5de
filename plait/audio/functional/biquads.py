"""Filters of second order by their names.

Sources: Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients"; the filters
of SoX. Frequencies, Q and gains may be tensors: gradients reach them.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

import plait as torch
from plait import Tensor
from plait.audio.functional.filters import lfilter
from plait.core.ir.errors import error

#: Zeros and poles of the RIAA curve by sample rate.
_RIAA = {
    44100: ((-0.2014898, 0.9233820), (0.7083149, 0.9924091)),
    48000: ((-0.1766069, 0.9321590), (0.7396325, 0.9931330)),
    88200: ((-0.1168735, 0.9648312), (0.8590646, 0.9964002)),
    96000: ((-0.1141486, 0.9676817), (0.8699137, 0.9966946)),
}
#: Centre, slope and gain of the shelf that undoes a compact disc's emphasis, by sample rate.
_DEEMPHASIS = {44100: (5283, 0.4845, -9.477), 48000: (5356, 0.479, -9.62)}


def biquad(waveform: Tensor, b0: Any, b1: Any, b2: Any, a0: Any, a1: Any, a2: Any) -> Tensor:
    """The filter (b0 + b1 z + b2 z^2) / (a0 + a1 z + a2 z^2), z a delay; clamped to [-1, 1]."""
    below, above = (
        torch.cat([torch.as_tensor(c, dtype=waveform.dtype).view(1) for c in row])
        for row in ((a0, a1, a2), (b0, b1, b2))
    )
    return lfilter(waveform, below, above)


def _angle(waveform: Tensor, frequency: Any, rate: int, Q: Any) -> tuple[Tensor, Tensor]:
    """The cosine of the frequency's angle, and half its sine over Q."""
    w = 2 * math.pi * torch.as_tensor(frequency, dtype=waveform.dtype) / rate
    return torch.cos(w), torch.sin(w) / 2 / torch.as_tensor(Q, dtype=waveform.dtype)


def _amplitude(waveform: Tensor, gain: Any) -> Tensor:
    """The square root of a gain in decibels, as an amplitude."""
    return torch.exp(torch.as_tensor(gain, dtype=waveform.dtype) / 40 * math.log(10))


def highpass_biquad(waveform: Tensor, sample_rate: int, cutoff_freq: Any, Q: Any = 0.707) -> Tensor:
    """Frequencies above the cutoff."""
    c, alpha = _angle(waveform, cutoff_freq, sample_rate, Q)
    edge = (1 + c) / 2
    return biquad(waveform, edge, -1 - c, edge, 1 + alpha, -2 * c, 1 - alpha)


def lowpass_biquad(waveform: Tensor, sample_rate: int, cutoff_freq: Any, Q: Any = 0.707) -> Tensor:
    """Frequencies below the cutoff."""
    c, alpha = _angle(waveform, cutoff_freq, sample_rate, Q)
    edge = (1 - c) / 2
    return biquad(waveform, edge, 1 - c, edge, 1 + alpha, -2 * c, 1 - alpha)


def allpass_biquad(waveform: Tensor, sample_rate: int, central_freq: Any, Q: Any = 0.707) -> Tensor:
    """All frequencies, with their phases turned around the centre."""
    c, alpha = _angle(waveform, central_freq, sample_rate, Q)
    return biquad(waveform, 1 - alpha, -2 * c, 1 + alpha, 1 + alpha, -2 * c, 1 - alpha)


def bandpass_biquad(
    waveform: Tensor,
    sample_rate: int,
    central_freq: Any,
    Q: Any = 0.707,
    const_skirt_gain: bool = False,
) -> Tensor:
    """Frequencies around the centre; the peak's gain is 1, or Q with `const_skirt_gain`."""
    c, alpha = _angle(waveform, central_freq, sample_rate, Q)
    peak = alpha * torch.as_tensor(Q, dtype=waveform.dtype) if const_skirt_gain else alpha
    return biquad(waveform, peak, 0.0, -peak, 1 + alpha, -2 * c, 1 - alpha)


def bandreject_biquad(
    waveform: Tensor, sample_rate: int, central_freq: Any, Q: Any = 0.707
) -> Tensor:
    """Frequencies away from the centre."""
    c, alpha = _angle(waveform, central_freq, sample_rate, Q)
    return biquad(waveform, 1.0, -2 * c, 1.0, 1 + alpha, -2 * c, 1 - alpha)


def band_biquad(
    waveform: Tensor, sample_rate: int, central_freq: Any, Q: Any = 0.707, noise: bool = False
) -> Tensor:
    """SoX's two-pole resonator around the centre; noise: for unpitched sounds."""
    centre = torch.as_tensor(central_freq, dtype=waveform.dtype)
    width = centre / torch.as_tensor(Q, dtype=waveform.dtype)
    a2 = torch.exp(-2 * math.pi * width / sample_rate)
    a1 = -4 * a2 / (1 + a2) * torch.cos(2 * math.pi * centre / sample_rate)
    b0 = torch.sqrt(1 - a1 * a1 / (4 * a2)) * (1 - a2)
    if noise:
        b0 = torch.sqrt(((1 + a2) * (1 + a2) - a1 * a1) * (1 - a2) / (1 + a2))
    return biquad(waveform, b0, 0.0, 0.0, 1.0, a1, a2)


def equalizer_biquad(
    waveform: Tensor, sample_rate: int, center_freq: Any, gain: Any, Q: Any = 0.707
) -> Tensor:
    """A peak, or a notch, of `gain` decibels at the centre."""
    c, alpha = _angle(waveform, center_freq, sample_rate, Q)
    A = _amplitude(waveform, gain)
    up, down = alpha * A, alpha / A
    return biquad(waveform, 1 + up, -2 * c, 1 - up, 1 + down, -2 * c, 1 - down)


def bass_biquad(
    waveform: Tensor, sample_rate: int, gain: Any, central_freq: Any = 100, Q: Any = 0.707
) -> Tensor:
    """A shelf of `gain` decibels below the centre."""
    c, alpha = _angle(waveform, central_freq, sample_rate, Q)
    return _shelf(waveform, _amplitude(waveform, gain), c, alpha, -1)


def treble_biquad(
    waveform: Tensor, sample_rate: int, gain: Any, central_freq: Any = 3000, Q: Any = 0.707
) -> Tensor:
    """A shelf of `gain` decibels above the centre."""
    c, alpha = _angle(waveform, central_freq, sample_rate, Q)
    return _shelf(waveform, _amplitude(waveform, gain), c, alpha, 1)


def _shelf(waveform: Tensor, A: Any, c: Any, alpha: Any, side: int) -> Tensor:
    """A shelf above (side 1) or below (-1) the frequency whose cosine is c."""
    bend = 2 * A**0.5 * alpha
    less, more = (A - 1) * c * side, (A + 1) * c * side
    b0, b2 = A * (A + 1 + less + bend), A * (A + 1 + less - bend)
    a0, a2 = A + 1 - less + bend, A + 1 - less - bend
    b1, a1 = -2 * side * A * (A - 1 + more), 2 * side * (A - 1 - more)
    return biquad(waveform, b0 / a0, b1 / a0, b2 / a0, 1.0, a1 / a0, a2 / a0)


def deemph_biquad(waveform: Tensor, sample_rate: int) -> Tensor:
    """Undoes the emphasis of compact discs. ValueError but for 44100 and 48000 Hz."""
    if sample_rate not in _DEEMPHASIS:
        raise error(
            ValueError, f"Sample rate must be 44100 (audio-CD) or 48000 (DAT), got {sample_rate}"
        )
    centre, slope, gain = _DEEMPHASIS[sample_rate]
    w = 2 * math.pi * centre / sample_rate
    A = math.exp(gain / 40.0 * math.log(10))
    alpha = math.sin(w) / 2 * math.sqrt((A + 1 / A) * (1 / slope - 1) + 2)
    return _shelf(waveform, A, math.cos(w), alpha, 1)


def riaa_biquad(waveform: Tensor, sample_rate: int) -> Tensor:
    """The playback curve of vinyl records, 0 dB at 1 kHz. ValueError for other sample rates."""
    if sample_rate not in _RIAA:
        raise error(
            ValueError, f"Sample rate must be 44.1k, 48k, 88.2k, or 96k Hz, got {sample_rate}"
        )
    above, below = (_with_roots(*pair) for pair in _RIAA[sample_rate])
    turn = cmath.exp(-2j * math.pi * 1000 / sample_rate)
    gain = abs(_polynomial(below, turn) / _polynomial(above, turn))
    b0, b1, b2 = (gain * b for b in above)
    return biquad(waveform, b0, b1, b2, *below)


def _with_roots(p: float, q: float) -> tuple[float, float, float]:
    """The polynomial of a delay whose zeros are p and q."""
    return 1.0, -(p + q), p * q


def _polynomial(coefficients: tuple[float, ...], z: complex) -> complex:
    return sum((c * z**k for k, c in enumerate(coefficients)), 0j)
