"""All contact between checkpoints and Plait's tensors.

The rest of `plait.io` works on the parts of a tensor: a flat storage, and offset, size, stride (in
elements), dtype name and flags. Every function here either takes a tensor apart or puts one
together; tests replace this module by a double.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.io import names
from plait.io.dtypes import DTYPE_NAMES
from plait.io.storage import Storage

Parts = tuple[Hashable, np.ndarray, int, tuple[int, ...], tuple[int, ...], str, bool]


def _face() -> Any:
    """The package `plait`, looked up late because it imports this one."""
    return importlib.import_module("plait")


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor or parameter of Plait."""
    return isinstance(obj, _face().Tensor)


def is_parameter(obj: Any) -> bool:
    """Whether `obj` is an `nn.Parameter`."""
    return isinstance(obj, _face().nn.Parameter)


def storage_parts(tensor: Any) -> Parts:
    """(identity of the storage, the whole storage 1-D, offset, size, stride, dtype, requires_grad).

    The array may share the tensor's memory: it is only read, and before anything else runs.
    """
    return (
        tensor._storage_key(),
        tensor._storage_numpy(),
        int(tensor.storage_offset()),
        tuple(int(n) for n in tensor.shape),
        tuple(int(n) for n in tensor.stride()),
        tensor.dtype.name,
        bool(tensor.requires_grad),
    )


def rebuild(
    storage: Storage,
    dtype_name: str,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
) -> Any:
    """The tensor that views `storage` so; tensors of one storage and dtype share memory.

    The view has been checked to lie within the storage.
    """
    bases: dict[str, Any] = {} if storage.base is None else storage.base
    storage.base = bases
    if dtype_name not in bases:
        array = storage.array(dtype_name)
        # Nearly every tensor is all of its storage: it is given its own shape at once, and only
        # others that look at the same memory become strided views.
        whole = offset == 0 and array.size == math.prod(size) and stride == _dense(size)
        creation: Any = importlib.import_module("plait._functions.creation")
        bases[dtype_name] = creation.owned(array.reshape(size) if whole else array)
    base = bases[dtype_name]
    if tuple(base.shape) == size and offset == 0 and stride == _dense(size):
        tensor = base.detach()
    else:
        tensor = _face().as_strided(base, size, stride, offset).detach()
    if requires_grad:
        tensor.requires_grad_(True)
    return tensor


def _dense(size: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a contiguous tensor; empty axes count as one, as in PyTorch."""
    extents = [max(n, 1) for n in size]
    return tuple(math.prod(extents[axis + 1 :]) for axis in range(len(extents)))


def make_parameter(tensor: Any, requires_grad: bool) -> Any:
    """`nn.Parameter` over the tensor's memory."""
    return _face().nn.Parameter(tensor, requires_grad)


def attributes(tensor: Any) -> dict[str, Any]:
    """Attributes that a program has put on the tensor and that should travel with it."""
    return {k: v for k, v in getattr(tensor, "__dict__", {}).items() if not k.startswith("_")}


def set_attributes(tensor: Any, state: dict[str, Any]) -> None:
    """Put stored attributes back; their names have been checked to shadow nothing."""
    for name, value in state.items():
        setattr(tensor, name, value)


def dtype_name(obj: Any) -> str | None:
    """The name of a dtype object ("float32"), None for anything else."""
    return obj.name if isinstance(obj, _face().dtype) else None


def is_size(obj: Any) -> bool:
    """Whether `obj` is a `Size`."""
    return isinstance(obj, _face().Size)


def make_size(items: Any = ()) -> Any:
    """`Size` of a tuple or list of ints."""
    if not isinstance(items, (tuple, list)) or not all(type(n) is int for n in items):
        raise error(TypeError, f"Size() needs a tuple of ints in a checkpoint, got {items!r:.80}")
    return _face().Size(items)


def device_parts(obj: Any) -> tuple[Any, ...] | None:
    """("cpu",) or ("cuda", 0) for a device object, None for anything else."""
    if not isinstance(obj, _face().device):
        return None
    return (obj.type,) if obj.index is None else (obj.type, obj.index)


def make_device(kind: Any = None, index: Any = None) -> Any:
    """A device object from its stored parts."""
    if type(kind) is not str or not (index is None or type(index) is int):
        raise error(TypeError, "device() needs a name and an index in a checkpoint")
    return _face().device(kind) if index is None else _face().device(kind, index)


def torch_global(obj: Any) -> tuple[str, str] | None:
    """PyTorch's (module, name) of a class whose module in Plait is not the mirror of PyTorch's."""
    special = {
        id(_face().Tensor): ("torch", "Tensor"),
        id(_face().nn.Parameter): ("torch.nn.parameter", "Parameter"),
        id(_face().Size): ("torch", "Size"),
        id(_face().device): ("torch", "device"),
        id(_face().dtype): ("torch", "dtype"),
    }
    return special.get(id(obj))


def value_global(name: str) -> Any:
    """What `torch.<name>` means as plain data in a restricted load: a dtype or a class; or None."""
    if name in DTYPE_NAMES:
        return getattr(_face(), name, None)
    if name == "Tensor":
        return _face().Tensor
    if name == "Parameter":
        return _face().nn.Parameter
    return None


def find_global(module: str, name: str) -> Any:
    """The object a trusted checkpoint calls `module.name`, with torch's names meaning Plait's.

    Raises AttributeError or ModuleNotFoundError if Plait has no such thing.
    """
    # PyTorch's functions of C++, which modules may hold: `gelu`, ...
    module = {"torch._C._nn": "torch.nn.functional"}.get(module, module)
    target: Any = importlib.import_module(names.from_torch(module))
    for part in name.split("."):
        target = getattr(target, part)
    return target
