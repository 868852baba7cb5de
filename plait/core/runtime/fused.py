"""Fused multiply-add on NumPy arrays: `a * b + c` with a single rounding.

PyTorch's CPU kernels are compiled with fma contraction, so drawing its values bit for bit needs the
operation that NumPy lacks. Sources: Dekker, "A floating-point technique for extending the available
precision", Numer. Math. 18 (1971), for the exact product; Knuth, TAOCP vol. 2, 4.2.2, for the exact
sum.
"""

import numpy as np
from numpy.typing import ArrayLike

_SPLITTER = float(2**27 + 1)  # halves a 53-bit significand
_TAIL_BITS = np.int64((1 << 29) - 1)  # significand bits float64 has beyond float32
_MIDPOINT = np.int64(1 << 28)  # those bits when a double lies between two floats


def fma32(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> np.ndarray:
    """`a * b + c` in float32, rounded once; operands hold float32 values, in any float dtype.

    The product is exact in float64. The sum rounds there and again to float32; that second rounding
    errs only on a tie that the first one made, which is undone. Exact for normal results.
    """
    product = np.multiply(a, b, dtype=np.float64)
    total = np.asarray(product + np.asarray(c))
    ties = (total.view(np.int64) & _TAIL_BITS) == _MIDPOINT
    if ties.any():
        total = np.where(ties, _toward(total, _sum_error(product, c, total)), total)
    return total.astype(np.float32)


def fma64(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """`a * b + c` in float64, rounded once (but for a chance near 2**-50 per element).

    The magnitudes of `a` and `b` must stay below 2**995, where the splitting would overflow.
    """
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    product = a * b
    product_error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    total = product + c
    return total + (_sum_error(product, c, total) + product_error)


def _split(x):
    scaled = x * _SPLITTER
    high = scaled - (scaled - x)
    return high, x - high


def _sum_error(x, y, total):
    """What rounding `x + y` to `total` lost."""
    y_part = total - x
    return (x - (total - y_part)) + (y - y_part)


def _toward(x: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """`x` moved by one unit in the last place in the sign of `direction`."""
    return np.where(direction == 0, x, np.nextafter(x, np.copysign(np.inf, direction)))
