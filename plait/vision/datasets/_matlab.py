"""Arrays in MATLAB files of level 5, plain or compressed.

Source: "MAT-File Format", The MathWorks, section on level 5: a header of 128 bytes, then elements
of a type, a length and data, padded to multiples of 8. An array is an element that holds its
flags, its sizes, its name and its values, the latter in column-major order.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from plait.core.ir.errors import error

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_DTYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}


def read_matlab(path: Path) -> dict[str, np.ndarray]:
    """The numeric arrays of the file by name; RuntimeError for a file of another kind."""
    raw = path.read_bytes()
    if len(raw) < _HEADER or raw[126:128] not in (b"IM", b"MI"):
        raise error(RuntimeError, f"{path}: expected a MATLAB file of level 5")
    order = "<" if raw[126:128] == b"IM" else ">"
    found = {}
    for kind, data in _elements(raw[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, data = next(_elements(zlib.decompress(data), order))
        if kind == _MATRIX:
            name, array = _array(data, order, path)
            found[name] = array
    return found


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of each element."""
    at = 0
    while at + 8 <= len(data):
        first, second = (int(v) for v in np.frombuffer(data, order + "u4", 2, at))
        if first >> 16:  # a small element: type and length in four bytes, data in the next four
            yield first & 0xFFFF, data[at + 4 : at + 4 + (first >> 16)]
            at += 8
            continue
        yield first, data[at + 8 : at + 8 + second]
        # Compressed elements are not padded.
        at += 8 + (second if first == _COMPRESSED else -(-second // 8) * 8)


def _array(data: bytes, order: str, path: Path) -> tuple[str, np.ndarray]:
    parts = list(_elements(data, order))
    if len(parts) < 4 or parts[3][0] not in _DTYPES:
        raise error(RuntimeError, f"{path}: holds something else than plain arrays of numbers")
    sizes = np.frombuffer(parts[1][1], order + "i4")
    name = parts[2][1].decode("ascii")
    values = np.frombuffer(parts[3][1], order + _DTYPES[parts[3][0]])
    return name, values.reshape(tuple(int(n) for n in sizes), order="F")
