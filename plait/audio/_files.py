"""Sound files: WAVE by our own reader, other formats by soundfile, an extra.

`backend`, `buffer_size` and `compression` are accepted and change nothing.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

import plait as torch
from plait import Tensor
from plait.audio import _wave
from plait.core.ir.errors import error
from plait.io.serialization import replacing

#: Integer samples are divided by this to lie in [-1, 1).
_FULL_SCALE = {"uint8": 1 << 7, "int16": 1 << 15, "int32": 1 << 31}
#: What a tensor's dtype is written as in a WAVE file: (bits, floating).
_WRITTEN = {
    torch.uint8: (8, False),
    torch.int16: (16, False),
    torch.int32: (32, False),
    torch.float32: (32, True),
    torch.float64: (64, True),
}
_ENCODINGS = {
    ("PCM_U", None): (8, False),
    ("PCM_U", 8): (8, False),
    ("PCM_S", None): (32, False),
    ("PCM_S", 16): (16, False),
    ("PCM_S", 24): (24, False),
    ("PCM_S", 32): (32, False),
    ("PCM_F", None): (32, True),
    ("PCM_F", 32): (32, True),
    ("PCM_F", 64): (64, True),
}


@dataclass
class AudioMetaData:
    """What `info` tells: frames are samples of one channel."""

    sample_rate: int
    num_frames: int
    num_channels: int
    bits_per_sample: int
    encoding: str


def _soundfile(what: str) -> ModuleType:
    """The package soundfile; ImportError naming the extra when it is missing."""
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError) as fault:  # OSError: without its library
        raise ImportError(
            f"{what} needs soundfile, which is not installed: pip install 'plait[audio]'"
        ) from fault


@contextmanager
def _opened(uri: Any) -> Iterator[BinaryIO]:
    """A path's file, or the file object itself, at its start."""
    if hasattr(uri, "read"):
        yield uri
        return
    with open(uri, "rb") as file:
        yield file


def _label(uri: Any) -> str:
    return str(getattr(uri, "name", type(uri).__name__) if hasattr(uri, "read") else uri)


def load(
    uri: Any,
    frame_offset: int = 0,
    num_frames: int = -1,
    normalize: bool = True,
    channels_first: bool = True,
    format: str | None = None,
    buffer_size: int = 4096,
    backend: str | None = None,
) -> tuple[Tensor, int]:
    """The samples of a sound file (a path, or a binary file object), and their rate.

    Returns (channels, time) float32 in [-1, 1] (time first unless `channels_first`). With
    normalize=False a WAVE file's samples keep their type: uint8, int16, int32, float32, float64.
    Reads `num_frames` (all for -1) from `frame_offset`. Raises RuntimeError for a damaged file,
    ImportError for a format other than WAVE without soundfile.
    """
    if num_frames == 0 or num_frames < -1 or frame_offset < 0:
        raise error(
            ValueError,
            "load: num_frames must be -1 or greater than 0 and frame_offset not negative, got "
            f"num_frames={num_frames}, frame_offset={frame_offset}",
        )
    with _opened(uri) as file:
        start = file.tell()
        try:
            layout = _wave.read_layout(file)
        except _wave.NotWave as fault:
            file.seek(start)
            samples, rate = _load_other(file, uri, fault, frame_offset, num_frames)
        else:
            count = layout.frames if num_frames < 0 else num_frames
            samples = _wave.read_samples(file, layout, frame_offset, count)
            rate = layout.sample_rate
    found = _normal(samples) if normalize else np.ascontiguousarray(samples)
    return torch.tensor(found.T if channels_first else found), rate


def _normal(samples: np.ndarray) -> np.ndarray:
    """Samples as float32 in [-1, 1]."""
    scale = _FULL_SCALE.get(samples.dtype.name)
    if scale is None:
        return samples.astype(np.float32)
    centre = scale if samples.dtype == np.uint8 else 0
    # From int32 by float64: float32 has no room for all of its bits.
    return ((samples.astype(np.float64) - centre) / scale).astype(np.float32)


def _load_other(
    file: BinaryIO, uri: Any, fault: Exception, offset: int, frames: int
) -> tuple[np.ndarray, int]:
    package = _soundfile(f"load: {_label(uri)} is not a plain WAVE file ({fault}) and")
    try:
        with package.SoundFile(file) as sound:
            sound.seek(min(offset, sound.frames))
            return sound.read(frames, dtype="float32", always_2d=True), sound.samplerate
    except package.LibsndfileError as problem:
        raise error(RuntimeError, f"load: cannot read {_label(uri)}: {problem}") from None


