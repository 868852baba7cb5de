"""`tf.summary`: event files that TensorBoard reads."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf._convert import convert
from plait.tf._records import block, framed, varint

_FIXED64, _FIXED32 = 1, 5


class FileWriter:
    """Writes events to a file in a folder."""

    _count = 0

    def __init__(
        self,
        logdir: Any,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        graph_def: Any = None,
        filename_suffix: str = "",
        session: Any = None,
    ) -> None:
        folder = os.fspath(logdir)
        os.makedirs(folder, exist_ok=True)
        FileWriter._count += 1
        name = (
            f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}."
            f"{FileWriter._count}{filename_suffix}"
        )
        self._folder = folder
        self._file: Any = open(os.path.join(folder, name), "wb")  # noqa: SIM115  # closed by close()
        self._lock = threading.Lock()
        self._write(block(3, b"brain.Event:2"))

    def get_logdir(self) -> str:
        return self._folder

    def _write(self, body: bytes, step: int = 0) -> None:
        head = varint(1 << 3 | _FIXED64) + struct.pack("<d", time.time())
        with self._lock:
            self._file.write(framed(head + varint(2 << 3) + varint(step) + body))

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Write a summary message (what merged summaries give in a session)."""
        data = summary if isinstance(summary, bytes) else summary.SerializeToString()
        self._write(block(5, data), int(global_step or 0))

    def add_graph(self, graph: Any, global_step: Any = None) -> None:
        """Nothing: graphs are not written."""

    def add_event(self, event: Any) -> None:
        self._write(event)

    def flush(self) -> None:
        with self._lock:
            self._file.flush()

    def close(self) -> None:
        if not self._file.closed:
            self._file.close()

    # -- as in TensorFlow 2 -------------------------------------------------------------------

    def as_default(self, step: Any = None) -> _Context:
        """A context in which `tf.summary.scalar` and the like write here."""
        return _Context(self, step)

    def set_as_default(self, step: Any = None) -> None:
        _state.writer, _state.step = self, step if step is not None else _state.step

    def init(self) -> None:
        """Nothing: the file is open."""

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _State(threading.local):
    writer: Any = None
    step: Any = None
    recording = True


_state = _State()


class _Context:
    def __init__(self, writer: Any, step: Any) -> None:
        self._new = (writer, step)

    def __enter__(self) -> Any:
        self._before = (_state.writer, _state.step)
        _state.writer = self._new[0]
        if self._new[1] is not None:
            _state.step = self._new[1]
        return self._new[0]

    def __exit__(self, *exc: object) -> None:
        self._new[0].flush()
        _state.writer, _state.step = self._before


def create_file_writer(
    logdir: Any,
    max_queue: Any = None,
    flush_millis: Any = None,
    filename_suffix: Any = None,
    name: Any = None,
    experimental_trackable: bool = False,
) -> FileWriter:
    """A writer of events to a file in a folder."""
    return FileWriter(logdir, filename_suffix=filename_suffix or ".v2")


def create_noop_writer() -> Any:
    """A writer that writes nothing."""
    return _Context(_Nothing(), None)


class _Nothing:
    def flush(self) -> None:
        """Nothing is held."""


def flush(writer: Any = None, name: Any = None) -> None:
    """Write out what is held."""
    found = writer or _state.writer
    if found is not None:
        found.flush()


class experimental:
    """The step that summaries get by default, and their names."""

    @staticmethod
    def set_step(step: Any) -> None:
        _state.step = step

    @staticmethod
    def get_step() -> Any:
        return _state.step

    @staticmethod
    @contextlib.contextmanager
    def summary_scope(
        name: str, default_name: str = "summary", values: Any = None
    ) -> Iterator[tuple[str, str]]:
        """(tag, scope) for a summary of this name."""
        tag = name or default_name
        yield tag, tag + "/"


class record_if:
    """A context in which summaries are written or not."""

    def __init__(self, condition: Any) -> None:
        self._new = condition

    def __enter__(self) -> None:
        self._before = _state.recording
        value = self._new() if callable(self._new) else self._new
        _state.recording = bool(value)

    def __exit__(self, *exc: object) -> None:
        _state.recording = self._before


def should_record_summaries() -> bool:
    return _state.writer is not None and _state.recording


def _emit(value: bytes, step: Any) -> bool:
    """Write one value with the step given, or the one in force. Raises ValueError for none."""
    writer = _state.writer
    if writer is None or not _state.recording or isinstance(writer, _Nothing):
        return False
    number = step if step is not None else _state.step
    if number is None:
        raise error(
            ValueError,
            "No step set. Please specify one either through the `step` "
            "argument or through tf.summary.experimental.set_step()",
        )
    writer._write(block(5, block(1, value)), int(number))
    return True


