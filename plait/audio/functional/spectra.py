"""From waves to spectra and back: short-time Fourier transforms, phases, Griffin and Lim's search.

Spectra are (..., frequencies, frames), waves (..., time); all is differentiable.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import plait as torch
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn.functional import pad as padded


def spectrogram(
    waveform: Tensor,
    pad: int,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    power: float | None,
    normalized: bool | str,
    center: bool = True,
    pad_mode: str = "reflect",
    onesided: bool = True,
    return_complex: bool | None = None,
) -> Tensor:
    """The spectra of a wave: |stft| ** power, complex for `power=None`.

    normalized: True or "window" divides by the window's norm, "frame_length" by sqrt(n_fft). Raises
    ValueError for another string, TypeError for another type.
    """
    if return_complex is not None:
        warnings.warn(
            "`return_complex` argument is now deprecated and is not effective; "
            "`spectrogram(power=None)` always returns a tensor with complex dtype.",
            stacklevel=2,
        )
    by_length, by_window = _norms(normalized)
    if pad > 0:
        waveform = padded(waveform, (pad, pad))
    lead = tuple(waveform.shape[:-1])
    spectra = torch.stft(
        waveform.reshape(-1, waveform.shape[-1]),
        n_fft,
        hop_length,
        win_length,
        window,
        center,
        pad_mode,
        by_length,
        onesided,
        return_complex=True,
    )
    spectra = spectra.reshape(*lead, *spectra.shape[-2:])
    if by_window:
        spectra = spectra / window.pow(2.0).sum().sqrt()
    if power is None:
        return spectra
    return spectra.abs() if power == 1.0 else spectra.abs().pow(power)


def inverse_spectrogram(
    spectrogram: Tensor,
    length: int | None,
    pad: int,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    normalized: bool | str,
    center: bool = True,
    pad_mode: str = "reflect",
    onesided: bool = True,
) -> Tensor:
    """The wave of complex spectra: the inverse of `spectrogram(power=None)`.

    length: of the wave before it was padded. Raises ValueError for real spectra.
    """
    by_length, by_window = _norms(normalized)
    if not spectrogram.is_complex():
        raise error(ValueError, "Expected `spectrogram` to be complex dtype.")
    if by_window:
        spectrogram = spectrogram * window.pow(2.0).sum().sqrt()
    lead = tuple(spectrogram.shape[:-2])
    waves = torch.istft(
        spectrogram.reshape(-1, *spectrogram.shape[-2:]),
        n_fft,
        hop_length,
        win_length,
        window,
        center,
        by_length,
        onesided,
        None if length is None else length + 2 * pad,
    )
    if length is not None and pad > 0:
        waves = waves[:, pad:-pad]
    return waves.reshape(*lead, waves.shape[-1])


def _norms(normalized: Any) -> tuple[bool, bool]:
    """Whether to divide by the frame's length, and by the window's norm."""
    if isinstance(normalized, str):
        if normalized not in ("frame_length", "window"):
            raise error(ValueError, f"Invalid normalized parameter: {normalized}")
        return normalized == "frame_length", normalized == "window"
    if not isinstance(normalized, bool):
        raise error(TypeError, f"normalized: expected bool or str, got {type(normalized).__name__}")
    return False, normalized


def phase_vocoder(complex_specgrams: Tensor, rate: float, phase_advance: Tensor) -> Tensor:
    """Spectra sped up by `rate` at the same pitch: (..., frequencies, ceil(frames / rate)).

    phase_advance: the phase that each frequency gains in a hop, (frequencies, 1).
    """
    if rate == 1.0:
        return complex_specgrams
    lead = tuple(complex_specgrams.shape[:-2])
    spectra = complex_specgrams.reshape(-1, *complex_specgrams.shape[-2:])
    steps = torch.arange(0, spectra.shape[-1], rate, dtype=spectra.real.dtype)
    share = steps % 1.0
    first_phase = spectra[..., :1].angle()
    spectra = torch.cat([spectra, spectra.new_zeros(*spectra.shape[:-1], 2)], dim=-1)
    before = spectra.index_select(-1, steps.long())
    after = spectra.index_select(-1, (steps + 1).long())
    turn = after.angle() - before.angle() - phase_advance
    turn = turn - 2 * math.pi * torch.round(turn / (2 * math.pi)) + phase_advance
    phase = torch.cat([first_phase, turn[..., :-1]], dim=-1).cumsum(-1)
    size = share * after.abs() + (1 - share) * before.abs()
    return torch.polar(size, phase).reshape(*lead, *phase.shape[-2:])


def griffinlim(
    specgram: Tensor,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    power: float,
    n_iter: int,
    momentum: float,
    length: int | None,
    rand_init: bool,
) -> Tensor:
    """A wave whose spectra have these sizes, by alternating projections.

    Source: Perraudin, Balazs and Sondergaard, "A fast Griffin-Lim algorithm", WASPAA 2013. Raises
    ValueError for a momentum outside [0, 1).
    """
    if not 0 <= momentum < 1:
        raise error(ValueError, f"momentum must be in range [0, 1). Found: {momentum}")
    momentum = momentum / (1 + momentum)
    lead = tuple(specgram.shape[:-2])
    sizes = specgram.reshape(-1, *specgram.shape[-2:]).pow(1 / power)
    kind = torch.complex128 if sizes.dtype is torch.float64 else torch.complex64
    shape = tuple(sizes.shape)
    phases = torch.rand(shape, dtype=kind) if rand_init else torch.ones(shape, dtype=kind)
    last: Any = 0.0
    for _ in range(n_iter):
        wave = torch.istft(sizes * phases, n_fft, hop_length, win_length, window, length=length)
        rebuilt = torch.stft(wave, n_fft, hop_length, win_length, window, return_complex=True)
        phases = rebuilt - last * momentum if momentum else rebuilt
        phases = phases / (phases.abs() + 1e-16)
        last = rebuilt
    wave = torch.istft(sizes * phases, n_fft, hop_length, win_length, window, length=length)
    return wave.reshape(*lead, wave.shape[-1])


def spectral_centroid(
    waveform: Tensor,
    sample_rate: int,
    pad: int,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
) -> Tensor:
    """The mean frequency of each frame, weighted with the size of its spectrum: (..., frames)."""
    sizes = spectrogram(waveform, pad, window, n_fft, hop_length, win_length, 1.0, False)
    places = torch.linspace(0, sample_rate // 2, 1 + n_fft // 2).reshape(-1, 1)
    return (places * sizes).sum(dim=-2) / sizes.sum(dim=-2)
