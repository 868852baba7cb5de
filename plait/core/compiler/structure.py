"""Which extents of a program vary: told by meeting the same structure with others.

Two graphs have the same structure where they do the same ops in the same order and differ in
extents only: of their inputs, and in the numbers of attributes that follow from these (the shape of
a reshape, the N of a mean). The first one that is met is compiled as it stands. From the second on,
`Structures.find` gives the places that have ever differed, and `Marks.marked` the graph with these
numbers marked (`ir/extents.py`): lowerings make kernels of it that take them at run time. What is
marked only grows, so that a program settles: a compilation per extent that varies by itself, and
some for thresholds.

That marks are set changes code, never results: which sums are added in which order follows from the
numbers themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plait.core.ir.derived import Derivation
from plait.core.ir.extents import may_vary, varying
from plait.core.ir.graph import Graph, freeze
from plait.core.ir.node import Spec
from plait.core.llvm.target import Target

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
        self._met: dict[tuple, list[_Met]] = {}
        #: How many times a structure has been met that was not known.
        self.times_met = 0
        self._lock = threading.Lock()

    def find(self, graph: Graph) -> Marks | None:
        """Where graphs of this one's structure have differed, this one included. None where the
        structure is new, or came with just these extents first."""
        outline = _outline(graph)
        with self._lock:
            alike = self._met.setdefault(outline, [])
            for met in alike:
                found = met.differences(graph)
                if found is not None:
                    return met.note(found, graph) if found else None
            alike.append(_Met(graph))
            self.times_met += 1
            del alike[:-_MOST_ALIKE]
            if len(self._met) > _MOST_KEPT:
                self._met.pop(next(iter(self._met)))
        return None

    def knows(self, graph: Graph) -> bool:
        """Whether a graph of this structure has been compiled: most of its kernels are there."""
        with self._lock:
            alike = tuple(self._met.get(_outline(graph), ()))
        return any(met.differences(graph) is not None for met in alike)

    def marks(self) -> list[Marks]:
        """Those of all structures that came with several extents."""
        return [met.marks for alike in self._met.values() for met in alike if met.marks.places]


class _Met:
    """A structure: the graph that came first, and where others have differed since."""

    def __init__(self, first: Graph) -> None:
        self.first = first
        self.marks = Marks([], [], [])

    def differences(self, graph: Graph) -> list[Place] | None:
        """Where a graph of the same outline differs; None where its structure is another one."""
        pairs: set[tuple[int, int]] = set()
        found: list[Place] = []
        first = self.first
        (mine_specs, mine_keys, _), (other_specs, other_keys, _) = first.key, graph.key
        if mine_specs != other_specs:
            for number, (mine, other) in enumerate(zip(first.inputs, graph.inputs)):
                for axis, (a, b) in enumerate(zip(mine.shape, other.shape)):
                    if a != b:
                        found.append((number, axis))
                        pairs.add((a, b))
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

    def note(self, found: list[Place], graph: Graph) -> Marks:
        """Remember that a graph came, and where it differs from the first."""
        marks = self.marks
        places = dict.fromkeys([*marks.places, *found])
        if len(places) > len(marks.places):
            marks = Marks(list(places), [0] * len(places), _values(places, self.first))
        self.marks = marks.parted(_values(places, graph))
        return self.marks


class Marks:
    """Places of a structure in which its graphs have differed. Never changed.

    groups: for each place a number; places of one group have had the same number in all graphs
    that came. patterns: by target, what has been planned with these marks (see `replan`).
    """

    def __init__(self, places: list[Place], groups: list[int], values: list[Any]) -> None:
        numbers: dict[tuple[int, str], int] = {}
        self.places = places
        #: The first place of each group.
        self._heads: list[int] = []
        self.groups: list[int] = []
        for place, (group, value) in enumerate(zip(groups, values)):
            key = (group, repr(value))
            if key not in numbers:
                numbers[key] = len(self._heads)
                self._heads.append(place)
            self.groups.append(numbers[key])
        self._kinds = list(map(type, values))
        self.patterns: dict[Target, list[Any]] = {}

    def parted(self, values: list[Any]) -> Marks:
        """These marks, if numbers in the places agree with the groups; else such as do."""
        return self if self._agrees(values) else Marks(self.places, self.groups, values)

    def _agrees(self, values: list[Any]) -> bool:
        # By their text: 0.0 equals -0.0, and 2 equals 2.0.
        texts = list(map(repr, values))
        heads = [texts[place] for place in self._heads]
        return texts == [heads[group] for group in self.groups]

    def roots(self, graph: Graph) -> list[Any] | None:
        """One number for each group; None where a plan with such numbers serves for no others: one
        of them may have no mark."""
        values = _values(self.places, graph)
        if list(map(type, values)) != self._kinds or not self._agrees(values):
            return None
        roots = [values[place] for place in self._heads]
        return roots if all(map(may_vary, roots)) else None

    def marked(self, graph: Graph, derivation: Derivation) -> Graph:
        """The graph with derived numbers where it differs, roots of a derivation."""
        values = _values(self.places, graph)
        roots = [
            derivation.root(values[place]) if may_vary(values[place]) else values[place]
            for place in self._heads
        ]
        inputs, instructions = list(graph.inputs), list(graph.instructions)
        for (number, name, *path), group in zip(self.places, self.groups):
            if type(name) is int:
                spec = inputs[number]
                inputs[number] = Spec(_with(spec.shape, (name,), roots[group]), spec.dtype)
            else:
                made = instructions[number]
                attrs = {**made.attrs, name: _with(made.attrs[name], path, roots[group])}
                instructions[number] = made._replace(attrs=attrs)
        return Graph(tuple(inputs), tuple(instructions), graph.outputs)


def _values(places: Iterable[Place], graph: Graph) -> list[Any]:
    """The numbers in some places."""
    values = []
    inputs, instructions = graph.inputs, graph.instructions
    for number, name, *path in places:
        if type(name) is int:
            values.append(inputs[number].shape[name])
            continue
        value = instructions[number].attrs[name]
        for step in path:
            value = value[step]
        values.append(value)
    return values


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
    if type(mine) is int and type(other) is int:
        return [] if mine == other else [()]
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
