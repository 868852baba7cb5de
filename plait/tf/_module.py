"""tf.Module, and the contexts that name things."""

from __future__ import annotations

import contextlib
import functools
import re
import types
from collections.abc import Iterator
from typing import Any

from plait.core.ir.errors import error
from plait.tf import nest
from plait.tf._dispatch import state, symbols
from plait.tf._variable import Variable


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Module:
    """Holds variables and other modules as attributes, and finds them all."""

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not name.isidentifier():
            raise error(
                ValueError,
                f"{name!r} is not a valid module name. Module names must be "
                "valid Python identifiers (e.g. a valid class name).",
            )
        self._name = name or _snake(type(self).__name__)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        waiting = self.__dict__.get("_restoring")
        if waiting is not None:  # a checkpoint was restored before this came
            restoring, path = waiting
            restoring.reach(path, name, value)

    @property
    def name(self) -> str:
        return self.__dict__.get("_name") or _snake(type(self).__name__)

    @property
    def name_scope(self) -> Any:
        return name_scope(self.name)

    @property
    def variables(self) -> tuple[Any, ...]:
        """All variables, of this module and of those in it, in the order of attribute names."""
        return tuple(self._found(Variable))

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """The variables that are trained."""
        return tuple([v for v in self._found(Variable) if v.trainable])

    @property
    def non_trainable_variables(self) -> tuple[Any, ...]:
        """The variables that are not trained."""
        return tuple([v for v in self._found(Variable) if not v.trainable])

    @property
    def submodules(self) -> tuple[Any, ...]:
        """The modules in this one."""
        return tuple([m for m in self._found(Module) if m is not self])

    def _found(self, kind: type) -> list[Any]:
        found: dict[int, Any] = {}
        deeper: list[Any] = []
        for name in sorted(vars(self)):
            for leaf in _leaves(vars(self)[name]):
                if isinstance(leaf, kind):
                    found.setdefault(id(leaf), leaf)
                if isinstance(leaf, Module) and all(leaf is not m for m in deeper):
                    deeper.append(leaf)
        for module in deeper:
            if module is not self:
                for leaf in module._found(kind):
                    found.setdefault(id(leaf), leaf)
        return list(found.values())

    @classmethod
    def with_name_scope(cls, method: Any) -> Any:
        """A method that runs in the module's name scope."""

        @functools.wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            with self.name_scope:
                return method(self, *args, **kwargs)

        return call


def _leaves(value: Any) -> Iterator[Any]:
    if nest.is_nested(value):
        yield from nest.flatten(value)
    else:
        yield value


class name_scope:
    """A context whose name stands before the names of operations and variables made in it."""

    def __init__(self, name: Any, default_name: Any = None, values: Any = None) -> None:
        self._name = name if name is not None else default_name

    @property
    def name(self) -> Any:
        return self._name

    def __enter__(self) -> str:
        graph = state.graph
        if graph is None:
            self._inside: Any = None
            return f"{self._name}/"
        self._inside = graph.name_scope(self._name)
        return self._inside.__enter__()

    def __exit__(self, *exc: Any) -> Any:
        return self._inside.__exit__(*exc) if self._inside is not None else None


class device:
    """A context, accepted: there is one device."""

    def __init__(self, device_name: Any) -> None:
        self.device_name = device_name

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


@contextlib.contextmanager
def init_scope() -> Iterator[None]:
    """A context outside of functions and graphs."""
    graph, tapes = state.graph, state.tapes
    state.graph, state.tapes = None, ()
    try:
        yield
    finally:
        state.graph, state.tapes = graph, tapes


@contextlib.contextmanager
def control_dependencies(control_inputs: Any) -> Iterator[None]:
    """Operations made in this context run after those given. What runs at once has run."""
    graph = state.graph
    if graph is None and symbols["find"] is not None:
        graph = symbols["find"](((control_inputs,), {}))
    if graph is None:
        for item in control_inputs or ():
            if isinstance(item, types.FunctionType):
                item()
        yield
        return
    with graph.control_dependencies(control_inputs):
        yield
