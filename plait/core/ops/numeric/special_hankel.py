"""Bessel functions j0, j1, y0, y1, k0, k1 and the Airy function, of real arguments.

Near 0: power series (Abramowitz & Stegun 9.1.10-13, 9.6.11-13, 10.4.2-3). Beyond: the integrals of
Hankel (Watson, *A Treatise on the Theory of Bessel Functions*, 6.12, 7.2) and of Airy's function
(NIST DLMF 9.5.8). Their integrands have the form exp(-t^2) f(t), f even and analytic; on such the
error of the trapezoidal rule falls geometrically with the step (Trefethen & Weideman, "The
exponentially convergent trapezoidal rule", 2014). Results are within a few units in the last place
of the function's amplitude.
"""

import math

import numpy as np

from plait.core.ops.numeric.special_bessel import i0, i1
from plait.core.ops.numeric.widened import in_float64, piecewise

_EULER = 0.57721566490153286
_END = 6.5  # exp(-t^2) is below the roundoff
_OSCILLATING = 3.0  # from here on j and y by the integral, whose f has a singularity at |Im t| 1.7
_DECAYING = 2.0  # and k, with one at 2
_STEP = 0.15
_SERIES = 20  # terms of size (x^2 / 4)^k / k!^2 at most


def _nodes(step: float, end: float) -> np.ndarray:
    return np.arange(0, end, step)


def _hankel(x: np.ndarray, order: int, turn: complex) -> np.ndarray:
    """The integral of exp(-t^2) t^(2 order) (1 + turn t^2 / (2 x))^(order - 1/2), over its value
    for infinite x; order 0 or 1."""
    total = np.zeros(x.shape, np.complex128 if isinstance(turn, complex) else np.float64)
    norm = 0.0
    for t in _nodes(_STEP, _END):
        weight = math.exp(-t * t) * (t * t) ** order * (0.5 if t == 0 else 1.0)
        norm += weight
        root = np.sqrt(1 + turn * (t * t / 2) / x)
        total += weight * (root if order else 1 / root)
    return total / norm


def _power_series(x: np.ndarray, order: int, sign: float, harmonic: bool = False) -> np.ndarray:
    """The sum of (sign x^2 / 4)^k / (k! (k + order)!), with psi(k+1) + psi(k+order+1) as a further
    factor where `harmonic`."""
    square = sign * x * x / 4
    term = np.ones_like(x)
    first, second = -_EULER, -_EULER + order
    total = np.zeros_like(x)
    for k in range(_SERIES):
        total += term * (first + second) if harmonic else term
        term = term * square / ((k + 1) * (k + 1 + order))
        first, second = first + 1 / (k + 1), second + 1 / (k + 1 + order)
    return total


def _far(x: np.ndarray, order: int) -> np.ndarray:
    """sqrt(2 / (pi x)) (P + iQ) exp(i (x - order pi/2 - pi/4)), which is j + iy."""
    cosine, sine = np.cos(x), np.sin(x)
    if order:
        cosine, sine = sine, -cosine
    phase = (cosine + sine) + 1j * (sine - cosine)
    return _hankel(x, order, 1j) * phase / np.sqrt(math.pi * x)


@in_float64
def bessel_j0(x: np.ndarray) -> np.ndarray:
    """The Bessel function of the first kind of order 0."""
    size = np.abs(x)
    near = (size <= _OSCILLATING, lambda v: _power_series(v, 0, -1.0))
    return piecewise(size, near, (size > _OSCILLATING, lambda v: np.real(_far(v, 0))))


@in_float64
def bessel_j1(x: np.ndarray) -> np.ndarray:
    """The Bessel function of the first kind of order 1."""
    size = np.abs(x)
    near = (size <= _OSCILLATING, lambda v: v / 2 * _power_series(v, 1, -1.0))
    return np.copysign(1.0, x) * piecewise(
        size, near, (size > _OSCILLATING, lambda v: np.real(_far(v, 1)))
    )


def _near_y(x: np.ndarray, order: int) -> np.ndarray:
    # Each term of the series has a factor psi, of which that of j takes the logarithm.
    shifted = 2 * np.log(x / 2) * _power_series(x, order, -1.0)
    series = (shifted - _power_series(x, order, -1.0, harmonic=True)) * (x / 2) ** order
    return (series - (2 / x if order else 0.0)) / math.pi


@in_float64
def bessel_y0(x: np.ndarray) -> np.ndarray:
    """The Bessel function of the second kind of order 0: -inf at 0, NaN for negative x."""
    near = (x > 0) & (x <= _OSCILLATING)
    return piecewise(
        x,
        (x == 0, lambda v: np.full_like(v, -np.inf)),
        (near, lambda v: _near_y(v, 0)),
        (x > _OSCILLATING, lambda v: np.imag(_far(v, 0))),
    )


