"""Which executor runs a graph: the reference at once, or a native program once that pays.

By `PLAIT_BACKEND`: `reference` and `compiled` force one; `auto` takes the reference for a graph
until the work it has done there, counted by the ops' own flops and bytes, passes what compiling
costs; a graph whose first run alone passes it by far never goes there. Less is enough where the
same program has been compiled for other extents. That count, and so the choice, depends on the
program alone, never on timing.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from plait.core.compiler import structure
from plait.core.ir.graph import Graph
from plait.core.reference import executor
from plait.core.runtime import settling
from plait.core.runtime.config import flag

BACKENDS = ("auto", "reference", "compiled")

#: Work on the reference, in flops plus bytes moved, that compiling a kernel is worth: some 10 ms
#: of NumPy, which is what LLVM takes for one.
_WORK_PER_KERNEL = 20_000_000
#: What an op costs on the reference whatever its size, in the same unit: some 5 us of Python and
#: of NumPy's own dispatch. Small graphs that repeat for long are compiled for it.
_WORK_PER_OP = 10_000
#: What it is worth to plan an op of a program whose kernels are there, because the same program has
#: been compiled for other extents: some 50 us of NumPy. It takes 15 us by an earlier plan, and 150
#: anew.
_WORK_PER_PLANNED_OP = 100_000
#: Ops that a kernel holds on average; what is not known before fusion.
_OPS_PER_KERNEL = 6
#: A run that is worth compiling so many times over is native at once, though nobody knows whether
#: it has a second one: NumPy would take longer for it than LLVM and the kernels together.
_AT_ONCE = 4
#: Structures whose work is counted; beyond it the oldest counts are forgotten.
_MOST_COUNTED = 4096

#: Work done, by the hash of a graph's key: the keys themselves would hold megabytes. Two graphs of
#: one hash would be counted together, which only compiles them sooner.
_done: dict[int, int] = {}
#: Work of one run, likewise.
_work: dict[int, int] = {}
#: Likewise what `_bound` gives, with the structures that were known and their number.
_bounds: dict[int, tuple[Any, int, tuple[int, bool]]] = {}
_refused: set[int] = set()
_lock = threading.Lock()


def run(graph: Graph, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a graph on the executor that is its due. Raises executor.OpFailure."""
    return executor_of(graph)(graph, inputs)


def executor_of(graph: Graph) -> Callable[[Graph, Sequence[Any]], list[Any]]:
    """The executor that runs a graph this time."""
    backend = flag("PLAIT_BACKEND")
    if backend not in BACKENDS:
        raise ValueError(f"PLAIT_BACKEND={backend!r}: expected one of {', '.join(BACKENDS)}")
    if backend == "reference" or not graph.instructions:
        return executor.run
    if backend == "auto" and not _pays(graph):
        return _reference
    return _compiled


def _reference(graph: Graph, inputs: Sequence[Any]) -> list[Any]:
    """On the reference; the graphs that it holds, as is their own due."""
    results = executor.run(graph, inputs, run)
    if settling.runs:
        settling.count()
    return results


def native_program(graph: Graph) -> Any:
    """The native program of a graph that is run natively already; None for any other."""
    backend = flag("PLAIT_BACKEND")
    if backend == "reference" or not graph.instructions:
        return None
    key = graph.key_hash
    if backend == "auto":
        with _lock:
            if _done.get(key, 0) < _bound(graph)[0]:
                return None
    if key in _refused:
        return None
    from plait.core.runtime import compiled

    return compiled.known(graph)


def _pays(graph: Graph) -> bool:
    """Count one more run of a graph; whether it has done enough to be compiled."""
    key = graph.key_hash
    with _lock:
        done = _done.get(key, 0)
        bound, repeats = _bound(graph)
        if done >= bound:
            return key not in _refused
        if len(_done) >= _MOST_COUNTED:
            _done.pop(next(iter(_done)))
        once = _work_once(key, graph)
        at_once = bound if repeats else _AT_ONCE * bound
        if not done and once < at_once and not repeats:
            # The first run is counted by its ops alone: most graphs of a program that never
            # repeats itself have no second one.
            once = _WORK_PER_OP * len(graph.instructions)
        _done[key] = done + once
        return once >= at_once and key not in _refused


def _bound(graph: Graph) -> tuple[int, bool]:
    """(the work on the reference that a native program is worth, whether there is one already for
    other extents). Told once per graph, as long as no structure comes to those that are known."""
    known = structure.known
    met = known.times_met if flag("PLAIT_EXTENTS") == "auto" else -1
    found = _bounds.get(graph.key_hash)
    if found is None or found[0] is not known or found[1] != met:
        ops = len(graph.instructions)
        if met >= 0 and known.knows(graph):
            bound = (_WORK_PER_PLANNED_OP * ops, True)
        else:
            bound = (_WORK_PER_KERNEL * (1 + ops // _OPS_PER_KERNEL), False)
        if found is None and len(_bounds) >= _MOST_COUNTED:
            _bounds.pop(next(iter(_bounds)))
        found = _bounds[graph.key_hash] = (known, met, bound)
    return found[2]


def _work_once(key: int, graph: Graph) -> int:
    """The work of a graph, told once: to add it up costs as much as a few of its ops."""
    found = _work.get(key)
    if found is None:
        if len(_work) >= _MOST_COUNTED:
            _work.pop(next(iter(_work)))
        found = _work[key] = work(graph)
    return found


def work(graph: Graph) -> int:
    """Flops plus bytes of one run, by the records of the ops, and what calling them costs."""
    total = _WORK_PER_OP * len(graph.instructions)
    for made in graph.instructions:
        operands = [graph.type_of(arg) for arg in made.args]
        if any(isinstance(operand.dtype, tuple) for operand in operands):
            continue
        total += made.op.flops(*operands, **made.attrs) + made.op.bytes(*operands, **made.attrs)
    return total


def _compiled(graph: Graph, inputs: Sequence[Any]) -> list[Any]:
    from plait.core.runtime import compiled

    try:
        program = compiled.compiled(graph)
    except executor.OpFailure:
        raise
    except Exception as fault:
        if flag("PLAIT_BACKEND") == "compiled":
            raise
        with _lock:
            _refused.add(graph.key_hash)
        warnings.warn(
            f"plait: a graph of {len(graph.instructions)} ops could not be compiled and stays on "
            f"the reference executor: {type(fault).__name__}: {fault}",
            RuntimeWarning,
            stacklevel=2,
        )
        return executor.run(graph, inputs)
    return program.run(inputs, graph)
