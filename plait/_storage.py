"""Storages: the flat memory behind a tensor and its views, as bytes or as elements of one dtype.

A storage is a handle on the cell that the tensors share. Reading computes the contents; writing
makes the memory visible from outside and writes into it at once, so all tensors over it see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from plait._functions.creation import array_of
from plait._tensor import Tensor, scalar_type
from plait._types import CPU, device
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.lazy.cell import Cell, leaf_of


class _Storage:
    """What both kinds share: elements of `dtype` in the memory of a cell."""

    def __init__(self, cell: Cell, dtype: DType) -> None:
        self._cell = cell
        self.dtype = dtype

    def _read(self) -> np.ndarray:
        """All elements, flat; not to be written."""
        flat = np.ascontiguousarray(self._cell.compute()).reshape(-1)
        return flat.view(self.dtype.numpy)

    def _write(self) -> np.ndarray:
        """All elements, flat, over the memory itself."""
        return self._cell.export().reshape(-1).view(self.dtype.numpy)

    @property
    def device(self) -> device:
        return CPU

    def __len__(self) -> int:
        return self._read().size

    def size(self) -> int:
        """Number of elements."""
        return len(self)

    def nbytes(self) -> int:
        """Number of bytes."""
        return self._cell.compute().nbytes

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._cell.compute().__array_interface__["data"][0]

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        array = self._read()
        return (array.astype(np.float32) if self.dtype.is_half else array).tolist()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: Any) -> Any:
        """One element as a Python number; a slice gives a storage with a copy."""
        found = self._read()[index]
        if isinstance(index, slice):
            return self._of_array(found.copy())
        return float(found) if self.dtype.kind == "f" else found.item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._write()[index] = value

    def _of_array(self, array: np.ndarray) -> Any:
        raise NotImplementedError

    def clone(self) -> Any:
        """A storage with a copy of the contents."""
        return self._of_array(self._read().copy())

    def copy_(self, source: Any, non_blocking: bool | None = None) -> Any:
        """Write the elements of another storage of this size."""
        if len(source) != len(self):
            raise error(
                RuntimeError,
                f"copy_: expected a storage of {len(self)} elements, received {len(source)}",
            )
        self._write()[...] = np.asarray(source.tolist(), self.dtype.numpy)
        return self

    def fill_(self, value: Any) -> Any:
        """Write one value into every place."""
        self._write()[...] = value
        return self

    def resize_(self, size: int) -> Any:
        """This storage, if it has that many elements. Raises RuntimeError for another size."""
        if size != len(self):
            raise error(
                RuntimeError,
                f"resize_: a storage of {len(self)} elements cannot become one of {size}; "
                "resize the tensor with resize_",
            )
        return self

    def cpu(self) -> Any:
        """Itself."""
        return self

    def is_shared(self) -> bool:
        return False

    def share_memory_(self) -> Any:
        """Itself: worker processes receive copies."""
        return self

    is_cuda = False
    is_sparse = False

    def __repr__(self) -> str:
        lines = "\n".join(f" {value}" for value in self.tolist())
        return f"{lines or ' '}\n[{self._heading()} of size {len(self)}]"

    def _heading(self) -> str:
        raise NotImplementedError


class UntypedStorage(_Storage):
    """The memory as bytes."""

    def __init__(self, cell: Any = 0) -> None:
        """Over a cell, or new: of a number of bytes (all 0)."""
        if not isinstance(cell, Cell):
            cell = Cell(leaf_of(np.zeros(int(cell), np.uint8)))
        super().__init__(cell, dtypes.uint8)

    @classmethod
    def from_file(
        cls, filename: str, shared: bool = False, nbytes: int | None = None
    ) -> UntypedStorage:
        """The bytes of a file, mapped: writes reach the file where `shared`, else memory alone."""
        mode = "r+" if shared else "c"
        shape = None if nbytes is None else (int(nbytes),)
        mapped = np.memmap(filename, np.uint8, mode, shape=shape).view(np.ndarray)
        return UntypedStorage(Cell(None, shared=mapped))

    def untyped(self) -> UntypedStorage:
        """Itself."""
        return self

    def _of_array(self, array: np.ndarray) -> UntypedStorage:
        return UntypedStorage(Cell(leaf_of(array)))

    def _heading(self) -> str:
        return "torch.storage.UntypedStorage(device=cpu)"


class TypedStorage(_Storage):
    """The memory as elements of one dtype."""

    def _of_array(self, array: np.ndarray) -> TypedStorage:
        return TypedStorage(Cell(leaf_of(array)), self.dtype)

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self._cell)

    @property
    def _untyped_storage(self) -> UntypedStorage:
        return self.untyped()

    def tensor(self) -> Tensor:
        """A 1-D tensor over this memory."""
        shared = self._cell.shared
        shape = self._cell.node.shape if shared is None else shared.shape
        base = Tensor.of_cell(self._cell, shape, self.dtype)
        return base.view(-1)  # type: ignore[attr-defined]  # attached by plait._functions

    def type(self) -> str:
        """PyTorch's name of this kind of storage."""
        return f"torch.{scalar_type(self.dtype)}Storage"

    def pickle_storage_type(self) -> str:
        """The name that checkpoints use."""
        return f"{scalar_type(self.dtype)}Storage"

    def _heading(self) -> str:
        return f"torch.storage.TypedStorage(dtype={self.dtype}, device=cpu)"


class _StorageType(type):
    """The type of FloatStorage and its like: a constructor of typed storages."""

    dtype: DType

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, TypedStorage) and instance.dtype is cls.dtype

    def __call__(cls, *args: Any) -> TypedStorage:
        """From a number of elements (all 0), or from a sequence."""
        if not args or hasattr(args[0], "__index__"):
            array = np.zeros(int(args[0]) if args else 0, cls.dtype.numpy)
        else:
            array = np.array(array_of(args[0], cls.dtype)).reshape(-1)
        return TypedStorage(Cell(leaf_of(array)), cls.dtype)


#: FloatStorage and its like, by name.
STORAGE_TYPES: dict[str, _StorageType] = {
    f"{scalar_type(dtype)}Storage": _StorageType(
        f"{scalar_type(dtype)}Storage",
        (),
        {"dtype": dtype, "__module__": "plait", "__doc__": f"Storages of dtype {dtype.name}."},
    )
    for dtype in (
        dtypes.float32,
        dtypes.float64,
        dtypes.float16,
        dtypes.bfloat16,
        dtypes.int64,
        dtypes.int32,
        dtypes.int16,
        dtypes.int8,
        dtypes.uint8,
        dtypes.bool_,
    )
}
