"""Decompositions: their products, gradients through functions of symmetric matrices, errors."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.autodiff.rules import graph_vjp
from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops import factor, linalg
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import ADD, MUL
from plait.core.ops.numeric.factor import ldl_factor, ldl_solve
from plait.core.ops.view import transpose
from plait.core.reference.executor import run

MATRIX = Spec((3, 3), dtypes.float64)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 3))


def differences(graph, arrays, seeds, step=1e-6):
    """Gradient of sum(outputs * seeds) with respect to the first array, by central differences."""
    grad = np.zeros_like(arrays[0])
    for place in np.ndindex(grad.shape):
        ends = []
        for sign in (1, -1):
            moved = arrays[0].copy()
            moved[place] += sign * step
            results = run(graph, [moved, *arrays[1:]])
            ends.append(sum((r * s).sum() for r, s in zip(results, seeds)))
        grad[place] = (ends[0] - ends[1]) / (2 * step)
    return grad


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_and_eigh_gradients_through_symmetric_matrices(upper):
    def cholesky(x, shift):
        return linalg.CHOLESKY(ADD(matmul(x, transpose(x, (1, 0))), shift), upper=upper)

    def eigh(x, shift):
        product = ADD(matmul(x, transpose(x, (1, 0))), shift)
        values, vectors = linalg.EIGH(product, upper=upper)
        return values, MUL(vectors, vectors)  # the square does not see the sign

    shift = np.diag([1.0, 2.0, 3.0])
    for function in (cholesky, eigh):
        graph = trace(function, [MATRIX, MATRIX])
        arrays = [X, shift]
        seeds = [RNG.standard_normal(r.shape) for r in run(graph, arrays)]
        backward = graph_vjp(graph)
        grad = run(backward, [*arrays, *seeds])[0]
        # Central differences: truncation 1e-12, cancellation 1e-16 / 1e-6.
        np.testing.assert_allclose(grad, differences(graph, arrays, seeds), rtol=1e-6, atol=1e-8)
        again = graph_vjp(backward)
        other = [RNG.standard_normal(r.shape) for r in run(backward, [*arrays, *seeds])]
        second = run(again, [*arrays, *seeds, *other])[0]
        wanted = differences(backward, [*arrays, *seeds], other)
        np.testing.assert_allclose(second, wanted, rtol=1e-6, atol=1e-7)


def test_decompositions_give_their_matrices_back():
    batch = RNG.standard_normal((2, 4, 3))
    spec = Spec(batch.shape, dtypes.float64)
    q, r = run(trace(lambda x: linalg.QR(x, mode="reduced"), [spec]), [batch])
    np.testing.assert_allclose(q @ r, batch, atol=1e-14)
    u, s, vh = run(trace(lambda x: linalg.SVD(x, full=False), [spec]), [batch])
    np.testing.assert_allclose((u * s[:, None, :]) @ vh, batch, atol=1e-14)


def test_factors_give_their_matrices_back():
    for shape in [(4, 4), (2, 5, 3), (3, 6)]:
        x = RNG.standard_normal(shape)

        def product(x):
            packed, pivots, _ = factor.LU_FACTOR(x, strict=True)
            rank = min(x.shape[-2:])
            lower = factor.unit_lower(linalg.part(packed, -1, 0, rank))
            upper = linalg.upper_triangle(linalg.part(packed, -2, 0, rank))
            rows = factor.PIVOT_MATRIX(pivots, rows=x.shape[-2], dtype=x.dtype)
            return matmul(rows, matmul(lower, upper))

        (found,) = run(trace(product, [Spec(x.shape, dtypes.float64)]), [x])
        np.testing.assert_allclose(found, x, atol=1e-14)
    # With blocks of two in D, and exchanges: the solution is that of the matrix.
    x = RNG.standard_normal((3, 9, 9))
    x = x + x.swapaxes(-1, -2) - 2 * np.eye(9) * x  # nothing on the diagonal
    b = RNG.standard_normal((3, 9, 2))
    packed, pivots, info = ldl_factor(x)
    assert (pivots < 0).any() and not info.any()
    np.testing.assert_allclose(ldl_solve(packed, pivots, b), np.linalg.solve(x, b), atol=1e-11)


@pytest.mark.parametrize("trans", [False, True])
def test_householder_is_the_product_of_its_reflections(trans):
    packed, tau = RNG.standard_normal((5, 4)), RNG.standard_normal(3)
    other = RNG.standard_normal((5, 2))
    tau[1] = 0  # no reflection
    specs = [Spec(a.shape, dtypes.float64) for a in (packed, tau, other)]
    graph = trace(lambda *a: factor.householder(*a, trans=trans), specs)
    product = np.eye(5)
    for k in range(3):
        v = np.tril(packed, -1)[:, k] + np.eye(5)[k]
        product = product @ (np.eye(5) - tau[k] * np.outer(v, v))
    (found,) = run(graph, [packed, tau, other])
    wanted = (product.T if trans else product) @ other
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    seeds = [RNG.standard_normal((5, 2))]
    grad = run(graph_vjp(graph), [packed, tau, other, *seeds])[0]
    wanted = differences(graph, [packed, tau, other], seeds)
    np.testing.assert_allclose(grad, wanted, rtol=1e-6, atol=1e-7)


def test_gradient_of_full_svd_is_that_of_its_leading_vectors():
    x = RNG.standard_normal((4, 2)) * [1.0, 3.0]
    spec = [Spec(x.shape, dtypes.float64)]
    grads = []
    for full in (False, True):
        graph = trace(lambda x: linalg.SVD(x, full=full), spec)  # noqa: B023 - traced at once
        u, s, vh = run(graph, [x])
        seeds = [np.zeros_like(u), s, np.zeros_like(vh)]
        seeds[0][:, :2] = [[1, 2], [3, 4], [5, 6], [7, 8]]
        grads.append(run(graph_vjp(graph), [x, *seeds])[0])
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("op", "attrs", "words"),
    [
        (linalg.INV, {}, r"inv: the matrix is singular.*shape \[3, 3\]"),
        (linalg.CHOLESKY, {"upper": False}, r"cholesky: the matrix is not positive-definite"),
        (factor.LU_FACTOR, {"strict": True}, r"lu_factor: U\[1,1\] is zero"),
        (factor.LDL_FACTOR, {"strict": True}, r"ldl_factor: the block matrix D is .*\(1,1\)"),
    ],
)
def test_matrices_without_a_result(op, attrs, words):
    graph = trace(lambda x: op(x, **attrs), [MATRIX])
    with pytest.raises(linalg.LinAlgError, match=words):
        run(graph, [np.zeros((3, 3))])
    assert issubclass(linalg.LinAlgError, RuntimeError)


def test_errors_name_op_and_shapes():
    with pytest.raises(ShapeError, match=r"inv: expected square matrices, received shape \[2, 3\]"):
        linalg.INV.infer(Spec((2, 3), dtypes.float32))
    with pytest.raises(DTypeError, match="svd: dtype float16 is not supported; cast to float32"):
        linalg.SVD.infer(Spec((2, 3), dtypes.float16), full=False)
    with pytest.raises(ShapeError, match=r"solve: expected right sides .* received \[2, 1\]"):
        linalg.SOLVE.infer(MATRIX, Spec((2, 1), dtypes.float64))
    with pytest.raises(RuntimeError, match="not differentiable when mode='complete'"):
        graph_vjp(trace(lambda x: linalg.QR(x, mode="complete"), [Spec((3, 2), dtypes.float64)]))
    with pytest.raises(DTypeError, match="pivot_matrix: expected int32 pivots, received int64"):
        factor.PIVOT_MATRIX.infer(Spec((2,), dtypes.int64), rows=2, dtype=dtypes.float32)
    with pytest.raises(ShapeError, match=r"ldl_solve: expected pivots .* received \[2\]"):
        factor.LDL_SOLVE.infer(MATRIX, Spec((2,), dtypes.int32), MATRIX)


def test_gradients_equal_torch_on_symmetric_input():
    torch = pytest.importorskip("torch", reason="compares with the real PyTorch")
    product = X @ X.T + np.diag([1.0, 2.0, 3.0])
    seed = RNG.standard_normal((3, 3))
    graph = trace(lambda x: linalg.CHOLESKY(x, upper=False), [MATRIX])
    x = torch.tensor(product, requires_grad=True)
    wanted = torch.autograd.grad(torch.linalg.cholesky(x), x, torch.tensor(seed))[0]
    found = run(graph_vjp(graph), [product, seed])[0]
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-12, atol=1e-13)
