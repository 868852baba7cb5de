"""The gamma function's relatives: lgamma, digamma, polygamma, zeta, multigammaln.

- lgamma: Stirling's series for large arguments, the Taylor series of log gamma about 2 (Abramowitz
  & Stegun 6.1.33) near 1 and 2, where log gamma has its zeros, recurrence between, reflection
  below 0.
- digamma: asymptotic series (6.3.18), recurrence (6.3.6) and reflection (6.3.7).
- zeta: Euler & Maclaurin's summation of the Hurwitz zeta function (Johansson, "Rigorous high-
  precision computation of the Hurwitz zeta function", Numer. Algorithms 69, 2015).

Poles and special values are PyTorch's, except that trigamma is infinite at negative integers, where
PyTorch gives large finite numbers.
"""

import functools
import math

import numpy as np
from numpy.typing import ArrayLike

from plait.core.ops.numeric.widened import in_float64, piecewise, polynomial

# B_2, B_4, ..., B_24.
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330, 854513 / 138, -236364091 / 2730,
)  # fmt: skip
ASYMPTOTIC = 10.0  # from here on eight terms of Stirling's series reach float64's accuracy
_STIRLING = tuple(b / ((2 * k + 2) * (2 * k + 1)) for k, b in enumerate(_BERNOULLI[:8]))
DIGAMMA = tuple(b / (2 * k + 2) for k, b in enumerate(_BERNOULLI[:8]))
EULER_MACLAURIN = tuple(b / math.factorial(2 * k + 2) for k, b in enumerate(_BERNOULLI))
ZETA_STEPS = 10  # terms summed before the Euler-Maclaurin tail
_TAYLOR_TERMS = 30  # about 2, radius of convergence 2, used up to 1/2: 4**-30 < 2**-53
_EULER_GAMMA = 0.57721566490153286061
_HALF_LOG_TWO_PI = 0.91893853320467274178
_LOG_PI = 1.14472988584940017414


@in_float64
def lgamma(x: np.ndarray) -> np.ndarray:
    """log |gamma(x)|; inf at 0, the negative integers and both infinities."""
    return log_gamma64(x)


@in_float64
def digamma(x: np.ndarray) -> np.ndarray:
    """The derivative of lgamma; -inf at 0, inf at -0, NaN at the negative integers and -inf."""
    return _digamma(x)


