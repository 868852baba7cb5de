"""Calls that torchaudio and Plait are given alike: `make_expectations.py` runs them on the one,
`test_values.py` on the other.

A case is a function of the framework (its `torch` and `torchaudio`) and the inputs that gives a
tensor. Cases in `SMOOTH` are differentiated too, by the first input.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PATH = Path(__file__).with_name("expected.npz")
RATE = 16000
Case = Callable[[Any, Any, Any, Any, Any], Any]


def wave(channels: int = 2, time: int = 1600) -> np.ndarray:
    """A chord with noise and a changing loudness, (channels, time) float32 in [-1, 1]."""
    draw = np.random.RandomState(5)
    t = np.arange(time) / RATE
    tones = [np.sin(2 * np.pi * f * t + k) for k, f in enumerate((220.0, 347.0, 1510.0))]
    noise = 0.05 * draw.standard_normal((channels, time))
    rows = sum(tones) * (0.2 + 0.1 * np.arange(channels)[:, None]) + noise
    return (rows * np.linspace(0.3, 0.9, time)).astype(np.float32)


def weights(shape: tuple[int, ...]) -> np.ndarray:
    """What outputs are multiplied with before they are summed and differentiated."""
    return np.random.RandomState(9).standard_normal(shape).astype(np.float32)


def sampled(array: np.ndarray, most: int = 60) -> np.ndarray:
    """Some of an array's values, evenly spread over it."""
    flat = np.asarray(array).reshape(-1)
    return flat[np.linspace(0, flat.size - 1, min(most, flat.size)).astype(int)]


def _spectra(T: Any, x: Any, **options: Any) -> Any:
    return T.Spectrogram(n_fft=128, hop_length=40, **options)(x)


def _as_real(torch: Any, z: Any) -> Any:
    return torch.view_as_real(z)


MEL = {"n_fft": 256, "n_mels": 20, "hop_length": 80}

