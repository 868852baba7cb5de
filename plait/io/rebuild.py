"""From the parts in a checkpoint to tensors: PyTorch's `torch._utils._rebuild_*` functions.

`Rebuilder(bridge)` has one method for each such function that Plait knows. Arguments come from a
file and are checked in full before memory is viewed: types, signs, and that offset, size and stride
stay within the storage. Raises RuntimeError or TypeError naming what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.io.bounded_repr import short
from plait.io.dtypes import DTYPE_NAMES, STORAGE_CLASS_DTYPES, item_size
from plait.io.storage import Storage

_FROM_TYPE = "torch._tensor._rebuild_from_type_v2"
_MAX_DIMS = 64
_MAX_BYTES = 1 << 62


class StorageType:
    """A storage class as a checkpoint names it; `dtype_name` is None for raw bytes."""

    __slots__ = ("dtype_name", "name")

    def __init__(self, name: str, dtype_name: str | None) -> None:
        self.name = name
        self.dtype_name = dtype_name

    def __repr__(self) -> str:
        return f"StorageType({self.name})"


UNTYPED = StorageType("UntypedStorage", None)
STORAGE_TYPES = {name: StorageType(name, dtype) for name, dtype in STORAGE_CLASS_DTYPES.items()}


class TypedStorage:
    """A storage with the element type that its record in the file was written with."""

    __slots__ = ("dtype_name", "storage")

    def __init__(self, storage: Storage, dtype_name: str | None) -> None:
        self.storage = storage
        self.dtype_name = dtype_name


class Rebuilder:
    """Makes tensors through `bridge` (the functions of `plait.io.tensor_bridge`)."""

    def __init__(self, bridge: Any) -> None:
        self._bridge = bridge
        self.functions: dict[str, Callable[..., Any]] = {
            "torch._utils._rebuild_tensor": self.tensor_v1,
            "torch._utils._rebuild_tensor_v2": self.tensor_v2,
            "torch._utils._rebuild_tensor_v3": self.tensor_v3,
            "torch._utils._rebuild_parameter": self.parameter,
            "torch._utils._rebuild_parameter_with_state": self.parameter_with_state,
            _FROM_TYPE: self.from_type,
        }

    def tensor_v1(self, storage: Any, offset: Any, size: Any, stride: Any) -> Any:
        """A tensor of the storage's own type, without gradient."""
        return self.tensor_v2(storage, offset, size, stride, False, None)

    def tensor_v2(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        backward_hooks: Any,
        metadata: Any = None,
    ) -> Any:
        """A tensor of the storage's own type; hooks are never stored and so ignored."""
        _check_storage(storage)
        dtype_name = storage.dtype_name or "uint8"
        return self._tensor(storage, dtype_name, offset, size, stride, requires_grad, metadata)

    def tensor_v3(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        backward_hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Any:
        """A tensor of type `dtype` over a storage of raw bytes."""
        _check_storage(storage)
        dtype_name = self._bridge.dtype_name(dtype)
        if dtype_name not in DTYPE_NAMES:
            raise error(
                TypeError, f"_rebuild_tensor_v3: not a dtype that Plait can load: {short(dtype)}"
            )
        return self._tensor(storage, dtype_name, offset, size, stride, requires_grad, metadata)

    def parameter(self, data: Any, requires_grad: Any, backward_hooks: Any) -> Any:
        """An `nn.Parameter` of `data`."""
        if not self._bridge.is_tensor(data):
            raise error(
                TypeError, f"_rebuild_parameter: expected a tensor, got {type(data).__name__}"
            )
        return self._bridge.make_parameter(data, _flag(requires_grad))

    def parameter_with_state(
        self, data: Any, requires_grad: Any, backward_hooks: Any, state: Any
    ) -> Any:
        """An `nn.Parameter` with attributes that a program had put on it."""
        return self._with_attributes(self.parameter(data, requires_grad, backward_hooks), state)

    def from_type(self, function: Any, kind: Any, arguments: Any, state: Any) -> Any:
        """A tensor with attributes: `function(*arguments)` and then its state."""
        known = [f for name, f in self.functions.items() if name != _FROM_TYPE]
        if not any(function is f for f in known) or type(arguments) is not tuple:
            raise error(
                TypeError, "_rebuild_from_type_v2: expected a rebuild function and its arguments"
            )
        tensor = function(*arguments)
        if not isinstance(kind, type) or not isinstance(tensor, kind):
            raise error(
                TypeError,
                f"_rebuild_from_type_v2: tensors of {short(kind)} cannot be rebuilt, only plain "
                "tensors and parameters",
            )
        return self._with_attributes(tensor, state)

    def _with_attributes(self, tensor: Any, state: Any) -> Any:
        # CPython writes (dict, slots) for a class with slots; a plain dict otherwise.
        if type(state) is tuple and len(state) == 2 and not state[1]:
            state = state[0]
        if state is None:
            return tensor
        if type(state) is not dict or not all(type(key) is str for key in state):
            raise error(
                TypeError, "the attributes of a stored tensor must be a dict with string keys"
            )
        for key in state:
            if hasattr(type(tensor), key):
                raise error(
                    TypeError, f"a stored tensor cannot replace the tensor attribute {short(key)}"
                )
        self._bridge.set_attributes(tensor, state)
        return tensor

    def _tensor(
        self,
        storage: TypedStorage,
        dtype_name: str,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        metadata: Any,
    ) -> Any:
        itemsize = item_size(dtype_name)
        nbytes = storage.storage.nbytes()
        if nbytes % itemsize:
            raise error(
                RuntimeError, f"a storage of {nbytes} bytes holds no whole {dtype_name} elements"
            )
        size, stride = _ints(size, "size"), _ints(stride, "stride")
        check_view(nbytes // itemsize, itemsize, offset, size, stride)
        target = storage.storage
        if metadata:
            target = _resolved(target, dtype_name, metadata)
        return self._bridge.rebuild(target, dtype_name, offset, size, stride, _flag(requires_grad))


def check_view(
    numel: int, itemsize: int, offset: Any, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    """Raise RuntimeError unless the view lies within a storage of `numel` elements.

    All counts are in elements. Zero strides (expanded tensors) are allowed, negative ones are not.
    """
    view = f"offset {short(offset)}, size {size}, stride {stride}, storage of {numel} elements"
    if type(offset) is not int or offset < 0:
        raise error(RuntimeError, f"a stored tensor has a wrong storage offset ({view})")
    if len(size) != len(stride) or len(size) > _MAX_DIMS:
        raise error(RuntimeError, f"a stored tensor has contradictory dimensions ({view})")
    if any(n < 0 for n in size) or any(step < 0 for step in stride):
        raise error(RuntimeError, f"a stored tensor has a negative size or stride ({view})")
    if math.prod(size) * itemsize > _MAX_BYTES:
        raise error(RuntimeError, f"a stored tensor is larger than any memory ({view})")
    last = offset - 1 if 0 in size else offset + sum((n - 1) * s for n, s in zip(size, stride))
    if last >= numel:
        raise error(RuntimeError, f"a stored tensor reaches past the end of its storage ({view})")


def _check_storage(storage: Any) -> None:
    if type(storage) is not TypedStorage:
        raise error(TypeError, f"a stored tensor needs a storage, got {type(storage).__name__}")


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise error(
            TypeError, f"requires_grad of a stored tensor must be a bool, got {short(value)}"
        )
    return value


def _ints(value: Any, what: str) -> tuple[int, ...]:
    if not isinstance(value, tuple) or not all(type(n) is int for n in value):
        raise error(TypeError, f"the {what} of a stored tensor must be ints, got {short(value)}")
    return tuple(value)


def _resolved(storage: Storage, dtype_name: str, metadata: Any) -> Storage:
    """A copy of the storage with PyTorch's lazy conjugation and negation bits applied."""
    if type(metadata) is not dict or not set(metadata) <= {"conj", "neg"}:
        raise error(TypeError, f"unknown metadata of a stored tensor: {short(metadata)}")
    array = storage.array(dtype_name)
    wanted = (dtype_name, bool(metadata.get("conj")), bool(metadata.get("neg")))
    known = storage.resolved.get(wanted)
    if known is None:
        array = np.conj(array) if wanted[1] else array
        array = np.negative(array) if wanted[2] else array
        known = storage.resolved[wanted] = Storage(array.copy().view(np.uint8), storage.location)
    return known
