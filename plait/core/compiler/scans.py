"""Scans over the same operands as one.

The gradient of a scan begins with a scan that computes the carries of each turn again
(`core/ops/control.py`). In a program that holds the forward scan as well, both go through the same
turns: one loop gives the results of both.
"""

from __future__ import annotations

from typing import Any

from plait.core.compiler.rewrite import Builder, Value, rewrite
from plait.core.ir.graph import Graph, Instruction, trace
from plait.core.ir.op import ITEM
from plait.core.ops.control import SCAN


def merge_scans(graph: Graph) -> Graph:
    """The graph in which scans of the same operands and carries are one."""
    merged: dict[int, tuple[Graph, list[int]]] = {}
    for group in _alike(graph):
        for made, which in _merged(group):
            merged[id(made)] = which
    if not merged:
        return graph

    def rule(build: Builder, made: Instruction, args: tuple[Value, ...]) -> Value:
        found = merged.get(id(made))
        if found is None:
            return None
        body, numbers = found
        # The first one makes it, the others meet it.
        whole = build.emit(SCAN, *args, source=made.source, **{**made.attrs, "body": body})
        return tuple([build.emit(ITEM, whole, index=number) for number in numbers])

    return rewrite(graph, rule)


def _alike(graph: Graph) -> list[list[Instruction]]:
    """Scans of the same operands that differ in their bodies only."""
    first = len(graph.inputs)
    groups: dict[tuple, list[Instruction]] = {}
    for place, made in enumerate(graph.instructions):
        if made.op is SCAN and first + place not in graph.outputs:
            attrs = made.attrs
            key = (made.args, *[attrs[name] for name in ("constants", "carries", "length")])
            groups.setdefault((*key, attrs["reverse"]), []).append(made)
    return [group for group in groups.values() if len(group) > 1]


def _merged(group: list[Instruction]) -> list[tuple[Instruction, tuple[Graph, list[int]]]]:
    """For each scan of a group: the body of all, and which of its outputs are the scan's own.
    Nothing where their carries differ."""
    carries = group[0].attrs["carries"]
    bodies: list[Graph] = [made.attrs["body"] for made in group]

    def turn(*inputs: Any) -> tuple[Any, ...]:
        return tuple([value for body in bodies for value in body.replay(*inputs)])

    whole = trace(turn, bodies[0].inputs)
    numbers: list[list[int]] = []
    start = 0
    for body in bodies:
        numbers.append(list(range(start, start + len(body.outputs))))
        start += len(body.outputs)
    told = [[whole.outputs[n] for n in own[:carries]] for own in numbers]
    if any(other != told[0] for other in told):
        return []
    kept = [*numbers[0][:carries], *[n for own in numbers for n in own[carries:]]]
    places = {n: place for place, n in enumerate(kept)}
    body = Graph(whole.inputs, whole.instructions, tuple([whole.outputs[n] for n in kept]))
    return [
        (made, (body, [*range(carries), *[places[n] for n in own[carries:]]]))
        for made, own in zip(group, numbers)
    ]