def info(
    uri: Any, format: str | None = None, buffer_size: int = 4096, backend: str | None = None
) -> AudioMetaData:
    """What is known of a sound file without reading its samples. Raises as `load` does."""
    with _opened(uri) as file:
        start = file.tell()
        try:
            layout = _wave.read_layout(file)
        except _wave.NotWave as fault:
            file.seek(start)
            package = _soundfile(f"info: {_label(uri)} is not a plain WAVE file ({fault}) and")
            try:
                found = package.info(file)
            except package.LibsndfileError as problem:
                raise error(RuntimeError, f"info: cannot read {_label(uri)}: {problem}") from None
            bits = int("".join(filter(str.isdigit, found.subtype)) or 0)
            return AudioMetaData(found.samplerate, found.frames, found.channels, bits, found.format)
    encoding = "PCM_F" if layout.floating else "PCM_U" if layout.bits == 8 else "PCM_S"
    return AudioMetaData(layout.sample_rate, layout.frames, layout.channels, layout.bits, encoding)


def save(
    uri: Any,
    src: Tensor,
    sample_rate: int,
    channels_first: bool = True,
    format: str | None = None,
    encoding: str | None = None,
    bits_per_sample: int | None = None,
    buffer_size: int = 4096,
    backend: str | None = None,
    compression: Any = None,
) -> None:
    """Write (channels, time) samples; time first unless `channels_first`.

    format: by default the ending of the path. WAVE files keep the tensor's dtype (uint8, int16,
    int32, float32, float64) unless `encoding` ("PCM_S", "PCM_U", "PCM_F") and `bits_per_sample` say
    otherwise; floats are clamped to [-1, 1) where they become integers. A path is replaced only
    when the file is whole. Raises ValueError for what does not fit.
    """
    if src.ndim != 2:
        raise error(ValueError, f"Expected 2D Tensor, got {src.ndim}D.")
    kind = format or ("wav" if hasattr(uri, "write") else Path(os.fspath(uri)).suffix[1:])
    array = src.detach().numpy()
    samples = array.T if channels_first else array
    if hasattr(uri, "write"):
        _write(uri, samples, src, sample_rate, kind.lower(), encoding, bits_per_sample)
        return
    with replacing(os.fspath(uri)) as file:
        _write(file, samples, src, sample_rate, kind.lower(), encoding, bits_per_sample)


def _write(
    file: BinaryIO,
    samples: np.ndarray,
    src: Tensor,
    rate: int,
    kind: str,
    encoding: str | None,
    bits: int | None,
) -> None:
    if kind == "wav":
        wanted = _wave_type(src, encoding, bits)
        _wave.write(file, _converted(samples, *wanted), int(rate), *wanted)
        return
    if encoding is not None:
        raise error(ValueError, f"{kind} does not support encoding, got {encoding!r}")
    package = _soundfile(f"save: the format {kind!r}")
    subtype = None if bits is None else f"PCM_{bits}"
    try:
        package.write(file, samples, int(rate), subtype=subtype, format=kind.upper())
    except (package.LibsndfileError, ValueError, TypeError) as problem:
        raise error(ValueError, f"save: cannot write {kind!r}: {problem}") from None


def _wave_type(src: Tensor, encoding: str | None, bits: int | None) -> tuple[int, bool]:
    """(bits, floating) of a WAVE file's samples."""
    if src.dtype not in _WRITTEN:
        raise error(
            ValueError,
            f"save: {src.dtype} cannot be written to a WAVE file; there are uint8, int16, int32, "
            "float32 and float64",
        )
    if encoding is None and bits is None:
        return _WRITTEN[src.dtype]
    name = encoding or ("PCM_U" if bits == 8 else "PCM_S")
    if (name, bits) not in _ENCODINGS:
        raise error(ValueError, f"wav does not support encoding={encoding} with {bits} bits")
    return _ENCODINGS[name, bits]


def _converted(samples: np.ndarray, bits: int, floating: bool) -> np.ndarray:
    """Samples in a file's type; from one integer or floating type to another by their scale."""
    name = f"float{bits}" if floating else {8: "uint8", 16: "int16"}.get(bits, "int32")
    if samples.dtype.name == name and bits != 24:
        return samples
    scale = _FULL_SCALE.get(samples.dtype.name)
    wide = samples.astype(np.float64)
    if scale is not None:
        wide = (wide - (scale if samples.dtype == np.uint8 else 0)) / scale
    if floating:
        return wide.astype(name)
    # 24 bits are the upper ones of int32.
    steps = 1 << (bits - 1)
    whole = np.clip(np.rint(wide * steps), -steps, steps - 1).astype(np.int64)
    if bits == 8:
        return (whole + steps).astype(np.uint8)
    return (whole << 8 if bits == 24 else whole).astype(name)
