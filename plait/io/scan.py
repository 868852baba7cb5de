"""Reading a pickle without building anything: which globals and which storages it names.

The restricted machine runs over inert stand-ins: a name gives a `Named`, a call gives a `Named`.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from plait.io.unpickler import BoundedReader, GlobalTable, RestrictedUnpickler


class Named:
    """Stands for whatever a global, or a call of it, would be."""

    def __init__(self, module: str = "", name: str = "") -> None:
        self.module = module
        self.name = name


class _InertTable(GlobalTable):
    def __init__(self) -> None:
        super().__init__({}, {}, lambda module, name: None)
        self.found: dict[tuple[str, str], Named] = {}

    def find(self, module: str, name: str) -> Named:
        return self.found.setdefault((module, name), Named(module, name))

    def call(self, function: Any, args: Any) -> Named:
        return Named()


class _Scanner(RestrictedUnpickler):
    """The machine with every container operation on a stand-in ignored."""

    def load_persistent(self) -> None:
        # Old files also give ids to modules; those are passed by.
        saved_id = self.stack.pop()
        if type(saved_id) is tuple and saved_id[:1] == ("storage",):
            self.persistent_load(saved_id)
        self.stack.append(Named())

    def new_object(self) -> None:
        del self.stack[-2:]
        self.stack.append(Named())

    def build(self) -> None:
        self.stack.pop()

    def append_items(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not Named:
            super().append_items(items)

    def set_items(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not Named:
            super().set_items(items)

    def add_items(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not Named:
            super().add_items(items)


def globals_of(file: BinaryIO) -> list[tuple[str, str]]:
    """All (module, name) pairs that the pickle in `file` names, in order of first mention."""
    table = _InertTable()
    _Scanner(BoundedReader(file), table, lambda saved_id: None).load()
    return list(table.found)


def storages_of(file: BinaryIO, encoding: str = "utf-8") -> list[tuple[Any, ...]]:
    """The persistent ids of the pickle in `file`, which is left behind its end.

    Storage classes appear in them as `Named`.
    """
    found: list[tuple[Any, ...]] = []
    _Scanner(BoundedReader(file), _InertTable(), found.append, encoding).load()
    return found
