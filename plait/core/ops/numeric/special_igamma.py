"""The regularised incomplete gamma functions igamma (lower, P) and igammac (upper, Q = 1 - P).

By region of (a, x): the power series of P (Abramowitz & Stegun 6.5.29) below x = a + 1, the
continued fraction of Q (6.5.31, by Lentz's method) above; for a < 1 and small x a series for Q that
does not cancel; and Gauss-Legendre quadrature of the density for a >= 100, where the others need
many terms. Relative errors stay near 1e-13 for a below 1e5 and grow with sqrt(a) beyond, as the
rounding of x itself makes them.
"""

import functools
import math

import numpy as np

from plait.core.ops.numeric.special_gamma import log_gamma64, stirling_correction64
from plait.core.ops.numeric.widened import in_float64

_QUADRATURE_FROM = 100.0
_NODES = 64
_TERMS = 600  # the worst case below a = 100 needs about 300
_EPSILON = 2.0**-54
_TINY = 1e-300
_VANISHED = 76.0  # exp(-76 / 2) is below float64's resolution


@in_float64
def igamma(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """P(a, x): the integral of t**(a-1) exp(-t) from 0 to x over gamma(a); NaN if a or x < 0."""
    return _lower_and_upper(a, x)[0]


@in_float64
def igammac(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Q(a, x) = 1 - P(a, x); NaN for negative a or x."""
    return _lower_and_upper(a, x)[1]


def _lower_and_upper(a: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lower = np.full_like(a, np.nan)
    upper = np.full_like(a, np.nan)
    regular = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    wide = regular & (a >= _QUADRATURE_FROM)
    small = regular & (a < 1) & (x <= 1.1)
    series = regular & ~wide & (x < a + 1) & (a >= 1)
    fraction = regular & ~wide & ~small & ~series
    if wide.any():
        lower[wide], upper[wide] = _quadrature(a[wide], x[wide])
    if small.any():
        lower[small] = _series(a[small], x[small])
        upper[small] = _upper_small(a[small], x[small])
    if series.any():
        lower[series] = _series(a[series], x[series])
        upper[series] = 1.0 - lower[series]
    if fraction.any():
        upper[fraction] = _fraction(a[fraction], x[fraction])
        lower[fraction] = 1.0 - upper[fraction]
    zero = ((x == 0) & (a > 0)) | (np.isposinf(a) & (x >= 0) & np.isfinite(x))
    one = ((a == 0) & (x > 0)) | (np.isposinf(x) & (a >= 0) & np.isfinite(a))
    lower = np.where(zero, 0.0, np.where(one, 1.0, lower))
    return lower, np.where(zero, 1.0, np.where(one, 0.0, upper))


def _prefactor(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x**a exp(-x) / gamma(a + 1)."""
    # exp(-800) is zero, and x**a is finite up to there for the small a of the first formula.
    bounded = np.minimum(x, 800.0)
    direct = bounded**a * np.exp(-bounded - log_gamma64(a + 1.0))
    # In the distance of x from a, so that large exponents do not cancel.
    distance = (x - a) / a
    exponent = a * (np.log1p(distance) - distance) - stirling_correction64(np.maximum(a, 8.0))
    return np.where(a < 8.0, direct, np.exp(exponent) / np.sqrt(2 * math.pi * a))


def _series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    term = np.ones_like(a)
    total = np.ones_like(a)
    for k in range(1, _TERMS):
        term = term * x / (a + k)
        total += term
        if not (term > _EPSILON * total).any():
            break
    return total * _prefactor(a, x)


def _upper_small(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Q for small a and x: 1 - x**a / gamma(a + 1) by expm1, less the rest of the series of P."""
    exponent = a * np.log(x) - log_gamma64(a + 1.0)
    term = np.ones_like(a)
    rest = np.zeros_like(a)
    for k in range(1, 30):
        term = term * -x / k
        rest += term * a / (a + k)
    return -np.expm1(exponent) - np.exp(exponent) * rest


def _fraction(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    b = x + 1.0 - a
    c = np.full_like(a, 1.0 / _TINY)
    d = 1.0 / b
    value = d.copy()
    for k in range(1, _TERMS):
        numerator = k * (a - k)
        b = b + 2.0
        d = 1.0 / _not_zero(b + numerator * d)
        c = _not_zero(b + numerator / c)
        factor = c * d
        value = value * factor
        if not (np.abs(factor - 1.0) > 2 * _EPSILON).any():
            break
    return value * a * _prefactor(a, x)


def _not_zero(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < _TINY, _TINY, x)


def _quadrature(a: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P and Q for large a: the smaller tail of the density, integrated from x outwards."""
    peak = a - 1.0
    width = np.sqrt(peak)
    start = (x - peak) / width
    reach = np.sqrt(start * start + _VANISHED)
    # The upper tail is the heavier one: half as long again covers it from a = 100 on.
    end = np.where(start > 0, 1.5 * reach, np.maximum(-reach, -width))
    end = np.where(start > 0, end, np.minimum(end, start))
    nodes, weights = _legendre()
    z = start[:, None] + (end - start)[:, None] * nodes
    distance = np.maximum(z / width[:, None], -1.0)
    density = np.exp(peak[:, None] * (np.log1p(distance) - distance))
    # gamma(a) = gamma(peak + 1): the density at its peak, by Stirling's series.
    scale = np.exp(-stirling_correction64(peak)) / math.sqrt(2 * math.pi)
    tail = np.minimum(np.abs(end - start) * (density @ weights) * scale, 1.0)
    above = start > 0
    return np.where(above, 1.0 - tail, tail), np.where(above, tail, 1.0 - tail)


@functools.cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    from numpy.polynomial.legendre import leggauss  # imported here: it is slow to load

    nodes, weights = leggauss(_NODES)
    return 0.5 * (nodes + 1.0), 0.5 * weights
