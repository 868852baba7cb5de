"""Draws of distributions: their moments, and gradients through them."""

import pytest

import plait


def test_moments_of_draws():
    plait.manual_seed(3)
    made = plait.distributions
    a, b = plait.tensor([0.5, 3.0]), plait.tensor([2.0, 1.0])
    for distribution in (made.Gamma(a, b), made.Beta(a, b), made.Laplace(a, b)):
        drawn = distribution.sample((20000,))
        # The mean of n draws is off by about sigma / sqrt(n): five of these.
        slack = 5 * distribution.stddev / 20000**0.5
        assert bool(((drawn.mean(0) - distribution.mean).abs() < slack).all())


def test_gradients_through_draws():
    loc = plait.zeros(3, requires_grad=True)
    drawn = plait.distributions.Normal(loc, plait.ones(3)).rsample((5,))
    drawn.sum().backward()
    assert loc.grad.tolist() == [5.0] * 3
    with pytest.raises(NotImplementedError, match=r"Gamma\.rsample"):
        plait.distributions.Gamma(plait.ones(1), plait.ones(1)).rsample()
