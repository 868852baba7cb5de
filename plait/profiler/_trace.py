"""Spans of time as a file in the trace-event format of Chrome, Perfetto and TensorBoard."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable
from typing import Any

from plait.version import __version__


def write_trace(spans: Iterable[Any], path: str) -> None:
    """Write spans (name, began, seconds, thread) as complete events, in microseconds.

    The file appears whole or not at all; one whose name ends in `.gz` is compressed.
    """
    process = os.getpid()
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": "plait"}}
    ]
    for span in spans:
        events.append(
            {
                "ph": "X",
                "cat": "user_annotation",
                "name": span.name,
                "pid": process,
                "tid": span.thread,
                "ts": span.began * 1e6,
                "dur": span.seconds * 1e6,
            }
        )
    text = json.dumps({"schemaVersion": 1, "plait": __version__, "traceEvents": events})
    data = text.encode()
    new = f"{path}.new"
    with open(new, "wb") as file:
        file.write(gzip.compress(data) if path.endswith(".gz") else data)
    os.replace(new, path)
