"""The passes in order, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable

from plait.core.compiler.expand import expand
from plait.core.compiler.layout import channels_last, sink_transposes
from plait.core.compiler.lower.table import LOWERINGS
from plait.core.compiler.recompute import recompute
from plait.core.compiler.reductions import split_reductions
from plait.core.compiler.scans import merge_scans
from plait.core.compiler.simplify import simplify
from plait.core.ir.graph import Graph

Pass = Callable[[Graph], Graph]

#: Name and pass, first to last.
PASSES: tuple[tuple[str, Pass], ...] = (
    ("merge_scans", merge_scans),
    ("expand", lambda graph: expand(graph, lambda op: op.name in LOWERINGS)),
    ("simplify", simplify),
    ("channels_last", channels_last),
    ("sink_transposes", sink_transposes),
    ("simplify", simplify),
    ("split_reductions", split_reductions),
    ("recompute", recompute),
)

#: Called with (name, seconds, graph) after each pass; tests verify, the profiler lists.
Observer = Callable[[str, float, Graph], None]


def run_passes(graph: Graph, observe: Observer | None = None) -> Graph:
    """The graph that lowering takes."""
    for name, step in PASSES:
        start = time.perf_counter()
        graph = step(graph)
        if observe is not None:
            observe(name, time.perf_counter() - start, graph)
    return graph
