"""Exchange of tensors with other libraries through DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._tensor import Tensor
from plait.core.ir.dtypes import dtype_of

__all__ = ["from_dlpack", "to_dlpack"]


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor over the memory of any object with `__dlpack__`."""
    array = np.from_dlpack(ext_tensor)
    return Tensor.of_array(array, dtype_of(array.dtype))


def to_dlpack(tensor: Tensor) -> Any:
    """The capsule of a tensor. Raises BufferError for one that requires a gradient."""
    return tensor.__dlpack__()
