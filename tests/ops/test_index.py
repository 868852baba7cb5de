"""Known values and error texts of take, gather and scatter."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops import index as ops
from plait.core.reference.executor import OpFailure, run


def call(op, *arrays, **attrs):
    specs = [Spec(a.shape, dtypes.dtype_of(a.dtype)) for a in arrays]
    return run(trace(lambda *nodes: op(*nodes, **attrs), specs), arrays)[0]


def test_check_index_wraps_negatives():
    wrapped = call(ops.CHECK_INDEX, np.array([-5, -1, 0, 4], np.int32), size=5, what="dimension 0")
    assert wrapped.dtype == np.int64
    assert wrapped.tolist() == [0, 4, 0, 4]


@pytest.mark.parametrize(("bad", "size"), [(5, 5), (-6, 5), (0, 0)])
def test_check_index_names_the_bad_value(bad, size):
    with pytest.raises(OpFailure) as caught:
        call(ops.CHECK_INDEX, np.array([[bad]]), size=size, what="dimension 1")
    fault = caught.value.fault
    assert isinstance(fault, IndexError)
    assert f"index {bad} is out of bounds for dimension 1 with size {size}" in str(fault)
    assert "check_index: int64 index of shape [1, 1]" in str(fault)


def test_check_index_of_a_scalar():
    with pytest.raises(OpFailure, match="index 7 is out of bounds"):
        call(ops.CHECK_INDEX, np.array(7, np.uint8), size=5, what="dimension 0")


def test_duplicates_add_and_the_last_put_stays():
    base, index, src = np.zeros(3), np.array([1, 1, 2]), np.array([1.0, 2.0, 4.0])
    assert call(ops.ADD_AT, base, index, src, axis=0).tolist() == [0, 3, 4]
    assert call(ops.PUT_AT, base, index, src, axis=0).tolist() == [0, 2, 4]
    flags = call(ops.ADD_AT, np.zeros(3, bool), index, np.ones(3, bool), axis=0)
    assert flags.tolist() == [False, True, True]


def test_add_at_of_rows_is_the_sum_in_order():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((7, 4)).astype(np.float32)
    index = rng.integers(0, 7, (6, 5))
    src = rng.standard_normal((6, 5, 4)).astype(np.float32)
    wanted = base.copy()
    for place, row in zip(index.ravel(), src.reshape(-1, 4)):
        wanted[place] += row
    np.testing.assert_array_equal(call(ops.ADD_AT, base, index, src, axis=0), wanted)


def test_sixteen_bit_floats_accumulate_in_float32():
    index = np.zeros(4096, np.int64)
    ones = np.ones(4096, np.float16)
    added = call(ops.ADD_AT, np.zeros(1, np.float16), index, ones, axis=0)
    assert added.dtype == np.float16
    assert added.tolist() == [4096]


def test_scatter_reduce_product_gradient_with_zeros():
    torch = pytest.importorskip("torch", reason="compares with the real PyTorch")
    from plait.core.autodiff.rules import vjp

    base = np.array([2.0, 0.0, 3.0])
    index = np.array([0, 0, 1, 2, 2, 2])
    src = np.array([0.0, 5.0, 4.0, 0.0, 0.0, 2.0])

    def gradients(base, index, src, g):
        y = ops.scatter(base, index, src, 0, "mul")
        return tuple(vjp([y], [base, src], [g]))

    g = np.array([1.0, 2.0, 3.0])
    arrays = [base, index, src, g]
    specs = [Spec(a.shape, dtypes.dtype_of(a.dtype)) for a in arrays]
    found = run(trace(gradients, specs), arrays)
    tensors = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in (base, src)]
    y = tensors[0].scatter_reduce(0, torch.tensor(index), tensors[1], "prod")
    for mine, theirs in zip(found, torch.autograd.grad(y, tensors, torch.tensor(g))):
        np.testing.assert_array_equal(mine, theirs.numpy())


def test_errors_name_op_and_shapes():
    x = Spec((2, 3), dtypes.float32)
    index = Spec((4,), dtypes.int64)
    with pytest.raises(ShapeError, match=r"take: axis 2 does not fit an operand of shape \[2, 3\]"):
        ops.TAKE.infer(x, index, axis=2)
    with pytest.raises(DTypeError, match="take: expected an int64 index, received float32"):
        ops.TAKE.infer(x, x, axis=0)
    with pytest.raises(ShapeError, match=r"gather: expected an index of the operand's rank"):
        ops.GATHER.infer(x, index, axis=0)
    with pytest.raises(ShapeError, match=r"add_at: expected a source of shape \[4, 3\]"):
        ops.ADD_AT.infer(x, index, x, axis=0)
    with pytest.raises(ShapeError, match="cannot take 4 slices from axis 0 of extent 0"):
        ops.TAKE.infer(Spec((0, 3), dtypes.float32), index, axis=0)
    with pytest.raises(DTypeError, match="operands must have one dtype"):
        ops.SCATTER.infer(
            x, Spec((2, 3), dtypes.int64), Spec((2, 3), dtypes.float64), axis=0, mode="add"
        )
    with pytest.raises(ValueError, match="mode 'sum' is not one of"):
        ops.SCATTER.infer(x, Spec((2, 3), dtypes.int64), x, axis=0, mode="sum")
