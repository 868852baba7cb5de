"""Each pass: text before and after, and the same values on random graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.compiler.expand import expand
from plait.core.compiler.layout import sink_transposes
from plait.core.compiler.pipeline import PASSES
from plait.core.compiler.reductions import split_reductions
from plait.core.compiler.simplify import simplify
from plait.core.ir.graph import Graph
from plait.core.ir.text import from_text, to_text
from plait.core.ir.verify import verify
from plait.core.reference.executor import run
from tests.compiler.random_graphs import random_graph

CASES: dict[str, tuple[Any, str, str]] = {
    "what a channel has in all images is a row": (
        split_reductions,
        """\
graph(%0: float32[3, 16, 4, 4]) {
  %1 = sum(%0) {axes=(0, 2, 3)}: float32[1, 16, 1, 1]
  return %1
}""",
        """\
graph(%0: float32[3, 16, 4, 4]) {
  %1 = sum(%0) {axes=(0, 2, 3)}: float32[1, 16, 1, 1]
  return %1
}""",
    ),
    "a few channels are sums of images first": (
        split_reductions,
        """\
graph(%0: float32[3, 8, 4, 4]) {
  %1 = sum(%0) {axes=(0, 2, 3)}: float32[1, 8, 1, 1]
  return %1
}""",
        """\
graph(%0: float32[3, 8, 4, 4]) {
  %1 = sum(%0) {axes=(2, 3)}: float32[3, 8, 1, 1]
  %2 = sum(%1) {axes=(0,)}: float32[1, 8, 1, 1]
  return %2
}""",
    ),
    "reshapes join": (
        simplify,
        """\
graph(%0: float32[2, 3]) {
  %1 = reshape(%0) {shape=(6,)}: float32[6]
  %2 = reshape(%1) {shape=(3, 2)}: float32[3, 2]
  return %2
}""",
        """\
graph(%0: float32[2, 3]) {
  %1 = reshape(%0) {shape=(3, 2)}: float32[3, 2]
  return %1
}""",
    ),
    "transposes cancel": (
        simplify,
        """\
graph(%0: float32[2, 3, 4]) {
  %1 = transpose(%0) {axes=(1, 2, 0)}: float32[3, 4, 2]
  %2 = transpose(%1) {axes=(2, 0, 1)}: float32[2, 3, 4]
  %3 = neg(%2): float32[2, 3, 4]
  return %3
}""",
        """\
graph(%0: float32[2, 3, 4]) {
  %1 = neg(%0): float32[2, 3, 4]
  return %1
}""",
    ),
    "the transpose of a product swaps its operands": (
        simplify,
        """\
graph(%0: float32[5, 2], %1: float32[5, 3]) {
  %2 = dot_general(%0, %1) {batch=((), ()), contract=((0,), (0,))}: float32[2, 3]
  %3 = transpose(%2) {axes=(1, 0)}: float32[3, 2]
  return %3
}""",
        """\
graph(%0: float32[5, 2], %1: float32[5, 3]) {
  %2 = dot_general(%1, %0) {batch=((), ()), contract=((0,), (0,))}: float32[3, 2]
  return %2
}""",
    ),
    "a product takes a transposed operand": (
        simplify,
        """\
graph(%0: float32[2, 5], %1: float32[3, 5]) {
  %2 = transpose(%1) {axes=(1, 0)}: float32[5, 3]
  %3 = dot_general(%0, %2) {batch=((), ()), contract=((1,), (0,))}: float32[2, 3]
  return %3
}""",
        """\
graph(%0: float32[2, 5], %1: float32[3, 5]) {
  %2 = dot_general(%0, %1) {batch=((), ()), contract=((1,), (1,))}: float32[2, 3]
  return %2
}""",
    ),
    "constants fold, and a constant's views are constants": (
        simplify,
        """\
graph(%0: float32[2, 3]) {
  %1 = full() {dtype=float32, shape=(), value=3.0}: float32[]
  %2 = full() {dtype=float32, shape=(), value=4.0}: float32[]
  %3 = div(%1, %2): float32[]
  %4 = broadcast(%3) {shape=(2, 3)}: float32[2, 3]
  %5 = mul(%0, %4): float32[2, 3]
  return %5
}""",
        """\
graph(%0: float32[2, 3]) {
  %1 = full() {dtype=float32, shape=(2, 3), value=0.75}: float32[2, 3]
  %2 = mul(%0, %1): float32[2, 3]
  return %2
}""",
    ),
    "x + 0 stays: -0.0 + 0.0 is 0.0": (
        simplify,
        """\
