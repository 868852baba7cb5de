"""Which extents of a program vary: told by meeting the same structure with others.

Two graphs have the same structure where they do the same ops in the same order and differ in
extents only: of their inputs, and in the numbers of attributes that follow from these (the shape of
a reshape, the N of a mean). The first one that is met is compiled as it stands. From the second on,
`Structures.marked` gives the graph with every number that has ever differed marked as `Varying`,
and lowerings make kernels of it that take those numbers at run time. What is marked only grows, so
that a program settles: a compilation per extent that varies by itself, and some for thresholds.

That marks are set changes code, never results: which sums are added in which order follows from the
numbers themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from plait.core.ir.extents import varying
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

#: Where numbers differ: True for a number, a tuple for a tuple with such, None for no difference.
Places = Any


class Structures:
    """The structures that were met, each with the graph that came first."""

    def __init__(self) -> None:
        self._met: dict[tuple, list[_Met]] = {}
        #: How many times a structure has been met that was not known.
        self.times_met = 0
        self._lock = threading.Lock()

    def marked(self, graph: Graph) -> Graph:
        """The graph to compile: itself if its structure is new or came with just these extents
        first, else with its varying numbers marked."""
        outline = _outline(graph)
        with self._lock:
            alike = self._met.setdefault(outline, [])
            for met in alike:
                if met.first.key == graph.key:
                    return graph
                found = met.differences(graph)
                if found is not None:
                    met.note(found)
                    return met.mark(graph)
            alike.append(_Met(graph))
            self.times_met += 1
            del alike[:-_MOST_ALIKE]
            if len(self._met) > _MOST_KEPT:
                self._met.pop(next(iter(self._met)))
        return graph

    def knows(self, graph: Graph) -> bool:
        """Whether a graph of this structure has been compiled: most of its kernels are there."""
        with self._lock:
            alike = tuple(self._met.get(_outline(graph), ()))
        return any(met.differences(graph) is not None for met in alike)


class _Differences(NamedTuple):
    """Where the numbers of two graphs differ: by input, and by instruction and attribute."""

    inputs: dict[int, Places]
    attrs: dict[int, dict[str, Places]]


class _Met:
    """A structure: the graph that came first, and which of its numbers have differed since."""

    def __init__(self, first: Graph) -> None:
        self.first = first
        self._inputs: dict[int, Places] = {}
        self._attrs: dict[int, dict[str, Places]] = {}

    def differences(self, graph: Graph) -> _Differences | None:
        """Where a graph of the same outline differs; None where its structure is another one."""
        pairs: set[tuple[int, int]] = set()
        found = _Differences({}, {})
        try:
            for number, (mine, other) in enumerate(zip(self.first.inputs, graph.inputs)):
                if mine.shape != other.shape:
                    found.inputs[number] = _differing(mine.shape, other.shape)
                    pairs.update((a, b) for a, b in zip(mine.shape, other.shape) if a != b)
            for place, (mine, other) in enumerate(zip(self.first.instructions, graph.instructions)):
                if mine.attrs is not other.attrs:
                    named = _differing_attrs(mine.attrs, other.attrs)
                    if named:
                        found.attrs[place] = named
        except _OtherStructure:
            return None
        return found if len(pairs) <= _MOST_PAIRS else None

    def note(self, found: _Differences) -> None:
        """Remember where numbers have differed."""
        for number, places in found.inputs.items():
            self._inputs[number] = _joined(self._inputs.get(number), places)
        for place, named in found.attrs.items():
            known = self._attrs.setdefault(place, {})
            for name, places in named.items():
                known[name] = _joined(known.get(name), places)

    def mark(self, graph: Graph) -> Graph:
        """The graph with all numbers marked that have differed."""
        inputs = list(graph.inputs)
        for number, places in self._inputs.items():
            inputs[number] = Spec(_mark(inputs[number].shape, places), inputs[number].dtype)
        instructions = list(graph.instructions)
        for place, named in self._attrs.items():
            made = instructions[place]
            attrs = {name: _mark(value, named.get(name)) for name, value in made.attrs.items()}
            instructions[place] = made._replace(attrs=attrs)
        return Graph(tuple(inputs), tuple(instructions), graph.outputs)


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
    specs = tuple([(len(spec.shape), spec.dtype) for spec in graph.inputs])
    ops = tuple([(made.op.name, made.args) for made in graph.instructions])
    return (specs, ops, graph.outputs)


def _differing_attrs(mine: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Places]:
    found: dict[str, Places] = {}
    if mine.keys() != other.keys():
        raise _OtherStructure
    for name, value in mine.items():
        if value is other[name]:
            continue
        if name in _FOLLOWING:
            places = _differing(value, other[name])
            if places is not None:
                found[name] = places
        elif freeze({name: value}) != freeze({name: other[name]}):
            raise _OtherStructure
    return found


def _differing(mine: Any, other: Any) -> Places:
    if isinstance(mine, tuple) and isinstance(other, tuple):
        if len(mine) != len(other):
            raise _OtherStructure
        parts = tuple([_differing(a, b) for a, b in zip(mine, other)])
        return None if all(part is None for part in parts) else parts
    if type(mine) is type(other) and freeze({"": mine}) == freeze({"": other}):
        return None
    if {type(mine), type(other)} <= {int, float}:
        return True
    raise _OtherStructure


def _joined(a: Places, b: Places) -> Places:
    if a is None or b is None:
        return b if a is None else a
    if a is True or b is True:
        return True
    return tuple([_joined(x, y) for x, y in zip(a, b)])


def _mark(value: Any, places: Places) -> Any:
    if places is None:
        return value
    if places is True:
        return varying(value)
    return tuple([_mark(part, place) for part, place in zip(value, places)])


#: What this process has compiled, up to extents.
known = Structures()
