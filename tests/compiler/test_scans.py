"""Scans of the same operands become one loop; others stay apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plait.core.autodiff.rules import graph_vjp
from plait.core.compiler.pipeline import run_passes
from plait.core.compiler.scans import merge_scans
from plait.core.ir import dtypes
from plait.core.ir.graph import Graph, trace
from plait.core.ir.node import Spec
from plait.core.ir.verify import verify
from plait.core.ops.control import SCAN
from plait.core.ops.elementwise import ADD, MUL
from plait.core.ops.math import TANH
from plait.core.reference.executor import run
from plait.core.runtime.compiled import CompiledGraph

VECTOR = Spec((3,), dtypes.float64)
STACK = Spec((4, 3), dtypes.float64)


def body(turn: Callable[..., Any]) -> Graph:
    return trace(turn, [VECTOR, VECTOR, VECTOR])


def step(w: Any, h: Any, x: Any) -> Any:
    return TANH(ADD(MUL(w, h), x))


def scan(w: Any, h: Any, xs: Any, turn: Graph, reverse: bool = False) -> Any:
    return SCAN(w, h, xs, body=turn, constants=1, carries=1, length=4, reverse=reverse)


def scans(graph: Graph) -> list[int]:
    """How many results each scan of a graph has."""
    return [len(made.shape) for made in graph.instructions if made.op is SCAN]


def arrays(graph: Graph) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal(spec.shape) for spec in graph.inputs]


def test_a_step_goes_through_the_turns_once_forward() -> None:
    """The scan, and the one from which its gradient takes the carries."""
    forward = trace(
        lambda w, h, xs: scan(w, h, xs, body(lambda w, h, x: (step(w, h, x), MUL(h, x)))),
        [VECTOR, VECTOR, STACK],
    )
    backward = graph_vjp(forward)

    def both(*inputs: Any) -> tuple[Any, ...]:
        return (*forward.replay(*inputs[:3]), *backward.replay(*inputs))

    graph = trace(both, backward.inputs)
    merged = verify(merge_scans(graph))
    assert scans(graph) == [2, 2, 3]
    assert scans(merged) == [3, 3]
    assert scans(run_passes(graph)) == [3, 3]
    given = arrays(graph)
    for a, b in zip(run(graph, given), run(merged, given), strict=True):
        assert a.tobytes() == b.tobytes()
    for a, b in zip(CompiledGraph(graph).run(given), run(graph, given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


OTHERS: dict[str, Callable[..., Any]] = {
    "carries": lambda w, h, xs: scan(w, h, xs, body(lambda w, h, x: (ADD(h, x), h))),
    "operands": lambda w, h, xs: scan(h, h, xs, body(lambda w, h, x: (step(w, h, x), h))),
    "direction": lambda w, h, xs: scan(w, h, xs, body(lambda w, h, x: (step(w, h, x), h)), True),
}


@pytest.mark.parametrize("what", OTHERS)
def test_scans_that_differ_stay_apart(what: str) -> None:
    one = body(lambda w, h, x: (step(w, h, x), x))
    graph = trace(
        lambda w, h, xs: (*scan(w, h, xs, one), *OTHERS[what](w, h, xs)), [VECTOR, VECTOR, STACK]
    )
    assert merge_scans(graph) is graph
    assert scans(graph) == [2, 2]
