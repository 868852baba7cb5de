"""Scales of frequency and of loudness: mel filters, the cosine transform, decibels, the mu law."""

from __future__ import annotations

import math
import warnings

import plait as torch
from plait import Tensor
from plait.core.ir.errors import error

# Slaney's scale: linear up to 1 kHz, then 27 steps to the factor 6.4.
_LINEAR_STEP = 200.0 / 3
_LINEAR_TO = 1000.0
_LOG_STEP = math.log(6.4) / 27.0


def _require_scale(mel_scale: str) -> None:
    if mel_scale not in ("slaney", "htk"):
        raise error(ValueError, f'mel_scale should be one of "htk" or "slaney", got {mel_scale!r}')


def _hz_to_mel(frequency: float, mel_scale: str) -> float:
    if mel_scale == "htk":
        return 2595.0 * math.log10(1.0 + frequency / 700.0)
    if frequency < _LINEAR_TO:
        return frequency / _LINEAR_STEP
    return _LINEAR_TO / _LINEAR_STEP + math.log(frequency / _LINEAR_TO) / _LOG_STEP


def _mel_to_hz(mels: Tensor, mel_scale: str) -> Tensor:
    if mel_scale == "htk":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    bend = _LINEAR_TO / _LINEAR_STEP
    return torch.where(
        mels >= bend, _LINEAR_TO * torch.exp(_LOG_STEP * (mels - bend)), _LINEAR_STEP * mels
    )


def _triangles(frequencies: Tensor, corners: Tensor) -> Tensor:
    """Filters that rise from one corner to the next and fall to the one after it."""
    widths = corners[1:] - corners[:-1]
    slopes = corners.unsqueeze(0) - frequencies.unsqueeze(1)
    falls = -slopes[:, :-2] / widths[:-1]
    rises = slopes[:, 2:] / widths[1:]
    return torch.minimum(falls, rises).clamp(min=0)


def melscale_fbanks(
    n_freqs: int,
    f_min: float,
    f_max: float,
    n_mels: int,
    sample_rate: int,
    norm: str | None = None,
    mel_scale: str = "htk",
) -> Tensor:
    """Triangular filters that are evenly spaced on the mel scale, (n_freqs, n_mels) float32.

    norm="slaney" gives each the same area. Warns of a filter without any frequency; raises
    ValueError for another norm or scale.
    """
    if norm is not None and norm != "slaney":
        raise error(ValueError, f'norm must be one of None or "slaney", got {norm!r}')
    _require_scale(mel_scale)
    frequencies = torch.linspace(0, sample_rate // 2, n_freqs)
    ends = _hz_to_mel(f_min, mel_scale), _hz_to_mel(f_max, mel_scale)
    corners = _mel_to_hz(torch.linspace(*ends, n_mels + 2), mel_scale)
    filters = _triangles(frequencies, corners)
    if norm == "slaney":
        filters = filters * (2.0 / (corners[2:] - corners[:n_mels])).unsqueeze(0)
    if (filters.max(dim=0).values == 0.0).any():
        warnings.warn(
            "At least one mel filterbank has all zero values. The value for `n_mels` "
            f"({n_mels}) may be set too high. Or, the value for `n_freqs` ({n_freqs}) may be set "
            "too low.",
            stacklevel=2,
        )
    return filters


def linear_fbanks(
    n_freqs: int, f_min: float, f_max: float, n_filter: int, sample_rate: int
) -> Tensor:
    """Triangular filters that are evenly spaced in frequency, (n_freqs, n_filter) float32."""
    frequencies = torch.linspace(0, sample_rate // 2, n_freqs)
    return _triangles(frequencies, torch.linspace(f_min, f_max, n_filter + 2))


def create_dct(n_mfcc: int, n_mels: int, norm: str | None) -> Tensor:
    """The matrix of the discrete cosine transform of type II, (n_mels, n_mfcc).

    norm: "ortho" or None; ValueError for another.
    """
    if norm is not None and norm != "ortho":
        raise error(ValueError, f'norm must be either "ortho" or None, got {norm!r}')
    places = torch.arange(float(n_mels))
    waves = torch.arange(float(n_mfcc)).unsqueeze(1)
    matrix = torch.cos(math.pi / float(n_mels) * (places + 0.5) * waves)
    if norm is None:
        return (matrix * 2.0).t()
    matrix[0] *= 1.0 / math.sqrt(2.0)
    return (matrix * math.sqrt(2.0 / float(n_mels))).t()


def amplitude_to_DB(
    x: Tensor, multiplier: float, amin: float, db_multiplier: float, top_db: float | None = None
) -> Tensor:
    """multiplier * log10(max(x, amin)) - multiplier * db_multiplier, in decibels.

    top_db: what is farther below the largest value is raised to there. The largest is that of all
    channels, frequencies and frames of (..., channels, frequencies, frames).
    """
    found = multiplier * torch.log10(torch.clamp(x, min=amin)) - multiplier * db_multiplier
    if top_db is None:
        return found
    shape = tuple(found.shape)
    channels = shape[-3] if len(shape) > 2 else 1
    packed = found.reshape(-1, channels, *shape[-2:])
    floor = packed.amax(dim=(-3, -2, -1)) - top_db
    return torch.max(packed, floor.view(-1, 1, 1, 1)).reshape(shape)


def DB_to_amplitude(x: Tensor, ref: float, power: float) -> Tensor:
    """ref * (10 ** (x / 10)) ** power: power 1 gives a power, 0.5 an amplitude."""
    return ref * torch.pow(torch.pow(10.0, 0.1 * x), power)


def mu_law_encoding(x: Tensor, quantization_channels: int) -> Tensor:
    """Values in [-1, 1] as int64 in [0, quantization_channels), by the mu law."""
    mu = quantization_channels - 1.0
    if not x.is_floating_point():
        warnings.warn("mu_law_encoding: the input should be of floating type.", stacklevel=2)
        x = x.to(torch.float)
    top = torch.tensor(mu, dtype=x.dtype)
    bent = torch.sign(x) * torch.log1p(top * x.abs()) / torch.log1p(top)
    return ((bent + 1) / 2 * top + 0.5).to(torch.int64)


def mu_law_decoding(x_mu: Tensor, quantization_channels: int) -> Tensor:
    """What `mu_law_encoding` made, back in [-1, 1]."""
    x = x_mu if x_mu.is_floating_point() else x_mu.to(torch.float)
    mu = torch.tensor(quantization_channels - 1.0, dtype=x.dtype)
    x = x / mu * 2 - 1.0
    return torch.sign(x) * (torch.exp(x.abs() * torch.log1p(mu)) - 1.0) / mu
