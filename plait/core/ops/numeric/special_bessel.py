"""Modified Bessel functions of the first kind: i0, i0e, i1, i1e.

Chebyshev series of exp(-x) I0(x) and exp(-x) I1(x) / x on [0, 8], in x, and of sqrt(x) times
exp(-x) I0(x) and exp(-x) I1(x) in 1/x beyond, as in Clenshaw, "Chebyshev series for mathematical
functions" (NPL Mathematical Tables 5, 1962). The coefficients are computed at the first use, from
the integrals (Abramowitz & Stegun 9.6.18) by the trapezoidal rule, which converges geometrically on
them. Results are within about 5 units in the last place.
"""

import functools
import math

import numpy as np

from plait.core.ops.numeric.widened import in_float64

SPLIT = 8.0
# On [0, 8] the series is of the function times (x + 4)**(order + 1/2), which varies less: a series
# is accurate relative to its largest value.
FLATTEN = 4.0
_TERMS = 32
_NODES = 64  # twice the terms, to average the nodes' rounding
_QUADRATURE = 4096  # enough for the peak of width 1/sqrt(x) at the largest node, x near 5e4


@in_float64
def i0(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of order 0; NaN at the infinities, as in PyTorch."""
    return np.exp(np.abs(x)) * _scaled(np.abs(x), 0)


@in_float64
def i0e(x: np.ndarray) -> np.ndarray:
    """exp(-|x|) * i0(x)."""
    return _scaled(np.abs(x), 0)


@in_float64
def i1(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of order 1; NaN at the infinities, as in PyTorch."""
    return np.copysign(np.exp(np.abs(x)) * _scaled(np.abs(x), 1), x)


@in_float64
def i1e(x: np.ndarray) -> np.ndarray:
    """exp(-|x|) * i1(x)."""
    return np.copysign(_scaled(np.abs(x), 1), x)


def _scaled(x: np.ndarray, order: int) -> np.ndarray:
    """exp(-x) I_order(x) for x >= 0."""
    near, far = coefficients(order)
    small = np.minimum(x, SPLIT)
    below = _clenshaw(near, small / (SPLIT / 2) - 1.0) / np.sqrt(small + FLATTEN)
    if order == 1:
        below = below * small / (small + FLATTEN)
    large = np.maximum(x, SPLIT)
    above = _clenshaw(far, 2 * SPLIT / large - 1.0) / np.sqrt(large)
    return np.where(x <= SPLIT, below, above)


@functools.cache
def coefficients(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev coefficients on [0, 8] in x, and on [8, inf) in 1/x."""
    angles = math.pi * (np.arange(_NODES) + 0.5) / _NODES
    nodes = np.cos(angles)
    near_x = (nodes + 1.0) * (SPLIT / 2)
    far_x = 2 * SPLIT / (nodes + 1.0)
    near = _over_power(near_x, order) * (near_x + FLATTEN) ** (order + 0.5)
    far = _over_power(far_x, order) * far_x ** (order + 0.5)
    # cos(k * angle), the multiple folded into the first quadrant while it is an integer.
    multiples = np.outer(np.arange(_TERMS), 2 * np.arange(_NODES) + 1) % (4 * _NODES)
    multiples = np.minimum(multiples, 4 * _NODES - multiples)
    quarter = np.minimum(multiples, 2 * _NODES - multiples)
    cosines = np.where(multiples > _NODES, -1.0, 1.0) * np.cos(quarter * math.pi / (2 * _NODES))
    weights = np.full(_TERMS, 2.0 / _NODES)
    weights[0] /= 2
    return weights * (cosines @ near), weights * (cosines @ far)


def _over_power(x: np.ndarray, order: int) -> np.ndarray:
    """exp(-x) I_order(x) / x**order, order 0 or 1, by quadrature of a positive integrand."""
    angles = math.pi * (np.arange(_QUADRATURE) + 0.5) / _QUADRATURE
    falloff = np.exp(-2.0 * x[:, None] * np.sin(0.5 * angles) ** 2)  # exp(x (cos - 1))
    return (falloff * np.sin(angles) ** (2 * order)).mean(axis=1)


def _clenshaw(coefficients: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The Chebyshev series at t in [-1, 1], by Clenshaw's recurrence."""
    b1 = np.zeros_like(t)
    b2 = np.zeros_like(t)
    for coefficient in coefficients[:0:-1]:
        b1, b2 = 2.0 * t * b1 - b2 + coefficient, b1
    return t * b1 - b2 + coefficients[0]
