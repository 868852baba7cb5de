"""The error function and its relatives: erf, erfc, erfcx, erfinv, ndtr, log_ndtr, ndtri.

erf, erfc and erfcx are Cody's rational minimax approximations ("Rational Chebyshev approximations
for the error function", Math. Comp. 23, 1969; coefficients as published with his CALERF), within a
few units in the last place of float64. The inverses start from a low-order approximation (Giles,
"Approximating the erfinv function", GPU Computing Gems 2, 2011; Abramowitz & Stegun 26.2.23) and
finish with Halley's iteration on erf or erfc.
"""

import math

import numpy as np

from plait.core.ops.numeric.widened import in_float64, piecewise, polynomial

SMALL = 0.46875  # erf directly below, erfc above
LARGE = 4.0
UNDERFLOW = 28.0  # exp(-x*x) is zero in float64 from here on

ERF_P = (
    1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
    3.77485237685302021e2, 3.20937758913846947e3,
)  # fmt: skip
ERF_Q = (
    1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
    2.84423683343917062e3,
)  # fmt: skip
MIDDLE_P = (
    2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
    6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
    1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
)  # fmt: skip
MIDDLE_Q = (
    1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
    1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
    3.43936767414372164e3, 1.23033935480374942e3,
)  # fmt: skip
LARGE_P = (
    1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
    1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4,
)  # fmt: skip
LARGE_Q = (
    1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1,
    6.05183413124413191e-2, 2.33520497626869185e-3,
)  # fmt: skip

# Giles' central polynomial in w - 5/2, w = -log(1 - x*x) < 5.
GILES = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
# Abramowitz & Stegun 26.2.23: the normal quantile from t = sqrt(-2 log p).
TAIL_P = (0.010328, 0.802853, 2.515517)
TAIL_Q = (0.001308, 0.189269, 1.432788, 1.0)


@in_float64
def erf(x: np.ndarray) -> np.ndarray:
    """2/sqrt(pi) times the integral of exp(-t*t) from 0 to x."""
    y = np.abs(x)
    return piecewise(
        x,
        (y <= SMALL, _erf_small),
        (y > SMALL, lambda x: np.copysign(1.0 - _erfc_positive(np.abs(x)), x)),
    )


@in_float64
def erfc(x: np.ndarray) -> np.ndarray:
    """1 - erf(x), accurate where erf is near 1."""
    return _erfc(x)


@in_float64
def erfcx(x: np.ndarray) -> np.ndarray:
    """exp(x*x) * erfc(x), which neither underflows nor cancels for large x."""
    return _erfcx(x)


@in_float64
def erfinv(x: np.ndarray) -> np.ndarray:
    """The inverse of erf: infinite at -1 and 1, NaN outside."""
    y = np.abs(x)
    return piecewise(
        x,
        (y <= 0.5, _erfinv_central),
        # 1 - |x| is exact here, so the tail keeps all of x's accuracy.
        ((y > 0.5) & (y <= 1), lambda x: np.copysign(_erfc_inverse(1.0 - np.abs(x)), x)),
    )


@in_float64
def ndtr(x: np.ndarray) -> np.ndarray:
    """The standard normal distribution function."""
    return _ndtr(x)


@in_float64
def log_ndtr(x: np.ndarray) -> np.ndarray:
    """log(ndtr(x)), accurate in both tails."""
    return piecewise(
        x,
        (x < -1, lambda x: np.log(0.5 * _erfcx(-x / math.sqrt(2))) - 0.5 * x * x),
        (x >= -1, lambda x: np.log1p(-_ndtr(-x))),
    )


@in_float64
def ndtri(p: np.ndarray) -> np.ndarray:
    """The inverse of ndtr: -inf at 0, inf at 1, NaN outside [0, 1]."""
    root2 = math.sqrt(2)
    return piecewise(
        p,
        ((p >= 0) & (p < 0.25), lambda p: -root2 * _erfc_inverse(2.0 * p)),
        ((p >= 0.25) & (p <= 0.75), lambda p: root2 * _erfinv_central(2.0 * p - 1.0)),
        ((p > 0.75) & (p <= 1), lambda p: root2 * _erfc_inverse(2.0 * (1.0 - p))),
    )


