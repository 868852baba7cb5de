"""Recompute: cheap values of a forward pass are made again in the backward pass, not kept for it.

Of a hidden layer, a training step would keep gelu's result for the gradient of the next weight, and
gelu's slope for that of its operand; both are a few operations per element on one value. Here that
value is kept, and the others are made again beside products of hundreds of operations per element.

The passes are told apart by levels: how many products lie before a value. At the level where most
bytes wait for later, the least set of values is sought from which all that is read later follows by
cheap work: a minimum cut.
"""

from __future__ import annotations

from plait.core.compiler.cut import cheapest_cut
from plait.core.compiler.rewrite import needed_of, uses
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.op import Lowering, elements
from plait.core.ops.elementwise import ALIAS

#: Graphs in which less is saved stay as they are.
_WORTH_BYTES = 8 << 20
#: Graphs with fewer products have no passes to tell apart.
_FEWEST_LEVELS = 6
_PRODUCTS = (Lowering.CONTRACT, Lowering.CONV, Lowering.ATTENTION, Lowering.RECURRENT)
_CHEAP = (Lowering.ELEMENTWISE, Lowering.VIEW, Lowering.SOURCE)


def recompute(graph: Graph) -> Graph:
    """The graph in which late readers of cheap values read such as are made anew."""
    passes = _Passes(graph)
    if passes.levels and max(passes.levels) < _FEWEST_LEVELS:
        return graph
    before = passes.kept_bytes()
    if before < _WORTH_BYTES:
        return graph
    kept = passes.cheapest()
    if before - sum(passes.nbytes(value) for value in kept) < _WORTH_BYTES:
        return graph
    return passes.rewritten(kept)


class _Passes:
    """The values of a graph by number: their levels, and the level that parts early from late."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.first = len(graph.inputs)
        self.readers = uses(graph)
        self.levels = [0] * self.first
        #: The level at which each instruction can run.
        self.comes: list[int] = []
        for made in graph.instructions:
            self.comes.append(max([self.levels[arg] for arg in made.args], default=0))
            self.levels.append(self.comes[-1] + (made.op.lowering in _PRODUCTS))
        self.border = self._border()

    def made(self, value: int) -> Instruction:
        """The instruction that makes a value."""
        return self.graph.instructions[value - self.first]

    def nbytes(self, value: int) -> int:
        """The size of a value that is to be kept; inputs are there anyway."""
        if value < self.first:
            return 0
        made = self.made(value)
        if isinstance(made.dtype, tuple):
            return sum(elements(s) * d.itemsize for s, d in zip(made.shape, made.dtype))
        return elements(made.shape) * made.dtype.itemsize

    def _border(self) -> int:
        """The level after which most bytes wait to be read."""
        change = [0] * (max(self.levels, default=0) + 2)
        for value in range(self.first, len(self.levels)):
            last = max([self.comes[place] for place in self.readers[value]], default=0)
            if last > self.levels[value] and self.made(value).op.lowering is not Lowering.VIEW:
                change[self.levels[value]] += self.nbytes(value)
                change[last] -= self.nbytes(value)
        most = now = border = 0
        for level, grown in enumerate(change):
            now += grown
            if now > most:
                most, border = now, level
        return border

    def is_late(self, place: int) -> bool:
        """Whether an instruction runs behind the border."""
        return self.comes[place] > self.border

    def _read_late(self, value: int) -> bool:
        return self.levels[value] <= self.border and any(map(self.is_late, self.readers[value]))

    def kept_bytes(self) -> int:
        """What waits at the border, each memory once."""
        kept = {self._memory(value) for value in range(len(self.levels)) if self._read_late(value)}
        return sum(map(self.nbytes, kept))

    def _memory(self, value: int) -> int:
        """The value that a reshape of it lies in."""
        while value >= self.first and self.made(value).op.name in ("reshape", "broadcast", "item"):
            value = self.made(value).args[0]
        return value

    def _may_be_made_again(self, value: int) -> bool:
        if value < self.first:
            return False
        made = self.made(value)
        return made.op.lowering in _CHEAP and made.op.check is None

    def cheapest(self) -> set[int]:
        """The early values to be kept."""
        early = [v for v in range(len(self.levels)) if self.levels[v] <= self.border]
        edges = [
            (arg, value)
            for value in early
            if self._may_be_made_again(value)
            for arg in self.made(value).args
        ]
        starts = [v for v in early if not self._may_be_made_again(v)]
        costs = {value: self.nbytes(value) for value in early}
        # Outputs are there at the end in any case.
        costs.update(dict.fromkeys([v for v in self.graph.outputs if v in costs], 0))
        return cheapest_cut(costs, edges, starts, [v for v in early if self._read_late(v)])

    def rewritten(self, kept: set[int]) -> Graph:
        """The graph whose late instructions read what is kept, and what is made of it again."""
        writer = _Writer(self, kept)
        for place, made in enumerate(self.graph.instructions):
            if self.is_late(place):
                args = tuple([writer.late(arg) for arg in made.args])
            else:
                args = tuple([writer.numbers[arg] for arg in made.args])
            writer.numbers.append(writer.add(made._replace(args=args)))
        outputs = tuple([writer.numbers[value] for value in self.graph.outputs])
        # What is read late alone is only made again.
        return needed_of(Graph(self.graph.inputs, tuple(writer.instructions), outputs))


class _Writer:
    """Instructions of the new graph, and what each value of the old one is there."""

    def __init__(self, passes: _Passes, kept: set[int]) -> None:
        self.passes = passes
        self.kept = kept
        self.numbers = list(range(passes.first))
        self.instructions: list[Instruction] = []
        self._again: dict[int, int] = {}

    def add(self, made: Instruction) -> int:
        """The number of one more instruction's result."""
        self.instructions.append(made)
        return self.passes.first + len(self.instructions) - 1

    def late(self, value: int) -> int:
        """A value as a late instruction reads it."""
        if not self._is_made_again(value):
            return self.numbers[value]
        stack = [value]
        while stack:
            here = stack[-1]
            made = self.passes.made(here)
            waiting = [a for a in made.args if self._is_made_again(a) and a not in self._again]
            if waiting and here not in self._again:
                stack.extend(waiting)
                continue
            stack.pop()
            if here not in self._again:
                args = tuple([self._operand(arg) for arg in made.args])
                self._again[here] = self.add(made._replace(args=args))
        return self._again[value]

    def _is_made_again(self, value: int) -> bool:
        passes = self.passes
        early = value >= passes.first and passes.levels[value] <= passes.border
        return early and value not in self.kept and passes._may_be_made_again(value)

    def _operand(self, value: int) -> int:
        """What work that is done again reads: fusion does not join what reads an alias with what
        made it."""
        if value in self._again:
            return self._again[value]
        number = self.numbers[value]
        if value < self.passes.first or self.passes.made(value).op.lowering is Lowering.VIEW:
            return number
        spec = self.passes.graph.type_of(value)
        again = self._again[value] = self.add(
            Instruction(ALIAS, (number,), {}, spec.shape, spec.dtype, None)
        )
        return again
