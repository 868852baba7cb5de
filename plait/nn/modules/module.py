"""`Module`: the base class of layers and models.

A module owns parameters, buffers and child modules, found by attribute assignment. This file holds
registration, attribute access, calls, training mode and printing; the other parts are in
`_traverse` (walking the tree), `_convert` (dtype and device), `_state` (saving and loading) and
`_hooks`.
"""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Self, TypeVar

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.core.lazy.capture import watch
from plait.nn.modules import _hooks
from plait.nn.modules._convert import ConversionMixin
from plait.nn.modules._fields import FIELDS, new_fields, type_name
from plait.nn.modules._hooks import (
    HookMixin,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from plait.nn.modules._state import _EXTRA_STATE_KEY_SUFFIX, StateMixin, _IncompatibleKeys
from plait.nn.parameter import Buffer, Parameter

__all__ = [
    "_EXTRA_STATE_KEY_SUFFIX",
    "Module",
    "_IncompatibleKeys",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

T_destination = TypeVar("T_destination", bound=dict[str, Any])


def _addindent(text: str, spaces: int) -> str:
    """Indent all lines but the first; blank lines stay empty."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * spaces + line if line.strip() else "" for line in rest)])


def _forward_unimplemented(self: Module, *input: Any) -> None:
    """The `forward` of a module that does not define one."""
    raise error(
        NotImplementedError,
        f'Module [{type(self).__name__}] is missing the required "forward" function',
    )


class Module(ConversionMixin, StateMixin, HookMixin):
    """Base class of all layers and models.

    Subclasses call `super().__init__()`, assign parameters, buffers and modules as attributes, and
    define `forward`. Calling the module runs `forward` with the registered hooks around it.
    """

    dump_patches: bool = False
    #: Whether `__init__` hands its arguments on to the next class in line (multiple inheritance).
    call_super_init: bool = False
    _compiled_call_impl: Callable[..., Any] | None = None
    forward: Callable[..., Any] = _forward_unimplemented

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        if not self.call_super_init and kwargs:
            raise error(
                TypeError,
                f"{name}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'",
            )
        if not self.call_super_init and args:
            raise error(
                TypeError,
                f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given",
            )
        self.__dict__.update(new_fields())
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # -- registration ----------------------------------------------------------------------------

    def _check_member_name(self, name: str, kind: str, members: dict[str, Any]) -> None:
        if not isinstance(name, str):
            raise error(TypeError, f"{kind} name should be a string. Got {type_name(name)}")
        if "." in name:
            shown = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{shown}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in members:
            raise KeyError(f"attribute '{name}' already exists")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add state that is not trained; `persistent=False` keeps it out of `state_dict`.

        Raises TypeError for a non-tensor, KeyError for a bad or taken name.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_member_name(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise error(
                TypeError,
                f"cannot assign '{type_name(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)",
            )
        for hook in _hooks._global_buffer_registration_hooks.values():
            replaced = hook(self, name, tensor)
            tensor = tensor if replaced is None else replaced
        watch.structure += 1
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; raises TypeError for another tensor, ValueError for a non-leaf."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_member_name(name, "parameter", self._parameters)
        if param is None:
            self._parameters[name] = None
            return
        if not isinstance(param, Parameter):
            raise error(
                TypeError,
                f"cannot assign '{type_name(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)",
            )
        if not param.is_leaf:
            raise error(
                ValueError,
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model "
                f"parameters must be created explicitly. To express '{name}' "
                "as a function of another Tensor, compute the value in "
                "the forward() method.",
            )
        for hook in _hooks._global_parameter_registration_hooks.values():
            replaced = hook(self, name, param)
            param = param if replaced is None else replaced
        watch.structure += 1
        self._parameters[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under `name`."""
        if module is not None and not isinstance(module, Module):
            raise error(TypeError, f"{type_name(module)} is not a Module subclass")
        self._check_member_name(name, "module", self._modules)
        watch.structure += 1
        self._modules[name] = self._seen_by_module_hooks(name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of `add_module`."""
        self.add_module(name, module)

    def _seen_by_module_hooks(self, name: str, module: Any) -> Any:
        for hook in _hooks._global_module_registration_hooks.values():
            replaced = hook(self, name, module)
            module = module if replaced is None else replaced
        return module

    # -- attributes ------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Reached only where normal look-up fails: members live in dicts of their own.
        fields = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            members = fields.get(kind)
            if members is not None and name in members:
                return members[name]
        if name == "save" and isinstance(self, plait.jit.ScriptModule):
            return functools.partial(plait.jit.save, self)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        watch.structure += 1  # compiled functions look again at what they depend on
        fields = self.__dict__
        parameters = fields.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif parameters is not None and name in parameters:
            if value is not None:
                raise error(
                    TypeError,
                    f"cannot assign '{type_name(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)",
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if "_modules" not in fields:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "_parameters", "_buffers")
            self._modules[name] = self._seen_by_module_hooks(name, value)
        elif name in fields.get("_modules", ()):
            if value is not None:
                raise error(
                    TypeError,
                    f"cannot assign '{type_name(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)",
                )
            self._modules[name] = self._seen_by_module_hooks(name, value)
        elif name in fields.get("_buffers", ()) or isinstance(value, Buffer):
            self._set_buffer(name, value)
        else:
            super().__setattr__(name, value)

    def _forget(self, name: str, *kinds: str) -> None:
        """Drop `name` from the plain attributes and from the given kinds of members."""
        self.__dict__.pop(name, None)
        for kind in kinds:
            self.__dict__[kind].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise error(
                TypeError,
                f"cannot assign '{type_name(value)}' as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)",
            )
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        if isinstance(value, Buffer):
            persistent = value.persistent
        else:
            persistent = name not in self._non_persistent_buffers_set
        self._register_any_buffer(name, value, persistent)

    def _register_any_buffer(self, name: str, value: Any, persistent: bool) -> None:
        """Call `register_buffer`, also one overridden without the `persistent` argument."""
        overridden = type(self).register_buffer is not Module.register_buffer
        if not overridden or "persistent" in inspect.signature(self.register_buffer).parameters:
            self.register_buffer(name, value, persistent)
        elif persistent:
            self.register_buffer(name, value)
        else:
            raise error(
                RuntimeError,
                "Registering a non-persistent buffer on a Module subclass that implements "
                "register_buffer() without the persistent argument is not allowed.",
            )

    def __delattr__(self, name: str) -> None:
        watch.structure += 1
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(kind, ()):
                del self.__dict__[kind][name]
                if kind == "_buffers":
                    self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = [*dir(self.__class__), *self.__dict__]
        names += [*self._parameters, *self._modules, *self._buffers]
        # Names such as "0", the children of a Sequential, are not attributes one can write.
        return sorted(name for name in names if not name[0].isdigit())

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)  # compiled again when it is called
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in FIELDS:  # pickles of older versions lack the newer fields
            self.__dict__.setdefault(name, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    # -- calls -----------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # By the dict: to look an attribute up costs more where a class has `__getattr__`.
        fields = self.__dict__
        if (
            fields["_forward_hooks"]
            or fields["_forward_pre_hooks"]
            or fields["_backward_hooks"]
            or fields["_backward_pre_hooks"]
            or _hooks._global_forward_hooks
            or _hooks._global_forward_pre_hooks
            or _hooks._global_backward_hooks
            or _hooks._global_backward_pre_hooks
            or self._compiled_call_impl is not None
        ):
            if self._compiled_call_impl is not None:
                return self._compiled_call_impl(*args, **kwargs)
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._call_with_hooks(args, kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile this module's calls in place, with the arguments of `plait.compile`."""
        self._compiled_call_impl = plait.compile(self._call_impl, *args, **kwargs)

    # -- the tree --------------------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call `fn` on every descendant, then on self: the usual way to initialise a model."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode (dropout, batch statistics) on self and all descendants."""
        if not isinstance(mode, bool):
            raise error(ValueError, "training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode: `train(False)`."""
        return self.train(False)

    def extra_repr(self) -> str:
        """What to print between the parentheses; subclasses override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [
            f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()
        ]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({extra})"
        if not lines and not children:
            return f"{self._get_name()}()"
        body = "\n  ".join([*lines, *children])
        return f"{self._get_name()}(\n  {body}\n)"

    def _replicate_for_data_parallel(self) -> Self:
        """A shallow copy whose member dicts are its own."""
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        for kind in ("_parameters", "_buffers", "_modules"):
            replica.__dict__[kind] = dict(self.__dict__[kind])
        return replica
