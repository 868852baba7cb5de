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


def test_an_output_in_the_memory_of_an_input_that_another_output_reads() -> None:
    """One kernel makes both: the first is stored where the second still reads."""
    graph = from_text(
        """\
graph(%0: float32[40], %1: float32[40]) {
  %2 = neg(%1): float32[40]
  %3 = mul(%0, %2): float32[40]
  return %2, %3
}"""
    )
    x, y = np.arange(40, dtype=np.float32), np.full(40, 3, np.float32)
    native = CompiledGraph(graph, {0: 0})
    assert len(native.steps) == 1
    negative, product = native.run([x, y])
    assert negative is x
    assert (negative == -3).all()
    assert (product == -3 * np.arange(40, dtype=np.float32)).all()
