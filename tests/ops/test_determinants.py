"""Derivatives of determinants where there is no inverse."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import plait

N = 4


def _of_rank(rank: int, batch: tuple[int, ...] = ()) -> np.ndarray:
    rng = np.random.default_rng(rank)
    return rng.normal(size=(*batch, N, rank)) @ rng.normal(size=(*batch, rank, N))


def _minors(x: np.ndarray, removed: int) -> Any:
    """The determinants of what is left of x without so many rows and columns, with their signs."""
    for rows in itertools.permutations(range(N), removed):
        for columns in itertools.combinations(range(N), removed):
            # The sign of the permutation that brings them to the front, in this order.
            order = [*rows, *[i for i in range(N) if i not in rows]]
            other = [*columns, *[i for i in range(N) if i not in columns]]
            sign = round(np.linalg.det(np.eye(N)[order]) * np.linalg.det(np.eye(N)[other]))
            rest = x[np.ix_(order[removed:], other[removed:])]
            yield rows, columns, sign * np.linalg.det(rest)


def _slopes(x: np.ndarray) -> np.ndarray:
    made = np.zeros((N, N))
    for (row,), (column,), minor in _minors(x, 1):
        made[row, column] = minor
    return made


def _bends(x: np.ndarray) -> np.ndarray:
    made = np.zeros((N, N, N, N))
    for (i, k), (j, m), minor in _minors(x, 2):
        made[i, j, k, m] = made[k, m, i, j] = minor
    return made


@pytest.mark.parametrize("backend", ["reference", "compiled"])
@pytest.mark.parametrize("rank", range(N + 1))
def test_the_first_two_derivatives_of_det(
    rank: int, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", backend)
    values = _of_rank(rank)
    x = plait.tensor(values, requires_grad=True)
    (slope,) = plait.autograd.grad(plait.linalg.det(x), x, create_graph=True)
    # Minors of numbers of this size, by other formulas: float64's rounding, some hundred times.
    np.testing.assert_allclose(slope.detach().numpy(), _slopes(values), rtol=1e-10, atol=1e-12)
    weight = np.random.default_rng(7).normal(size=(N, N))
    (bend,) = plait.autograd.grad((slope * plait.tensor(weight)).sum(), x)
    expected = np.einsum("ij,ijkm->km", weight, _bends(values))
    np.testing.assert_allclose(bend.numpy(), expected, rtol=1e-9, atol=1e-11)


def test_a_singular_matrix_among_others() -> None:
    values = np.stack([_of_rank(4), _of_rank(3), _of_rank(0), np.eye(N)])
    x = plait.tensor(values, requires_grad=True)
    plait.linalg.det(x).sum().backward()
    expected = np.stack([_slopes(v) for v in values])
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-10, atol=1e-12)


def test_float32_and_complex_numbers() -> None:
    x = plait.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    x.det().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[4, -2], [-2, 1]], rtol=1e-5)
    z = plait.tensor([[1j, 2.0], [1j, 2.0]], requires_grad=True)
    z.det().real.backward()
    # As PyTorch has it: the conjugate of the derivative, here of the real part.
    np.testing.assert_allclose(z.grad.numpy(), [[2, 1j], [-2, -1j]], atol=1e-6)


def test_matrices_near_singular_ones() -> None:
    """What is divided by a determinant of 1e-14 has two digits."""
    values = _of_rank(3) + 1e-14 * np.eye(N)
    x = plait.tensor(values, requires_grad=True)
    plait.linalg.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), _slopes(values), rtol=1e-10, atol=1e-12)


def test_no_matrices_and_matrices_of_nothing() -> None:
    for shape in ((0, 3, 3), (2, 0, 0), (1, 1)):
        x = plait.zeros(shape, requires_grad=True)
        plait.linalg.det(x).sum().backward()
        assert x.grad.shape == shape
    assert x.grad.tolist() == [[1.0]]
    bad = plait.full((2, 2), math.nan, requires_grad=True)
    plait.linalg.det(bad).backward()
    assert plait.isnan(bad.grad).all()


def test_the_logarithm_has_an_infinite_slope() -> None:
    """PyTorch's is infinite or nan too, by the order of its factorization."""
    values = [[[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]]
    for function in (lambda x: plait.linalg.slogdet(x).logabsdet, plait.logdet):
        x = plait.tensor(values, requires_grad=True)
        function(x).sum().backward()
        assert plait.isinf(x.grad[0]).all() and plait.isnan(x.grad[2]).all()
    x = plait.tensor(values, requires_grad=True)
    plait.linalg.slogdet(x).logabsdet.sum().backward()
    np.testing.assert_allclose(x.grad[1].numpy(), [[-2, 1.5], [1, -0.5]], rtol=1e-5)
