"""Parametrizations: a parameter or buffer computed by modules from other tensors.

A parametrized tensor is a property of the module, whose class is changed for one of its own
(`ParametrizedLinear`). `module.parametrizations[name]` is a `ParametrizationList`, which holds what
the tensor is computed from (`original`, or `original0`, `original1`, ...) and the modules that do.
"""

from __future__ import annotations

import copy
import copyreg
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn.modules import Module, ModuleDict, ModuleList
from plait.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]


class _Cache:
    """Tensors computed inside `cached()`, by module and name."""

    depth = 0
    tensors: ClassVar[dict[tuple[int, str], Tensor]] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside, a parametrized tensor is computed at its first use and kept until the end."""
    _Cache.depth += 1
    try:
        yield
    finally:
        _Cache.depth -= 1
        if not _Cache.depth:
            _Cache.tensors = {}


class ParametrizationList(ModuleList):
    """What computes one tensor of a module: `modules`, applied one after another.

    Where the first has a `right_inverse`, and so on down the list, `original` is put through these
    backwards; a first one that returns several tensors makes them `original0`, `original1`, ...

    Raises ValueError for no modules, and, unless `unsafe`, where dtype or shape of the tensor would
    change.
    """

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise error(ValueError, "ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new: Any = original
        with plait.no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    # One that is not implemented: the module starts at the value itself.
                    with suppress(NotImplementedError):
                        new = module.right_inverse(new)
        if not isinstance(new, (Tensor, Sequence)):
            raise error(
                ValueError,
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}",
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        if isinstance(new, Tensor):
            self._hold_one(original, new)
        else:
            self._hold_several(original, new)
        if not unsafe:
            _same_kind(self(), shape, dtype, "unparametrized ", "parametrized ")

    def _hold_one(self, original: Tensor, new: Tensor) -> None:
        if original.dtype != new.dtype:
            raise error(
                ValueError,
                "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}",
            )
        if original.device != new.device:
            raise error(
                ValueError,
                "When `right_inverse` outputs one tensor, it may not change the device.\n"
                f"original.device: {original.device}\n"
                f"right_inverse(original).device: {new.device}",
            )
        # The object stays the same: optimizers know it.
        with plait.no_grad():
            original.set_(new)
        _register(self, "original", original)

    def _hold_several(self, original: Tensor, new: Sequence[Any]) -> None:
        for number, part in enumerate(new):
            if not isinstance(part, Tensor):
                raise error(
                    ValueError,
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                    f"tuple...). Got element {number} of the sequence with type "
                    f"{type(part).__name__}.",
                )
            if isinstance(original, Parameter):
                part = Parameter(part, original.requires_grad)
            part.requires_grad_(original.requires_grad)
            _register(self, f"original{number}", part)

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the tensor becomes `value`, as near as the modules can.

        Raises RuntimeError where a module has no `right_inverse`, ValueError where what it returns
        does not fit the originals.
        """
        new: Any = value
        with plait.no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise error(
                        RuntimeError,
                        f"parametrization {type(module).__name__} does not implement "
                        "right_inverse.",
                    )
                new = module.right_inverse(new)
            if self.is_tensor:
                if not isinstance(new, Tensor):
                    raise error(
                        ValueError,
                        f"`right_inverse` should return a tensor. Got {type(new).__name__}",
                    )
                self._set("original", new, "The tensor returned by `right_inverse`")
                return
            if not isinstance(new, Sequence):
                raise error(
                    ValueError,
                    f"'right_inverse' must return a sequence of tensors. Got {type(new).__name__}.",
                )
            if len(new) != self.ntensors:
                raise error(
                    ValueError,
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(new)}.",
                )
            for number, part in enumerate(new):
                if not isinstance(part, Tensor):
                    raise error(
                        ValueError,
                        "'right_inverse' must return a sequence of tensors. "
                        f"Got element {number} of type {type(part).__name__}.",
                    )
                what = f"Tensor {number} returned by `right_inverse`"
                self._set(f"original{number}", part, what)

    def _set(self, name: str, new: Tensor, what: str) -> None:
        held = getattr(self, name)
        if held.dtype != new.dtype:
            raise error(
                ValueError, f"{what} has dtype {new.dtype} while `{name}` has dtype {held.dtype}"
            )
        held.set_(new)

    def forward(self) -> Tensor:
        """The tensor, computed."""
        if self.is_tensor:
            originals = [self.original]
        else:
            originals = [getattr(self, f"original{i}") for i in range(self.ntensors)]
        first, *others = self
        value = first(*originals)
        for module in others:
            value = module(value)
        return value


def _same_kind(value: Any, shape: Any, dtype: Any, before: str, after: str, its: str = "") -> None:
    """ValueError unless a parametrized value is a tensor of the shape and dtype there were."""
    if not isinstance(value, Tensor):
        raise error(
            ValueError, f"A parametrization must return a tensor. Got {type(value).__name__}."
        )
    for kind, old, new in (("dtype", dtype, value.dtype), ("shape", shape, value.shape)):
        if old != new:
            raise error(
                ValueError,
                f"Registering a parametrization may not change the {kind} of the tensor, unless "
                f"the `unsafe` flag is enabled.\n{before}{its}{kind}: {old}\n{after}{its}{kind}: "
                f"{new}",
            )


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


