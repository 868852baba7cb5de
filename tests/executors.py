"""The executors that graphs are tested on: one entry here adds an axis to every record test.

The first entry, the NumPy reference, runs every case. The others run a slice of the cases, chosen
by a hash of the case's name (stable between runs); `PLAIT_TEST_MATRIX=all` runs them all.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from plait.core.ir.graph import Graph
from plait.core.llvm.target import target
from plait.core.reference import executor as reference_executor
from plait.core.runtime import compiled
from plait.core.runtime import threads as runtime_threads

Executor = Callable[[Graph, Sequence[np.ndarray]], list[np.ndarray]]


def _compiled(isa: str, threads: int) -> Executor:
    """Native programs of an instruction set on so many threads."""

    def run(graph: Graph, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        before = runtime_threads.count()
        runtime_threads.set_count(threads)
        try:
            return compiled.compiled(graph, isa).run(inputs)
        finally:
            runtime_threads.set_count(before)

    return run


def _machine_has(isa: str) -> bool:
    try:
        target(isa)
    except ValueError:
        return False
    return True


EXECUTORS: dict[str, Executor] = {
    "reference": reference_executor.run,
    "compiled-1": _compiled("", 1),
    "compiled-2": _compiled("", 2),
    **{isa: _compiled(isa, 2) for isa in ("avx2", "avx512") if _machine_has(isa)},
}

#: Other executors take one case in so many.
SLICE = 16


def selected(executor: str, case: str) -> bool:
    """Whether this executor runs this case in the present matrix."""
    if executor == "reference" or os.environ.get("PLAIT_TEST_MATRIX") == "all":
        return True
    return zlib.crc32(f"{executor}/{case}".encode()) % SLICE == 0
