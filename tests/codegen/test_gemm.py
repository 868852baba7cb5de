"""`dot_general` on kernels: every order of axes, sizes around the tiles, dtypes, epilogues."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.codegen.access import Access, Epilogue
from plait.core.compiler.lower.contract import lower_dot
from plait.core.compiler.plan import Buffer, Plan
from plait.core.compiler.rewrite import Builder
from plait.core.ir import dtypes
from plait.core.ir.graph import Instruction
from plait.core.ir.node import Spec
from plait.core.llvm.target import target
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.elementwise import ADD, LE
from plait.core.ops.math import RELU
from tests.codegen.harness import run_op

ISAS = ("avx512", "avx2")
SIZES = (
    (1, 1, 1),
    (1, 784, 128),
    (2, 65, 33),
    (3, 17, 63),
    (5, 1, 7),
    (17, 63, 127),
    (33, 100, 10),
    (64, 40, 48),
    (100, 2100, 5),
    (127, 3, 1),
    (1024, 64, 1),
    (37, 512, 160),
    (20, 1600, 70),
    (200, 30, 65),
    (3, 1024, 300),
    (10, 2048, 33),
)


def values(random: np.random.RandomState, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return random.uniform(-1, 1, shape).astype(dtype.numpy)


def tolerance(dtype: Any, steps: int) -> dict[str, Any]:
    """Sums of `steps` products below 1: each adds an error of the sum's size times roundoff."""
    unit = {"float32": 6e-8, "float64": 1.2e-16, "bfloat16": 4e-3, "float16": 5e-4}[dtype.name]
    wide = 6e-8 if dtype.is_half else unit
    return {"rtol": 2 * unit, "atol": 2 * wide * steps + (unit if dtype.is_half else 0)}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", (dtypes.float32, dtypes.float64), ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("left", ("mk", "km"))
@pytest.mark.parametrize("right", ("kn", "nk"))
def test_products(sizes: tuple[int, int, int], left: str, right: str, dtype: Any, isa: str) -> None:
    m, k, n = sizes
    random = np.random.RandomState(0)
    a = values(random, (m, k) if left == "mk" else (k, m), dtype)
    b = values(random, (k, n) if right == "kn" else (n, k), dtype)
    attrs = {"contract": ((left.index("k"),), (right.index("k"),)), "batch": ((), ())}
    (made,) = run_op(lower_dot, DOT_GENERAL, [a, b], [dtype] * 2, attrs, isa)
    wanted = (a if left == "mk" else a.T) @ (b if right == "kn" else b.T)
    np.testing.assert_allclose(made, wanted, **tolerance(dtype, k))


@pytest.mark.parametrize("isa", ISAS)
def test_batches_with_several_axes(isa: str) -> None:
    random = np.random.RandomState(1)
    a = values(random, (2, 3, 20, 8), dtypes.float32)
    b = values(random, (2, 3, 40, 8), dtypes.float32)
    attrs = {"contract": ((3,), (3,)), "batch": ((0, 1), (0, 1))}
    (made,) = run_op(lower_dot, DOT_GENERAL, [a, b], [dtypes.float32] * 2, attrs, isa)
    np.testing.assert_allclose(made, a @ b.swapaxes(2, 3), **tolerance(dtypes.float32, 8))


def test_axes_that_do_not_merge_are_copied() -> None:
    random = np.random.RandomState(2)
    a = values(random, (4, 5, 6), dtypes.float32)
    b = values(random, (6, 7, 4), dtypes.float32)
    attrs = {"contract": ((0, 2), (2, 0)), "batch": ((), ())}
    (made,) = run_op(lower_dot, DOT_GENERAL, [a, b], [dtypes.float32] * 2, attrs)
    np.testing.assert_allclose(
        made, np.einsum("iaj,jbi->ab", a, b), **tolerance(dtypes.float32, 24)
    )