# -- the class of a parametrized module -----------------------------------------------------------


def _deepcopy(self: Module, memo: dict[int, Any]) -> Module:
    """A copy of the same class, which is not pickled on the way: it cannot be."""
    if id(self) in memo:
        return memo[id(self)]
    replica = self.__new__(self.__class__)
    memo[id(self)] = replica
    replica.__dict__ = copy.deepcopy(self.__dict__, memo)
    for slot in copyreg._slotnames(self.__class__):  # type: ignore[attr-defined]  # copy's own way
        if hasattr(self, slot):
            setattr(replica, slot, copy.deepcopy(getattr(self, slot), memo))
    return replica


def _getstate(self: Module) -> dict[str, Any]:
    raise error(
        RuntimeError,
        "Serialization of parametrized modules is only supported through state_dict(): save that, "
        "and load it into a module with the same parametrizations.",
    )


def _give_own_class(module: Module) -> None:
    """Derive a class for this one module, for its properties."""
    base = type(module)
    members: dict[str, Any] = {"__getstate__": _getstate, "__module__": base.__module__}
    if not hasattr(base, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{base.__name__}", (base,), members)


def _add_property(module: Module, name: str) -> None:
    """Make a tensor's name a property of the module's own class."""

    def get(self: Module) -> Tensor:
        parametrization = self.parametrizations[name]
        if not _Cache.depth:
            return parametrization()
        key = (id(self), name)
        if key not in _Cache.tensors:
            _Cache.tensors[key] = parametrization()
        return _Cache.tensors[key]

    def assign(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, assign))


# -- the functions --------------------------------------------------------------------------------


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Compute a parameter or buffer of a module by another module; more than one are chained.

    Args:
        module: where the tensor is; returned.
        tensor_name: its name.
        parametrization: its `forward` computes the tensor; its `right_inverse`, if it has one,
            computes what to start from, or what an assignment to the tensor means.
        unsafe: allow shape and dtype to change; nothing is computed here then.

    Raises ValueError for a name that the module does not have, or a change that is not allowed.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_chained(module, tensor_name, parametrization)
        chain: Any = module.parametrizations[tensor_name]
        chain.append(parametrization)
        chain.unsafe |= unsafe
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise error(
            ValueError,
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'",
        )
    # First the list, which may raise; then the module is changed.
    chain = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _give_own_class(module)
        module.parametrizations = ModuleDict()
    _add_property(module, tensor_name)
    module.parametrizations[tensor_name] = chain
    return module


def _check_chained(module: Module, name: str, parametrization: Any) -> None:
    """ValueError where one more parametrization, or its inverse, changes shape or dtype."""
    old = getattr(module, name)
    new = parametrization(old)
    _same_kind(new, old.shape, old.dtype, f"module.{name}.", f"parametrization(module.{name}).")
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(new)
    except NotImplementedError:
        return
    if not isinstance(back, Tensor):
        raise error(
            ValueError,
            f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}",
        )
    for kind in ("dtype", "shape"):
        if getattr(back, kind) != getattr(old, kind):
            raise error(
                ValueError,
                f"The tensor returned by parametrization.right_inverse must have the same {kind} "
                f"as module.{name}, unless the `unsafe` flag is enabled.\nmodule.{name}.{kind}: "
                f"{getattr(old, kind)}\nreturned {kind}: {getattr(back, kind)}",
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a tensor of the module is parametrized, or any if no name is given."""
    chains = getattr(module, "parametrizations", None)
    if not isinstance(chains, ModuleDict):
        return False
    return len(chains) > 0 if tensor_name is None else tensor_name in chains


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a parametrized tensor a parameter or buffer again; returns the module.

    leave_parametrized: keep its present value; else that of `original`, where there is just one.

    Raises ValueError for a tensor that is not parametrized, or one of several originals with
    `leave_parametrized=False`.
    """
    if not is_parametrized(module, tensor_name):
        raise error(ValueError, f"Module {module} does not have a parametrization on {tensor_name}")
    chain: Any = module.parametrizations[tensor_name]
    if chain.is_tensor:
        original = chain.original
        if leave_parametrized:
            with plait.no_grad():
                original.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise error(
            ValueError,
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors.",
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize a tensor of another module alike (all of them without a name), from the same
    originals; a tensor that it does not have is made. Returns the other module."""
    if not is_parametrized(from_module):
        return to_module
    chains: Any = from_module.parametrizations
    for name in list(chains) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        source = chains[name]
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target: Any = to_module.parametrizations
        originals = [f"original{i}" for i in range(source.ntensors)]
        for original in ["original"] if source.is_tensor else originals:
            setattr(target[name], original, getattr(source, original))
    return to_module
