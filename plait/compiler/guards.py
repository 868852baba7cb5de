"""What the code of a captured call reads besides tensors: closures, globals, attributes.

A replay does not run the code, so it holds only while those are as they were. `Guards` walks what a
function can reach by name, once per capture; `hold` compares cheaply before each replay. The walk
also notes what a replay could not repeat: output, files, clocks, NumPy, and plain attributes that
the call itself has changed.
"""

from __future__ import annotations

import builtins
import functools
import operator
import os
import pathlib
import re
import sys
import sysconfig
import types
from collections.abc import Mapping, Sequence
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
#: Modules whose classes and functions a program does not change.
_FIXED = {"plait", "torch", *sys.stdlib_module_names} - {"__main__"}
#: Where installed packages are.
_INSTALLED = tuple({sysconfig.get_path(kind) + os.sep for kind in ("purelib", "platlib")})
#: Kinds of objects without attributes of their own that never change.
_KNOWN = (
    *(frozenset, range, slice, types.BuiltinFunctionType, types.MethodDescriptorType),
    *(types.WrapperDescriptorType, types.MethodWrapperType, types.GenericAlias, types.UnionType),
    *(type(NotImplemented), type(...), types.CodeType, types.GetSetDescriptorType),
    *(types.MemberDescriptorType, types.ClassMethodDescriptorType, property),
    *(re.Pattern, pathlib.PurePath, operator.itemgetter, operator.attrgetter),
)
_MISSING: Any = object()
_LARGE = 256


def same(a: Any, b: Any) -> bool:
    """Whether two values of a name are the same thing, or equal simple values."""
    if a is b:
        return True
    if type(a) is not type(b) or not isinstance(a, _SIMPLE) or a != b:
        return False
    return bool(a) or repr(a) == repr(b)  # 0.0 is not -0.0


@functools.cache
def _is_installed(package: str) -> bool:
    """Whether a top-level module is of an installed package."""
    file = getattr(sys.modules.get(package), "__file__", None)
    return file is not None and file.startswith(_INSTALLED)


