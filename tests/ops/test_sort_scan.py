"""Known values and error texts of sort, topk and the cumulative ops."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.autodiff.rules import apply_vjp, vjp
from plait.core.compiler.lowering import lower
from plait.core.compiler.pipeline import run_passes
from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering
from plait.core.llvm.target import target
from plait.core.ops import scan, sort
from plait.core.reference.executor import run


def specs_of(arrays):
    return [Spec(a.shape, dtypes.dtype_of(a.dtype)) for a in arrays]


def call(op, *arrays, **attrs):
    return run(trace(lambda *nodes: op(*nodes, **attrs), specs_of(arrays)), arrays)


def gradient(op, x, g, **attrs):
    graph = trace(lambda x, g: vjp([op(x, **attrs)], [x], [g])[0], specs_of([x, g]))
    return run(graph, [x, g])[0]


def test_sort_keeps_the_order_of_equals_both_ways():
    x = np.array([2, 1, 2, 1, 3])
    values, order = call(sort.SORT, x, axis=0, descending=False, stable=True)
    assert (values.tolist(), order.tolist()) == ([1, 1, 2, 2, 3], [1, 3, 0, 2, 4])
    values, order = call(sort.SORT, x, axis=0, descending=True, stable=True)
    assert (values.tolist(), order.tolist()) == ([3, 2, 2, 1, 1], [4, 0, 2, 1, 3])


def test_nan_is_the_largest():
    x = np.array([1.0, np.nan, -np.inf, np.inf])
    assert call(sort.SORT, x, axis=0, descending=False, stable=True)[1].tolist() == [2, 0, 3, 1]
    assert call(sort.SORT, x, axis=0, descending=True, stable=True)[1].tolist() == [1, 3, 0, 2]
    assert call(sort.TOPK, x, k=1, axis=0, largest=True)[1].tolist() == [1]
    assert call(sort.TOPK, x, k=1, axis=0, largest=False)[1].tolist() == [2]


def test_topk_of_one_takes_the_first_of_equals():
    x = np.array([[3, 5, 5], [7, 7, 0]])
    values, places = call(sort.TOPK, x, k=1, axis=1, largest=True)
    assert (values.tolist(), places.tolist()) == ([[5], [7]], [[1], [0]])


def test_running_extrema_give_the_last_of_equals_and_keep_nan():
    x = np.array([1.0, 1.0, 0.0, np.nan, 3.0])
    values, places = call(scan.CUMMAX, x, axis=0)
    np.testing.assert_array_equal(values, [1, 1, 1, np.nan, np.nan])
    assert places.tolist() == [0, 1, 1, 3, 3]
    assert call(scan.CUMMIN, x, axis=0)[1].tolist() == [0, 1, 2, 3, 3]


def test_cumprod_gradient_with_zeros_is_that_of_each_product():
    x = np.array([2.0, 0.0, 3.0, 0.0, 5.0])
    g = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    wanted = [sum(g[j] * np.prod(np.delete(x[: j + 1], i)) for j in range(i, 5)) for i in range(5)]
    np.testing.assert_allclose(gradient(scan.CUMPROD, x, g, axis=0), wanted, rtol=1e-15)


def test_the_gradient_of_cumprod_is_one_scan():
    """And one kernel of what is elementwise."""
    kind = Spec((6, 100), dtypes.float32)
    graph = trace(lambda x, y, g: apply_vjp(scan.CUMPROD, {"axis": 1}, (x,), y, g), [kind] * 3)
    assert [m.op for m in graph.instructions if m.op.lowering is Lowering.SCAN] == [
        scan.LINEAR_RECURRENCE
    ]
    launches = lower(run_passes(graph), target("avx2")).steps
    assert [launch.kernel.kind for launch in launches] == ["scan", "rows"]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_recurrence_does_not_read_its_first_factor(reverse):
    x, a = np.array([1.0, 2.0, 3.0]), np.array([np.nan, 5.0, 7.0])
    found = call(scan.LINEAR_RECURRENCE, x, a, axis=0, reverse=reverse)[0]
    assert found.tolist() == ([1 + 5 * 23, 2 + 7 * 3, 3] if reverse else [1, 2 + 5, 3 + 7 * 7])


def test_long_float32_sums_do_not_drift():
    # One thousandth is not exact in float32; adding 100,000 of them one after another in float32
    # drifts by 1e-4 and more. In float64, rounded once, the result is that of the exact sum.
    x = np.full(100_000, 1e-3, np.float32)
    total = call(scan.CUMSUM, x, axis=0, reverse=False)[0]
    assert total.dtype == np.float32
    assert abs(total[-1] - 100_000 * np.float64(x[0])) < 1e-5


def test_logcumsumexp_does_not_overflow_either_way():
    x = np.array([-1000.0, 800.0, 900.0])
    y = call(scan.LOGCUMSUMEXP, x, axis=0)[0]
    np.testing.assert_allclose(y, [-1000, 800, 900], rtol=1e-15)
    grad = gradient(scan.LOGCUMSUMEXP, x, np.array([1.0, -2.0, 3.0]), axis=0)
    np.testing.assert_allclose(grad, [1, -2, 3], rtol=1e-12)


def test_errors_name_op_and_shapes():
    x = Spec((2, 3), dtypes.float32)
    with pytest.raises(ShapeError, match=r"sort: axis 2 does not fit an operand of shape \[2, 3\]"):
        sort.SORT.infer(x, axis=2, descending=False, stable=True)
    with pytest.raises(ShapeError, match=r"topk: selected index k out of range: k is 4"):
        sort.TOPK.infer(x, k=4, axis=1, largest=True)
    with pytest.raises(DTypeError, match="cumsum: dtype bool"):
        scan.CUMSUM.infer(Spec((2,), dtypes.bool_), axis=0, reverse=False)
    with pytest.raises(ShapeError, match="cummax: axis 0 does not fit"):
        scan.CUMMAX.infer(Spec((), dtypes.float32), axis=0)