graph(%0: float32[2]) {
  %1 = full() {dtype=float32, shape=(2,), value=0.0}: float32[2]
  %2 = add(%0, %1): float32[2]
  return %2
}""",
        """\
graph(%0: float32[2]) {
  %1 = full() {dtype=float32, shape=(2,), value=0.0}: float32[2]
  %2 = add(%0, %1): float32[2]
  return %2
}""",
    ),
    "a sum over all axes is one of rows, then one across": (
        split_reductions,
        """\
graph(%0: float32[4, 5]) {
  %1 = sum(%0) {axes=(0, 1)}: float32[1, 1]
  return %1
}""",
        """\
graph(%0: float32[4, 5]) {
  %1 = sum(%0) {axes=(1,)}: float32[4, 1]
  %2 = sum(%1) {axes=(0,)}: float32[1, 1]
  return %2
}""",
    ),
    "a sum that leaves a middle axis is split": (
        split_reductions,
        """\
graph(%0: float32[2, 3, 4, 5]) {
  %1 = sum(%0) {axes=(0, 2, 3)}: float32[1, 3, 1, 1]
  return %1
}""",
        """\
graph(%0: float32[2, 3, 4, 5]) {
  %1 = sum(%0) {axes=(2, 3)}: float32[2, 3, 1, 1]
  %2 = sum(%1) {axes=(0,)}: float32[1, 3, 1, 1]
  return %2
}""",
    ),
    "a transpose moves behind elementwise ops and folds": (
        sink_transposes,
        """\
graph(%0: float32[2, 5, 6, 3], %1: float32[3]) {
  %2 = transpose(%0) {axes=(0, 3, 1, 2)}: float32[2, 3, 5, 6]
  %3 = reshape(%1) {shape=(1, 3, 1, 1)}: float32[1, 3, 1, 1]
  %4 = broadcast(%3) {shape=(2, 3, 5, 6)}: float32[2, 3, 5, 6]
  %5 = add(%2, %4): float32[2, 3, 5, 6]
  %6 = sum(%5) {axes=(0, 2, 3)}: float32[1, 3, 1, 1]
  return %6
}""",
        """\
graph(%0: float32[2, 5, 6, 3], %1: float32[3]) {
  %2 = reshape(%1) {shape=(1, 1, 1, 3)}: float32[1, 1, 1, 3]
  %3 = broadcast(%2) {shape=(2, 5, 6, 3)}: float32[2, 5, 6, 3]
  %4 = add(%0, %3): float32[2, 5, 6, 3]
  %5 = sum(%4) {axes=(0, 1, 2)}: float32[1, 1, 1, 3]
  %6 = reshape(%5) {shape=(1, 3, 1, 1)}: float32[1, 3, 1, 1]
  return %6
}""",
    ),
    "a composite becomes its body": (
        lambda graph: expand(graph, lambda op: False),
        """\
graph(%0: float32[2, 3]) {
  %1 = softmax(%0) {axis=1}: float32[2, 3]
  return %1
}""",
        """\
graph(%0: float32[2, 3]) {
  %1 = max(%0) {axes=(1,)}: float32[2, 1]
  %2 = broadcast(%1) {shape=(2, 3)}: float32[2, 3]
  %3 = sub(%0, %2): float32[2, 3]
  %4 = exp(%3): float32[2, 3]
  %5 = sum(%4) {axes=(1,)}: float32[2, 1]
  %6 = reciprocal(%5): float32[2, 1]
  %7 = broadcast(%6) {shape=(2, 3)}: float32[2, 3]
  %8 = mul(%4, %7): float32[2, 3]
  return %8
}""",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_before_and_after(name: str) -> None:
    change, before, after = CASES[name]
    assert to_text(verify(change(from_text(before)))) == after


def assert_same(graph: Graph, other: Graph, arrays: list[np.ndarray]) -> None:
    """Equal up to the order of sums: some 10^2 terms of values around 1, so 10^3 roundings."""
    for a, b in zip(run(graph, arrays), run(other, arrays), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        bound = 1e3 * (np.finfo(a.dtype).eps if a.dtype.kind == "f" else 0)
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


@pytest.mark.parametrize("seed", range(40))
def test_passes_keep_the_values_of_random_graphs(seed: int) -> None:
    graph, arrays = random_graph(seed)
    for _, step in PASSES:
        changed = verify(step(graph))
        assert_same(graph, changed, arrays)
        graph = changed
