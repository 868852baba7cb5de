"""Outputs that the passes make inputs: no memory is shared or given away by mistake."""

from __future__ import annotations

import numpy as np

from plait.core.ir.graph import Graph
from plait.core.ir.text import from_text
from plait.core.runtime.compiled import CompiledGraph

#: The first output is the input after the passes, the second may take over its memory.
GRAPH: Graph = from_text(
    """\
graph(%0: float32[2, 3]) {
  %1 = transpose(%0) {axes=(1, 0)}: float32[3, 2]
  %2 = transpose(%1) {axes=(1, 0)}: float32[2, 3]
  %3 = neg(%0): float32[2, 3]
  return %2, %3
}"""
)


def test_an_output_that_is_an_input_is_a_copy() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    kept = x.copy()
    same, negative = CompiledGraph(GRAPH, {1: 0}).run([x])
    assert not np.shares_memory(same, x)
    assert (same == kept).all()
    assert (negative == -kept).all()


def test_what_can_be_done_in_place_is() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    alone = Graph(GRAPH.inputs, GRAPH.instructions, GRAPH.outputs[1:])
    (negative,) = CompiledGraph(alone, {0: 0}).run([x])
    assert negative is x
    assert (x == -np.arange(6, dtype=np.float32).reshape(2, 3)).all()
