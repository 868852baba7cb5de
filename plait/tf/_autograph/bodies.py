"""What branches and bodies of loops write while they are recorded.

A body is recorded once and runs many times, or not at all, so what it writes to a variable is kept
here: for the body a value like any other, and one more result of the control flow. Whatever else
would last (other tensors, new variables, tapes, random numbers) makes a body unfit to be recorded.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from plait.core.lazy.capture import Capture


class Unrecordable(Exception):
    """Why a branch or a body cannot be recorded. The function then runs as Python does."""


class Writes:
    """The variables that one body has written, with the values they have in it."""

    def __init__(self) -> None:
        self.variables: dict[int, Any] = {}
        self.values: dict[int, Any] = {}

    def put(self, variable: Any, value: Any) -> None:
        """A variable's value from here on."""
        self.variables[id(variable)] = variable
        self.values[id(variable)] = value


class _Stack(threading.local):
    def __init__(self) -> None:
        self.writes: list[Writes] = []


stack = _Stack()


def held(variable: Any, leaf: Any) -> Any:
    """The core's tensor that a variable holds, in the body that is being recorded."""
    for writes in reversed(stack.writes):
        found = writes.values.get(id(variable))
        if found is not None:
            return found
    return leaf


def write(variable: Any, leaf: Any, value: Any) -> None:
    """Note what a body writes. Raises Unrecordable for a value of another shape."""
    if tuple(value.shape) != tuple(leaf.shape):
        raise Unrecordable(f"{variable.name!r} gets another shape in control flow")
    stack.writes[-1].put(variable, value)


def refuse(what: str) -> None:
    """Raise Unrecordable while a body is being recorded."""
    if stack.writes:
        raise Unrecordable(f"{what} inside of control flow")


@contextlib.contextmanager
def body(active: Capture, variables: Any = ()) -> Iterator[Writes]:
    """A stretch that records a body. variables: (variable, its value in the body)."""
    writes = Writes()
    for variable, value in variables:
        writes.put(variable, value)
    outermost = not stack.writes

    def wrote(cell: Any) -> None:
        if cell.era < active.era:
            raise Unrecordable("something else than a tf.Variable is written in control flow")

    if outermost:
        vars(active)["wrote"] = wrote
    stack.writes.append(writes)
    try:
        yield writes
    finally:
        stack.writes.pop()
        if outermost:
            vars(active).pop("wrote", None)
