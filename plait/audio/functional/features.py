"""What is measured on waves and spectra: slopes, normalised windows, loudness, pitch, distances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plait as torch
from plait import Tensor
from plait.audio.functional.biquads import highpass_biquad, treble_biquad
from plait.core.ir.errors import error
from plait.nn import functional as F

_TINY = 1e-9


def compute_deltas(specgram: Tensor, win_length: int = 5, mode: str = "replicate") -> Tensor:
    """The slope of each feature at each frame, fitted to `win_length` frames around it.

    specgram: (..., frequencies, frames). mode: how the ends are padded. Raises ValueError for a
    window below 3.
    """
    if win_length < 3:
        raise error(
            ValueError,
            f"Window length should be greater than or equal to 3. Found win_length {win_length}",
        )
    n = (win_length - 1) // 2
    shape = tuple(specgram.shape)
    rows = F.pad(specgram.reshape(-1, 1, shape[-1]), (n, n), mode=mode)
    weights = torch.arange(-n, n + 1, 1, dtype=specgram.dtype).reshape(1, 1, -1)
    return (F.conv1d(rows, weights) / (n * (n + 1) * (2 * n + 1) / 3)).reshape(shape)


def sliding_window_cmn(
    specgram: Tensor,
    cmn_window: int = 600,
    min_cmn_window: int = 100,
    center: bool = False,
    norm_vars: bool = False,
) -> Tensor:
    """Each frame less the mean of a window of frames, over their deviation with `norm_vars`.

    specgram: (..., frames, features). The window ends at the frame (and has at least
    `min_cmn_window` frames at the start), or lies around it with `center`.
    """
    frames = specgram.shape[-2]
    spans = [_window(t, frames, cmn_window, min_cmn_window, center) for t in range(frames)]
    begin, end = (torch.tensor([span[side] for span in spans]) for side in (0, 1))
    count = (end - begin).reshape(-1, 1).to(specgram.dtype)

    def means(values: Tensor) -> Tensor:
        sums = F.pad(values.double().cumsum(-2), (0, 0, 1, 0))
        found = sums.index_select(-2, end) - sums.index_select(-2, begin)
        return found / count.double()

    mean = means(specgram)
    centred = specgram - mean.to(specgram.dtype)
    if not norm_vars:
        return centred
    variance = (means(specgram**2) - mean**2).to(specgram.dtype)
    return torch.where(count == 1, torch.zeros_like(centred), centred * variance.pow(-0.5))


def _window(t: int, frames: int, window: int, least: int, center: bool) -> tuple[int, int]:
    """The frames [begin, end) that frame t is held against."""
    begin = t - window // 2 if center else t - window
    end = begin + window if center else t + 1
    if begin < 0:
        begin, end = 0, end - begin
    if not center and end > t:
        end = max(t + 1, least)
    if end > frames:
        begin, end = max(0, begin - (end - frames)), frames
    return begin, end


def loudness(waveform: Tensor, sample_rate: int) -> Tensor:
    """The loudness of (..., channels, time) in LKFS: (...,).

    Source: Recommendation ITU-R BS.1770-4. Raises ValueError for more than five channels.
    """
    channels = waveform.shape[-2]
    if channels > 5:
        raise error(ValueError, f"Only up to 5 channels are supported, got {channels}.")
    size = round(0.4 * sample_rate)
    wave = treble_biquad(waveform, sample_rate, 4.0, 1500.0, 1 / math.sqrt(2))
    wave = highpass_biquad(wave, sample_rate, 38.0, 0.5)
    energy = torch.square(wave).unfold(-1, size, round(size * 0.25)).mean(-1)
    weights = torch.tensor([1.0, 1.0, 1.0, 1.41, 1.41], dtype=waveform.dtype)[:channels]

    def gated(loud: Tensor) -> Tensor:
        """The loudness of the blocks that are."""
        loud = loud.unsqueeze(-2)
        mean = (loud * energy).sum(-1) / loud.sum(-1)
        return -0.691 + 10 * torch.log10((weights * mean).sum(-1))

    blocks = -0.691 + 10 * torch.log10((weights.unsqueeze(-1) * energy).sum(-2))
    loud = blocks > -70.0
    return gated(loud & (blocks > gated(loud).unsqueeze(-1) - 10))


def detect_pitch_frequency(
    waveform: Tensor,
    sample_rate: int,
    frame_time: float = 0.01,
    win_length: int = 30,
    freq_low: int = 85,
    freq_high: int = 3400,
) -> Tensor:
    """The pitch of each frame of (..., time) in hertz: the lag of the best autocorrelation, and
    the median over `win_length` frames."""
    shape = tuple(waveform.shape)
    likeness = _autocorrelations(
        waveform.reshape(-1, shape[-1]), math.ceil(sample_rate * frame_time), sample_rate / freq_low
    )
    lags = _best_lags(likeness, math.ceil(sample_rate / freq_high))
    before = (win_length - 1) // 2
    padded = torch.cat([lags[..., :1].expand(-1, before), lags], -1)
    smooth = padded.unfold(-1, win_length, 1).median(-1).values
    found = sample_rate / (_TINY + smooth.to(torch.float))
    return found.reshape(*shape[:-1], found.shape[-1])


def _autocorrelations(rows: Tensor, size: int, longest: float) -> Tensor:
    """Of each frame with what comes `lag` later, for lags 1 .. longest: (rows, frames, lags)."""
    lags, length = math.ceil(longest), rows.shape[-1]
    frames = math.ceil(length / size)
    rows = F.pad(rows, (0, lags + frames * size - length))

    def cut(lag: int) -> Tensor:
        return rows[..., lag : lag + frames * size].reshape(rows.shape[0], frames, size)

    def power(frame: Tensor) -> Tensor:
        return (_TINY + torch.linalg.vector_norm(frame, dim=-1)).pow(2)

    first = cut(0)
    own = power(first)
    later = [cut(lag) for lag in range(1, lags + 1)]
    return torch.stack([(first * late).sum(-1) / own / power(late) for late in later], -1)


def _best_lags(likeness: Tensor, shortest: int) -> Tensor:
    """The lag of the largest value; one of the shorter half if it is nearly as good."""
    best, at = likeness[..., shortest:].max(-1)
    half, at_half = likeness[..., shortest : likeness.shape[-1] // 2].max(-1)
    return torch.where(half > 0.99 * best, at_half, at) + shortest + 1


def edit_distance(seq1: Sequence[Any], seq2: Sequence[Any]) -> int:
    """Levenshtein's distance: insertions, deletions and exchanges from one to the other."""
    row = list(range(len(seq2) + 1))
    for i, one in enumerate(seq1, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(seq2, 1):
            cheapest = above if one == other else 1 + min(above, row[j - 1], row[j])
            above, row[j] = row[j], cheapest
    return row[-1]


def frechet_distance(mu_x: Tensor, sigma_x: Tensor, mu_y: Tensor, sigma_y: Tensor) -> Tensor:
    """The distance of two normal distributions. Means (n,), covariances (n, n); ValueError else."""
    n = mu_x.shape[0] if mu_x.ndim == 1 else -1
    shapes = [tuple(x.shape) for x in (mu_x, sigma_x, mu_y, sigma_y)]
    if shapes != [(n,), (n, n), (n,), (n, n)]:
        raise error(
            ValueError,
            f"frechet_distance: expected means (n,) and covariances (n, n), got {shapes}",
        )
    apart = (mu_x - mu_y).square().sum()
    shared = torch.linalg.eigvals(sigma_x @ sigma_y).sqrt().real.sum()
    return apart + sigma_x.trace() + sigma_y.trace() - 2 * shared
