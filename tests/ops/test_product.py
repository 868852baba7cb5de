"""Derivatives of products of elements that may be 0."""

import numpy as np
import pytest

import plait


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_first_and_second_derivative_with_zeros(zeros):
    """Against the definition: the product of the others, and of the others but one more."""
    a = np.random.default_rng(zeros).uniform(0.5, 2.0, 4)
    a[:zeros] = 0
    x = plait.tensor(a).requires_grad_()
    (gradient,) = plait.autograd.grad(x.prod(), x, create_graph=True)
    others = [np.prod(np.delete(a, i)) for i in range(4)]
    np.testing.assert_allclose(gradient.tolist(), others, rtol=1e-14)
    weights = np.arange(1.0, 5.0)
    (second,) = plait.autograd.grad((gradient * plait.tensor(weights)).sum(), x)
    expected = [
        sum(weights[j] * np.prod(np.delete(a, [i, j])) for j in range(4) if j != i)
        for i in range(4)
    ]
    # Sums of three products of numbers of order 1.
    np.testing.assert_allclose(second.tolist(), expected, rtol=1e-13)
