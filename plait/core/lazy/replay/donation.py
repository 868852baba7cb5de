"""Memory that the results of a launch take over from what they replace: parameters from their
former values, where nothing else can see those."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

from plait.core.ir.graph import Capture, Graph
from plait.core.ir.node import Node
from plait.core.lazy.replay.counted import UNHELD, count_references
from plait.core.runtime.crowd import several


class Donating(Protocol):
    """A launch. inputs: places of its inputs; donated: (number of an input whose memory an output
    takes over, the references to its node that are known)."""

    inputs: list[int]
    donated: list[tuple[int, int]]


def shared_inputs(launch: Donating, nodes: list[Any]) -> list[int]:
    """The inputs to be donated that something else may still read: any, where other threads are."""
    if several():
        return [number for number, _ in launch.donated]
    donors = [nodes[launch.inputs[number]] for number, _ in launch.donated]
    held = count_references(donors)
    arrays = [donor.value for donor in donors]
    array_held = count_references(arrays)
    return [
        number
        for (number, known), count, array, array_count in zip(
            launch.donated, held, arrays, array_held
        )
        # Its node holds an array.
        if count > UNHELD + known or array_count > UNHELD + 1 or array.base is not None
    ]


def donations(
    captured: Capture, graph: Graph, kept: list[Node], donors: dict[int, Node]
) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """(output -> input whose memory it may have, what `Donating.donated` is)."""
    numbers = {id(node): number for number, node in enumerate(captured.leaves)}
    uses = Counter(id(operand) for node in captured.nodes for operand in node.inputs)
    found: dict[int, int] = {}
    for output, node in enumerate(kept):
        donor = donors.get(id(node))
        number = None if donor is None else numbers.get(id(donor))
        if donor is None or number is None or number in found.values():
            continue
        same = donor.shape == node.shape and donor.dtype is node.dtype
        if same and graph.outputs.count(graph.outputs[output]) == 1:
            found[output] = number
    # Besides its users: the cell, the run, and the donors that the caller named.
    return found, [(i, 3 + uses[id(captured.leaves[i])]) for i in found.values()]
