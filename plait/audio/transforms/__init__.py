"""Modules on waves and spectra under torchaudio's names; they have its buffers."""

from __future__ import annotations

from plait._unbuilt import unbuilt
from plait.audio.transforms.effects import (
    AddNoise,
    ComputeDeltas,
    Convolve,
    Deemphasis,
    Fade,
    FFTConvolve,
    Loudness,
    Preemphasis,
    SlidingWindowCmn,
    Vol,
)
from plait.audio.transforms.masks import FrequencyMasking, SpecAugment, TimeMasking
from plait.audio.transforms.resampling import PitchShift, Resample, Speed, SpeedPerturbation
from plait.audio.transforms.scales import (
    LFCC,
    MFCC,
    AmplitudeToDB,
    InverseMelScale,
    MelScale,
    MelSpectrogram,
    MuLawDecoding,
    MuLawEncoding,
)
from plait.audio.transforms.spectra import (
    GriffinLim,
    InverseSpectrogram,
    SpectralCentroid,
    Spectrogram,
    TimeStretch,
)

__all__ = [
    "LFCC",
    "MFCC",
    "AddNoise",
    "AmplitudeToDB",
    "ComputeDeltas",
    "Convolve",
    "Deemphasis",
    "FFTConvolve",
    "Fade",
    "FrequencyMasking",
    "GriffinLim",
    "InverseMelScale",
    "InverseSpectrogram",
    "Loudness",
    "MelScale",
    "MelSpectrogram",
    "MuLawDecoding",
    "MuLawEncoding",
    "PitchShift",
    "Preemphasis",
    "Resample",
    "SlidingWindowCmn",
    "SpecAugment",
    "SpectralCentroid",
    "Spectrogram",
    "Speed",
    "SpeedPerturbation",
    "TimeMasking",
    "TimeStretch",
    "Vol",
]

__getattr__ = unbuilt(
    "torchaudio.transforms", ("MVDR", "PSD", "RNNTLoss", "RTFMVDR", "SoudenMVDR", "Vad")
)