@in_float64
def bessel_y1(x: np.ndarray) -> np.ndarray:
    """The Bessel function of the second kind of order 1: -inf at 0, NaN for negative x."""
    near = (x > 0) & (x <= _OSCILLATING)
    return piecewise(
        x,
        (x == 0, lambda v: np.full_like(v, -np.inf)),
        (near, lambda v: _near_y(v, 1)),
        (x > _OSCILLATING, lambda v: np.imag(_far(v, 1))),
    )


def _scaled_k(x: np.ndarray, order: int) -> np.ndarray:
    """exp(x) times the modified Bessel function of the second kind: inf at 0, NaN below."""

    def near(v: np.ndarray) -> np.ndarray:
        if order:
            series = _power_series(v, 1, 1.0, harmonic=True) / 2
            return np.exp(v) * (1 / v + np.log(v / 2) * i1(v) - v / 2 * series)
        series = _power_series(v, 0, 1.0, harmonic=True) / 2
        return np.exp(v) * (series - np.log(v / 2) * i0(v))

    def far(v: np.ndarray) -> np.ndarray:
        return np.sqrt(math.pi / (2 * v)) * _hankel(v, order, 1.0)

    return piecewise(
        x,
        (x == 0, lambda v: np.full_like(v, np.inf)),
        ((x > 0) & (x <= _DECAYING), near),
        (x > _DECAYING, far),
    )


@in_float64
def modified_bessel_k0(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of the second kind of order 0: inf at 0, NaN below."""
    return np.exp(-x) * _scaled_k(x, 0)


@in_float64
def modified_bessel_k1(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of the second kind of order 1: inf at 0, NaN below."""
    return np.exp(-x) * _scaled_k(x, 1)


@in_float64
def scaled_modified_bessel_k0(x: np.ndarray) -> np.ndarray:
    """exp(x) * modified_bessel_k0(x)."""
    return _scaled_k(x, 0)


@in_float64
def scaled_modified_bessel_k1(x: np.ndarray) -> np.ndarray:
    """exp(x) * modified_bessel_k1(x)."""
    return _scaled_k(x, 1)


@in_float64
def spherical_bessel_j0(x: np.ndarray) -> np.ndarray:
    """sin(x) / x: 1 at 0, 0 at the infinities."""
    near = 1 - x * x / 6 * (1 - x * x / 20 * (1 - x * x / 42))
    value = np.where(np.abs(x) < 0.02, near, np.sin(x) / x)
    return np.where(np.isinf(x), 0.0, value)


# -- Airy -------------------------------------------------------------------------------------

_AIRY_SERIES = (-2.5, 1.0)  # where Maclaurin's series loses no more than a digit
_AIRY_STEP = 0.08
_AIRY_END = 7.0
#: The value and minus the slope at 0: 3^(-2/3) / Gamma(2/3), 3^(-1/3) / Gamma(1/3).
_AIRY_0, _AIRY_SLOPE = 0.35502805388781724, 0.25881940379280680


def _airy_series(x: np.ndarray) -> np.ndarray:
    cube = x * x * x
    first, second = np.full_like(x, _AIRY_0), -_AIRY_SLOPE * x
    total = first + second
    for k in range(1, 25):
        first = first * cube / ((3 * k - 1) * (3 * k))
        second = second * cube / ((3 * k) * (3 * k + 1))
        total += first + second
    return total


def _airy_integral(x: np.ndarray, turn: complex | float) -> np.ndarray:
    """The integral of exp(-turn sqrt(x) t^2) cos(t^3 / 3) over t > 0; turn is a root of unity."""
    total = np.zeros(x.shape, np.result_type(type(turn)))
    for s in _nodes(_AIRY_STEP, _AIRY_END):
        weight = np.exp(-turn * s * s) * (0.5 if s == 0 else 1.0)
        total += weight * np.cos(s**3 / 3 / x**0.75)
    return total * _AIRY_STEP / x**0.25


@in_float64
def airy_ai(x: np.ndarray) -> np.ndarray:
    """Airy's function Ai; NaN at the infinities."""

    def right(v: np.ndarray) -> np.ndarray:
        return np.exp(-2 / 3 * v * np.sqrt(v)) * _airy_integral(v, 1.0) / math.pi

    def left(v: np.ndarray) -> np.ndarray:
        # Ai(-z) = 2 Re(e^(i pi/3) Ai(z e^(i pi/3))), where sqrt turns by pi/6.
        z = -v
        turn = complex(math.cos(math.pi / 6), math.sin(math.pi / 6))
        phase = math.pi / 3 - 2 / 3 * z * np.sqrt(z)
        return 2 * np.real(np.exp(1j * phase) * _airy_integral(z, turn)) / math.pi

    low, high = _AIRY_SERIES
    return piecewise(
        x,
        ((x >= low) & (x <= high), _airy_series),
        ((x > high) & (x < np.inf), right),
        ((x < low) & (x > -np.inf), left),
    )
