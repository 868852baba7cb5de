"""RIFF/WAVE files of PCM and floating-point samples, read and written without another package.

Source: Microsoft, "Multimedia Programming Interface and Data Specifications 1.0" (1991), and the
WAVEFORMATEXTENSIBLE structure. Chunks other than `fmt ` and `data` are passed over.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
#: The largest size that a RIFF file can state.
_MOST = (1 << 32) - 1


class NotWave(ValueError):
    """The file is no WAVE file, or one whose samples are coded in a way not known here."""


@dataclass(frozen=True)
class Layout:
    """Where a file's samples lie, and how they are written.

    floating: IEEE numbers, else integers: unsigned in 8 bits, signed in more.
    """

    sample_rate: int
    channels: int
    bits: int
    floating: bool
    begin: int
    frames: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


def read_layout(file: BinaryIO) -> Layout:
    """The layout of a file at its start. Raises NotWave."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise NotWave("it does not begin as a RIFF/WAVE file")
    found: tuple[int, ...] | None = None
    while True:
        chunk = file.read(8)
        if len(chunk) < 8:
            raise NotWave("it has no chunk of samples")
        name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"fmt ":
            found = _format(file.read(size + size % 2))
        elif name == b"data":
            return _with_data(file, found, size)
        else:
            file.seek(size + size % 2, os.SEEK_CUR)


def _format(chunk: bytes) -> tuple[int, ...]:
    """(kind, channels, rate, bits)."""
    if len(chunk) < 16:
        raise NotWave("its format chunk is cut short")
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
    if kind == _EXTENSIBLE and len(chunk) >= 26:
        kind = struct.unpack("<H", chunk[24:26])[0]
    good = (_PCM, (8, 16, 24, 32)), (_FLOAT, (32, 64))
    if not channels or not any(kind == k and bits in sizes for k, sizes in good):
        raise NotWave(f"samples of format {kind} with {bits} bits in {channels} channels")
    return kind, channels, rate, bits


def _with_data(file: BinaryIO, found: tuple[int, ...] | None, size: int) -> Layout:
    if found is None:
        raise NotWave("its samples come before their format")
    kind, channels, rate, bits = found
    begin = file.tell()
    # What is written to a pipe states no size; what was cut off, too much.
    left = file.seek(0, os.SEEK_END) - begin
    frames = min(size, left) // (channels * bits // 8)
    return Layout(rate, channels, bits, kind == _FLOAT, begin, frames)


def read_samples(file: BinaryIO, layout: Layout, offset: int, count: int) -> np.ndarray:
    """Frames [offset, offset + count) as the file has them, (frames, channels).

    uint8, int16, int32 (24 bits in the upper ones), float32 or float64.
    """
    offset = min(offset, layout.frames)
    count = min(count, layout.frames - offset)
    file.seek(layout.begin + offset * layout.frame_bytes)
    raw = np.frombuffer(file.read(count * layout.frame_bytes), np.uint8)
    if layout.bits == 24:
        wide = np.zeros((raw.size // 3, 4), np.uint8)
        wide[:, 1:] = raw.reshape(-1, 3)
        samples = wide.reshape(-1).view("<i4")
    else:
        samples = raw.view(_dtype(layout.bits, layout.floating))
    return samples.reshape(-1, layout.channels)


def _dtype(bits: int, floating: bool) -> str:
    return f"<f{bits // 8}" if floating else {8: "u1", 16: "<i2", 32: "<i4"}[bits]


def write(file: BinaryIO, samples: np.ndarray, rate: int, bits: int, floating: bool) -> None:
    """Write (frames, channels) samples of the file's own type (int32 for 24 bits too)."""
    frames, channels = samples.shape
    if bits == 24:
        raw = samples.astype("<i4").reshape(-1, 1).view(np.uint8)[:, 1:].tobytes()
    else:
        raw = samples.astype(_dtype(bits, floating)).tobytes()
    extra = struct.pack("<H", 0) if floating else b""
    fact = b"fact" + struct.pack("<II", 4, frames) if floating else b""
    block = channels * bits // 8
    chunk = struct.pack(
        "<HHIIHH", _FLOAT if floating else _PCM, channels, rate, rate * block, block, bits
    )
    chunk += extra
    size = 4 + 8 + len(chunk) + len(fact) + 8 + len(raw) + len(raw) % 2
    if size > _MOST:
        raise ValueError(f"a WAVE file holds at most 4 GB, and {size} bytes are to be written")
    file.write(b"RIFF" + struct.pack("<I", size) + b"WAVE")
    file.write(b"fmt " + struct.pack("<I", len(chunk)) + chunk + fact)
    file.write(b"data" + struct.pack("<I", len(raw)) + raw + b"\0" * (len(raw) % 2))
