"""Effects and measures as modules without weights."""

from __future__ import annotations

import math

import plait as torch
from plait import Tensor, nn
from plait.audio import functional as F
from plait.core.ir.errors import error


class AddNoise(nn.Module):
    """`functional.add_noise`."""

    def forward(
        self, waveform: Tensor, noise: Tensor, snr: Tensor, lengths: Tensor | None = None
    ) -> Tensor:
        return F.add_noise(waveform, noise, snr, lengths)


class Convolve(nn.Module):
    """`functional.convolve` in a mode."""

    def __init__(self, mode: str = "full") -> None:
        super().__init__()
        self.mode = _checked_mode(mode)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.convolve(x, y, mode=self.mode)


class FFTConvolve(nn.Module):
    """`functional.fftconvolve` in a mode."""

    def __init__(self, mode: str = "full") -> None:
        super().__init__()
        self.mode = _checked_mode(mode)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.fftconvolve(x, y, mode=self.mode)


def _checked_mode(mode: str) -> str:
    if mode not in ("full", "valid", "same"):
        raise error(ValueError, f"Unrecognized mode value '{mode}': 'full', 'valid' or 'same'")
    return mode


class Preemphasis(nn.Module):
    """`functional.preemphasis`."""

    def __init__(self, coeff: float = 0.97) -> None:
        super().__init__()
        self.coeff = coeff

    def forward(self, waveform: Tensor) -> Tensor:
        return F.preemphasis(waveform, coeff=self.coeff)


class Deemphasis(nn.Module):
    """`functional.deemphasis`."""

    def __init__(self, coeff: float = 0.97) -> None:
        super().__init__()
        self.coeff = coeff

    def forward(self, waveform: Tensor) -> Tensor:
        return F.deemphasis(waveform, coeff=self.coeff)


class ComputeDeltas(nn.Module):
    """`functional.compute_deltas`."""

    def __init__(self, win_length: int = 5, mode: str = "replicate") -> None:
        super().__init__()
        self.win_length, self.mode = win_length, mode

    def forward(self, specgram: Tensor) -> Tensor:
        return F.compute_deltas(specgram, self.win_length, self.mode)


class SlidingWindowCmn(nn.Module):
    """`functional.sliding_window_cmn`."""

    def __init__(
        self,
        cmn_window: int = 600,
        min_cmn_window: int = 100,
        center: bool = False,
        norm_vars: bool = False,
    ) -> None:
        super().__init__()
        self.cmn_window, self.min_cmn_window = cmn_window, min_cmn_window
        self.center, self.norm_vars = center, norm_vars

    def forward(self, specgram: Tensor) -> Tensor:
        return F.sliding_window_cmn(
            specgram, self.cmn_window, self.min_cmn_window, self.center, self.norm_vars
        )


class Loudness(nn.Module):
    """`functional.loudness`."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.sample_rate = sample_rate

    def forward(self, wavefrom: Tensor) -> Tensor:  # the argument's name in torchaudio
        return F.loudness(wavefrom, self.sample_rate)


class Vol(nn.Module):
    """The wave louder, clamped to [-1, 1]: a gain of "amplitude", "power" or "db"."""

    def __init__(self, gain: float, gain_type: str = "amplitude") -> None:
        super().__init__()
        if gain_type in ("amplitude", "power") and gain < 0:
            raise error(
                ValueError,
                f"If gain_type = amplitude or power, gain must be positive, got {gain}.",
            )
        self.gain, self.gain_type = gain, gain_type

    def forward(self, waveform: Tensor) -> Tensor:
        if self.gain_type == "amplitude":
            waveform = waveform * self.gain
        elif self.gain_type == "db":
            waveform = F.gain(waveform, self.gain)
        elif self.gain_type == "power":
            waveform = F.gain(waveform, 10 * math.log10(self.gain))
        return torch.clamp(waveform, -1, 1)


class Fade(nn.Module):
    """The wave's beginning and end faded over some samples.

    fade_shape: "linear", "exponential", "logarithmic", "quarter_sine" or "half_sine".
    """

    def __init__(
        self, fade_in_len: int = 0, fade_out_len: int = 0, fade_shape: str = "linear"
    ) -> None:
        super().__init__()
        self.fade_in_len, self.fade_out_len = fade_in_len, fade_out_len
        self.fade_shape = fade_shape

    def forward(self, waveform: Tensor) -> Tensor:
        length = waveform.shape[-1]
        rise = torch.cat([self._rise(self.fade_in_len), torch.ones(length - self.fade_in_len)])
        fall = torch.cat([self._rise(self.fade_out_len), torch.ones(length - self.fade_out_len)])
        return rise.clamp(0, 1) * fall.flip(0).clamp(0, 1) * waveform

    def _rise(self, samples: int) -> Tensor:
        """From silence to the full wave."""
        x = torch.linspace(0, 1, samples)
        if self.fade_shape == "exponential":
            return torch.pow(2, x - 1) * x
        if self.fade_shape == "logarithmic":
            return torch.log10(0.1 + x) + 1
        if self.fade_shape == "quarter_sine":
            return torch.sin(x * math.pi / 2)
        if self.fade_shape == "half_sine":
            return torch.sin(x * math.pi - math.pi / 2) / 2 + 0.5
        return x
