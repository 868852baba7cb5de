"""Other sample rates, and what follows from them: speed and pitch.

Source: Smith, "Digital Audio Resampling": interpolation with a windowed sinc, whose phases are the
filters of one strided convolution.
"""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

import plait as torch
from plait import Tensor
from plait.audio.functional.spectra import phase_vocoder
from plait.core.ir.errors import error
from plait.nn import functional as F

_OLD_NAMES = {"sinc_interpolation": "sinc_interp_hann", "kaiser_window": "sinc_interp_kaiser"}
_METHODS = ("sinc_interp_hann", "sinc_interp_kaiser")
#: Of the Kaiser window: what librosa's `kaiser_best` has.
_BETA = 14.769656459379492


def resample(
    waveform: Tensor,
    orig_freq: int,
    new_freq: int,
    lowpass_filter_width: int = 6,
    rolloff: float = 0.99,
    resampling_method: str = "sinc_interp_hann",
    beta: float | None = None,
) -> Tensor:
    """The wave (..., time) at another rate: (..., ceil(time * new_freq / orig_freq)).

    lowpass_filter_width: zero crossings of the sinc on each side. rolloff: the cutoff, as a share
    of the lower rate's half. Raises ValueError for rates that are not positive.
    """
    if orig_freq <= 0.0 or new_freq <= 0.0:
        raise error(
            ValueError,
            "Original frequency and desired frequecy should be positive, got "
            f"orig_freq={orig_freq}, new_freq={new_freq}",
        )
    if orig_freq == new_freq:
        return waveform
    options = (lowpass_filter_width, rolloff, resampling_method, beta)
    kernel, width, rates = sinc_kernel(orig_freq, new_freq, *options)
    return apply_sinc_kernel(waveform, torch.tensor(kernel, dtype=waveform.dtype), width, rates)


def sinc_kernel(
    orig_freq: int,
    new_freq: int,
    lowpass_filter_width: int,
    rolloff: float,
    resampling_method: str,
    beta: float | None,
) -> tuple[np.ndarray, int, tuple[int, int]]:
    """The filters (new rate, 1, width) in float64, their reach, and the rates without common
    factors. Raises ValueError for what does not fit."""
    if int(orig_freq) != orig_freq or int(new_freq) != new_freq:
        raise error(
            ValueError,
            "Frequencies must be of integer type to ensure quality resampling computation: give "
            f"integers of their ratio, received {orig_freq} and {new_freq}",
        )
    if resampling_method in _OLD_NAMES:
        new_name = _OLD_NAMES[resampling_method]
        warnings.warn(f"{resampling_method!r} is now called {new_name!r}", stacklevel=3)
        resampling_method = new_name
    if resampling_method not in _METHODS:
        raise error(ValueError, f"Invalid resampling method: {resampling_method}")
    if lowpass_filter_width <= 0:
        raise error(ValueError, "Low pass filter width should be positive.")
    common = math.gcd(int(orig_freq), int(new_freq))
    rates = int(orig_freq) // common, int(new_freq) // common
    window = None if resampling_method == "sinc_interp_hann" else (_BETA if beta is None else beta)
    return *_kernel(*rates, lowpass_filter_width, rolloff, window), rates


@functools.lru_cache(maxsize=32)
def _kernel(
    old: int, new: int, crossings: int, rolloff: float, beta: float | None
) -> tuple[np.ndarray, int]:
    base = min(old, new) * rolloff
    width = math.ceil(crossings * old / base)
    places = np.arange(-width, width + old) / old
    t = (np.arange(0, -new, -1)[:, None, None] / new + places) * base
    t = np.clip(t, -crossings, crossings)
    if beta is None:
        window = np.cos(t * math.pi / crossings / 2) ** 2
    else:
        window = np.i0(beta * np.sqrt(1 - (t / crossings) ** 2)) / np.i0(beta)
    return np.sinc(t) * window * (base / old), width


def apply_sinc_kernel(
    waveform: Tensor, kernel: Tensor, width: int, rates: tuple[int, int]
) -> Tensor:
    """The wave at the new rate. Raises TypeError for integers."""
    if not waveform.is_floating_point():
        raise error(
            TypeError,
            f"Expected floating point type for waveform tensor, but received {waveform.dtype}.",
        )
    old, new = rates
    lead, length = tuple(waveform.shape[:-1]), waveform.shape[-1]
    rows = F.pad(waveform.reshape(-1, length), (width, width + old))
    found = F.conv1d(rows.unsqueeze(1), kernel, stride=old)
    found = found.transpose(1, 2).reshape(rows.shape[0], -1)
    return found[..., : -(-new * length // old)].reshape(*lead, -1)


def speed(
    waveform: Tensor, orig_freq: int, factor: float, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """The wave played `factor` times as fast, with its pitch; and its lengths thereafter."""
    source, target = speed_rates(orig_freq, factor)
    return resample(waveform, source, target), scaled_lengths(lengths, source, target)


def speed_rates(orig_freq: int, factor: float) -> tuple[int, int]:
    """The two rates, without common factors, between which a change of speed resamples."""
    source, target = int(factor * orig_freq), int(orig_freq)
    common = math.gcd(source, target)
    return source // common, target // common


def scaled_lengths(lengths: Tensor | None, source: int, target: int) -> Tensor | None:
    """Lengths after resampling."""
    return None if lengths is None else torch.ceil(lengths * target / source).to(lengths.dtype)


def pitch_shift(
    waveform: Tensor,
    sample_rate: int,
    n_steps: int,
    bins_per_octave: int = 12,
    n_fft: int = 512,
    win_length: int | None = None,
    hop_length: int | None = None,
    window: Tensor | None = None,
) -> Tensor:
    """The wave `n_steps` higher, of which `bins_per_octave` double the frequency; as long."""
    stretched = stretched_for_pitch(
        waveform, n_steps, bins_per_octave, n_fft, win_length, hop_length, window
    )
    rate = 2.0 ** (-float(n_steps) / bins_per_octave)
    shifted = resample(stretched, int(sample_rate / rate), sample_rate)
    return as_long_as(shifted, waveform.shape)


def stretched_for_pitch(
    waveform: Tensor,
    n_steps: int,
    bins_per_octave: int,
    n_fft: int,
    win_length: int | None,
    hop_length: int | None,
    window: Tensor | None,
) -> Tensor:
    """The wave, as rows, slowed down at its pitch, so that resampling it raises the pitch."""
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    window = torch.hann_window(width) if window is None else window
    length = waveform.shape[-1]
    rate = 2.0 ** (-float(n_steps) / bins_per_octave)
    rows = waveform.reshape(-1, length)
    spectra = torch.stft(rows, n_fft, hop, width, window, return_complex=True)
    advance = torch.linspace(0, math.pi * hop, spectra.shape[-2]).unsqueeze(-1)
    stretched = phase_vocoder(spectra, rate, advance)
    return torch.istft(stretched, n_fft, hop, width, window, length=round(length / rate))


def as_long_as(rows: Tensor, shape: Any) -> Tensor:
    """Rows cut off or filled up with zeros, in a wave's shape."""
    length = shape[-1]
    rows = rows[..., :length]
    return F.pad(rows, (0, length - rows.shape[-1])).reshape(tuple(shape))
