"""Which ops a native program leaves to the reference executor: a list that must not grow."""

from __future__ import annotations

import functools

import pytest

from plait.core.compiler.lowering import lower
from plait.core.compiler.pipeline import run_passes
from plait.core.compiler.steps import HostStep
from plait.core.ir import dtypes
from plait.core.ir.graph import Graph
from plait.core.ir.op import Op, all_ops
from plait.core.llvm.target import target
from plait.core.ops.catalog import __all__ as _families
from tests.ops.one_op import MAKERS, dtypes_under_test, forward_graph, samples_of

assert _families  # importing the catalog defines every record

#: Differentiable ops with a host step, in the order of their names.
ON_REFERENCE: tuple[str, ...] = (
    "cholesky",
    "cofactors",
    "cond",
    "det",
    "eigh",
    "igamma",
    "igammac",
    "inv",
    "inverse_or_infinite",
    "lu_factor",
    "qr",
    "scan",
    "slogdet",
    "solve",
    "svd",
    "triangular_solve",
    "while",
)

#: Of all differentiable ops: 17 of 160, two of which serve the derivatives of determinants.
MOST = 0.11


def _has_gradient(op: Op) -> bool:
    return op.has_vjp and op.differentiable != () and op.name in MAKERS


def _sample_graph(op: Op) -> Graph | None:
    """The op on its largest float32 sample; None without one."""
    kinds = dtypes_under_test(op)
    dtype = dtypes.float32 if dtypes.float32 in kinds else kinds[0]
    samples = [s for s in samples_of(op.name, dtype) if all(x.size for x in s.inputs)]
    if not samples:
        return None
    return forward_graph(op, max(samples, key=lambda s: sum(x.size for x in s.inputs)))


def _is_complex(graph: Graph) -> bool:
    """Whether values are complex: those are the reference's by design."""
    numbers = [*range(len(graph.inputs)), *graph.outputs]
    return any(graph.type_of(number).dtype.is_complex for number in numbers)


@functools.cache
def on_reference(isa: str) -> tuple[set[str], int]:
    """(names of the differentiable ops with a host step, how many differentiable ops there are)."""
    found: set[str] = set()
    ops = [op for op in all_ops() if _has_gradient(op)]
    count = 0
    for op in ops:
        graph = _sample_graph(op)
        if graph is not None and _is_complex(graph):
            continue
        count += 1
        if graph is None:
            continue
        lowered = lower(run_passes(graph), target(isa))
        if any(isinstance(step, HostStep) for step in lowered.steps):
            found.add(op.name)
    return found, count


def test_the_list() -> None:
    try:
        found, count = on_reference("avx2")
    except ValueError:
        pytest.skip("this machine has no AVX2")
    assert sorted(found) == list(ON_REFERENCE)
    assert len(found) <= MOST * count