def scalar_value(name: str, data: Any) -> bytes:
    """A summary value that holds a number."""
    number = struct.pack("<f", float(np.asarray(convert(data)._array())))
    return block(1, name.encode()) + varint(2 << 3 | _FIXED32) + number


def histogram_value(name: str, data: Any, buckets: int = 30) -> bytes:
    """A summary value that holds a histogram: least, most, count, sums, limits and counts."""
    values = np.asarray(convert(data)._array(), np.float64).reshape(-1)
    if not values.size:
        values = np.zeros(1)
    counts, edges = np.histogram(values, buckets)
    numbers = (values.min(), values.max(), values.size, values.sum(), (values * values).sum())
    message = b"".join(
        [varint(k << 3 | _FIXED64) + struct.pack("<d", float(n)) for k, n in enumerate(numbers, 1)]
    )
    message += block(6, struct.pack(f"<{buckets}d", *edges[1:]))
    message += block(7, struct.pack(f"<{buckets}d", *counts.astype(np.float64)))
    return block(1, name.encode()) + block(5, message)


def image_value(name: str, picture: np.ndarray) -> bytes:
    """A summary value that holds a PNG of (height, width, channels)."""
    from plait.tf.io import encode_png

    array = picture
    if array.dtype.kind == "f":
        array = (np.clip(array, 0, 1) * 255.5).astype(np.uint8)
    height, width, channels = array.shape
    data = encode_png(array)._array()[()]
    message = b"".join(
        [
            varint(1 << 3),
            varint(height),
            varint(2 << 3),
            varint(width),
            varint(3 << 3),
            varint(channels),
            block(4, data),
        ]
    )
    return block(1, name.encode()) + block(4, message)


def text_value(name: str, data: Any) -> bytes:
    """A summary value that holds strings, for the plug-in "text"."""
    metadata = block(1, block(1, b"text"))
    return block(1, name.encode()) + block(9, metadata) + block(8, _strings(data, (-1,)))


def _strings(data: Any, shape: tuple[int, ...] | None = None) -> bytes:
    """A tensor message of strings: their dtype, their shape, and they."""
    items = convert(data)._array()
    items = items if shape is None else items.reshape(shape)
    extents = b"".join([block(2, varint(1 << 3) + varint(extent)) for extent in items.shape])
    message = varint(1 << 3) + varint(7) + block(2, extents)
    return message + b"".join([block(8, item) for item in items.reshape(-1)])


def scalar(name: str, data: Any, step: Any = None, description: Any = None) -> bool:
    """Write a number; whether it was written."""
    return _emit(scalar_value(name, data), step)


def histogram(
    name: str, data: Any, step: Any = None, buckets: int = 30, description: Any = None
) -> bool:
    """Write a histogram of values; whether it was written."""
    return _emit(histogram_value(name, data, buckets), step)


def image(
    name: str, data: Any, step: Any = None, max_outputs: int = 3, description: Any = None
) -> bool:
    """Write pictures (batch, height, width, channels); whether they were written."""
    pictures = np.asarray(convert(data)._array())
    written = False
    for number, picture in enumerate(pictures[:max_outputs]):
        tag = name if len(pictures) == 1 else f"{name}/{number}"
        written = _emit(image_value(tag, picture), step)
    return written


def text(name: str, data: Any, step: Any = None, description: Any = None) -> bool:
    """Write strings; whether they were written."""
    return _emit(text_value(name, data), step)


class SummaryMetadata:
    """Which plug-in of TensorBoard a summary is for, and what it says to it."""

    class _Plugin:
        plugin_name = ""
        content = b""

    def __init__(self) -> None:
        self.plugin_data = self._Plugin()

    def SerializeToString(self) -> bytes:
        plugin = block(1, self.plugin_data.plugin_name.encode())
        return block(1, plugin + block(2, self.plugin_data.content))


def write(tag: str, tensor: Any, step: Any = None, metadata: Any = None, name: Any = None) -> bool:
    """Write strings for the plug-in that `metadata` names; whether they were written."""
    value = block(1, tag.encode()) + block(8, _strings(tensor))
    if metadata is not None:
        value += block(9, metadata.SerializeToString())
    return _emit(value, step)


def trace_on(graph: bool = True, profiler: bool = False, profiler_outdir: Any = None) -> None:
    """Nothing: graphs are not traced for TensorBoard."""


def trace_export(name: str, step: Any = None, profiler_outdir: Any = None) -> None:
    """Nothing: see `trace_on`."""


def trace_off() -> None:
    """Nothing: see `trace_on`."""


def __getattr__(name: str) -> Any:
    """Names of TensorFlow 1 that old programs look for here."""
    from plait.tf.compat import v1

    if not name.startswith("_") and name in vars(v1.summary):
        return vars(v1.summary)[name]
    raise AttributeError(f"module 'tensorflow.summary' has no attribute {name!r}")
