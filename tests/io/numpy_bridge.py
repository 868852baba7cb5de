"""A double of `plait.io.tensor_bridge` whose tensors are NumPy views.

Tests of the file format run on it, so that they test the format and nothing else. Classes bear
module names as Plait's own will, where the pickler looks at them.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from plait.io import names
from plait.io.dtypes import DTYPE_NAMES, numpy_dtype
from plait.io.storage import Storage


class DType:
    def __init__(self, name: str) -> None:
        self.name = name


DTYPES = {name: DType(name) for name in DTYPE_NAMES}


class Size(tuple):
    pass


class Device:
    def __init__(self, kind: str, index: int | None = None) -> None:
        self.type, self.index = kind, index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class Tensor:
    """A view of a flat array; offset, size and stride in elements."""

    def __init__(self, flat, dtype, offset, size, stride, requires_grad=False):
        self.flat, self.dtype_name = flat, dtype
        self.offset, self.size, self.stride = offset, size, stride
        self.requires_grad = requires_grad
        self.extra: dict[str, Any] = {}

    def array(self) -> np.ndarray:
        item = self.flat.dtype.itemsize
        strides = [n * item for n in self.stride]
        return np.lib.stride_tricks.as_strided(self.flat[self.offset :], self.size, strides)


class Parameter(Tensor):
    pass


def tensor(array: Any, dtype: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a contiguous storage of its own."""
    array = np.array(array, dtype=None if dtype is None else numpy_dtype(dtype))
    extents = [max(n, 1) for n in array.shape]  # as PyTorch counts, also for empty tensors
    stride = tuple(math.prod(extents[i + 1 :]) for i in range(array.ndim))
    return Tensor(array.reshape(-1), array.dtype.name, 0, array.shape, stride, requires_grad)


def view(of: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    return Tensor(of.flat, of.dtype_name, offset, size, stride)


def is_tensor(obj):
    return isinstance(obj, Tensor)


def is_parameter(obj):
    return isinstance(obj, Parameter)


def storage_parts(t):
    return id(t.flat), t.flat, t.offset, t.size, t.stride, t.dtype_name, t.requires_grad


def rebuild(storage: Storage, dtype, offset, size, stride, requires_grad):
    if storage.base is None:
        storage.base = storage.array(dtype)
    return Tensor(storage.base, dtype, offset, size, stride, requires_grad)


def make_parameter(t, requires_grad):
    return Parameter(t.flat, t.dtype_name, t.offset, t.size, t.stride, requires_grad)


def attributes(t):
    return t.extra


def set_attributes(t, state):
    t.extra.update(state)


def dtype_name(obj):
    return obj.name if isinstance(obj, DType) else None


def is_size(obj):
    return isinstance(obj, Size)


def make_size(items=()):
    if not isinstance(items, (tuple, list)) or not all(type(n) is int for n in items):
        raise TypeError("Size() needs a tuple of ints")
    return Size(items)


def device_parts(obj):
    if not isinstance(obj, Device):
        return None
    return (obj.type,) if obj.index is None else (obj.type, obj.index)


def make_device(kind=None, index=None):
    if type(kind) is not str:
        raise TypeError("device() needs a name")
    return Device(kind, index)


def torch_global(obj):
    return {
        id(Tensor): ("torch", "Tensor"),
        id(Parameter): ("torch.nn.parameter", "Parameter"),
    }.get(id(obj))


def value_global(name):
    return {**DTYPES, "Tensor": Tensor, "Parameter": Parameter}.get(name)


def find_global(module, name):
    if module == "torch" and name in ("Size", "device"):
        return {"Size": Size, "device": Device}[name]
    target: Any = importlib.import_module(names.from_torch(module))
    for part in name.split("."):
        target = getattr(target, part)
    return target