#: name: (torch, F, T, x, w) -> tensor. F and T are torchaudio's functional and transforms, x the
#: wave and w noise of its shape.
SMOOTH: dict[str, Case] = {
    "Spectrogram": lambda torch, F, T, x, w: _spectra(T, x),
    "Spectrogram, size": lambda torch, F, T, x, w: _spectra(T, x, power=1.0, pad=7),
    "Spectrogram, complex": lambda torch, F, T, x, w: _as_real(torch, _spectra(T, x, power=None)),
    "Spectrogram, window": lambda torch, F, T, x, w: _spectra(T, x, normalized=True),
    "Spectrogram, length": lambda torch, F, T, x, w: _spectra(T, x, normalized="frame_length"),
    "Spectrogram, narrow": lambda torch, F, T, x, w: T.Spectrogram(
        100,
        win_length=60,
        center=False,
        onesided=False,
        window_fn=torch.hamming_window,
        wkwargs={"periodic": False},
        power=3.0,
    )(x),
    "InverseSpectrogram": lambda torch, F, T, x, w: T.InverseSpectrogram(128, hop_length=40)(
        _spectra(T, x, power=None)
    ),
    "InverseSpectrogram, length": lambda torch, F, T, x, w: T.InverseSpectrogram(
        128, hop_length=40, pad=9, normalized="window"
    )(_spectra(T, x, power=None, pad=9, normalized="window"), 1600),
    "MelSpectrogram": lambda torch, F, T, x, w: T.MelSpectrogram(RATE, **MEL)(x),
    "MelSpectrogram, slaney": lambda torch, F, T, x, w: T.MelSpectrogram(
        RATE, f_min=50.0, f_max=7000.0, norm="slaney", mel_scale="slaney", power=1.0, **MEL
    )(x),
    "MFCC": lambda torch, F, T, x, w: T.MFCC(RATE, 13, melkwargs=MEL)(x),
    "MFCC, log": lambda torch, F, T, x, w: T.MFCC(
        RATE, 13, norm=None, log_mels=True, melkwargs=MEL
    )(x),
    "LFCC": lambda torch, F, T, x, w: T.LFCC(
        RATE, 20, n_lfcc=9, speckwargs={"n_fft": 256, "hop_length": 80}
    )(x),
    "AmplitudeToDB": lambda torch, F, T, x, w: T.AmplitudeToDB("magnitude", 30.0)(
        _spectra(T, x, power=1.0)
    ),
    "DB_to_amplitude": lambda torch, F, T, x, w: F.DB_to_amplitude(x, 0.7, 0.5),
    "TimeStretch": lambda torch, F, T, x, w: T.TimeStretch(40, 65)(
        _spectra(T, x, power=None), 1.3
    ).abs(),
    "TimeStretch, slow": lambda torch, F, T, x, w: T.TimeStretch(40, 65, 0.7)(
        _spectra(T, x, power=None)
    ).abs(),
    "SpectralCentroid": lambda torch, F, T, x, w: T.SpectralCentroid(RATE, 200)(x),
    "Resample, down": lambda torch, F, T, x, w: T.Resample(RATE, 11025)(x),
    "Resample, up": lambda torch, F, T, x, w: T.Resample(RATE, 22050)(x),
    "Resample, same": lambda torch, F, T, x, w: T.Resample(RATE, RATE)(x),
    "Resample, kaiser": lambda torch, F, T, x, w: T.Resample(
        RATE, 8000, "sinc_interp_kaiser", lowpass_filter_width=16, rolloff=0.85, beta=8.5
    )(x),
    "resample": lambda torch, F, T, x, w: F.resample(
        x, 3, 2, resampling_method="sinc_interp_kaiser"
    ),
    "Speed": lambda torch, F, T, x, w: T.Speed(RATE, 1.1)(x)[0],
    "lfilter": lambda torch, F, T, x, w: F.lfilter(
        x, torch.tensor([1.0, -1.2, 0.5, 0.1]), torch.tensor([0.3, 0.2, 0.1, 0.4]), clamp=False
    ),
    "lfilter, rows": lambda torch, F, T, x, w: F.lfilter(
        x,
        torch.tensor([[2.0, -1.2, 0.5], [1.0, 0.3, 0.2]]),
        torch.tensor([[0.3, 0.2, 0.1], [0.5, -0.1, 0.7]]),
    ),
    "lfilter, bank": lambda torch, F, T, x, w: F.lfilter(
        x,
        torch.tensor([[2.0, -1.2], [1.0, 0.3], [1.0, 0.0]]),
        torch.tensor([[0.3, 0.2], [0.5, -0.1], [0.1, 0.2]]),
        batching=False,
    ),
    "filtfilt": lambda torch, F, T, x, w: F.filtfilt(
        x, torch.tensor([1.0, -0.9]), torch.tensor([0.1, 0.05])
    ),
    "biquad": lambda torch, F, T, x, w: F.biquad(x, 0.4, 0.2, 0.9, 1.1, 0.2, 0.6),
    "highpass": lambda torch, F, T, x, w: F.highpass_biquad(x, RATE, 300.0),
    "lowpass": lambda torch, F, T, x, w: F.lowpass_biquad(x, RATE, 300.0, 0.9),
    "allpass": lambda torch, F, T, x, w: F.allpass_biquad(x, RATE, 1000.0),
    "bandpass": lambda torch, F, T, x, w: F.bandpass_biquad(x, RATE, 400.0, 2.0),
    "bandpass, skirt": lambda torch, F, T, x, w: F.bandpass_biquad(
        x, RATE, 400.0, 0.9, const_skirt_gain=True
    ),
    "bandreject": lambda torch, F, T, x, w: F.bandreject_biquad(x, RATE, 400.0),
    "band": lambda torch, F, T, x, w: F.band_biquad(x, RATE, 400.0),
    "band, noise": lambda torch, F, T, x, w: F.band_biquad(x, RATE, 400.0, noise=True),
    "equalizer": lambda torch, F, T, x, w: F.equalizer_biquad(x, RATE, 500.0, -6.0),
    "bass": lambda torch, F, T, x, w: F.bass_biquad(x, RATE, 3.0),
    "treble": lambda torch, F, T, x, w: F.treble_biquad(x, RATE, -4.0, 2000.0),
    "deemph": lambda torch, F, T, x, w: F.deemph_biquad(x, 44100),
    "riaa": lambda torch, F, T, x, w: F.riaa_biquad(x, 48000),
    "preemphasis": lambda torch, F, T, x, w: T.Preemphasis(0.9)(x),
    "deemphasis": lambda torch, F, T, x, w: T.Deemphasis(0.6)(x),
    "gain": lambda torch, F, T, x, w: F.gain(x, -3.0),
    "contrast": lambda torch, F, T, x, w: F.contrast(x, 60.0),
    "dcshift": lambda torch, F, T, x, w: F.dcshift(x, 0.4),
    "add_noise": lambda torch, F, T, x, w: T.AddNoise()(
        x, w, torch.tensor([3.0, 10.0]), torch.tensor([1000, 1600])
    ),
    "convolve": lambda torch, F, T, x, w: F.convolve(x[..., :300], w[..., :21], "same"),
    "convolve, valid": lambda torch, F, T, x, w: F.convolve(x[..., :21], w[..., :300], "valid"),
    "fftconvolve": lambda torch, F, T, x, w: T.FFTConvolve()(x[..., :300], w[:1, :50]),
    "compute_deltas": lambda torch, F, T, x, w: T.ComputeDeltas(7)(_spectra(T, x)),
    "SlidingWindowCmn": lambda torch, F, T, x, w: T.SlidingWindowCmn(10, 4)(
        _spectra(T, x, power=1.0)
    ),
    "Vol": lambda torch, F, T, x, w: T.Vol(2.0, "power")(x),
    "Vol, amplitude": lambda torch, F, T, x, w: T.Vol(0.5)(x),
    "Loudness": lambda torch, F, T, x, w: T.Loudness(1000)(x),
    "frechet_distance": lambda torch, F, T, x, w: F.frechet_distance(
        x[0, :3], torch.eye(3) * 2, w[0, :3], torch.eye(3) + 0.1
    ),
    "mask_along_axis": lambda torch, F, T, x, w: F.mask_along_axis(_spectra(T, x), 20, 0.5, 1),
    "FrequencyMasking": lambda torch, F, T, x, w: T.FrequencyMasking(30, iid_masks=True)(
        _spectra(T, x)
    ),
    "TimeMasking": lambda torch, F, T, x, w: T.TimeMasking(20, p=0.3)(_spectra(T, x), 2.0),
    "SpecAugment": lambda torch, F, T, x, w: T.SpecAugment(2, 10, 2, 20)(_spectra(T, x)),
    "GriffinLim": lambda torch, F, T, x, w: T.GriffinLim(128, 4, hop_length=40, rand_init=False)(
        _spectra(T, x)
    ),
}
for shape in ("linear", "exponential", "logarithmic", "quarter_sine", "half_sine"):
    SMOOTH[f"Fade, {shape}"] = lambda torch, F, T, x, w, shape=shape: T.Fade(50, 90, shape)(x)

