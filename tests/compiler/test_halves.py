"""16-bit floats in fused kernels: every op is rounded, as where each is a kernel of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.llvm.target import target
from plait.core.ops.elementwise import ADD, MUL, SIGN, SUB
from plait.core.ops.reduce import PROD, SUM
from plait.core.reference import executor
from plait.core.runtime.compiled import CompiledGraph

ISAS = ("avx512", "avx2")
HALVES = (dtypes.float16, dtypes.bfloat16)


def both(function: Any, arrays: list[np.ndarray], dtype: DType, isa: str) -> None:
    """Fused, and op by op on the reference: the same bits, in one kernel."""
    graph = trace(function, [Spec(a.shape, dtype) for a in arrays])
    program = CompiledGraph(graph, on=target(isa))
    assert len(program.steps) == 1
    (actual,), (expected,) = program.run(arrays), executor.run(graph, arrays)
    assert np.asarray(actual).tobytes() == np.asarray(expected).tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_chain_is_rounded_op_by_op(dtype: DType, isa: str) -> None:
    random = np.random.default_rng(0)
    arrays = [random.standard_normal((5, 77)).astype(dtype.numpy) for _ in range(3)]
    both(lambda a, b, c: SUB(ADD(MUL(a, b), c), MUL(b, c)), arrays, dtype, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_what_overflows_or_underflows_in_between_is_lost(dtype: DType, isa: str) -> None:
    small, large = (1e-5, 1e4) if dtype is dtypes.float16 else (1e-30, 1e30)
    x = np.array([[small] * 40, [-small] * 40, [large] * 40, [1.0] * 40]).astype(dtype.numpy)
    both(lambda a: SIGN(MUL(a, a)), [x], dtype, isa)
    both(lambda a: SIGN(PROD(a, axes=(1,))), [x], dtype, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_sum_is_rounded_once(dtype: DType, isa: str) -> None:
    """1 is lost beside 4096 in 16 bits, and is not while the sum goes on; its end is rounded."""
    x = np.array([[4096.0] + [1.0] * 2047]).astype(dtype.numpy)
    both(lambda a: MUL(SUM(a, axes=(1,)), SUM(a, axes=(1,))), [x], dtype, isa)
