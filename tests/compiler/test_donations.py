"""Outputs that the passes make inputs: no memory is shared or given away by mistake."""

from __future__ import annotations

import numpy as np
import pytest

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


SIZES = [(1, 7, 1), (2, 300, 33), (40, 64, 50), (9, 512, 9)]


@pytest.mark.parametrize("rows, steps, columns", SIZES)
def test_an_epilogue_updates_what_it_reads(rows: int, steps: int, columns: int) -> None:
    """As the step of a layer's weight: its gradient is a product. By dot products, by tiles, and
    in parts of K."""
    made = f"float32[{rows}, {columns}]"
    graph = from_text(
        f"""\
graph(%0: float32[{rows}, {steps}], %1: float32[{steps}, {columns}], %2: {made}) {{
  %3 = dot_general(%0, %1) {{batch=((), ()), contract=((1,), (0,))}}: {made}
  %4 = sub(%2, %3): {made}
  return %3, %4
}}"""
    )
    random = np.random.RandomState(0)
    a, b = random.randn(rows, steps), random.randn(steps, columns)
    weight = random.randn(rows, columns).astype(np.float32)
    wanted = weight - a @ b
    native = CompiledGraph(graph, {1: 2})
    assert not native.program.copied
    _, updated = native.run([a.astype(np.float32), b.astype(np.float32), weight])
    assert updated is weight
    # Sums of 512 products of float32.
    np.testing.assert_allclose(weight, wanted, atol=512 * 6e-8 * 60)


def test_an_epilogue_does_not_write_over_what_the_product_reads() -> None:
    graph = from_text(
        """\
graph(%0: float32[40, 40], %1: float32[40, 40]) {
  %2 = dot_general(%0, %1) {batch=((), ()), contract=((1,), (0,))}: float32[40, 40]
  %3 = sub(%1, %2): float32[40, 40]
  return %3
}"""
    )
    random = np.random.RandomState(0)
    a, b = random.randn(2, 40, 40).astype(np.float32)
    wanted = b - a @ b
    (updated,) = CompiledGraph(graph, {0: 1}).run([a, b])
    assert updated is b
    np.testing.assert_allclose(b, wanted, atol=1e-4)
