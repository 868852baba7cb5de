"""What event files are made of: protocol-buffer fields, and records with checksums (TFRecord).

A message is bytes here: `field(number, value)` encodes one field of it, by the type of the value,
and messages are put together with `b"".join`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5


def _table() -> tuple[int, ...]:
    """CRC-32C (Castagnoli) of each byte, reflected: RFC 3720, appendix B.4."""
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        rows.append(byte)
    return tuple(rows)


_CRC = _table()


def masked_crc(data: bytes) -> int:
    """The checksum of a record's part: CRC-32C, rotated and offset, as TFRecord files have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """One record of a TFRecord file: length and data, each with its checksum."""
    length = struct.pack("<Q", len(data))
    checks = [struct.pack("<I", masked_crc(part)) for part in (length, data)]
    return length + checks[0] + data + checks[1]


def varint(value: int) -> bytes:
    """A base-128 number; a negative one as its 64-bit two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: int | float | str | bytes) -> bytes:
    """A field: ints and bools as varints, floats as doubles, text and messages with a length."""
    if isinstance(value, float):
        return varint(number << 3 | _DOUBLE) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3 | _VARINT) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | _BYTES) + varint(len(data)) + data


def float32(number: int, value: float) -> bytes:
    """A field of type `float`."""
    return varint(number << 3 | _FLOAT) + struct.pack("<f", value)


def doubles(number: int, values: Iterable[float]) -> bytes:
    """A packed repeated field of doubles."""
    values = list(values)
    return field(number, struct.pack(f"<{len(values)}d", *values))
