"""Objects to pickles that name everything as PyTorch does.

`dump(obj, bridge)` gives the pickle and the storages it refers to. Tensors become calls of
`torch._utils._rebuild_*`, storages become persistent ids, and Plait's classes are written under
their PyTorch names, so that PyTorch itself can load the result, also in its restricted mode.
"""

from __future__ import annotations

import codecs
import importlib
import io
import pickle
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.io import names
from plait.io.dtypes import storage_class


class GlobalName:
    """Stands for `module.name` in a pickle; the object itself need not exist here."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __call__(self, *args: Any) -> Any:  # pickle insists that what it calls is callable
        raise error(TypeError, f"{self.module}.{self.name} is a name to be written, not a function")


class _StorageRef:
    """A tensor's storage inside the arguments of its rebuild call."""

    __slots__ = ("persistent_id",)

    def __init__(self, persistent_id: tuple[Any, ...]) -> None:
        self.persistent_id = persistent_id


class StorageTable:
    """The storages met while pickling, each once: keys "0", "1", ... in the order of meeting."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._keys: dict[Hashable, str] = {}
        self._dtypes: dict[str, str] = {}

    def add(self, identity: Hashable, flat: np.ndarray, dtype_name: str) -> str:
        """The key of the storage; RuntimeError if it was met as another dtype."""
        key = self._keys.setdefault(identity, str(len(self._keys)))
        # Storages without memory have no identity to disagree about.
        if key in self.arrays and flat.size and self._dtypes[key] != dtype_name:
            raise error(
                RuntimeError,
                "Cannot save multiple tensors or storages that view the same data as different "
                f"types (here {self._dtypes[key]} and {dtype_name}); save a clone of one of them",
            )
        self.arrays[key] = flat
        self._dtypes[key] = dtype_name
        return key

    def dtype_of(self, key: str) -> str:
        """The dtype that the storage was met as."""
        return self._dtypes[key]


# PyTorch's pickles name these; they are made once so that the memo shares them.
_FLAT_CLASSES: dict[str, GlobalName] = {}
_REBUILD_V2 = GlobalName("torch._utils", "_rebuild_tensor_v2")
_REBUILD_V3 = GlobalName("torch._utils", "_rebuild_tensor_v3")
_REBUILD_PARAMETER = GlobalName("torch._utils", "_rebuild_parameter")
_REBUILD_PARAMETER_STATE = GlobalName("torch._utils", "_rebuild_parameter_with_state")
_REBUILD_FROM_TYPE = GlobalName("torch._tensor", "_rebuild_from_type_v2")
_TENSOR = GlobalName("torch", "Tensor")
_UNTYPED_STORAGE = GlobalName("torch.storage", "UntypedStorage")
_SIZE = GlobalName("torch", "Size")
_DEVICE = GlobalName("torch", "device")


def _storage_name(dtype_name: str) -> GlobalName:
    class_name = storage_class(dtype_name)
    if class_name is None:
        return _UNTYPED_STORAGE
    return _FLAT_CLASSES.setdefault(class_name, GlobalName("torch", class_name))


class _TorchNaming:
    """What is added to a Python-level pickler; a mixin, so that dill's can be used as well."""

    # Given by the pickler this is mixed into.
    write: Any
    memoize: Any
    save_reduce: Any
    proto: int

    def prepare(self, bridge: Any, storages: StorageTable, id_end: tuple[Any, ...]) -> None:
        self._bridge = bridge
        self._storages = storages
        self._id_end = id_end
        self._dtypes: dict[str, GlobalName] = {}
        self._is_plain: dict[type, bool] = {}

    def persistent_id(self, obj: Any) -> tuple[Any, ...] | None:
        return obj.persistent_id if type(obj) is _StorageRef else None

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        plain = self._is_plain.get(kind)
        if plain is None:
            plain = self._is_plain[kind] = not self._is_ours(obj)
        if plain:
            return NotImplemented
        bridge = self._bridge
        if bridge.is_parameter(obj):
            return self._reduce_parameter(obj)
        if bridge.is_tensor(obj):
            return self._reduce_tensor(obj)
        if bridge.is_size(obj):
            return _SIZE, (tuple(obj),)
        dtype_name = bridge.dtype_name(obj)
        if dtype_name is not None:
            return dtype_name  # a string means: write it as a global
        return _DEVICE, bridge.device_parts(obj)

    def _is_ours(self, obj: Any) -> bool:
        bridge = self._bridge
        return (
            bridge.is_tensor(obj)
            or bridge.is_size(obj)
            or bridge.dtype_name(obj) is not None
            or bridge.device_parts(obj) is not None
        )

    def _reduce_tensor(self, tensor: Any) -> tuple[Any, tuple[Any, ...]]:
        call = self._rebuild_call(tensor, None)
        attributes = self._bridge.attributes(tensor)
        if attributes:
            return _REBUILD_FROM_TYPE, (call[0], _TENSOR, call[1], attributes)
        return call

    def _reduce_parameter(self, parameter: Any) -> tuple[Any, tuple[Any, ...]]:
        # The data of a parameter is a tensor of its own, which never requires a gradient.
        data = _Call(*self._rebuild_call(parameter, False))
        common = (data, bool(parameter.requires_grad), OrderedDict())
        attributes = self._bridge.attributes(parameter)
        if attributes:
            return _REBUILD_PARAMETER_STATE, (*common, attributes)
        return _REBUILD_PARAMETER, common

    def _rebuild_call(
        self, tensor: Any, requires_grad: bool | None
    ) -> tuple[GlobalName, tuple[Any, ...]]:
        parts = self._bridge.storage_parts(tensor)
        identity, flat, offset, size, stride, dtype_name, wants_grad = parts
        key = self._storages.add(identity, flat, dtype_name)
        class_name = _storage_name(dtype_name)
        untyped = class_name is _UNTYPED_STORAGE
        count = flat.nbytes if untyped else flat.size
        reference = _StorageRef(("storage", class_name, key, "cpu", int(count), *self._id_end))
        flag = wants_grad if requires_grad is None else requires_grad
        arguments = (reference, offset, size, stride, flag, OrderedDict())
        if untyped:
            return _REBUILD_V3, (*arguments, self._dtype_name(dtype_name))
        return _REBUILD_V2, arguments

    def _dtype_name(self, dtype_name: str) -> GlobalName:
        return self._dtypes.setdefault(dtype_name, GlobalName("torch", dtype_name))

    def save_global(self, obj: Any, name: str | None = None) -> None:
        alias = self._alias(obj, name)
        if alias is None:
            super().save_global(obj, name)  # type: ignore[misc]  # the mixin's other base has it
            return
        self._write_global(*alias)
        self.memoize(obj)

    def _alias(self, obj: Any, name: str | None) -> tuple[str, str] | None:
        """The PyTorch name of `obj`, or None to name it as pickle would."""
        dtype_name = self._bridge.dtype_name(obj)
        if dtype_name is not None:
            return "torch", dtype_name
        special = self._bridge.torch_global(obj)
        if special is not None:
            return special
        module = getattr(obj, "__module__", None)
        if not isinstance(module, str) or names.to_torch(module) == module:
            return None
        qualname = name or getattr(obj, "__qualname__", None) or obj.__name__
        if _lookup(module, qualname) is not obj:
            raise pickle.PicklingError(
                f"Can't pickle {obj!r}: it's not found as {module}.{qualname}"
            )
        return names.to_torch(module), qualname

    def _write_global(self, module: str, name: str) -> None:
        if self.proto >= 4:
            self.save(module)  # type: ignore[attr-defined]  # the pickler's own method
            self.save(name)  # type: ignore[attr-defined]  # the pickler's own method
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode("ascii"))

    def save_global_name(self, obj: GlobalName) -> None:
        self._write_global(obj.module, obj.name)
        self.memoize(obj)

    def save_call(self, obj: _Call) -> None:
        self.save_reduce(obj.function, obj.arguments, obj=obj)

    def save_empty_bytes(self, obj: bytes) -> None:
        # Up to protocol 2 pickle writes b"" as a call of bytes(), which PyTorch's restricted
        # unpickler refuses, while it takes the form in which all other bytes are written.
        if obj or self.proto >= 3:
            pickle._Pickler.save_bytes(self, obj)  # type: ignore[attr-defined]
        else:
            self.save_reduce(codecs.encode, ("", "latin1"), obj=obj)