def _erf_small(x: np.ndarray) -> np.ndarray:
    square = x * x
    return x * (polynomial(ERF_P, square) / polynomial(ERF_Q, square))


def _erfc(x: np.ndarray) -> np.ndarray:
    return piecewise(
        x,
        (np.abs(x) <= SMALL, lambda x: 1.0 - _erf_small(x)),
        (x > SMALL, _erfc_positive),
        (x < -SMALL, lambda x: 2.0 - _erfc_positive(-x)),
    )


def _erfcx(x: np.ndarray) -> np.ndarray:
    return piecewise(
        x,
        (np.abs(x) <= SMALL, lambda x: np.exp(x * x) * (1.0 - _erf_small(x))),
        (x > SMALL, _erfcx_positive),
        (x < -SMALL, lambda x: 2.0 / _exp_minus_square(-x) - _erfcx_positive(-x)),
    )


def _ndtr(x: np.ndarray) -> np.ndarray:
    return piecewise(x, (x < -1, _ndtr_tail), (x >= -1, lambda x: 0.5 * _erfc(-x / math.sqrt(2))))


def _ndtr_tail(x: np.ndarray) -> np.ndarray:
    # The exponent comes from x itself: rounding x / sqrt(2) first would cost x*x ulps.
    return 0.5 * _erfcx_positive(-x / math.sqrt(2)) * _exp_minus_square(-x, 0.5)


def _erfc_positive(x: np.ndarray) -> np.ndarray:
    return _exp_minus_square(x) * _erfcx_positive(x)


def _erfcx_positive(x: np.ndarray) -> np.ndarray:
    """erfcx for x > 0.46875."""
    return piecewise(
        x,
        (x <= LARGE, lambda x: polynomial(MIDDLE_P, x) / polynomial(MIDDLE_Q, x)),
        (x > LARGE, _erfcx_large),
    )


def _erfcx_large(x: np.ndarray) -> np.ndarray:
    z = 1.0 / (x * x)
    correction = z * polynomial(LARGE_P, z) / polynomial(LARGE_Q, z)
    return (1.0 / math.sqrt(math.pi) - correction) / x


def _exp_minus_square(x: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """exp(-scale*x*x) for x >= 0, split so that the square's rounding misses the exponent."""
    x = np.minimum(x, UNDERFLOW / math.sqrt(scale))
    coarse = np.trunc(x * 16.0) / 16.0  # few bits: its square is exact
    return np.exp(-scale * coarse * coarse) * np.exp(-scale * (x - coarse) * (x + coarse))


def _erfinv_central(x: np.ndarray) -> np.ndarray:
    """erfinv for |x| <= 1/2."""
    w = -np.log1p(-x * x)
    y = x * polynomial(GILES, w - 2.5)
    for _ in range(2):
        value = np.where(np.abs(y) <= SMALL, _erf_small(y), 0.0)
        far = np.abs(y) > SMALL
        value[far] = np.copysign(1.0 - _erfc_positive(np.abs(y[far])), y[far])
        step = (value - x) * (0.5 * math.sqrt(math.pi)) * np.exp(y * y)
        y = y - step / (1.0 + y * step)
    return y


def _erfc_inverse(q: np.ndarray) -> np.ndarray:
    """The y with erfc(y) = q, for 0 <= q <= 1/2."""
    t = np.sqrt(-2.0 * np.log(0.5 * q))
    y = (t - polynomial(TAIL_P, t) / polynomial(TAIL_Q, t)) / math.sqrt(2)
    for _ in range(3):
        # Newton's step in units of q: erfc and its derivative share the factor exp(-y*y).
        step = (q / _exp_minus_square(y) - _erfcx_positive(y)) * (0.5 * math.sqrt(math.pi))
        y = y - step / (1.0 - y * step)
    return np.where(q == 0, np.inf, y)
