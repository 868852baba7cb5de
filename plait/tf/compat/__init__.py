"""`tf.compat`: the names of TensorFlow 1 (`v1`), and helpers for text."""

from __future__ import annotations

import importlib
import os
from typing import Any


def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """Text as bytes."""
    return (
        bytes_or_text.encode(encoding) if isinstance(bytes_or_text, str) else bytes(bytes_or_text)
    )


def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Bytes as text."""
    return (
        bytes_or_text if isinstance(bytes_or_text, str) else bytes(bytes_or_text).decode(encoding)
    )


def as_str(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Bytes as text."""
    return as_text(bytes_or_text, encoding)


def as_str_any(value: Any) -> str:
    """Anything as text."""
    return as_text(value) if isinstance(value, bytes) else str(value)


def path_to_str(path: Any) -> Any:
    """A path object as text."""
    return os.fspath(path) if hasattr(path, "__fspath__") else path


def __getattr__(name: str) -> Any:
    if name == "v1":
        return importlib.import_module("plait.tf.compat.v1")
    if name == "v2":
        return importlib.import_module("plait.tf")
    raise AttributeError(f"module 'tensorflow.compat' has no attribute {name!r}")
