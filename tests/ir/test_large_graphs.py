"""Graphs of 100,000 nodes: no recursion anywhere, and work in proportion to their size."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

import plait.core.ops.catalog  # noqa: F401  # defines the records
from plait.core.autodiff.rules import vjp
from plait.core.ir import dtypes
from plait.core.ir.graph import capture
from plait.core.ir.node import Node
from plait.core.ir.op import LEAF
from plait.core.ir.text import from_text, to_text
from plait.core.ir.verify import verify
from plait.core.ops.elementwise import ADD, MUL, NEG
from plait.core.ops.source import full
from plait.core.reference.executor import run

F64 = dtypes.float64
LENGTH = 100_000


def placeholder() -> Node:
    return Node(LEAF, (), {"shape": (), "dtype": F64})


def chain(x: Node, length: int) -> Node:
    """x negated `length` times."""
    for _ in range(length):
        x = NEG(x)
    return x


def test_a_long_chain_captures_differentiates_runs_and_is_freed() -> None:
    x = placeholder()
    y = chain(x, LENGTH)
    (grad,) = vjp([y], [x], [full(1, (), F64)])
    assert grad is not None
    captured = capture([y, grad], leaves=[x])
    assert len(captured.graph.instructions) == 2 * LENGTH + 1
    verify(captured.graph)
    value, slope = run(captured.graph, [np.array(3.0)])
    assert (value, slope) == (3.0, 1.0)
    last = weakref.ref(y)
    middle = weakref.ref(captured.nodes[LENGTH // 2])
    gc.collect()
    gc.disable()
    try:
        del captured, y, grad
        assert last() is None
        assert middle() is None
    finally:
        gc.enable()


def test_a_long_chain_survives_the_text() -> None:
    x = placeholder()
    graph = capture([chain(x, 20_000)], leaves=[x]).graph
    assert from_text(to_text(graph)) == graph


def test_a_deep_ladder_is_not_exponential() -> None:
    # Each rung uses the one below twice: 2^1000 paths, 1000 nodes.
    x = y = placeholder()
    for _ in range(1000):
        y = ADD(y, y)
    (grad,) = vjp([y], [x], [full(1, (), F64)])
    assert grad is not None
    graph = capture([y, grad], leaves=[x]).graph
    assert len(graph.instructions) == 2001
    assert run(graph, [np.array(1.0)])[1] == 2.0**1000


def calls(work: Callable[[], Any]) -> int:
    """How many Python and C functions are called: a measure of work that does not vary."""
    count = 0

    def tick(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(tick)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_work_is_linear_in_the_number_of_nodes() -> None:
    def work(length: int) -> None:
        x = placeholder()
        y = x
        for _ in range(length // 2):
            y = MUL(NEG(y), x)
        (grad,) = vjp([y], [x], [full(1, (), F64)])
        assert grad is not None
        graph = capture([y, grad], leaves=[x]).graph
        verify(graph)
        assert graph.key
        run(graph, [np.array(0.5)])

    work(100)  # what is done once only
    small, large = (calls(lambda n=n: work(n)) for n in (2_000, 4_000))
    assert abs(large / (2 * small) - 1) < 0.05
