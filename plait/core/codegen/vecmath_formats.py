"""What vector functions must know of each floating type: its layout, and its polynomials."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """A constant as the sum of two numbers of one type."""

    high: float
    low: float


class Format(NamedTuple):
    """An IEEE type, and the approximations that suit its precision.

    mantissa: bits of it that are stored. root_half: the bits of sqrt(1/2). ln2, to_2, to_10,
    log10_2: ln 2, 1 / ln 2, 1 / ln 10, log10(2). exp: (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2.
    exp2: (2^r - 1) / r for |r| <= 1/2. log: see `log_curve`. low and high: beyond them exp is 0 and
    infinite. flat: above it tanh rounds to 1, and so does -expm1 below its double negated.
    tiny: below it expm1(x) and log1p(x) round to x.
    """

    mantissa: int
    bias: int
    root_half: int
    ln2: Split
    to_2: Split
    to_10: Split
    log10_2: Split
    exp: tuple[float, ...]
    exp2: tuple[float, ...]
    log: tuple[float, ...]
    low: float
    high: float
    flat: float
    tiny: float

    @property
    def shift(self) -> float:
        """Adding it leaves an integer, rounded to nearest, in the lowest bits of the mantissa."""
        return 1.5 * 2.0**self.mantissa

    @property
    def one(self) -> int:
        """The bits of 1."""
        return self.bias << self.mantissa


def _single(value: float) -> Split:
    high = float(np.float32(value))
    return Split(high, value - high)


#: Polynomials of float32 are our own: weighted least squares at Chebyshev nodes, reweighted
#: (Lawson) towards the least greatest error, which is 6e-8 for exp, 8e-9 for exp2, 2e-8 for log.
SINGLE = Format(
    mantissa=23,
    bias=127,
    root_half=0x3F3504F3,
    ln2=_single(math.log(2)),
    to_2=_single(1 / math.log(2)),
    to_10=_single(1 / math.log(10)),
    log10_2=_single(math.log10(2)),
    exp=(
        0.5000000026973594,
        0.16666576902304003,
        0.04166637496149849,
        0.008363192509330986,
        0.001394113976075529,
    ),
    exp2=(
        0.6931471880379309,
        0.24022651084589822,
        0.055503570624150254,
        0.009618030706545044,
        0.0013390889825967043,
        0.00015469757003476088,
    ),
    log=(
        0.33333331256245163,
        -0.24999981182553652,
        0.20000688235599187,
        -0.1666915144060779,
        0.1425115044701841,
        -0.12396686772202171,
        0.1163470492809544,
        -0.1166004888215107,
        0.07332555105469321,
    ),
    low=-105.0,
    high=89.0,
    flat=10.0,
    tiny=2.0**-30,
)
#: Those of float64 are Taylor's, of so many terms that the rest is below its precision.
DOUBLE = Format(
    mantissa=52,
    bias=1023,
    root_half=0x3FE6A09E667F3BCD,
    ln2=Split(0.6931471805599453, 2.3190468138462996e-17),
    to_2=Split(1.4426950408889634, 2.0355273740931033e-17),
    to_10=Split(0.4342944819032518, 1.098319650216765e-17),
    log10_2=Split(0.3010299956639812, -2.8037281277851704e-18),
    exp=tuple([1 / math.factorial(k) for k in range(2, 14)]),
    exp2=tuple([math.log(2) ** k / math.factorial(k) for k in range(1, 15)]),
    log=tuple([2 / (2 * k + 3) for k in range(11)]),
    low=-746.0,
    high=710.0,
    flat=20.0,
    tiny=2.0**-60,
)
FORMATS = {"float": SINGLE, "double": DOUBLE}
