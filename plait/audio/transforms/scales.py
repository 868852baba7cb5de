"""Mel spectra, cepstra, decibels and the mu law as modules: their filters are buffers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import plait as torch
from plait import Tensor, nn
from plait.audio import functional as F
from plait.audio.transforms.spectra import Spectrogram
from plait.core.ir.errors import error

_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _through(specgram: Tensor, matrix: Tensor) -> Tensor:
    """A matrix (frequencies, features) applied to each frame of (..., frequencies, frames)."""
    return torch.matmul(specgram.transpose(-1, -2), matrix).transpose(-1, -2)


class AmplitudeToDB(nn.Module):
    """Powers (stype "power") or amplitudes as decibels; see `functional.amplitude_to_DB`."""

    def __init__(self, stype: str = "power", top_db: float | None = None) -> None:
        super().__init__()
        if top_db is not None and top_db < 0:
            raise error(ValueError, f"top_db must be positive value, got {top_db}")
        self.stype, self.top_db = stype, top_db
        self.multiplier = 10.0 if stype == "power" else 20.0
        self.amin, self.ref_value = 1e-10, 1.0
        self.db_multiplier = math.log10(max(self.amin, self.ref_value))

    def forward(self, x: Tensor) -> Tensor:
        return F.amplitude_to_DB(x, self.multiplier, self.amin, self.db_multiplier, self.top_db)


class _Mel(nn.Module):
    """The filters `fb` (n_stft, n_mels) of a mel scale."""

    fb: Tensor

    def __init__(
        self,
        n_mels: int,
        sample_rate: int,
        f_min: float,
        f_max: float | None,
        n_stft: int,
        norm: str | None,
        mel_scale: str,
    ) -> None:
        super().__init__()
        self.n_mels, self.sample_rate, self.n_stft = n_mels, sample_rate, n_stft
        self.f_min = f_min
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        self.norm, self.mel_scale = norm, mel_scale
        if f_min > self.f_max:
            raise error(ValueError, f"Require f_min: {f_min} <= f_max: {self.f_max}")
        filters = F.melscale_fbanks(n_stft, f_min, self.f_max, n_mels, sample_rate, norm, mel_scale)
        self.register_buffer("fb", filters)


class MelScale(_Mel):
    """Spectra (..., n_stft, frames) on the mel scale: (..., n_mels, frames)."""

    def __init__(
        self,
        n_mels: int = 128,
        sample_rate: int = 16000,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_stft: int = 201,
        norm: str | None = None,
        mel_scale: str = "htk",
    ) -> None:
        super().__init__(n_mels, sample_rate, f_min, f_max, n_stft, norm, mel_scale)

    def forward(self, specgram: Tensor) -> Tensor:
        return _through(specgram, self.fb)


class InverseMelScale(_Mel):
    """Spectra that have these mel spectra, by least squares, and not below zero."""

    def __init__(
        self,
        n_stft: int,
        n_mels: int = 128,
        sample_rate: int = 16000,
        f_min: float = 0.0,
        f_max: float | None = None,
        norm: str | None = None,
        mel_scale: str = "htk",
        driver: str = "gels",
    ) -> None:
        if driver not in _DRIVERS:
            raise error(ValueError, f"driver must be one of {list(_DRIVERS)}. Found {driver}.")
        super().__init__(n_mels, sample_rate, f_min, f_max or None, n_stft, norm, mel_scale)
        self.driver = driver

    def forward(self, melspec: Tensor) -> Tensor:
        shape = tuple(melspec.shape)
        if shape[-2] != self.n_mels:
            raise error(
                ValueError, f"Expected an input with {self.n_mels} mel bins. Found: {shape[-2]}"
            )
        rows = melspec.reshape(-1, *shape[-2:])
        filters = self.fb.transpose(-1, -2).unsqueeze(0).expand(rows.shape[0], -1, -1)
        found = torch.linalg.lstsq(filters, rows, driver=self.driver).solution
        return torch.relu(found).reshape(*shape[:-2], self.n_stft, shape[-1])


class MelSpectrogram(nn.Module):
    """The mel spectra of a wave (..., time): (..., n_mels, frames)."""

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        f_min: float = 0.0,
        f_max: float | None = None,
        pad: int = 0,
        n_mels: int = 128,
        window_fn: Callable[..., Tensor] = torch.hann_window,
        power: float = 2.0,
        normalized: bool | str = False,
        wkwargs: dict[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        onesided: bool | None = None,
        norm: str | None = None,
        mel_scale: str = "htk",
    ) -> None:
        super().__init__()
        if onesided is not None:
            warnings.warn(
                "Argument 'onesided' has been deprecated and has no influence on the behavior of "
                "this module.",
                stacklevel=2,
            )
        self.spectrogram = Spectrogram(
            n_fft,
            win_length,
            hop_length,
            pad,
            window_fn,
            power,
            normalized,
            wkwargs,
            center,
            pad_mode,
        )
        self.sample_rate, self.n_fft, self.n_mels = sample_rate, n_fft, n_mels
        self.win_length, self.hop_length = self.spectrogram.win_length, self.spectrogram.hop_length
        self.pad, self.power, self.normalized = pad, power, normalized
        self.f_min, self.f_max = f_min, f_max
        self.mel_scale = MelScale(
            n_mels, sample_rate, f_min, f_max, n_fft // 2 + 1, norm, mel_scale
        )

    def forward(self, waveform: Tensor) -> Tensor:
        return self.mel_scale(self.spectrogram(waveform))


class _Cepstrum(nn.Module):
    """The cosine transform `dct_mat` of spectra in decibels, or of their logarithm."""

    dct_mat: Tensor

    def __init__(self, sample_rate: int, dct_type: int, norm: str) -> None:
        super().__init__()
        if dct_type != 2:
            raise error(ValueError, f"DCT type not supported: {dct_type}")
        self.sample_rate, self.dct_type, self.norm = sample_rate, dct_type, norm
        self.top_db = 80.0
        self.amplitude_to_DB = AmplitudeToDB("power", self.top_db)

    def cepstrum(self, spectra: Tensor, logarithm: bool) -> Tensor:
        """(..., features, frames) of (..., filters, frames)."""
        loud = torch.log(spectra + 1e-6) if logarithm else self.amplitude_to_DB(spectra)
        return _through(loud, self.dct_mat)


class MFCC(_Cepstrum):
    """The mel-frequency cepstrum of a wave (..., time): (..., n_mfcc, frames)."""

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mfcc: int = 40,
        dct_type: int = 2,
        norm: str = "ortho",
        log_mels: bool = False,
        melkwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(sample_rate, dct_type, norm)
        self.n_mfcc, self.log_mels = n_mfcc, log_mels
        self.MelSpectrogram = MelSpectrogram(sample_rate, **(melkwargs or {}))
        n_mels = self.MelSpectrogram.n_mels
        if n_mfcc > n_mels:
            raise error(
                ValueError,
                f"Cannot select more MFCC coefficients than # mel bins ({n_mfcc} of {n_mels})",
            )
        self.register_buffer("dct_mat", F.create_dct(n_mfcc, n_mels, norm))

    def forward(self, waveform: Tensor) -> Tensor:
        return self.cepstrum(self.MelSpectrogram(waveform), self.log_mels)


class LFCC(_Cepstrum):
    """The cepstrum of a wave (..., time) on a linear scale: (..., n_lfcc, frames)."""

    filter_mat: Tensor

    def __init__(
        self,
        sample_rate: int = 16000,
        n_filter: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_lfcc: int = 40,
        dct_type: int = 2,
        norm: str = "ortho",
        log_lf: bool = False,
        speckwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(sample_rate, dct_type, norm)
        self.f_min, self.n_filter = f_min, n_filter
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        self.n_lfcc, self.log_lf = n_lfcc, log_lf
        self.Spectrogram = Spectrogram(**(speckwargs or {}))
        n_fft = self.Spectrogram.n_fft
        if n_lfcc > n_fft:
            raise error(
                ValueError,
                f"Cannot select more LFCC coefficients than # fft bins ({n_lfcc} of {n_fft})",
            )
        filters = F.linear_fbanks(n_fft // 2 + 1, f_min, self.f_max, n_filter, sample_rate)
        self.register_buffer("filter_mat", filters)
        self.register_buffer("dct_mat", F.create_dct(n_lfcc, n_filter, norm))

    def forward(self, waveform: Tensor) -> Tensor:
        return self.cepstrum(_through(self.Spectrogram(waveform), self.filter_mat), self.log_lf)


class MuLawEncoding(nn.Module):
    """`functional.mu_law_encoding`."""

    def __init__(self, quantization_channels: int = 256) -> None:
        super().__init__()
        self.quantization_channels = quantization_channels

    def forward(self, x: Tensor) -> Tensor:
        return F.mu_law_encoding(x, self.quantization_channels)


class MuLawDecoding(nn.Module):
    """`functional.mu_law_decoding`."""

    def __init__(self, quantization_channels: int = 256) -> None:
        super().__init__()
        self.quantization_channels = quantization_channels

    def forward(self, x_mu: Tensor) -> Tensor:
        return F.mu_law_decoding(x_mu, self.quantization_channels)
