"""Rates, speeds and pitches as modules: their filters are buffers, made once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import plait as torch
from plait import Tensor, nn
from plait.audio.functional import resampling


class Resample(nn.Module):
    """The wave (..., time) at another rate; see `functional.resample`.

    dtype: of the filters, float32 if None; that of the waves that it will be given.
    """

    kernel: Tensor

    def __init__(
        self,
        orig_freq: int = 16000,
        new_freq: int = 16000,
        resampling_method: str = "sinc_interp_hann",
        lowpass_filter_width: int = 6,
        rolloff: float = 0.99,
        beta: float | None = None,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.orig_freq, self.new_freq = orig_freq, new_freq
        self.gcd = math.gcd(int(orig_freq), int(new_freq))
        self.resampling_method, self.beta = resampling_method, beta
        self.lowpass_filter_width, self.rolloff = lowpass_filter_width, rolloff
        if orig_freq != new_freq:
            kernel, self.width, self._rates = resampling.sinc_kernel(
                orig_freq, new_freq, lowpass_filter_width, rolloff, resampling_method, beta
            )
            self.register_buffer("kernel", torch.tensor(kernel, dtype=dtype or torch.float32))

    def forward(self, waveform: Tensor) -> Tensor:
        if self.orig_freq == self.new_freq:
            return waveform
        return resampling.apply_sinc_kernel(waveform, self.kernel, self.width, self._rates)


class Speed(nn.Module):
    """The wave played `factor` times as fast; see `functional.speed`."""

    def __init__(self, orig_freq: int, factor: float) -> None:
        super().__init__()
        self.orig_freq, self.factor = orig_freq, factor
        rates = resampling.speed_rates(orig_freq, factor)
        self.source_sample_rate, self.target_sample_rate = rates
        self.resampler = Resample(*rates)

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        rates = self.source_sample_rate, self.target_sample_rate
        return self.resampler(waveform), resampling.scaled_lengths(lengths, *rates)


class SpeedPerturbation(nn.Module):
    """`Speed` by one of the factors, drawn anew in each call."""

    def __init__(self, orig_freq: int, factors: Sequence[float]) -> None:
        super().__init__()
        self.speeders = nn.ModuleList([Speed(orig_freq, factor) for factor in factors])

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        return self.speeders[int(torch.randint(len(self.speeders), ()))](waveform, lengths)


class PitchShift(nn.Module):
    """The wave `n_steps` higher; see `functional.pitch_shift`."""

    window: Tensor

    def __init__(
        self,
        sample_rate: int,
        n_steps: int,
        bins_per_octave: int = 12,
        n_fft: int = 512,
        win_length: int | None = None,
        hop_length: int | None = None,
        window_fn: Callable[..., Tensor] = torch.hann_window,
        wkwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_steps, self.bins_per_octave = sample_rate, n_steps, bins_per_octave
        self.n_fft = n_fft
        self.win_length = n_fft if win_length is None else win_length
        self.hop_length = self.win_length // 4 if hop_length is None else hop_length
        self.register_buffer("window", window_fn(self.win_length, **(wkwargs or {})))
        self.orig_freq = int(sample_rate / 2.0 ** (-float(n_steps) / bins_per_octave))

    def forward(self, waveform: Tensor) -> Tensor:
        stretched = resampling.stretched_for_pitch(
            waveform,
            self.n_steps,
            self.bins_per_octave,
            self.n_fft,
            self.win_length,
            self.hop_length,
            self.window,
        )
        shifted = resampling.resample(stretched, self.orig_freq, self.sample_rate)
        return resampling.as_long_as(shifted, waveform.shape)
