"""TFRecord files, and the Example messages in them.

A record is its length (8 bytes), the masked CRC-32C of those, the data, and the masked CRC-32C of
the data. An Example is a protocol buffer message: features by name, each a list of bytes, floats
or integers.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from plait.core.ir.errors import error
from plait.tf import errors

_MASK = 0xA282EAD8


def _table() -> list[int]:
    made = []
    for number in range(256):
        for _ in range(8):
            number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)
        made.append(number)
    return made


_TABLE = _table()


def masked_crc(data: bytes) -> int:
    """The CRC-32C (Castagnoli), rotated and shifted as TFRecord has it."""
    crc = 0xFFFFFFFF
    table = _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def records(file: Any) -> Iterator[bytes]:
    """The records of an open file. Raises DataLossError for damaged ones."""
    while head := file.read(12):
        if len(head) < 12:
            raise error(errors.DataLossError, "truncated record")
        length, crc = struct.unpack("<QI", head)
        if masked_crc(head[:8]) != crc:
            raise error(
                errors.DataLossError, "corrupted record: its length does not match its checksum"
            )
        body = file.read(length + 4)
        if len(body) < length + 4:
            raise error(errors.DataLossError, "truncated record")
        if masked_crc(body[:length]) != struct.unpack("<I", body[length:])[0]:
            raise error(
                errors.DataLossError, "corrupted record: its data do not match their checksum"
            )
        yield body[:length]


def framed(record: bytes) -> bytes:
    """A record as it stands in a file."""
    head = struct.pack("<Q", len(record))
    return b"".join(
        [head, struct.pack("<I", masked_crc(head)), record, struct.pack("<I", masked_crc(record))]
    )


class TFRecordWriter:
    """Writes records to a file.

    options: "GZIP" or "ZLIB", or an object whose compression_type is that. Raises ValueError for
    another.
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        kind = str(getattr(options, "compression_type", options) or "").upper()
        if kind not in ("", "GZIP", "ZLIB"):
            raise error(
                ValueError, f'Compression type must be "", "GZIP" or "ZLIB", received {kind!r}'
            )
        self._file: Any = gzip.open(path, "wb") if kind == "GZIP" else open(path, "wb")  # noqa: SIM115  # closed by close()
        self._packer = zlib.compressobj() if kind == "ZLIB" else None

    def write(self, record: Any) -> None:
        """Add a record: bytes, or a tensor of them."""
        made = framed(record if isinstance(record, bytes) else record.numpy())
        self._file.write(made if self._packer is None else self._packer.compress(made))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Write what is left, and let the file go."""
        if self._packer is not None:
            self._file.write(self._packer.flush())
            self._packer = None
        self._file.close()

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


# -- protocol buffers -----------------------------------------------------------------------------


def varint(number: int) -> bytes:
    """An integer in groups of seven bits, the lowest first."""
    number &= (1 << 64) - 1
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7


def block(field: int, data: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """(field number, wire type, value) of a message. Raises InvalidArgumentError for others."""
    place = 0
    try:
        while place < len(data):
            key, place = _read_varint(data, place)
            kind = key & 7
            if kind == 0:
                value, place = _read_varint(data, place)
            elif kind == 2:
                size, place = _read_varint(data, place)
                if place + size > len(data):
                    raise IndexError
                value, place = data[place : place + size], place + size
            else:
                size = {1: 8, 5: 4}[kind]
                value, place = data[place : place + size], place + size
            yield key >> 3, kind, value
    except (IndexError, KeyError):
        raise error(errors.InvalidArgumentError, "Could not parse example input") from None


class _List:
    """The values of a feature."""

    def __init__(self, value: Any = ()) -> None:
        self.value = list(value)


class BytesList(_List):
    def encoded(self) -> bytes:
        return b"".join([block(1, v if isinstance(v, bytes) else v.encode()) for v in self.value])


class FloatList(_List):
    def encoded(self) -> bytes:
        return block(1, struct.pack(f"<{len(self.value)}f", *self.value)) if self.value else b""


class Int64List(_List):
    def encoded(self) -> bytes:
        return block(1, b"".join([varint(int(v)) for v in self.value])) if self.value else b""


class Feature:
    """One list, of one of three kinds."""

    def __init__(
        self, bytes_list: Any = None, float_list: Any = None, int64_list: Any = None
    ) -> None:
        self.bytes_list = bytes_list or BytesList()
        self.float_list = float_list or FloatList()
        self.int64_list = int64_list or Int64List()

    def encoded(self) -> bytes:
        lists = (self.bytes_list, self.float_list, self.int64_list)
        return b"".join([block(k, x.encoded()) for k, x in enumerate(lists, 1) if x.value])

    @classmethod
    def decoded(cls, data: bytes) -> Feature:
        made = cls()
        for number, _, inside in fields(data):
            for _, kind, value in fields(inside):
                if number == 1:
                    made.bytes_list.value.append(value)
                elif number == 2:
                    made.float_list.value.extend(struct.unpack(f"<{len(value) // 4}f", value))
                elif kind == 0:
                    made.int64_list.value.append(_signed(value))
                else:
                    made.int64_list.value.extend(_integers(value))
        return made


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _integers(data: bytes) -> Iterator[int]:
    place = 0
    while place < len(data):
        number, place = _read_varint(data, place)
        yield _signed(number)


class Features:
    """Features by name."""

    def __init__(self, feature: Any = None) -> None:
        self.feature: dict[str, Feature] = dict(feature or {})

    def encoded(self) -> bytes:
        return b"".join(
            [
                block(1, block(1, name.encode()) + block(2, self.feature[name].encoded()))
                for name in sorted(self.feature)
            ]
        )


class Example:
    """A message of features by name."""

    def __init__(self, features: Any = None) -> None:
        self.features = features or Features()

    def SerializeToString(self) -> bytes:
        return block(1, self.features.encoded())

    @classmethod
    def FromString(cls, data: Any) -> Example:
        made = cls()
        made.ParseFromString(data)
        return made

    def ParseFromString(self, data: Any) -> None:
        """Read a message. Raises InvalidArgumentError for what is none."""
        self.features = Features()
        for number, _, inside in fields(data if isinstance(data, bytes) else data.numpy()):
            if number != 1:
                continue
            for _, _, entry in fields(inside):
                pair = {k: v for k, _, v in fields(entry)}
                self.features.feature[pair[1].decode()] = Feature.decoded(pair.get(2, b""))