class Guards:
    """The values that a function's names had. reason: why it cannot be replayed, if so.

    given: arguments that are told apart by identity, whose contents the code may read. reached: the
    memory of the tensors that the code may read by name.
    """

    def __init__(self, function: Any, given: Sequence[Any] = ()) -> None:
        self.reason: str | None = None
        self.reached: set[Any] = set()
        self._functions: list[tuple[Any, Any, Any, Any]] = []
        #: What is read by attributes, and the names that code mentions, quoted ones included.
        self._holders: list[Any] = []
        self._names: set[str] = {"forward"}
        self._quoted: set[str] = set()
        self._looked_up: dict[int, set[str]] = {}
        self._known_holders: set[int] = set()
        self._objects: list[tuple[dict[str, Any], int]] = []
        self._cells: list[tuple[Any, Any]] = []
        self._entries: list[tuple[Mapping[str, Any], str, Any]] = []
        self._lists: list[tuple[Any, tuple]] = []
        self._modules: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._effects: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._seen: dict[int, Any] = {}
        self._waiting: list[Any] = [function, *given]
        while self._waiting and self.reason is None:
            self._visit(self._waiting.pop())
            if not self._waiting:
                self._look_up()
        self._structure = watch.structure

    def hold(self) -> bool:
        """Whether every name still has its value."""
        for cell, value in self._cells:
            if cell.cell_contents is not value and not same(cell.cell_contents, value):
                return False
        for function, code, defaults, named in self._functions:
            if function.__code__ is not code or function.__defaults__ is not defaults:
                return False
            if function.__kwdefaults__ is not named:
                return False
        for entries, name, value in self._entries:
            now = entries.get(name, _MISSING)
            if now is not value and not same(now, value):
                return False
        for held, values in self._lists:
            if not _are_same(_items(held), values):
                return False
        for fields, count in self._objects:
            if len(fields) != count:
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
            if not _are_same(_items(held), values):
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
        if isinstance(value, Tensor):
            self.reached.add(value.storage_cell)
            if value._leaf_hooks:
                self._waiting += value._leaf_hooks.values()
            self._waiting += getattr(value, "_post_accumulate_hooks", {}).values()
            return
        if isinstance(value, _SIMPLE) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, (type, types.ModuleType)):
            self._hold_class_or_module(value)
            return
        self._hold_class_or_module(type(value))
        if isinstance(value, types.MethodType):
            self._waiting += [value.__func__, value.__self__]
        elif isinstance(value, types.BuiltinFunctionType):
            self._waiting.append(value.__self__)  # of `items.append` the list
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
        elif hasattr(value, "__wrapped__"):
            self._object(value)
            self._waiting.append(value.__wrapped__)  # of a compiled function what it compiles
        elif hasattr(value, "_read_by_steps"):
            self._told(value)
        elif hasattr(value, "__next__"):
            self.reason = f"it draws from a {type(value).__name__}"
        elif hasattr(value, "__dict__"):
            self._object(value)
        elif not isinstance(value, _KNOWN) and not _is_ours(type(value)):
            self.reason = f"it reads an object of type {type(value).__name__}"

    def _function(self, function: Any) -> None:
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self._waiting.append(wrapped)
        if (function.__module__ or "").split(".")[0] in ("plait", "torch"):
            return  # Plait's own code does not depend on what a user can change
        self._functions.append(
            (function, function.__code__, function.__defaults__, function.__kwdefaults__)
        )
        if function.__kwdefaults__:
            self._waiting.append(function.__kwdefaults__)
        self._names |= _names(function.__code__)
        self._quoted |= _quoted(function.__code__)
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            self._cells.append((cell, value))
            self._waiting.append(value)
        self._waiting += function.__defaults__ or ()
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

    def _hold_class_or_module(self, value: Any) -> None:
        """Classes and modules of Python: of those that a program may change, what code names."""
        origin = _origin(value)
        if origin and origin.split(".")[0] not in _FIXED and id(value) not in self._known_holders:
            self._known_holders.add(id(value))
            self._holders.append(value)
            if isinstance(value, type):
                for base in value.__bases__:
                    self._hold_class_or_module(base)

    def _look_up(self) -> None:
        """Guard the attributes of classes and modules that the code seen so far names.

        Those of installed packages are compared, but what they lead to is not walked: a program
        may set an attribute of a package, and does not change what lies behind it.
        """
        for holder in self._holders:
            fields = vars(holder)
            is_installed = _is_installed(_origin(holder).split(".")[0])
            looked_up = self._looked_up.setdefault(id(holder), set())
            for name in ((fields.keys() & self._names) | self._quoted) - looked_up:
                looked_up.add(name)
                found = fields.get(name, _MISSING)
                self._entries.append((fields, name, found))
                if is_installed:
                    continue
                if isinstance(found, (staticmethod, classmethod)):
                    found = found.__func__
                elif isinstance(found, property):
                    self._waiting += [f for f in (found.fget, found.fset) if f is not None]
                    continue
                if found is not _MISSING:
                    self._waiting.append(found)

    def _module(self, module: Any) -> None:
        fields = module.__dict__
        self._modules.append((fields, dict(fields)))
        for kind in ("_parameters", "_buffers", "_modules"):
            self._modules.append((fields[kind], dict(fields[kind])))
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks"):
            self._modules.append((fields[hooks], dict(fields[hooks])))
            self._waiting += fields[hooks].values()
        for members in ("_modules", "_parameters", "_buffers"):
            self._waiting += fields[members].values()
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

    def _told(self, value: Any) -> None:
        """An object that says itself what a step reads of it (a layer of Keras): tensors, and
        dicts of which the simple values count."""
        tensors, holders = value._read_by_steps()
        self._waiting += tensors
        for fields in holders:
            for name, held in fields.items():
                if isinstance(held, _SIMPLE):
                    self._entries.append((fields, name, held))

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
        self._objects.append((fields, len(fields)))


class Unguarded(Guards):
    """No guards: nothing is looked at, and all always hold."""

    def __init__(self, function: Any, given: Sequence[Any] = ()) -> None:
        self.reason = None
        self.reached = set()

    def hold(self) -> bool:
        return True

    def effect(self) -> str | None:
        return None


def _items(held: Any) -> tuple:
    if isinstance(held, dict):
        return (*held.keys(), *held.values())
    return tuple(held)


def _are_same(now: tuple, before: tuple) -> bool:
    return len(now) == len(before) and all(map(same, now, before))


def _unchanged(now: dict[str, Any], before: dict[str, Any]) -> bool:
    if len(now) != len(before):
        return False
    for name, value in before.items():
        current = now.get(name, _MISSING)
        if current is not value and not same(current, value):
            return False
    return True


def _origin(value: Any) -> str:
    """The name of the module that a class is of, or of a module itself."""
    return value.__name__ if isinstance(value, types.ModuleType) else value.__module__ or ""


def _is_ours(kind: type) -> bool:
    return kind.__module__.split(".")[0] in ("plait", "torch")


def _quoted(code: Any) -> set[str]:
    """The names that code may look up by strings: as in `getattr(x, "name")`."""
    if not {"getattr", "hasattr"} & set(code.co_names):
        found = set()
    else:
        found = {c for c in code.co_consts if isinstance(c, str) and c.isidentifier()}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _quoted(constant)
    return found


def _names(code: Any) -> set[str]:
    """The names that a function's code, and the code of functions in it, mention."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found
