"""What the code of a captured call reads besides tensors: closures, globals, attributes.

A replay does not run the code, so it holds only while those are as they were. `Guards` walks what a
function can reach by name, once per capture; `hold` compares cheaply before each replay. The walk
also notes what a replay could not repeat: output, files, clocks, NumPy, and plain attributes that
the call itself has changed.
"""

from __future__ import annotations

import builtins
import functools
import types
from typing import Any

from plait._tensor import Tensor
from plait.core.lazy.capture import watch
from plait.nn import Module
from plait.optim import Optimizer

_SIMPLE = (bool, int, float, complex, str, bytes, type(None))
_EFFECTS = {"print", "input", "open", "exec", "eval", "globals", "next"}
_OUTSIDE = {
    *("numpy", "random", "time", "datetime", "os", "sys", "logging", "secrets", "io", "tqdm"),
    *("PIL", "matplotlib", "pandas", "scipy", "wandb", "subprocess", "socket", "threading"),
}
_MISSING: Any = object()
_LARGE = 256


def same(a: Any, b: Any) -> bool:
    """Whether two values of a name are the same thing, or equal simple values."""
    return a is b or (type(a) is type(b) and isinstance(a, _SIMPLE) and a == b)


class Guards:
    """The values that a function's names had. reason: why it cannot be replayed, if so."""

    def __init__(self, function: Any) -> None:
        self.reason: str | None = None
        self._cells: list[tuple[Any, Any]] = []
        self._entries: list[tuple[dict[str, Any], str, Any]] = []
        self._lists: list[tuple[Any, tuple]] = []
        self._modules: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._effects: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._seen: dict[int, Any] = {}
        self._waiting: list[Any] = [function]
        while self._waiting:
            self._visit(self._waiting.pop())
        self._structure = watch.structure

    def hold(self) -> bool:
        """Whether every name still has its value."""
        for cell, value in self._cells:
            if cell.cell_contents is not value and not same(cell.cell_contents, value):
                return False
        for entries, name, value in self._entries:
            now = entries.get(name, _MISSING)
            if now is not value and not same(now, value):
                return False
        for held, values in self._lists:
            if len(held) != len(values) or not all(map(same, _items(held), values)):
                return False
        if self._structure != watch.structure:
            if not all(_unchanged(now, before) for now, before in self._modules):
                return False
            self._structure = watch.structure
        return True

    def effect(self) -> str | None:
        """What the call has changed that a replay would not change."""
        for now, before in self._effects:
            for name, value in before.items():
                if not same(now.get(name, _MISSING), value):
                    return f"the call changes the attribute {name!r}"
        for held, values in self._lists:
            if len(held) != len(values) or not all(map(same, _items(held), values)):
                return f"the call changes a {type(held).__name__}"
        for entries, name, value in self._entries:
            if not same(entries.get(name, _MISSING), value):
                return f"the call changes {name!r}"
        for cell, value in self._cells:
            if not same(cell.cell_contents, value):
                return "the call changes a variable of its closure"
        for now, before in self._modules:
            if not _unchanged(now, before):
                return "the call changes an attribute of a module"
        return None

    def _visit(self, value: Any) -> None:
        if isinstance(value, (*_SIMPLE, Tensor, type)) or id(value) in self._seen:
            return
        if isinstance(value, types.ModuleType):
            return
        self._seen[id(value)] = value
        if isinstance(value, types.MethodType):
            self._waiting += [value.__func__, value.__self__]
        elif isinstance(value, functools.partial):
            self._waiting += [value.func, *value.args, *value.keywords.values()]
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, Module):
            self._module(value)
        elif isinstance(value, (list, tuple, dict, set)):
            if len(value) > _LARGE:
                self.reason = f"it reads a {type(value).__name__} of {len(value)} entries"
                return
            items = _items(value)
            self._lists.append((value, items))
            self._waiting += items
        elif type(value).__module__.split(".")[0] in _OUTSIDE:
            self.reason = f"it reads an object of {type(value).__module__}"
        elif isinstance(value, Optimizer):
            self._optimizer(value)
        elif hasattr(value, "__dict__"):
            self._object(value)

    def _function(self, function: Any) -> None:
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self._waiting.append(wrapped)
        if (function.__module__ or "").split(".")[0] in ("plait", "torch"):
            return  # Plait's own code does not depend on what a user can change
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            self._cells.append((cell, value))
            self._waiting.append(value)
        self._waiting += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        for name in _names(function.__code__):
            if name == "param_groups":
                self.reason = "it reads or sets the options of an optimizer"
            value = function.__globals__.get(name, _MISSING)
            if value is _MISSING:
                if name in _EFFECTS and hasattr(builtins, name):
                    self.reason = f"it calls {name}()"
                continue
            origin = value.__name__ if isinstance(value, types.ModuleType) else ""
            if not origin and callable(value):
                origin = getattr(value, "__module__", None) or ""
            if origin.split(".")[0] in _OUTSIDE:
                self.reason = f"it uses {name!r}, of the module {origin}"
            self._entries.append((function.__globals__, name, value))
            self._waiting.append(value)

    def _module(self, module: Any) -> None:
        fields = module.__dict__
        self._modules.append((fields, dict(fields)))
        for kind in ("_parameters", "_buffers", "_modules"):
            self._modules.append((fields[kind], dict(fields[kind])))
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks"):
            self._modules.append((fields[hooks], dict(fields[hooks])))
            self._waiting += fields[hooks].values()
        self._waiting += fields["_modules"].values()
        self._waiting.append(type(module).forward)
        own = type(module).__module__.split(".")[0] not in ("plait", "torch")
        if own:
            for name, member in vars(type(module)).items():
                if isinstance(member, types.FunctionType) and name != "__init__":
                    self._waiting.append(member)
            self._waiting += [v for v in fields.values() if not isinstance(v, (dict, *_SIMPLE))]

    def _optimizer(self, optimizer: Any) -> None:
        """Its hooks and options; what it does is guarded where the capture sees it."""
        for group in optimizer.param_groups:
            simple = {k: v for k, v in group.items() if isinstance(v, _SIMPLE)}
            self._effects.append((group, simple))
        for hooks in (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks):
            self._modules.append((hooks, dict(hooks)))
            self._waiting += hooks.values()

    def _object(self, value: Any) -> None:
        """An object of a user's class: the attributes that the code names, and its methods."""
        fields = value.__dict__
        simple = {k: v for k, v in fields.items() if isinstance(v, _SIMPLE)}
        self._effects.append((fields, simple))
        if type(value).__module__.split(".")[0] in ("plait", "torch"):
            return
        for name, member in vars(type(value)).items():
            if isinstance(member, types.FunctionType) and name != "__init__":
                self._waiting.append(member)
        for name, held in fields.items():
            self._entries.append((fields, name, held))
            self._waiting.append(held)


class Unguarded(Guards):
    """No guards: nothing is looked at, and all always hold."""

    def __init__(self, function: Any) -> None:
        self.reason = None

    def hold(self) -> bool:
        return True

    def effect(self) -> str | None:
        return None


def _items(held: Any) -> tuple:
    if isinstance(held, dict):
        return tuple(held.values())
    return tuple(held)


def _unchanged(now: dict[str, Any], before: dict[str, Any]) -> bool:
    if len(now) != len(before):
        return False
    for name, value in before.items():
        current = now.get(name, _MISSING)
        if current is not value and not same(current, value):
            return False
    return True


def _names(code: Any) -> set[str]:
    """The names that a function's code, and the code of functions in it, mention."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found
