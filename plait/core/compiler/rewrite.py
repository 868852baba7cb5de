"""Building and rewriting graphs: instructions are interned as they are made, dead ones dropped.

A pass walks a graph's instructions in order and gives, for each, the value that takes its place in
the new graph; `None` keeps it as it is. Values of ops with several outputs may be replaced by a
tuple of values, of which `item` then picks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait.core.ir.dtypes import DType
from plait.core.ir.graph import Graph, Instruction, freeze
from plait.core.ir.node import Spec
from plait.core.ir.op import ITEM, Op, elements
from plait.core.ops.elementwise import CAST
from plait.core.ops.source import FULL
from plait.core.ops.view import BROADCAST, RESHAPE, TRANSPOSE

#: A value of the graph being built: its number, or a tuple of them for several outputs.
Value = Any


class Builder:
    """A graph under construction. Values are numbers as in `Graph`."""

    def __init__(self, inputs: Sequence[Spec]) -> None:
        self.inputs = tuple(inputs)
        self.instructions: list[Instruction] = []
        self._interned: dict[tuple, int] = {}

    def spec(self, value: int) -> Spec:
        """Shape and dtype of a value (tuples for several outputs)."""
        if value < len(self.inputs):
            return self.inputs[value]
        made = self.instructions[value - len(self.inputs)]
        return Spec(made.shape, made.dtype)

    def made(self, value: int) -> Instruction | None:
        """The instruction that makes a value; None for an input."""
        place = value - len(self.inputs)
        return self.instructions[place] if place >= 0 else None

    def emit(self, op: Op, *args: int, source: str | int | None = None, **attrs: Any) -> int:
        """The value of an op on values: the one that is there already, if it is."""
        key = (op.name, args, freeze(attrs))
        number = self._interned.get(key)
        if number is None:
            shape, dtype = op.infer(*[self.spec(a) for a in args], **attrs)
            number = len(self.inputs) + len(self.instructions)
            self._interned[key] = number
            self.instructions.append(Instruction(op, args, attrs, shape, dtype, source))
        return number

    # -- the ops that passes insert ---------------------------------------------------------------

    def full(self, value: Any, shape: tuple[int, ...], dtype: DType) -> int:
        return self.emit(FULL, value=value, shape=shape, dtype=dtype)

    def reshape(self, x: int, shape: tuple[int, ...]) -> int:
        return x if self.spec(x).shape == shape else self.emit(RESHAPE, x, shape=shape)

    def transpose(self, x: int, axes: tuple[int, ...]) -> int:
        return x if axes == tuple(range(len(axes))) else self.emit(TRANSPOSE, x, axes=axes)

    def broadcast(self, x: int, shape: tuple[int, ...]) -> int:
        return x if self.spec(x).shape == shape else self.emit(BROADCAST, x, shape=shape)

    def cast(self, x: int, dtype: DType) -> int:
        return x if self.spec(x).dtype is dtype else self.emit(CAST, x, dtype=dtype)

    def inline(self, graph: Graph, args: Sequence[int]) -> Value:
        """The outputs of a graph applied to values."""
        values: list[Value] = list(args)
        for made in graph.instructions:
            values.append(self.replay(made, [values[a] for a in made.args]))
        results = tuple([values[number] for number in graph.outputs])
        return results if len(results) != 1 else results[0]

    def replay(self, made: Instruction, args: Sequence[Value]) -> Value:
        """The same instruction on values of this graph."""
        if made.op is ITEM and isinstance(args[0], tuple):
            return args[0][made.attrs["index"]]
        return self.emit(made.op, *args, source=made.source, **made.attrs)

    def finish(self, outputs: Sequence[int]) -> Graph:
        """The graph of what the outputs need."""
        return needed_of(Graph(self.inputs, tuple(self.instructions), tuple(outputs)))


def needed_of(graph: Graph) -> Graph:
    """The graph without the instructions that no output needs."""
    first = len(graph.inputs)
    needed = set(graph.outputs)
    for place in range(len(graph.instructions) - 1, -1, -1):
        if first + place in needed:
            needed.update(graph.instructions[place].args)
    numbers = {i: i for i in range(first)}
    kept: list[Instruction] = []
    for place, made in enumerate(graph.instructions):
        if first + place in needed:
            numbers[first + place] = first + len(kept)
            kept.append(made._replace(args=tuple([numbers[a] for a in made.args])))
    return Graph(graph.inputs, tuple(kept), tuple([numbers[v] for v in graph.outputs]))


Rule = Callable[[Builder, Instruction, tuple[Value, ...]], Value]


def rewrite(graph: Graph, rule: Rule) -> Graph:
    """A graph with each instruction replaced by what `rule(builder, made, args)` gives.

    made: the old instruction; args: its operands in the new graph. None keeps the instruction.
    """
    build = Builder(graph.inputs)
    values: list[Value] = list(range(len(graph.inputs)))
    for made in graph.instructions:
        args = tuple([values[a] for a in made.args])
        replaced = rule(build, made, args)
        values.append(build.replay(made, args) if replaced is None else replaced)
    return build.finish([values[v] for v in graph.outputs])


def uses(graph: Graph) -> list[list[int]]:
    """For each value, the positions of the instructions that read it."""
    readers: list[list[int]] = [[] for _ in range(len(graph.inputs) + len(graph.instructions))]
    for place, made in enumerate(graph.instructions):
        for arg in dict.fromkeys(made.args):
            readers[arg].append(place)
    return readers


def size(spec: Any) -> int:
    """Elements of a value with one output."""
    return elements(spec.shape)