@pytest.mark.parametrize("dtype", (dtypes.bfloat16, dtypes.float16), ids=str)
@pytest.mark.parametrize(
    "sizes", ((3, 5, 7), (33, 64, 48), (1, 128, 10), (200, 70, 33), (29, 307, 40)), ids=str
)
@pytest.mark.parametrize("left", ("mk", "km"))
@pytest.mark.parametrize("right", ("kn", "nk"))
def test_half_operands_accumulate_in_float32(
    sizes: tuple[int, int, int], left: str, right: str, dtype: Any
) -> None:
    m, k, n = sizes
    random = np.random.RandomState(3)
    a = values(random, (m, k) if left == "mk" else (k, m), dtype)
    b = values(random, (k, n) if right == "kn" else (n, k), dtype)
    attrs = {"contract": ((left.index("k"),), (right.index("k"),)), "batch": ((), ())}
    (made,) = run_op(lower_dot, DOT_GENERAL, [a, b], [dtype] * 2, attrs)
    wide = [x.astype(np.float32) for x in (a, b)]
    wanted = (wide[0] if left == "mk" else wide[0].T) @ (wide[1] if right == "kn" else wide[1].T)
    np.testing.assert_allclose(made.astype(np.float32), wanted, **tolerance(dtype, k))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "sizes", ((3, 4, 5), (17, 63, 127), (64, 16, 128), (30, 8, 1), (6, 2048, 20)), ids=str
)
def test_epilogue_reads_and_writes_what_it_names(sizes: tuple[int, int, int], isa: str) -> None:
    """relu(x w + bias), and where that is not positive."""
    m, k, n = sizes
    random = np.random.RandomState(4)
    kind = dtypes.float32
    a, w, bias = (values(random, s, kind) for s in ((m, k), (n, k), (n,)))
    build = Builder([Spec((), kind), Spec((), kind)])
    y = build.emit(RELU, build.emit(ADD, 0, 1))
    mask = build.emit(LE, y, build.full(0, (), kind))
    line = 1 if n > 1 else 0
    whole = Access((n if m > 1 else 0, line))
    epilogue = Epilogue(build.finish([y, mask]), (Access((0, line)),), (whole, whole))
    outputs = [Buffer((m, n), kind, "output"), Buffer((m, n), dtypes.bool_, "output")]
    attrs = {"contract": ((1,), (1,)), "batch": ((), ())}
    got, where = run_op(
        lower_dot, DOT_GENERAL, [a, w], [kind] * 3, attrs, isa, epilogue, [bias], outputs
    )
    wanted = np.maximum(a @ w.T + bias, 0)
    np.testing.assert_allclose(got, wanted, **tolerance(kind, k + 1))
    np.testing.assert_array_equal(where, got <= 0)


@pytest.mark.parametrize("sizes", ((256, 64, 128), (64, 300, 784), (128, 784, 10)), ids=str)
def test_a_new_batch_size_needs_no_new_code(sizes: tuple[int, int, int]) -> None:
    """Forward products and weight gradients of two batch sizes that tiles divide alike."""
    batch, inner, outer = sizes
    symbols = []
    for rows in (batch * 14, batch * 28):
        plan = Plan(target())
        x = Buffer((rows, inner), dtypes.float32, "input")
        w = Buffer((outer, inner), dtypes.float32, "input")
        y = Buffer((rows, outer), dtypes.float32, "output")
        forward = {"contract": ((1,), (1,)), "batch": ((), ())}
        backward = {"contract": ((0,), (0,)), "batch": ((), ())}
        made = Instruction(DOT_GENERAL, (0, 1), forward, y.shape, y.dtype, None)
        assert lower_dot(made, [x, w], [y], plan)
        grad = Instruction(DOT_GENERAL, (0, 1), backward, w.shape, w.dtype, None)
        assert lower_dot(grad, [y, x], [w], plan)
        symbols.append([launch.kernel.symbol(plan.target) for launch in plan.steps])
    assert symbols[0] == symbols[1]
