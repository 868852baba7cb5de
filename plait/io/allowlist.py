"""What a restricted load may build besides tensors and containers: the user's own list.

PyTorch's names and meaning: `add_safe_globals`, `clear_safe_globals`, `get_safe_globals`, and the
context manager `safe_globals`. An entry is a class or function, or a pair (it, "module.name" as
written in the file).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.io import names

SafeGlobal = Callable[..., Any] | tuple[Callable[..., Any], str]

# Insertion order is kept; a dict serves as an ordered set.
_allowed: dict[SafeGlobal, None] = {}


def add_safe_globals(safe_globals: list[SafeGlobal]) -> None:
    """Allow these classes and functions in loads with `weights_only=True`, until cleared."""
    for entry in safe_globals:
        _qualified_names(entry)  # refuse a malformed entry now, not at some later load
        _allowed[entry] = None


def get_safe_globals() -> list[SafeGlobal]:
    """The classes and functions allowed so far."""
    return list(_allowed)


def clear_safe_globals() -> None:
    """Forget everything allowed so far."""
    _allowed.clear()


class safe_globals:
    """Context manager that allows `safe_globals` inside its block only."""

    def __init__(self, safe_globals: list[SafeGlobal]) -> None:
        self._entries = list(safe_globals)

    def __enter__(self) -> None:
        add_safe_globals(self._entries)

    def __exit__(self, *_: object) -> None:
        for entry in self._entries:
            _allowed.pop(entry, None)


def user_globals() -> dict[str, Any]:
    """From each full name that a file may use to the object it stands for."""
    table: dict[str, Any] = {}
    for entry in _allowed:
        target = entry[0] if isinstance(entry, tuple) else entry
        for name in _qualified_names(entry):
            table[name] = target
    return table


def _qualified_names(entry: SafeGlobal) -> tuple[str, ...]:
    if isinstance(entry, tuple):
        if len(entry) != 2:
            raise error(
                ValueError,
                "Expected tuple of length 2 (global, str of callable full path), but got tuple of "
                f"length: {len(entry)}",
            )
        if not isinstance(entry[1], str):
            raise error(
                TypeError,
                "Expected second item in tuple to be str of callable full path, but got: "
                f"{type(entry[1])}",
            )
        return (entry[1],)
    module, name = entry.__module__, entry.__qualname__
    # Files of PyTorch name its module, files of Plait's own packages name Plait's.
    return (f"{module}.{name}", f"{names.to_torch(module)}.{name}")
