"""Small functions at the top of `tensorflow`."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from plait.core.ir.errors import error
from plait.tf._dispatch import op, state
from plait.tf._tensor import Tensor, of_array
from plait.tf._variable import Variable
from plait.tf.strings import shown


def executing_eagerly() -> bool:
    """Whether operations run at once: not while a TensorFlow 1 graph is built."""
    return state.graph is None


def is_tensor(x: Any) -> bool:
    """Whether this is a tensor or variable."""
    return isinstance(x, (Tensor, Variable))


def get_logger() -> logging.Logger:
    """TensorFlow's logger."""
    return logging.getLogger("tensorflow")


def _word(value: Any, summarize: int) -> str:
    if isinstance(value, str):
        return value
    if is_tensor(value):
        return shown(value, summarize)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_word(v, summarize)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_word(v, summarize) for v in value) + "]"
    return str(value)


@op
def print(*inputs: Any, **kwargs: Any) -> None:
    """Write values to standard error, or to `output_stream` (a stream or "file://" path)."""
    unknown = set(kwargs) - {"output_stream", "summarize", "sep", "end"}
    if unknown:
        raise error(ValueError, f"Unrecognized keyword arguments for tf.print: {sorted(unknown)}")
    summarize = kwargs.get("summarize", 3)
    text = kwargs.get("sep", " ").join([_word(v, summarize) for v in inputs])
    text += kwargs.get("end", "\n")
    stream = kwargs.get("output_stream", sys.stderr)
    if isinstance(stream, str):
        with open(stream.removeprefix("file://"), "a", encoding="utf-8") as file:
            file.write(text)
        return
    stream.write(text)


@op
def timestamp() -> Any:
    """The seconds since 1970, float64."""
    import numpy as np

    return of_array(np.array(time.time()))


print.__dict__.update(infer=lambda *args, **kwargs: None, host=True)
timestamp.__dict__["host"] = True