ROUGH: dict[str, Case] = {
    "SlidingWindowCmn, center": lambda torch, F, T, x, w: T.SlidingWindowCmn(
        10, 4, center=True, norm_vars=True
    )(_spectra(T, x, power=1.0)),
    "melscale_fbanks": lambda torch, F, T, x, w: F.melscale_fbanks(129, 20.0, 7600.0, 20, RATE),
    "linear_fbanks": lambda torch, F, T, x, w: F.linear_fbanks(129, 20.0, 7600.0, 20, RATE),
    "create_dct": lambda torch, F, T, x, w: F.create_dct(13, 20, "ortho"),
    "create_dct, none": lambda torch, F, T, x, w: F.create_dct(13, 20, None),
    "MuLawEncoding": lambda torch, F, T, x, w: T.MuLawEncoding()(x),
    "MuLawDecoding": lambda torch, F, T, x, w: T.MuLawDecoding(128)(T.MuLawEncoding(128)(x)),
    "GriffinLim, random": lambda torch, F, T, x, w: T.GriffinLim(
        128, 3, hop_length=40, power=1.0, length=1610, momentum=0.5
    )(_spectra(T, x, power=1.0)),
    "InverseMelScale": lambda torch, F, T, x, w: T.InverseMelScale(65, 12, RATE)(
        _spectra(T, x)[..., :12, :]
    ),
    "pitch_shift": lambda torch, F, T, x, w: F.pitch_shift(x, RATE, 4, n_fft=256),
    "PitchShift": lambda torch, F, T, x, w: T.PitchShift(RATE, -3, n_fft=256)(x),
    "SpeedPerturbation": lambda torch, F, T, x, w: T.SpeedPerturbation(RATE, [0.9, 1.1, 1.0])(x)[0],
    "Speed, lengths": lambda torch, F, T, x, w: T.Speed(RATE, 0.9)(x, torch.tensor([100, 1600]))[1],
    "detect_pitch_frequency": lambda torch, F, T, x, w: F.detect_pitch_frequency(
        x, RATE, win_length=3
    ),
    "dither": lambda torch, F, T, x, w: F.dither(x),
    "dither, shaped": lambda torch, F, T, x, w: F.dither(x, noise_shaping=True),
    "dither, RPDF": lambda torch, F, T, x, w: F.dither(x, "RPDF"),
    "dcshift, up": lambda torch, F, T, x, w: F.dcshift(x.clone(), 0.4, 0.05),
    "dcshift, down": lambda torch, F, T, x, w: F.dcshift(x.clone(), -0.4, 0.05),
    "lfilter, long": lambda torch, F, T, x, w: F.lfilter(
        x, torch.cat([torch.ones(1), 0.01 * w[0, :100]]), torch.cat([torch.ones(1), w[0, 100:200]])
    ),
}
CASES = {**SMOOTH, **ROUGH}


def seed(name: str) -> int:
    """What the framework's generator starts from in a case."""
    return zlib.crc32(name.encode()) % 1000
