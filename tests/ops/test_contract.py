"""Contraction at special points: known values, exact integers, error texts."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops.contract import DOT_GENERAL, matmul
from plait.core.reference.executor import run

F32 = dtypes.float32


def test_matmul_by_hand() -> None:
    graph = trace(matmul, [Spec((2, 2), F32), Spec((2, 1), F32)])
    a = np.array([[1, 2], [3, 4]], np.float32)
    b = np.array([[5], [6]], np.float32)
    np.testing.assert_array_equal(run(graph, [a, b])[0], [[17], [39]])


def test_matmul_over_batch_axes() -> None:
    graph = trace(matmul, [Spec((2, 3, 4, 5), F32), Spec((2, 3, 5, 6), F32)])
    rng = np.random.default_rng(0)
    a = rng.integers(-4, 5, (2, 3, 4, 5)).astype(np.float32)
    b = rng.integers(-4, 5, (2, 3, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(run(graph, [a, b])[0], np.einsum("abij,abjk->abik", a, b))


def test_integers_are_exact() -> None:
    """2^53 + 1 is no float64: a detour by floats would lose the last bit."""
    spec = Spec((1, 2), dtypes.int64)
    graph = trace(matmul, [spec, Spec((2, 1), dtypes.int64)])
    a = np.array([[2**53, 1]])
    np.testing.assert_array_equal(run(graph, [a, np.ones((2, 1), int)])[0], [[2**53 + 1]])


def test_half_sums_in_float32() -> None:
    """4,096 ones: a running bfloat16 sum would stick at 256."""
    spec = Spec((4096,), dtypes.bfloat16)
    graph = trace(lambda a, b: DOT_GENERAL(a, b, contract=((0,), (0,)), batch=((), ())), [spec] * 2)
    ones = np.ones(4096, dtypes.bfloat16.numpy)
    assert float(run(graph, [ones, ones])[0]) == 4096


def test_plain_product_differentiates_without_transposes() -> None:
    """The rule gives dot_generals that already have the operands' layout."""
    from plait.core.autodiff.rules import vjp

    def gradients(a, b, g):
        return tuple(vjp([matmul(a, b)], [a, b], [g]))

    graph = trace(gradients, [Spec((2, 3), F32), Spec((3, 4), F32), Spec((2, 4), F32)])
    assert [made.op.name for made in graph.instructions] == ["dot_general", "dot_general"]


def test_work_of_a_product() -> None:
    specs = Spec((2, 3, 4), F32), Spec((2, 4, 5), F32)
    attrs = {"contract": ((2,), (1,)), "batch": ((0,), (0,))}
    assert DOT_GENERAL.flops is not None
    assert DOT_GENERAL.flops(*specs, **attrs) == 2 * 2 * 3 * 5 * 4
    assert DOT_GENERAL.bytes(*specs, **attrs) == 4 * (24 + 40 + 30)


def test_errors_name_shapes() -> None:
    with pytest.raises(ShapeError, match=r"matmul: shapes \[2, 3\] and \[4, 5\] cannot be"):
        trace(matmul, [Spec((2, 3), F32), Spec((4, 5), F32)])
    with pytest.raises(ShapeError, match="equal batch axes"):
        trace(matmul, [Spec((2, 2, 3), F32), Spec((3, 5), F32)])
    with pytest.raises(DTypeError, match="dot_general: operands must have one dtype"):
        trace(matmul, [Spec((2, 3), F32), Spec((3, 5), dtypes.float64)])
    with pytest.raises(DTypeError, match="bool is not supported"):
        trace(matmul, [Spec((2, 3), dtypes.bool_), Spec((3, 5), dtypes.bool_)])


@pytest.mark.parametrize(
    ("contract", "batch"),
    [(((2,), (0,)), ((), ())), (((0, 0), (0, 1)), ((), ())), (((0,), (0,)), ((0,), (1,)))],
)
def test_axes_must_be_distinct_axes(contract: tuple, batch: tuple) -> None:
    with pytest.raises(ShapeError, match="do not name distinct axes"):
        trace(
            lambda a, b: DOT_GENERAL(a, b, contract=contract, batch=batch),
            [Spec((3, 3), F32), Spec((3, 3), F32)],
        )


def test_contracted_extents_must_agree() -> None:
    with pytest.raises(ShapeError, match=r"contracted axes \(1,\) of a shape \[2, 3\]"):
        trace(
            lambda a, b: DOT_GENERAL(a, b, contract=((1,), (1,)), batch=((), ())),
            [Spec((2, 3), F32), Spec((3, 4), F32)],
        )
