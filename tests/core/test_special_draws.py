"""Gradients through gamma and beta draws, against values of 40 digits."""

import numpy as np
import pytest

from plait.core.ops.numeric.special import igamma
from plait.core.ops.numeric.special_draws import beta_slope, gamma_slope

# (a, x, dx/da), rounded from 40 digits of mpmath's derivative of the incomplete gamma function.
GAMMA = [
    (0.01, 1e-30, 6.85166673319527e-27),
    (0.1, 0.3, 4.006480392225533),
    (0.4, 3.0, 3.355920732251449),
    (0.9, 0.6, 0.9624345198029447),
    (1.0, 1.0, 1.1735630272247268),
    (2.5, 0.1, 0.1405497929736699),
    (3.0, 9.0, 1.7397554120638796),
    (40.0, 38.0, 0.9786426956404499),
    (300.0, 330.0, 1.0489944554677773),
    (5000.0, 4900.0, 0.9899656565179917),
]

# (x, a, b, dx/da), likewise from the incomplete beta function.
BETA = [
    (0.1, 0.02, 3.0, 6.242678412595512),
    (0.7, 0.3, 0.3, 1.5476200308776566),
    (0.5, 1.0, 1.0, 0.34657359027997264),
    (0.3, 2.5, 1.0, 0.14447673651911233),
    (0.97, 20.0, 0.3, 0.001503153432775982),
    (0.05, 20.0, 400.0, 0.0023388174076756497),
    (0.5, 400.0, 380.0, 0.0006334779692710953),
    (0.999, 3.0, 0.02, 0.00039319172991696155),
]


@pytest.mark.parametrize(("a", "x", "expected"), GAMMA)
def test_gamma(a: float, x: float, expected: float) -> None:
    assert gamma_slope(np.array(a), np.array(x)) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(("x", "a", "b", "expected"), BETA)
def test_beta(x: float, a: float, b: float, expected: float) -> None:
    found = beta_slope(np.array(x), np.array(a), np.array(b))
    assert found == pytest.approx(expected, rel=1e-11)


def test_a_draw_that_moves_keeps_its_place():
    # igamma(a, x) is where in its distribution a draw is: to first order it stays.
    rng = np.random.default_rng(0)
    a = rng.uniform(0.2, 60.0, 400)
    x = rng.gamma(a)
    h = 1e-4
    slope = gamma_slope(a, x)
    ahead, behind = igamma(a + h, x + h * slope), igamma(a - h, x - h * slope)
    # What is left is of order h^2 and igamma's own error over h.
    np.testing.assert_allclose((ahead - behind) / (2 * h), 0, atol=1e-7)


def test_beta_where_it_is_known():
    # For b = 1 the cumulative function is x^a, so that dx/da = -x ln(x) / a.
    rng = np.random.default_rng(1)
    a, x = rng.uniform(0.05, 30.0, 300), rng.uniform(1e-6, 1 - 1e-6, 300)
    expected = -x * np.log(x) / a
    np.testing.assert_allclose(beta_slope(x, a, np.ones_like(a)), expected, rtol=1e-10)


def test_outside():
    nothing = gamma_slope(np.array([-1.0, 1.0, 1.0, np.nan]), np.array([1.0, 0.0, np.inf, 1.0]))
    assert np.isnan(nothing).all()
    nothing = beta_slope(np.array([0.0, 1.0, 0.5]), np.ones(3), np.array([1.0, 1.0, -1.0]))
    assert np.isnan(nothing).all()
    assert gamma_slope(np.array([2.0], np.float32), np.array([1.0], np.float32)).dtype == np.float32
