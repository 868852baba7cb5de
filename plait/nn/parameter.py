"""Parameters and buffers: the tensors that a module owns.

A `Parameter` is a leaf tensor that `Module.__setattr__` registers for training; a `Buffer` is state
that is saved with the module but not trained. Both share the storage of the tensor they are made
of.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import plait
from plait import Tensor
from plait.core.ir.errors import error

__all__ = ["Buffer", "Parameter", "UninitializedParameter", "is_lazy"]


class _ParameterMeta(type(Tensor)):
    """Counts as parameters also tensors of a user's own subclass that carry `_is_param`."""

    def __instancecheck__(cls, instance: object) -> bool:
        if super().__instancecheck__(instance):
            return True
        marked = cls is Parameter and isinstance(instance, Tensor)
        return marked and getattr(instance, "_is_param", False)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that becomes a parameter of the module it is assigned to.

    `data` (any shape, floating or complex when `requires_grad`) shares its storage with the
    parameter; `requires_grad` is independent of `no_grad`. A tensor of a user's subclass keeps its
    class.
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = plait.empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            return cls._make_subclass(data, requires_grad)
        if data.is_meta:
            from plait.nn._meta_parameter import MetaParameter  # it builds on this module

            return MetaParameter.of_type(data._shape, data._dtype).requires_grad_(requires_grad)
        leaf = data.detach().requires_grad_(requires_grad)
        if type(leaf) is not type(data):
            name = type(data).__name__
            raise error(
                RuntimeError,
                f"Creating a Parameter from an instance of type {name} requires that detach() "
                f"returns an instance of the same type, but return type {type(leaf).__name__} was "
                "found instead. To use the type as a Parameter, please correct the detach() "
                "semantics defined by its class.",
            )
        leaf._is_param = True
        return leaf

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # `__new__` has done the work: the tensor's own constructor must not see these arguments.
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict())


def _rebuild_parameter(
    data: Tensor, requires_grad: bool, backward_hooks: OrderedDict[int, Any]
) -> Parameter:
    """Make the parameter that a pickle describes; hooks are never stored, so that slot is empty."""
    return Parameter(data, requires_grad)


class _BufferMeta(type(Tensor)):
    """Buffers are plain tensors marked `_is_buffer`: `isinstance` looks at the mark."""

    def __instancecheck__(cls, instance: object) -> bool:
        if cls is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return super().__instancecheck__(instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that becomes a buffer of the module it is assigned to.

    `persistent=False` leaves it out of `state_dict()`. The result shares storage with `data`.
    """

    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = plait.empty(0)
        tensor: Any = data.detach().requires_grad_(data.requires_grad)
        tensor.persistent = persistent
        tensor._is_buffer = True
        return tensor


class UninitializedParameter(Parameter):
    """A parameter whose shape is set by the first forward call of a lazy module.

    It takes no part in any computation; `materialize(shape)` turns it, in place, into a
    `Parameter`.
    """

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> UninitializedParameter:
        return cls._make_subclass(plait.empty(0, device=device, dtype=dtype), requires_grad)

    def materialize(self, shape: tuple[int, ...], device: Any = None, dtype: Any = None) -> None:
        """Give the parameter its `shape` (values are left to the initialiser that follows)."""
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.data = plait.empty(shape, device=device, dtype=dtype)
        this: Any = self  # the class changes while the object stays the same
        this.__class__ = Parameter

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        if id(self) not in memo:
            made = type(self)(self.requires_grad, self.data.device, self.data.dtype)
            memo[id(self)] = made
        return memo[id(self)]

    def __repr__(self) -> str:
        return "<UninitializedParameter>"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.requires_grad, self.data.device, self.data.dtype)


def is_lazy(parameter: Any) -> bool:
    """Whether `parameter` still waits for its shape."""
    return isinstance(parameter, UninitializedParameter)