class _Call:
    """A call to be written where an object is due."""

    __slots__ = ("arguments", "function")

    def __init__(self, function: GlobalName, arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments


def _lookup(module: str, qualname: str) -> Any:
    target: Any = importlib.import_module(module)
    for part in qualname.split("."):
        target = getattr(target, part, None)
    return target


def _pickler_class(pickle_module: Any) -> type:
    """A pickler with PyTorch's naming, on top of the module's own; TypeError if it cannot be."""
    # The C pickler looks every global up under its own name; only the Python one lets us rename.
    standard: Any = pickle._Pickler
    base: Any = standard if pickle_module is pickle else pickle_module.Pickler
    if not issubclass(base, standard):
        raise error(
            TypeError,
            f"pickle_module {getattr(pickle_module, '__name__', pickle_module)!r} has a Pickler "
            "that is not derived from the standard library's Python pickler; use pickle or dill",
        )
    dispatch: dict[type, Any] = dict(base.dispatch)
    dispatch[GlobalName] = _TorchNaming.save_global_name
    dispatch[_Call] = _TorchNaming.save_call
    dispatch[bytes] = _TorchNaming.save_empty_bytes
    # The table holds functions, not names: entries for save_global must be pointed at ours.
    for kind, function in list(dispatch.items()):
        if function is standard.save_global:
            dispatch[kind] = _TorchNaming.save_global
    return type("TorchPickler", (_TorchNaming, base), {"dispatch": dispatch})


def dump(
    obj: Any, bridge: Any, pickle_module: Any, protocol: int, id_end: tuple[Any, ...] = ()
) -> tuple[bytes, StorageTable]:
    """The pickle of `obj` and the storages its tensors use.

    `bridge` is the module `plait.io.tensor_bridge` or a double of it. `id_end` stands at the end of
    each storage's persistent id. Raises what pickle raises for
    objects that cannot be pickled, and RuntimeError for one storage seen as two dtypes.
    """
    buffer = io.BytesIO()
    storages = StorageTable()
    pickler = _pickler_class(pickle_module)(buffer, protocol=protocol)
    pickler.prepare(bridge, storages, id_end)
    pickler.dump(obj)
    return buffer.getvalue(), storages
