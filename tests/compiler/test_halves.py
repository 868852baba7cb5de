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
from plait.core.ops.elementwise import ADD, CAST, MUL, SIGN, SUB
from plait.core.ops.reduce import PROD, SUM
from plait.core.reference import executor
from plait.core.runtime.compiled import CompiledGraph

#: The last has no instructions for conversions to and from float16.
ISAS = ("avx512", "avx2", "generic")
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


@pytest.mark.parametrize("isa", ISAS)
def test_every_number_of_float16_is_widened_exactly(isa: str) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    graph = trace(lambda x: CAST(x, dtype=dtypes.float32), [Spec(x.shape, dtypes.float16)])
    (wide,) = CompiledGraph(graph, on=target(isa)).run([x])
    np.testing.assert_array_equal(wide, x.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(wide), np.signbit(x))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("lines", [1, 3])
def test_float32_is_rounded_to_float16_to_nearest_even(isa: str, lines: int) -> None:
    """At, and beside, the middle between neighbours; any bits besides."""
    every = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middle = every + np.diff(every, append=np.float32(65536)) / 2
    near = [np.nextafter(middle, np.float32(towards)) for towards in (0, np.inf)]
    bits = np.random.default_rng(0).integers(0, 1 << 32, 100_003, np.uint32).view(np.float32)
    ends = np.float32([0, 1e-45, 65519.996, 65520, 1e30, np.inf, np.nan])
    x = np.concatenate([every, middle, *near, ends])
    x = np.concatenate([x, -x, bits])
    x = x[: len(x) // lines * lines].reshape(lines, -1)
    graph = trace(lambda x: CAST(x, dtype=dtypes.float16), [Spec(x.shape, dtypes.float32)])
    (narrow,) = CompiledGraph(graph, on=target(isa)).run([x])
    with np.errstate(over="ignore", invalid="ignore"):
        expected = x.astype(np.float16)
    np.testing.assert_array_equal(narrow, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(narrow)[numbers], np.signbit(expected)[numbers])
