"""The container of a PyTorch checkpoint: a zip archive of stored, aligned records.

`ArchiveWriter` writes records as PyTorch 2.x lays them out (one root folder, no compression, every
payload at a multiple of 64 bytes). `ArchiveReader` reads them and trusts nothing: sizes against
the file, compression ratio, checksums. Both take a binary file object; the reader raises
RuntimeError in the words of PyTorch's own reader.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from typing import Any, BinaryIO, cast

import numpy as np

from plait.core.ir.errors import error

ALIGNMENT = 64
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
LOCAL_MAGIC = b"PK\x03\x04"

# The smallest extra field: a two-byte tag and a two-byte length.
_EXTRA_HEADER = 4
# What zipfile puts in front of our padding when an entry needs 64-bit sizes.
_ZIP64_EXTRA = 20
_ZIP64_FROM = 1 << 30
# PyTorch never compresses. A file that somebody repacked is accepted, an archive bomb is not.
_MAX_RATIO = 100
_RATIO_FREE_BYTES = 1 << 20

_FLAG_ENCRYPTED = 0x1
_FLAG_UTF8 = 0x800


class ArchiveWriter:
    """Writes records under `root/` to `file`, each payload aligned; use as a context manager."""

    def __init__(self, file: BinaryIO, root: str) -> None:
        self._root = root
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._start = self._zip.start_dir
        self._crc = 0

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is None:
            self._write_serialization_id()
        self._zip.close()

    def write(self, name: str, payload: bytes | memoryview) -> None:
        """Append the record `name` (relative to the root folder)."""
        size = memoryview(payload).nbytes
        info = zipfile.ZipInfo(f"{self._root}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
        info.file_size = size
        wide = size >= _ZIP64_FROM
        info.extra = self._padding(len(info.filename.encode("utf-8")), wide)
        with self._zip.open(info, "w", force_zip64=wide) as record:
            record.write(payload)
        info.extra = b""  # the padding belongs to the local header, not to the directory
        self._crc = zlib.crc32(struct.pack("<IQ", info.CRC, size), self._crc)

    def _padding(self, name_length: int, wide: bool) -> bytes:
        """An extra field that moves the payload to the next multiple of the alignment."""
        header = self._zip.start_dir - self._start
        begin = header + LOCAL_HEADER.size + name_length + _EXTRA_HEADER
        if wide:
            begin += _ZIP64_EXTRA
        fill = -begin % ALIGNMENT
        return b"FB" + struct.pack("<H", fill) + b"Z" * fill

    def _write_serialization_id(self) -> None:
        # PyTorch logs this number to tell checkpoints apart; equal content gives an equal number.
        names = zlib.crc32("\n".join(self._zip.namelist()).encode("utf-8"))
        self.write(".data/serialization_id", f"{names:020d}{self._crc:020d}".encode("ascii"))


class ArchiveReader:
    """Reads the records of a checkpoint.

    `file` is seekable and binary, `label` names it in messages. Raises RuntimeError for anything
    that is not a whole and honest archive.
    """

    def __init__(self, file: BinaryIO, label: str) -> None:
        self.label = label
        self._file = file
        file.seek(0, os.SEEK_END)
        self._file_size = file.tell()
        try:
            self._zip = zipfile.ZipFile(file, "r")
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            NotImplementedError,
            struct.error,
        ) as fault:
            raise error(
                RuntimeError,
                "PytorchStreamReader failed reading zip archive: failed finding central directory "
                f"(file {label}, {self._file_size} bytes: {fault}). The file is truncated or "
                "corrupt; save or download it again",
            ) from None
        infos = self._zip.infolist()
        if not infos:
            raise self._error("the archive is empty")
        self._root = infos[0].filename.partition("/")[0]
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            if info.filename in self._infos:
                raise self._error(f"record {info.filename!r} occurs twice")
            self._infos[info.filename] = info
        self._check_sizes(infos)

    def _check_sizes(self, infos: list[zipfile.ZipInfo]) -> None:
        stored = 0
        for info in infos:
            if info.header_offset < 0:
                raise self._error(f"record {info.filename!r} begins before the file")
            if info.flag_bits & _FLAG_ENCRYPTED:
                raise self._error(f"record {info.filename!r} is encrypted")
            if info.compress_type == zipfile.ZIP_STORED:
                if info.compress_size != info.file_size:
                    raise self._error(f"record {info.filename!r} has contradictory sizes")
            elif info.compress_type != zipfile.ZIP_DEFLATED:
                raise self._error(f"record {info.filename!r} has an unknown compression method")
            elif info.file_size > _MAX_RATIO * info.compress_size + _RATIO_FREE_BYTES:
                raise self._error(
                    f"record {info.filename!r} claims {info.file_size} bytes from "
                    f"{info.compress_size} compressed ones, more than {_MAX_RATIO}:1"
                )
            stored += info.compress_size
        if stored > self._file_size:
            raise self._error(f"its records claim {stored} bytes, the file has {self._file_size}")

    def _error(self, what: str) -> RuntimeError:
        return RuntimeError(
            f"PytorchStreamReader failed reading zip archive: {what} (file {self.label})"
        )

    def has(self, name: str) -> bool:
        """Whether the record `name` (relative to the root folder) is there."""
        return f"{self._root}/{name}" in self._infos

    def size(self, name: str) -> int:
        """Bytes of the record's payload."""
        return self._info(name).file_size

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = self._infos.get(f"{self._root}/{name}")
        if info is None:
            raise error(
                RuntimeError,
                f"PytorchStreamReader failed locating file {name}: file not found "
                f"(file {self.label})",
            )
        return info

    def read(self, name: str) -> bytes:
        """The payload of a record."""
        return self.read_array(name).tobytes()

    def read_array(self, name: str) -> np.ndarray:
        """The payload of a record as a fresh, writable 1-D uint8 array."""
        info = self._info(name)
        if info.compress_type == zipfile.ZIP_STORED:
            array = np.empty(info.file_size, dtype=np.uint8)
            self._file.seek(self.payload_offset(name))
            if info.file_size and _read_into(self._file, array.data) != info.file_size:
                raise self._error(f"record {name!r} is cut short")
        else:
            array = np.frombuffer(self._inflate(name, info), dtype=np.uint8).copy()
        if array.size != info.file_size or zlib.crc32(array.data) != info.CRC:
            raise self._error(f"the checksum of record {name!r} does not match its data")
        return array

    def _inflate(self, name: str, info: zipfile.ZipInfo) -> bytes:
        self._file.seek(self.payload_offset(name))
        packed = self._file.read(info.compress_size)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than promised is enough to see a lie, and all that is ever made.
            return inflater.decompress(packed, info.file_size + 1)
        except zlib.error as fault:
            raise self._error(f"record {name!r} does not decompress: {fault}") from None

    def map_array(self, name: str, whole: np.ndarray) -> np.ndarray:
        """The payload as a view of `whole`, a uint8 map of the file; RuntimeError if compressed."""
        info = self._info(name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise self._error(f"record {name!r} is compressed and cannot be mapped; use mmap=False")
        begin = self.payload_offset(name)
        return whole[begin : begin + info.file_size]

    def payload_offset(self, name: str) -> int:
        """Where the record's bytes begin in the file, from the record's own header."""
        info = self._info(name)
        self._file.seek(info.header_offset)
        header = self._file.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or header[:4] != LOCAL_MAGIC:
            raise self._error(f"record {name!r} has no local header")
        name_length, extra_length = LOCAL_HEADER.unpack(header)[-2:]
        encoding = "utf-8" if info.flag_bits & _FLAG_UTF8 else "cp437"
        if self._file.read(name_length).decode(encoding, "replace") != info.orig_filename:
            raise self._error(f"record {name!r} bears another name in its local header")
        begin = info.header_offset + LOCAL_HEADER.size + name_length + extra_length
        if begin + info.compress_size > self._file_size:
            raise self._error(f"record {name!r} reaches past the end of the file")
        return begin


def _read_into(file: BinaryIO, view: memoryview) -> int:
    """Fill `view` from `file`; the number of bytes read."""
    read_some = getattr(file, "readinto", None)
    filled = 0
    while filled < len(view):
        if read_some is None:
            chunk = file.read(len(view) - filled)
            view[filled : filled + len(chunk)] = chunk
            got = len(chunk)
        else:
            got = cast(int, read_some(view[filled:])) or 0
        if not got:
            break
        filled += got
    return filled
