"""Functions on waves (..., time) and spectra (..., frequencies, frames), torchaudio's names."""

from __future__ import annotations

from plait._unbuilt import unbuilt
from plait.audio.functional.biquads import (
    allpass_biquad,
    band_biquad,
    bandpass_biquad,
    bandreject_biquad,
    bass_biquad,
    biquad,
    deemph_biquad,
    equalizer_biquad,
    highpass_biquad,
    lowpass_biquad,
    riaa_biquad,
    treble_biquad,
)
from plait.audio.functional.effects import (
    add_noise,
    contrast,
    convolve,
    dcshift,
    dither,
    fftconvolve,
    gain,
    overdrive,
)
from plait.audio.functional.features import (
    compute_deltas,
    detect_pitch_frequency,
    edit_distance,
    frechet_distance,
    loudness,
    sliding_window_cmn,
)
from plait.audio.functional.filters import deemphasis, filtfilt, lfilter, preemphasis
from plait.audio.functional.masks import mask_along_axis, mask_along_axis_iid
from plait.audio.functional.resampling import pitch_shift, resample, speed
from plait.audio.functional.scales import (
    DB_to_amplitude,
    amplitude_to_DB,
    create_dct,
    linear_fbanks,
    melscale_fbanks,
    mu_law_decoding,
    mu_law_encoding,
)
from plait.audio.functional.spectra import (
    griffinlim,
    inverse_spectrogram,
    phase_vocoder,
    spectral_centroid,
    spectrogram,
)

__all__ = [
    "DB_to_amplitude",
    "add_noise",
    "allpass_biquad",
    "amplitude_to_DB",
    "band_biquad",
    "bandpass_biquad",
    "bandreject_biquad",
    "bass_biquad",
    "biquad",
    "compute_deltas",
    "contrast",
    "convolve",
    "create_dct",
    "dcshift",
    "deemph_biquad",
    "deemphasis",
    "detect_pitch_frequency",
    "dither",
    "edit_distance",
    "equalizer_biquad",
    "fftconvolve",
    "filtfilt",
    "frechet_distance",
    "gain",
    "griffinlim",
    "highpass_biquad",
    "inverse_spectrogram",
    "lfilter",
    "linear_fbanks",
    "loudness",
    "lowpass_biquad",
    "mask_along_axis",
    "mask_along_axis_iid",
    "melscale_fbanks",
    "mu_law_decoding",
    "mu_law_encoding",
    "overdrive",
    "phase_vocoder",
    "pitch_shift",
    "preemphasis",
    "resample",
    "riaa_biquad",
    "sliding_window_cmn",
    "spectral_centroid",
    "spectrogram",
    "speed",
    "treble_biquad",
]

__getattr__ = unbuilt(
    "torchaudio.functional",
    (
        "TokenSpan",
        "apply_beamforming",
        "apply_codec",
        "flanger",
        "forced_align",
        "merge_tokens",
        "mvdr_weights_rtf",
        "mvdr_weights_souden",
        "phaser",
        "psd",
        "rnnt_loss",
        "rtf_evd",
        "rtf_power",
        "vad",
    ),
)
