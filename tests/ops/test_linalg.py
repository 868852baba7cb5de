"""Decompositions: their products, gradients through functions of symmetric matrices, errors."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.autodiff.rules import graph_vjp
from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops import linalg
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import ADD, MUL
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


@pytest.mark.parametrize(
    ("op", "attrs", "words"),
    [
        (linalg.INV, {}, r"inv: the matrix is singular.*shape \[3, 3\]"),
        (linalg.CHOLESKY, {"upper": False}, r"cholesky: the matrix is not positive-definite"),
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
    with pytest.raises(RuntimeError, match="qr: the derivative is defined for mode 'reduced'"):
        graph_vjp(trace(lambda x: linalg.QR(x, mode="reduced"), [Spec((2, 3), dtypes.float64)]))


def test_gradients_equal_torch_on_symmetric_input():
    torch = pytest.importorskip("torch")
    product = X @ X.T + np.diag([1.0, 2.0, 3.0])
    seed = RNG.standard_normal((3, 3))
    graph = trace(lambda x: linalg.CHOLESKY(x, upper=False), [MATRIX])
    x = torch.tensor(product, requires_grad=True)
    wanted = torch.autograd.grad(torch.linalg.cholesky(x), x, torch.tensor(seed))[0]
    found = run(graph_vjp(graph), [product, seed])[0]
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-12, atol=1e-13)
