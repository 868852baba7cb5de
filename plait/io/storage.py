"""A storage of a checkpoint: the bytes that one or more tensors view, and where they lived.

Takes raw bytes (or a mapped region) and gives typed one-dimensional views; `Relocation` is the
meaning of `map_location`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.io.dtypes import numpy_dtype


class Storage:
    """The whole memory behind some tensors.

    `raw` is 1-D uint8 and writable; `location` is the device tag of the file ("cpu", "cuda:0");
    `base` belongs to the tensor bridge, which keeps there the tensor that all views share;
    `resolved` holds copies with conjugation or negation carried out, made once per kind.
    """

    __slots__ = ("base", "location", "raw", "resolved")

    def __init__(self, raw: np.ndarray, location: str = "cpu") -> None:
        self.raw = raw
        self.location = location
        self.base: Any = None
        self.resolved: dict[tuple[str, bool, bool], Storage] = {}

    def array(self, dtype_name: str) -> np.ndarray:
        """The storage as a 1-D array of `dtype_name`, sharing memory; ValueError on a remainder."""
        dtype = numpy_dtype(dtype_name)
        if self.raw.size % dtype.itemsize:
            raise error(
                ValueError,
                f"a storage of {self.raw.size} bytes does not hold whole {dtype_name} elements",
            )
        return self.raw.view(dtype)

    def nbytes(self) -> int:
        return int(self.raw.size)

    def cpu(self) -> Storage:
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Storage:
        raise error(
            RuntimeError,
            "a storage cannot be moved to a CUDA device: Plait runs on the CPU. "
            "Use load(..., map_location='cpu')",
        )

    def __len__(self) -> int:
        return self.nbytes()

    def __repr__(self) -> str:
        return f"Storage({self.nbytes()} bytes, location={self.location!r})"


class MapLocationError(Exception):
    """Carries an exception of the user's `map_location` past the handlers of a broken pickle."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


MapLocation = str | bytes | Mapping[str, str] | Callable[[Storage, str], Any] | Any | None


class Relocation:
    """Decides where a storage goes: the `map_location` of `load`.

    `map_location` is None, a device tag, a device object, a dict from tag to tag, or a callable
    `(storage, tag) -> Storage | None`. Raises RuntimeError for a device that is not here.
    """

    def __init__(self, map_location: MapLocation) -> None:
        self._callable: Callable[[Storage, str], Any] | None = None
        self._table: Mapping[str, str] = {}
        self._fixed: str | None = None
        if isinstance(map_location, bytes):
            self._fixed = map_location.decode("ascii")
        elif isinstance(map_location, str):
            self._fixed = map_location
        elif isinstance(map_location, Mapping):
            self._table = map_location
        elif hasattr(map_location, "type"):  # a device object, of whichever library
            self._fixed = str(map_location)
        elif callable(map_location):
            self._callable = map_location
        elif map_location is not None:
            raise error(
                TypeError,
                "map_location must be None, a string, a device, a dict or a callable, got "
                f"{type(map_location).__name__}",
            )

    def __call__(self, storage: Storage) -> Storage:
        """`storage` at its place."""
        tag = storage.location
        if self._callable is not None:
            moved = self._place(storage, tag, self._callable)
            if moved is not None:
                return moved
        elif self._fixed is not None:
            tag = self._fixed
        else:
            tag = str(self._table.get(tag, tag))
        check_device(tag)
        storage.location = "cpu"
        return storage

    @staticmethod
    def _place(storage: Storage, tag: str, place: Callable[[Storage, str], Any]) -> Storage | None:
        try:
            moved = place(storage, tag)
        except Exception as fault:
            raise MapLocationError(fault) from fault
        if moved is None or isinstance(moved, Storage):
            return moved
        reason = "a map_location callable must return the storage or None, got "
        raise MapLocationError(TypeError(reason + type(moved).__name__))


def check_device(tag: str) -> None:
    """Raise RuntimeError, in PyTorch's words, unless the device `tag` is the CPU."""
    if tag == "cpu" or tag.startswith("cpu:"):
        return
    if tag.startswith("cuda"):
        raise error(
            RuntimeError,
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
            "False. If you are running on a CPU-only machine, please use torch.load with "
            "map_location=torch.device('cpu') to map your storages to the CPU.",
        )
    raise error(
        RuntimeError,
        f"don't know how to restore data location of a storage (tagged with {tag}); "
        "use map_location='cpu'",
    )
