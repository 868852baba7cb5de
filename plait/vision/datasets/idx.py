"""The idx format of MNIST: a magic number, big-endian sizes, then the elements; plain or gzipped.

Source: the section "File formats for the MNIST database" of Y. LeCun's MNIST page. Bytes 0 and 1
of the magic number are zero, byte 2 is the element type, byte 3 the number of dimensions.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from plait.core.ir.errors import error

ELEMENT_TYPES = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, *, max_bytes: int = 1 << 32) -> np.ndarray:
    """The array in an idx file, in native byte order, shape as in its header. A gzipped file is
    recognised by content.

    Raises RuntimeError, naming the file, what was expected and what was found, for a file that is
    no idx file, is truncated, has bytes left over or asks for more than `max_bytes`.
    """
    raw = _contents(path, max_bytes)
    if len(raw) < 4:
        raise _wrong(path, "a header of at least 4 bytes", f"{len(raw)} bytes")
    if raw[0] != 0 or raw[1] != 0 or raw[2] not in ELEMENT_TYPES:
        kinds = ", ".join(f"0x{kind:02x}" for kind in ELEMENT_TYPES)
        raise _wrong(path, f"a magic number 00 00 type ndim with type in {kinds}", raw[:4].hex(" "))
    dtype, ndim = ELEMENT_TYPES[raw[2]], raw[3]
    header = 4 + 4 * ndim
    if len(raw) < header:
        raise _wrong(path, f"a header of {header} bytes for {ndim} dimensions", f"{len(raw)} bytes")
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", count=ndim, offset=4))
    expected = math.prod(shape) * dtype.itemsize
    found = len(raw) - header
    if found != expected:
        trouble = "it is truncated" if found < expected else "bytes are left over"
        raise _wrong(path, f"{expected} bytes of data for shape {shape}", f"{found}: {trouble}")
    elements = np.frombuffer(raw, dtype, offset=header).reshape(shape)
    return elements.astype(dtype.newbyteorder("="))


def read_images(path: Path) -> np.ndarray:
    """An idx file of images: uint8 (N, H, W)."""
    return _checked(path, 3, "images (N, H, W)")


def read_labels(path: Path) -> np.ndarray:
    """An idx file of labels: uint8 (N,)."""
    return _checked(path, 1, "labels (N,)")


def _checked(path: Path, ndim: int, what: str) -> np.ndarray:
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim != ndim:
        raise _wrong(path, f"uint8 {what}", f"{array.dtype} of shape {array.shape}")
    return array


def _contents(path: Path, max_bytes: int) -> bytes:
    """Bytes of the file, unpacked when gzipped, never more than `max_bytes`."""
    with open(path, "rb") as file:
        zipped = file.read(2) == GZIP_MAGIC
        file.seek(0)
        if not zipped:
            raw = file.read(max_bytes + 1)
        else:
            try:
                with gzip.GzipFile(fileobj=file) as unzipped:
                    raw = unzipped.read(max_bytes + 1)
            except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
                raise _wrong(path, "a whole gzip file", f"a damaged one ({fault})") from fault
    if len(raw) > max_bytes:
        raise _wrong(path, f"at most {max_bytes} bytes", "more")
    return raw


def _wrong(path: Path, expected: str, found: str) -> Exception:
    return error(
        RuntimeError,
        f"{path}: not a usable idx file: expected {expected}, found {found}. Delete the file "
        "and get it again (download=True), or put the right one in its place.",
    )
