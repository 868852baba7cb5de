"""Exchange of tensors with other libraries through DLPack."""

from __future__ import annotations

from typing import Any

from plait._functions.creation import from_dlpack
from plait._tensor import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """The capsule of a tensor. Raises BufferError for one that requires a gradient."""
    return tensor.__dlpack__()
