"""Readers of TensorFlow 1: they take names of files from a queue, and give what is in the files."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from plait.core.ir.errors import error
from plait.tf._convert import convert
from plait.tf._dispatch import op
from plait.tf._records import records
from plait.tf._shape import TensorSpec
from plait.tf.compat._queues import QueueBase, running_session
from plait.tf.data._files import opened


class ReaderBase:
    """Gives pairs of a key and a value, file after file."""

    def __init__(self) -> None:
        self._by_session: Any = weakref.WeakKeyDictionary()
        self._counts: Any = weakref.WeakKeyDictionary()

    def read(self, queue: QueueBase, name: Any = None) -> tuple[Any, Any]:
        """(key, value), two scalars of strings: the next of the present file, or the first of the
        file that the queue gives next. It raises OutOfRangeError where the queue ends."""
        key, value = _read(self, queue, name=name or "ReaderRead")
        return key, value

    def read_up_to(self, queue: QueueBase, num_records: int, name: Any = None) -> Any:
        """(keys, values) of the next records of one file, at most `num_records`."""
        keys, values = _read_up_to(self, queue, num_records, name=name or "ReaderReadUpTo")
        return keys, values

    def num_records_produced(self, name: Any = None) -> Any:
        """How many pairs have been given in this session."""
        return _produced(self, name=name or "ReaderNumRecordsProduced")

    # -- in a session -------------------------------------------------------------------------

    def following(self, session: Any, queue: QueueBase, fresh: bool = True) -> Any:
        """The next pair; None at a file's end if no `fresh` one is to be begun."""
        while True:
            left = self._by_session.get(session)
            if left is not None:
                pair = next(left, None)
                if pair is not None:
                    self._counts[session] = self._counts.get(session, 0) + 1
                    return pair
                del self._by_session[session]
                if not fresh:
                    return None
            (name,) = queue.take(session, 1, True)[0]
            file = name.decode() if isinstance(name, bytes) else str(name)
            self._by_session[session] = self.pairs(file)

    def pairs(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """What is in a file. Raises NotFoundError."""
        raise NotImplementedError


@op
def _read(reader: ReaderBase, queue: QueueBase) -> Any:
    return [convert(part) for part in reader.following(running_session(), queue)]


@op
def _read_up_to(reader: ReaderBase, queue: QueueBase, count: int) -> Any:
    pairs = [reader.following(running_session(), queue)]
    while len(pairs) < count:
        pair = reader.following(running_session(), queue, fresh=False)
        if pair is None:
            break
        pairs.append(pair)
    return [convert(list(parts)) for parts in zip(*pairs)]


@op
def _produced(reader: ReaderBase) -> Any:
    return convert(reader._counts.get(running_session(), 0), "int64")


_read.__dict__.update(
    source=True, host=True, infer=lambda *args: [TensorSpec([], "string"), TensorSpec([], "string")]
)
_read_up_to.__dict__.update(
    source=True,
    host=True,
    infer=lambda *args: [TensorSpec([None], "string"), TensorSpec([None], "string")],
)
_produced.__dict__.update(host=True, infer=lambda reader: TensorSpec([], "int64"))


class WholeFileReader(ReaderBase):
    """(name, all that is in the file)."""

    def __init__(self, name: Any = None) -> None:
        super().__init__()

    def pairs(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        with opened(name, "") as file:
            return iter([(name.encode(), file.read())])


class TextLineReader(ReaderBase):
    """(name and number of a line, the line without its end)."""

    def __init__(self, skip_header_lines: int | None = None, name: Any = None) -> None:
        super().__init__()
        self._skipped = skip_header_lines or 0

    def pairs(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        with opened(name, "") as file:
            lines = file.read().splitlines()
        return iter(
            [
                (f"{name}:{number}".encode(), line)
                for number, line in enumerate(lines, 1)
                if number > self._skipped
            ]
        )


class TFRecordReader(ReaderBase):
    """(name and place of a record, the record)."""

    def __init__(self, name: Any = None, options: Any = None) -> None:
        super().__init__()
        kind = getattr(options, "compression_type", options)
        self._compression = {1: "ZLIB", 2: "GZIP"}.get(kind, kind or "")

    def pairs(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        with opened(name, self._compression) as file:
            found = list(records(file))
        place, pairs = 0, []
        for record in found:
            pairs.append((f"{name}:{place}".encode(), record))
            place += len(record) + 16  # a length, a check of it, and one of the record
        return iter(pairs)


class FixedLengthRecordReader(ReaderBase):
    """(name and number of a record, its `record_bytes` bytes)."""

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: Any = None,
        encoding: Any = None,
    ) -> None:
        super().__init__()
        self._size, self._hop = record_bytes, hop_bytes or record_bytes
        self._head, self._foot = header_bytes or 0, footer_bytes or 0
        if encoding not in (None, ""):
            raise error(
                NotImplementedError, f"FixedLengthRecordReader: encoding {encoding!r} is not built"
            )

    def pairs(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        with opened(name, "") as file:
            data = file.read()
        data = data[self._head : len(data) - self._foot]
        starts = range(0, len(data) - self._size + 1, self._hop)
        return iter(
            [
                (f"{name}:{number}".encode(), data[start : start + self._size])
                for number, start in enumerate(starts)
            ]
        )


class IdentityReader(ReaderBase):
    """(what the queue gives, the same)."""

    def __init__(self, name: Any = None) -> None:
        super().__init__()

    def pairs(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        return iter([(name.encode(), name.encode())])