@in_float64
def zeta(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The Hurwitz zeta function, the sum over k >= 0 of (q + k)**-s.

    inf at s = 1 and at q = 0, -1, ...; NaN for s < 1, and for negative q with a fractional s.
    """
    return _zeta(s, q)


def polygamma(n: int, x: ArrayLike) -> np.ndarray:
    """The n-th derivative of digamma at floating `x`. Raises ValueError for a negative n."""
    if n < 0:
        raise ValueError(f"polygamma(n, x) does not support negative n, but got n={n}")
    if n == 0:
        return digamma(x)
    if n == 1:
        return _trigamma(x)
    return _higher_polygamma(n, x)


def multigammaln(a: ArrayLike, p: int) -> np.ndarray:
    """The logarithm of the p-variate gamma function at floating `a`, elementwise.

    Meant for a > (p - 1) / 2, as it is defined; raises ValueError for p < 1.
    """
    if p < 1:
        raise ValueError(f"multigammaln expects p to be at least 1, but got p={p}")
    a = np.asarray(a)
    wide = a.astype(np.float64)
    total = np.full(a.shape, 0.25 * p * (p - 1) * _LOG_PI)
    for j in range(p):
        total = total + lgamma(wide - 0.5 * j)
    return total.astype(a.dtype)


def log_gamma64(x: np.ndarray) -> np.ndarray:
    """`lgamma` of a flat float64 array, for the formulas built on it."""
    result = piecewise(
        x,
        (x <= -0.5, _lgamma_reflected),
        ((x > -0.5) & (x < 0.5), lambda x: _lgamma_near_two(x, 1) - np.log(np.abs(x))),
        ((x >= 0.5) & (x < 1.5), lambda x: _lgamma_near_two(x - 1.0, 1)),
        ((x >= 1.5) & (x < ASYMPTOTIC), _lgamma_middle),
        (x >= ASYMPTOTIC, _lgamma_large),
    )
    pole = ((x <= 0) & (x == np.floor(x))) | np.isinf(x)
    return np.where(pole, np.inf, result)


def _lgamma_reflected(x: np.ndarray) -> np.ndarray:
    return _LOG_PI - np.log(np.abs(_sin_pi(x))) - log_gamma64(1.0 - x)


def _lgamma_near_two(z: np.ndarray, steps_down: int) -> np.ndarray:
    """log gamma(2 + z), |z| <= 1/2; of 1 + z with one step down."""
    value = z * polynomial(_taylor_coefficients(), z)
    return value - np.log1p(z) if steps_down else value


def _lgamma_middle(x: np.ndarray) -> np.ndarray:
    """Down to [3/2, 5/2) by gamma(x) = (x - 1) gamma(x - 1)."""
    product = np.ones_like(x)
    for _ in range(int(ASYMPTOTIC) - 2):
        high = x >= 2.5
        x = np.where(high, x - 1.0, x)
        product = np.where(high, product * x, product)
    return np.log(product) + _lgamma_near_two(x - 2.0, 0)


def _lgamma_large(x: np.ndarray) -> np.ndarray:
    return (x - 0.5) * np.log(x) - x + (_HALF_LOG_TWO_PI + stirling_correction64(x))


def stirling_correction64(x: np.ndarray) -> np.ndarray:
    """log gamma(x) less Stirling's formula, in float64; to 1e-15 for x >= 8, better above."""
    inverse = 1.0 / x
    return inverse * polynomial(_STIRLING[::-1], inverse * inverse)


@functools.cache
def _taylor_coefficients() -> tuple[float, ...]:
    """Of (log gamma(2 + z)) / z, highest power first: (-1)**k (zeta(k) - 1) / k."""
    powers = np.arange(2.0, _TAYLOR_TERMS + 1)
    tails = _zeta(powers, np.full_like(powers, 2.0))  # zeta(k) - 1
    coefficients = [1.0 - _EULER_GAMMA]
    coefficients += [(-1.0) ** k * float(t) / k for k, t in zip(range(2, len(tails) + 2), tails)]
    return tuple(reversed(coefficients))


def _digamma(x: np.ndarray) -> np.ndarray:
    result = piecewise(x, (x < 0.5, _digamma_reflected), (x >= 0.5, _digamma_positive))
    result = np.where(x == 0, -np.copysign(np.inf, x), result)
    return np.where(((x < 0) & (x == np.floor(x))), np.nan, result)


def _digamma_reflected(x: np.ndarray) -> np.ndarray:
    return _digamma_positive(1.0 - x) - math.pi / np.tan(math.pi * (x - np.round(x)))


def _digamma_positive(x: np.ndarray) -> np.ndarray:
    shift = np.zeros_like(x)
    for _ in range(int(ASYMPTOTIC)):
        low = x < ASYMPTOTIC
        shift = np.where(low, shift + 1.0 / x, shift)
        x = np.where(low, x + 1.0, x)
    inverse = 1.0 / x
    square = inverse * inverse
    return np.log(x) - 0.5 * inverse - square * polynomial(DIGAMMA[::-1], square) - shift


@in_float64
def _trigamma(x: np.ndarray) -> np.ndarray:
    two = np.full_like(x, 2.0)
    sine = _sin_pi(x)
    low = (math.pi / sine) ** 2 - _zeta(two, np.maximum(1.0 - x, 0.5))
    result = np.where(x < 0.5, low, _zeta(two, np.maximum(x, 0.5)))
    return np.where(x == np.inf, 0.0, result)


def _higher_polygamma(n: int, x: ArrayLike) -> np.ndarray:
    factorial = float(math.factorial(n)) if n <= 170 else math.inf
    sign = 1.0 if n % 2 else -1.0

    @in_float64
    def polygamma(x: np.ndarray) -> np.ndarray:
        return sign * factorial * _zeta(np.full_like(x, n + 1.0), x)

    return polygamma(x)


def _zeta(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    result = _zeta_positive(s, np.where(q > 0, q, 1.0))
    negative = q < 0
    if negative.any():
        result[negative] = _zeta_negative(s[negative], q[negative])
    result = np.where((q < 0) & (s != np.floor(s)), np.nan, result)
    result = np.where((q <= 0) & (q == np.floor(q)), np.inf, result)
    result = np.where(s == 1, np.inf, np.where(s > 1, result, np.nan))
    return np.where(np.isnan(q), np.nan, result)


def _zeta_negative(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The finitely many terms of negative base, by two sums over positive bases, and the rest."""
    base = q - np.floor(q)
    sign = np.where(np.fmod(s, 2.0) == 0, 1.0, -1.0)
    below = _zeta_positive(s, 1.0 - base) - _zeta_positive(s, 1.0 - q)
    return _zeta_positive(s, base) + sign * below


def _zeta_positive(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    total = np.zeros_like(q)
    end = q + ZETA_STEPS
    power = end**-s
    inverse = 1.0 / end
    # Smallest terms first: the tail, then the sum from its far end.
    tail = np.zeros_like(q)
    term = s * inverse
    for k, coefficient in enumerate(EULER_MACLAURIN):
        tail += coefficient * term
        term = term * (s + (2 * k + 1)) * (s + (2 * k + 2)) * inverse * inverse
    total += power * (tail + 0.5 + end / (s - 1.0))
    for k in reversed(range(ZETA_STEPS)):
        total += (q + k) ** -s
    return total


def _sin_pi(x: np.ndarray) -> np.ndarray:
    """sin(pi x), exact zeros at the integers."""
    nearest = np.round(x)
    sine = np.sin(math.pi * (x - nearest))
    return np.where(np.fmod(nearest, 2.0) == 0, sine, -sine)
