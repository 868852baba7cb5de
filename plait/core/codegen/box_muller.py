"""Constants of the normal draws, which NumPy (`runtime/host_normal.py`) and native code
(`host_draws.py`) both compute by."""

from __future__ import annotations

import math

#: Values of a block of Box & Muller's transform: half of them radii, then as many angles.
BLOCK = 16

# Cephes logf: polynomial for log(1 + x), sqrt(1/2) <= 1 + x < sqrt(2); ln 2 in two parts.
LOG_COEFFICIENTS = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
LN2_LOW, LN2_HIGH = -2.12194440e-4, 0.693359375
SQRT_HALF = 0.707106781186547524
# Cephes sinf, cosf: polynomials on [-pi/4, pi/4]; pi/4 in three parts.
SIN_COEFFICIENTS = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS_COEFFICIENTS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
FOUR_OVER_PI = 1.27323954473516
PI_FOURTHS = (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)
TWO_PI = 2 * math.pi
