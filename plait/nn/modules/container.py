"""Containers of modules: `Sequential`, `ModuleList`, `ModuleDict`."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Self

from plait.core.ir.errors import error
from plait.nn.modules._fields import type_name
from plait.nn.modules.module import Module, _addindent
from plait.nn.modules.parameter_container import ParameterDict, ParameterList

__all__ = ["Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


# Pickles name the classes where PyTorch's users find them.
ParameterList.__module__ = __name__
ParameterDict.__module__ = __name__


class Container(Module):
    """The oldest container: modules by keyword."""

    def __init__(self, **kwargs: Module) -> None:
        super().__init__()
        for name, module in kwargs.items():
            self.add_module(name, module)


class _ModuleSequence(Module):
    """Children named "0", "1", ...: what `Sequential` and `ModuleList` share."""

    _modules: dict[str, Any]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _key_at(self, index: int) -> str:
        """The name of the child at `index`, which may count from the end; IndexError beyond."""
        count = len(self)
        index = operator.index(index)
        if not -count <= index < count:
            raise error(IndexError, f"index {index} is out of range")
        return next(islice(self._modules, index % count, None))

    def _renumber(self, modules: Iterable[Any]) -> None:
        self._modules = {str(i): module for i, module in enumerate(modules)}

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key_at(index), module)

    def append(self, module: Module) -> Self:
        """Add `module` at the end."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Remove and return the child (or the slice of children) at `key`."""
        taken = self[key]  # type: ignore[index]  # both subclasses define it
        del self[key]  # type: ignore[attr-defined]  # both subclasses define it
        return taken


class Sequential(_ModuleSequence):
    """Calls its children one after the other.

    Made of modules in order, or of one `OrderedDict` of names and modules.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for index, module in enumerate(args):
                self.add_module(str(index), module)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self.__class__(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._key_at(index)]

    def __delitem__(self, index: int | slice) -> None:
        if isinstance(index, slice):
            for key in list(self._modules)[index]:
                delattr(self, key)
        else:
            delattr(self, self._key_at(index))
        self._renumber(list(self._modules.values()))

    def __add__(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            raise error(
                ValueError,
                "add operator supports only objects of Sequential class, "
                f"but {type(other)} is given.",
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Self:
        if not isinstance(other, Sequential):
            raise error(
                ValueError,
                "add operator supports only objects of Sequential class, "
                f"but {type(other)} is given.",
            )
        return self.extend(list(other))

    def __mul__(self, times: Any) -> Sequential:
        return Sequential(*(list(self) * _check_times(times)))

    def __rmul__(self, times: Any) -> Sequential:
        return self * times

    def __imul__(self, times: Any) -> Self:
        return self.extend(list(self) * (_check_times(times) - 1))

    def forward(self, input: Any) -> Any:
        # Of a subclass its own order, as `for module in self` has it.
        modules = self.__dict__["_modules"].values() if type(self) is Sequential else self
        for module in modules:
            input = module(input)
        return input

    def insert(self, index: int, module: Module) -> Self:
        """Put `module` before the child at `index`."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        count = len(self)
        if not -count <= index <= count:
            raise error(IndexError, f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Add all modules of `sequential` at the end."""
        for module in list(sequential):
            self.append(module)
        return self


def _check_times(times: Any) -> int:
    if not isinstance(times, int):
        raise error(
            TypeError, f"unsupported operand type(s) for *: {type(Sequential)} and {type(times)}"
        )
    if times <= 0:
        raise error(ValueError, f"Non-positive multiplication factor {times} for {Sequential}")
    return times


class ModuleList(_ModuleSequence):
    """A list of modules that are registered as children; it has no forward."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self.__class__(list(self._modules.values())[index])
        return self._modules[self._key_at(index)]

    def __delitem__(self, index: int | slice) -> None:
        if isinstance(index, slice):
            for position in range(len(self))[index]:
                delattr(self, str(position))
        else:
            delattr(self, self._key_at(index))
        self._renumber(list(self._modules.values()))

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        combined = ModuleList()
        for index, module in enumerate([*self, *other]):
            combined.add_module(str(index), module)
        return combined

    def __repr__(self) -> str:
        """Like a module's, with runs of equal children on one line: `(0-2): 3 x Linear(...)`."""
        runs: list[list[Any]] = []  # [first index, last index, printed child]
        for index, text in enumerate(repr(module) for module in self):
            if runs and runs[-1][2] == text:
                runs[-1][1] = index
            else:
                runs.append([index, index, text])
        if not runs:
            return f"{self._get_name()}()"
        lines = []
        for first, last, text in runs:
            head = f"({first}): " if first == last else f"({first}-{last}): {last - first + 1} x "
            lines.append(_addindent(head + text, 2))
        body = "\n  ".join(lines)
        return f"{self._get_name()}(\n  {body}\n)"

    def insert(self, index: int, module: Module) -> None:
        """Put `module` before the child at `index`."""
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add all of `modules` at the end."""
        if not isinstance(modules, Iterable):
            raise error(
                TypeError,
                "ModuleList.extend should be called with an "
                f"iterable, but got {type(modules).__name__}",
            )
        for module in list(modules):
            self.append(module)
        return self


class ModuleDict(Module):
    """Modules by name, in the order of insertion; it has no forward."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Remove and return the module at `key`."""
        module = self[key]
        del self[key]
        return module

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def items(self) -> Any:
        """Pairs of name and module."""
        return self._modules.items()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add all of `modules`: a mapping, or pairs of name and module."""
        if not isinstance(modules, Iterable):
            raise error(
                TypeError,
                "ModuleDict.update should be called with an "
                f"iterable of key/value pairs, but got {type(modules).__name__}",
            )
        if isinstance(modules, (Mapping, ModuleDict)):
            for key, module in modules.items():
                self[key] = module
            return
        for position, pair in enumerate(modules):
            if not isinstance(pair, Iterable):
                raise error(
                    TypeError,
                    f"ModuleDict update sequence element #{position} should be Iterable; "
                    f"is {type_name(pair)}",
                )
            pair = list(pair)
            if len(pair) != 2:
                raise error(
                    ValueError,
                    f"ModuleDict update sequence element #{position} has length {len(pair)}; "
                    "2 is required",
                )
            self[pair[0]] = pair[1]
