"""Special functions on NumPy arrays, the reference for the operations of the same names.

Every function takes floating arrays that broadcast, works in float64 and returns the dtype it was
given, rounded once. NaN, infinities and poles give what PyTorch gives. SciPy is not needed: the
methods are named in the modules this one gathers.
"""

import numpy as np
from numpy.typing import ArrayLike

from plait.core.ops.numeric.special_bessel import i0, i0e, i1, i1e
from plait.core.ops.numeric.special_erf import erf, erfc, erfcx, erfinv, log_ndtr, ndtr, ndtri
from plait.core.ops.numeric.special_gamma import digamma, lgamma, multigammaln, polygamma, zeta
from plait.core.ops.numeric.special_hankel import (
    airy_ai,
    bessel_j0,
    bessel_j1,
    bessel_y0,
    bessel_y1,
    modified_bessel_k0,
    modified_bessel_k1,
    scaled_modified_bessel_k0,
    scaled_modified_bessel_k1,
    spherical_bessel_j0,
)
from plait.core.ops.numeric.special_igamma import igamma, igammac
from plait.core.ops.numeric.widened import in_float64

__all__ = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "igamma",
    "igammac",
    "lgamma",
    "log_ndtr",
    "logit",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "sinc",
    "spherical_bessel_j0",
    "xlog1py",
    "xlogy",
    "zeta",
]


@in_float64
def sinc(x: np.ndarray) -> np.ndarray:
    """sin(pi x) / (pi x), 1 at 0; NaN at the infinities."""
    angle = np.pi * x
    nearest = np.round(x)
    # sin(pi x) by its distance to the nearest integer: exact zeros, no loss for large x.
    sine = np.sin(np.pi * (x - nearest)) * np.where(np.fmod(nearest, 2.0) == 0, 1.0, -1.0)
    return np.where(x == 0, 1.0, sine / angle)


@in_float64
def xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x * log(y), 0 where x is 0 unless y is NaN."""
    return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y))


@in_float64
def xlog1py(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x * log1p(y), 0 where x is 0 unless y is NaN."""
    return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log1p(y))


@in_float64
def entr(x: np.ndarray) -> np.ndarray:
    """-x * log(x), 0 at 0, -inf for negative x."""
    return np.where(x > 0, -x * np.log(x), np.where(x == 0, 0.0, np.where(x < 0, -np.inf, x)))


def logit(x: ArrayLike, eps: float | None = None) -> np.ndarray:
    """log(x / (1 - x)); `eps` first clamps x to [eps, 1 - eps]. NaN outside [0, 1]."""
    if eps is not None:
        x = np.asarray(x)
        x = np.clip(x, x.dtype.type(eps), x.dtype.type(1 - eps))
    return _logit(x)


@in_float64
def _logit(x: np.ndarray) -> np.ndarray:
    # Near 1/2 the quotient is near 1: its logarithm by log1p of the difference, which is exact.
    central = np.log1p((2.0 * x - 1.0) / (1.0 - x))
    return np.where((x > 0.3) & (x < 0.65), central, np.log(x / (1.0 - x)))
