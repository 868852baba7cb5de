"""Plans made of earlier ones: without passes, fusion and lowering.

A structure that has come with other extents before (`compiler/structure.py`) is planned with
`Derived` numbers in the places that differ. So the finished plan says, for each number in it (the
arguments of launches, units of work, shapes, constants), how it follows from those extents; and
what was decided by them on the way is known. `Pattern` makes one Python function of both: given
other extents, it makes the program that planning them anew would have made, or finds that a
decision falls otherwise. Then they are planned anew, and that plan is one more pattern.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Sequence
from dataclasses import fields
from types import FunctionType
from typing import Any

import numpy as np

from plait.core.codegen.kernel import Kernel, Launch
from plait.core.compiler.lowering import Lowered, lower
from plait.core.compiler.pipeline import Observer, run_passes
from plait.core.compiler.plan import Buffer
from plait.core.compiler.steps import HostStep
from plait.core.compiler.structure import Structures
from plait.core.ir.derived import Derivation, Derived, plain
from plait.core.ir.dtypes import DType
from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.ir.op import Op
from plait.core.llvm.target import Target

#: Patterns kept of a structure and a target, and steps in all of them; beyond it the one that has
#: served longest ago goes.
MOST_PATTERNS = 32
MOST_STEPS = 2048

#: How many plans this process has made by passes, and how many of an earlier one.
anew = 0
reused = 0


def lowered(
    graph: Graph, structures: Structures, target: Target, observe: Observer | None = None
) -> Lowered:
    """The launches and host steps of a graph; of an earlier plan where one serves."""
    global anew, reused
    marks = structures.find(graph)
    if marks is None:
        anew += 1
        return lower(run_passes(graph, observe), target)
    roots = marks.roots(graph)
    patterns = marks.patterns.setdefault(target, [])
    if roots is not None:
        for pattern in tuple(patterns):
            made = pattern.program(roots)
            if made is not None:
                reused += 1
                _to_the_front(patterns, pattern)
                return made._replace(reused=True)
    anew += 1
    derivation = Derivation()
    marked = marks.marked(graph, derivation)
    pattern = Pattern(derivation, lower(run_passes(marked, observe), target), target)
    made = pattern.first()
    if roots is not None:
        _to_the_front(patterns, pattern)
    return made


def _to_the_front(patterns: list[Pattern], pattern: Pattern) -> None:
    """What served last is tried first. Another thread may do the same."""
    if patterns and patterns[0] is pattern:
        return
    kept, steps = [pattern], pattern.steps
    for other in patterns:
        if other is pattern:
            continue
        steps += other.steps
        if len(kept) < MOST_PATTERNS and steps <= MOST_STEPS:
            kept.append(other)
    patterns[:] = kept


class Pattern:
    """A plan whose numbers are derived."""

    def __init__(self, derivation: Derivation, lowered: Lowered, target: Target) -> None:
        self.steps = len(lowered.steps)
        self.decisions = 0
        self._derivation = derivation
        self._lowered: Lowered | None = lowered
        self._lock = threading.Lock()
        self._function: Any = None
        for step in lowered.steps:
            if isinstance(step, Launch):
                step.kernel.symbol(target)  # its text is what code depends on: all in it is decided
        derivation.close()
        self.decisions = derivation.decisions

    def first(self) -> Lowered:
        """The program for the numbers that the plan was made for."""
        return _Plainly().of(self._lowered)

    def program(self, roots: Sequence[int | float]) -> Lowered | None:
        """The program for other numbers; None where they would be planned otherwise."""
        if any(roots[number] != value for number, value in self._derivation.fixed.items()):
            return None
        if self._function is None:
            with self._lock:
                if self._function is None:
                    self._function = _Writer(self._derivation).function(self._lowered)
                    self._lowered = None
                    self._derivation.forget()
        return self._function(*roots)


def _buffer(
    like: Buffer, shape: tuple[int, ...], root: Buffer | None = None, start: int = 0
) -> Buffer:
    """A buffer of another shape."""
    made = Buffer(shape, like.dtype, like.kind, like.value)
    made.root, made.start = root, start
    made.varying = like.varying
    return made


def _constant(like: Buffer, arguments: tuple[Any, ...]) -> Buffer:
    """A constant made of other numbers."""
    assert like.made is not None
    array = like.made[0](*arguments)
    made = Buffer(array.shape, like.dtype, like.kind, array)
    made.varying = like.varying
    return made


def _varying(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([axis for axis, extent in enumerate(shape) if type(extent) is Derived])


#: What holds no numbers of a plan, or such as are decided (see `Pattern`).
_WHOLE = (
    *(int, float, bool, complex, str, bytes, type(None), type, FunctionType),
    *(DType, Op, Kernel, np.dtype, np.generic, np.ndarray, enum.Enum),
)


def _parts(value: Any) -> tuple[Any, Sequence[Any]] | None:
    """(what makes such a value of its parts, the parts); None for what has none."""
    kind = type(value)
    if kind in (Launch, HostStep):
        return kind, [getattr(value, field.name) for field in fields(value)]
    if kind is Spec:
        return Spec, (value.shape, value.dtype)
    if kind is Graph:
        return Graph, (value.inputs, value.instructions, value.outputs)
    if isinstance(value, tuple):
        return (tuple if kind is tuple else kind), value
    if kind is list:
        return list, value
    if kind is dict:
        return dict, tuple(value.items())
    return None


class _Plainly:
    """A plan with plain numbers in place of derived ones. What has none stays the same object."""

    def __init__(self) -> None:
        self._buffers: dict[int, Buffer] = {}

    def of(self, value: Any) -> Any:
        """A value of the plan."""
        kind = type(value)
        if kind is Derived:
            return value.value
        if kind is Buffer:
            made = self._buffers.get(id(value))
            if made is None:
                made = self._buffers[id(value)] = self._buffer(value)
            return made
        found = _parts(value)
        if found is None:
            return value
        make, parts = found
        new = [self.of(part) for part in parts]
        if all(a is b for a, b in zip(new, parts)):
            return value
        if make in (tuple, list, dict):
            return make(new)
        return make(*new)

    def _buffer(self, buffer: Buffer) -> Buffer:
        buffer.varying = _varying(buffer.shape)
        if buffer.root is None and buffer.made is not None:
            return _constant(buffer, plain(buffer.made[1]))
        root = None if buffer.root is None else self.of(buffer.root)
        if root is buffer.root and not buffer.varying and type(buffer.start) is not Derived:
            return buffer
        return _buffer(buffer, plain(buffer.shape), root, plain(buffer.start))


class _Unknown(Exception):
    """A plan holds something of which it is not known whether numbers are in it."""


class _Writer:
    """The source of a function that makes a plan for other numbers."""

    def __init__(self, derivation: Derivation) -> None:
        self._derivation = derivation
        self._names: dict[str, Any] = {
            **derivation.functions,
            "buffer": _buffer,
            "constant": _constant,
        }
        self._held: dict[int, str] = {}
        self._buffers: dict[int, str | None] = {}
        self._lines: list[str] = []
        self._wanted: set[str] = set()

    def function(self, lowered: Lowered | None) -> Any:
        """The function of the derivation's roots."""
        try:
            result = self._text(lowered) or self._whole(lowered)
        except _Unknown:
            return lambda *roots: None
        derivation = self._derivation
        head = f"def program({', '.join(root.name for root in derivation.roots)}):"
        body = [*derivation.lines(self._wanted), *self._lines, f"return {result}"]
        exec("\n    ".join([head, *body]), self._names)
        return self._names["program"]

    def _whole(self, value: Any) -> str:
        """The name of an object that stays as it is."""
        name = self._held.get(id(value))
        if name is None:
            name = self._held[id(value)] = f"k{len(self._held)}"
            self._names[name] = value
        return name

    def _text(self, value: Any) -> str | None:
        """An expression for a value with derived numbers; None for one without."""
        kind = type(value)
        if kind is Derived:
            if value.of is self._derivation:
                self._wanted.add(value.name)
            return self._derivation.text(value)
        if kind is Buffer:
            if id(value) not in self._buffers:
                self._buffers[id(value)] = self._buffer(value)
            return self._buffers[id(value)]
        found = _parts(value)
        if found is None:
            if isinstance(value, _WHOLE):
                return None
            raise _Unknown
        make, parts = found
        texts = [self._text(part) for part in parts]
        if all(text is None for text in texts):
            return None
        inner = ", ".join(
            [self._whole(part) if text is None else text for part, text in zip(parts, texts)]
        )
        if make is tuple:
            return f"({inner},)"
        if make is list:
            return f"[{inner}]"
        return f"dict([{inner}])" if make is dict else f"{self._whole(make)}({inner})"

    def _buffer(self, buffer: Buffer) -> str | None:
        """The variable of a buffer that is another one for other numbers."""
        root = None if buffer.root is None else self._text(buffer.root)
        name = f"b{len(self._buffers)}"
        like = self._whole(buffer)
        if buffer.root is None and buffer.made is not None:
            arguments = self._text(buffer.made[1])
            if arguments is None:
                raise _Unknown  # what it is made of was not told by the numbers in it
            self._lines.append(f"{name} = constant({like}, {arguments})")
            return name
        shape = self._text(buffer.shape)
        start = self._text(buffer.start)
        if root is None and shape is None and start is None:
            return None
        shape, start = shape or self._whole(buffer.shape), start or f"{buffer.start}"
        root = root or self._whole(buffer.root)
        self._lines.append(f"{name} = buffer({like}, {shape}, {root}, {start})")
        return name
