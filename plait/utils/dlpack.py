"""Exchange of tensors with other libraries through DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._functions import creation
from plait._tensor import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """The capsule of a tensor. Raises BufferError for one that requires a gradient."""
    return tensor.__dlpack__()


class _Holder:
    """A capsule as an object with the protocol."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class _Writable:
    """An array's memory, which it keeps alive, as memory that may be written."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor over the memory of an object with the DLPack protocol, or of a capsule, which can be
    used once."""
    if hasattr(ext_tensor, "__dlpack__"):
        return creation.from_dlpack(ext_tensor)
    array = np.from_dlpack(_Holder(ext_tensor))
    # Capsules of the protocol's first version cannot say that memory may be written; it may.
    return creation.from_numpy(array if array.flags.writeable else np.asarray(_Writable(array)))
