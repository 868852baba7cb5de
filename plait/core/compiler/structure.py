"""Which extents of a program vary: told by meeting the same structure with others.

Two graphs have the same structure where they do the same ops in the same order and differ in
extents only: of their inputs, and in the numbers of attributes that follow from these (the shape of
a reshape, the N of a mean). The first one that is met is compiled as it stands. From the second on,
`Structures.find` gives the structure, and `Known.marked` the graph with every number that has ever
differed marked (`ir/extents.py`): lowerings make kernels of it that take those numbers at run time.
What is marked only grows, so that a program settles: a compilation per extent that varies by itself,
and some for thresholds.

That marks are set changes code, never results: which sums are added in which order follows from the
numbers themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from plait.core.ir.derived import Derivation
from plait.core.ir.extents import may_vary, varying
from plait.core.ir.graph import Graph, freeze
from plait.core.ir.node import Spec

#: Attributes whose numbers may follow from extents; all others tell structures apart.
_FOLLOWING = frozenset(("shape", "value", "size", "starts", "stops", "low", "high"))
#: Most (extent, other extent) pairs in which the inputs of two graphs may differ: a batch, a length
#: and a length so far. Graphs that differ in more are layers of other sizes, worth their own code.
_MOST_PAIRS = 3
#: Structures kept; beyond it the oldest is forgotten, and would be compiled as it stands again.
_MOST_KEPT = 1024
#: Of these such as do the same ops, but are layers of other sizes.
_MOST_ALIKE = 32

#: Where a number stands: (input, axis), or (instruction, attribute, *path in it).
Place = tuple


class Structures:
    """The structures that were met."""

    def __init__(self) -> None:
        self._met: dict[tuple, list[Known]] = {}
        self._lock = threading.Lock()

    def find(self, graph: Graph) -> Known | None:
        """The structure of a graph, which has now been met with these extents, too. None where it
        is new, or came with just these extents first."""
        outline = _outline(graph)
        with self._lock:
            alike = self._met.setdefault(outline, [])
            for met in alike:
                found = met.differences(graph)
                if found is not None:
                    if not found:
                        return None
                    met.note(found, graph)
                    return met
            alike.append(Known(graph))
            del alike[:-_MOST_ALIKE]
            if len(self._met) > _MOST_KEPT:
                self._met.pop(next(iter(self._met)))
        return None

    def knows(self, graph: Graph) -> bool:
        """Whether a graph of this structure has been compiled: most of its kernels are there."""
        with self._lock:
            alike = tuple(self._met.get(_outline(graph), ()))
        return any(met.differences(graph) is not None for met in alike)


class Known:
    """A structure: the graph that came first, and which of its numbers have differed since.

    patterns: by target, what has been planned of it (see `replan`).
    """

    def __init__(self, first: Graph) -> None:
        self.first = first
        self.patterns: dict[str, list[Any]] = {}
        self._inputs: dict[Place, int] = {}
        self._attrs: dict[Place, int] = {}
        #: For each place, in the order of these, its group: places that have had the same number in
        #: all graphs that came.
        self._groups: list[int] = []
        #: The first place of each group.
        self._heads: list[int] = []
        self._kinds: list[type] = []

    def differences(self, graph: Graph) -> list[Place] | None:
        """Where a graph of the same outline differs; None where its structure is another one."""
        pairs: set[tuple[int, int]] = set()
        found: list[Place] = []
        first = self.first
        (mine_specs, mine_keys, _), (other_specs, other_keys, _) = first.key, graph.key
        if mine_specs != other_specs:
            for number, (mine, other) in enumerate(zip(first.inputs, graph.inputs)):
                if mine.shape != other.shape:
                    both = enumerate(zip(mine.shape, other.shape))
                    differing = [(axis, pair) for axis, pair in both if pair[0] != pair[1]]
                    found += [(number, axis) for axis, _ in differing]
                    pairs.update([pair for _, pair in differing])
            if len(pairs) > _MOST_PAIRS:
                return None
        try:
            for place, (mine, other) in enumerate(zip(mine_keys, other_keys)):
                if mine != other:
                    attrs = (made.instructions[place].attrs for made in (first, graph))
                    found += [(place, *path) for path in _differing_attrs(*attrs)]
        except _OtherStructure:
            return None
        return found

    def note(self, found: list[Place], graph: Graph) -> None:
        """Remember that a graph came, and where it differs from the first."""
        before = len(self._inputs) + len(self._attrs)
        for place in found:
            if type(place[1]) is int:
                self._inputs.setdefault(place, 0)
            else:
                self._attrs.setdefault(place, 0)
        if len(self._inputs) + len(self._attrs) > before:
            # With new places the order is another one: all that came is told from the first graph.
            self._groups = [0] * (len(self._inputs) + len(self._attrs))
            self._regroup(self._values(self.first))
            self.patterns = {}
        values = self._values(graph)
        if not self._agrees(values):
            self._regroup(values)
            self.patterns = {}

    def _regroup(self, values: list[Any]) -> None:
        """Part the groups in which these numbers differ."""
        numbers: dict[tuple, int] = {}
        self._heads = []
        for place, (group, value) in enumerate(zip(self._groups, values)):
            key = (group, type(value), value)
            if key not in numbers:
                numbers[key] = len(self._heads)
                self._heads.append(place)
            self._groups[place] = numbers[key]
        self._kinds = list(map(type, values))

    def _values(self, graph: Graph) -> list[Any]:
        """The numbers in the places that differ."""
        values = [graph.inputs[number].shape[axis] for number, axis in self._inputs]
        instructions = graph.instructions
        for place, name, *path in self._attrs:
            value = instructions[place].attrs[name]
            for step in path:
                value = value[step]
            values.append(value)
        return values

    def _agrees(self, values: list[Any]) -> bool:
        heads = [values[place] for place in self._heads]
        return values == [heads[group] for group in self._groups]

    def roots(self, graph: Graph) -> list[Any] | None:
        """One number for each group; None where a plan with such numbers serves for no others: one
        of them may have no mark."""
        values = self._values(graph)
        if list(map(type, values)) != self._kinds or not self._agrees(values):
            return None
        roots = [values[place] for place in self._heads]
        return roots if all(map(may_vary, roots)) else None

    def marked(self, graph: Graph, derivation: Derivation) -> Graph:
        """The graph with derived numbers where it differs, roots of a derivation."""
        values = self._values(graph)
        roots = [
            derivation.root(values[place]) if may_vary(values[place]) else values[place]
            for place in self._heads
        ]
        numbers = [roots[group] for group in self._groups]
        inputs = list(graph.inputs)
        for (number, axis), value in zip(self._inputs, numbers):
            spec = inputs[number]
            inputs[number] = Spec(_with(spec.shape, (axis,), value), spec.dtype)
        instructions = list(graph.instructions)
        for (place, name, *path), value in zip(self._attrs, numbers[len(self._inputs) :]):
            made = instructions[place]
            attrs = {**made.attrs, name: _with(made.attrs[name], path, value)}
            instructions[place] = made._replace(attrs=attrs)
        return Graph(tuple(inputs), tuple(instructions), graph.outputs)


def _with(value: Any, path: Sequence[int], number: Any) -> Any:
    """A value with a number in it replaced."""
    if not path:
        return number
    parts = list(value)
    parts[path[0]] = _with(parts[path[0]], path[1:], number)
    return tuple(parts)


def all_marked(graph: Graph) -> Graph:
    """The graph with all its extents marked, and all numbers that may follow from them."""
    instructions = [
        made._replace(
            attrs={
                name: _mark_all(value) if name in _FOLLOWING else value
                for name, value in made.attrs.items()
            }
        )
        for made in graph.instructions
    ]
    inputs = [Spec(_mark_all(spec.shape), spec.dtype) for spec in graph.inputs]
    return Graph(tuple(inputs), tuple(instructions), graph.outputs)


def _mark_all(value: Any) -> Any:
    return tuple(map(_mark_all, value)) if isinstance(value, tuple) else varying(value)


class _OtherStructure(Exception):
    """Two graphs differ in more than extents."""


def _outline(graph: Graph) -> tuple:
    """What graphs of one structure have in common for certain, and is quick to find."""
    specs, keys, outputs = graph.key
    ranks = tuple([(len(shape), dtype) for shape, dtype in specs])
    return (ranks, tuple([(name, args) for name, args, _ in keys]), outputs)


def _differing_attrs(mine: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple]:
    """(name, *path) of the numbers that differ."""
    found: list[tuple] = []
    if mine.keys() != other.keys():
        raise _OtherStructure
    for name, value in mine.items():
        if value is other[name]:
            continue
        if name in _FOLLOWING:
            found += [(name, *path) for path in _differing(value, other[name])]
        elif freeze({name: value}) != freeze({name: other[name]}):
            raise _OtherStructure
    return found


def _differing(mine: Any, other: Any) -> list[tuple]:
    """The paths to the numbers that differ."""
    if isinstance(mine, tuple) and isinstance(other, tuple):
        if len(mine) != len(other):
            raise _OtherStructure
        return [
            (number, *path)
            for number, parts in enumerate(zip(mine, other))
            for path in _differing(*parts)
        ]
    if type(mine) is type(other) and freeze({"": mine}) == freeze({"": other}):
        return []
    if {type(mine), type(other)} <= {int, float}:
        return [()]
    raise _OtherStructure


#: What this process has compiled, up to extents.
known = Structures()
