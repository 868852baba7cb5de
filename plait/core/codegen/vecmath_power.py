"""Powers of float32 on vectors: |x|^y as 2^(y log2 |x|), in float64.

The relative error of the result is that of the logarithm times the natural logarithm of the result,
which is below 104: polynomials good to 1e-11 and 1e-8 leave an error of 0.6 units in the last
place. Polynomials as in `vecmath_formats`.
"""

from __future__ import annotations

import math

from plait.core.codegen.values import Values
from plait.core.codegen.vecmath import parts_of, power_of_two
from plait.core.codegen.vecmath_formats import DOUBLE, SINGLE

#: (log(1 + f) - f + f^2 / 2) / f^3 for 1 + f in [sqrt(1/2), sqrt(2)]; error 9e-11.
_LOG = (
    0.3333333333488515,
    -0.25000000302131636,
    0.19999999166047094,
    -0.166666068017827,
    0.14285751199108682,
    -0.12503363260879005,
    0.11112756944643565,
    -0.09922848477120355,
    0.08990028056944419,
    -0.09074519573789908,
    0.09219853495555697,
    -0.0527405623933188,
)
#: Exponents of 2 beyond which float32 is infinite or 0; those of float64 reach far further.
_MOST, _LEAST = 130.0, -155.0


def power(v: Values, x: str, y: str) -> str:
    """x^y, by the rules of C (annex F) for zeros, infinities, nan and negative x."""
    one, zero, infinity = v.const(1), v.const(0), v.const(math.inf)
    size = v.call("fabs", x)
    result = _of_size(v, size, y)
    # Where the exponent is 0 times infinity, or nan does not matter.
    unit = v.both(v.fcmp("oeq", size, one), v.fcmp("oeq", v.call("fabs", y), infinity))
    unit = v.either(unit, v.either(v.fcmp("oeq", x, one), v.fcmp("oeq", y, zero)))
    result = v.select(unit, one, result)
    whole = v.call("trunc", y)
    half = v.mul(y, v.const(0.5))
    odd = v.both(v.fcmp("oeq", whole, y), v.fcmp("une", v.call("trunc", half), half))
    result = v.call("copysign", result, v.select(odd, x, one))
    # Finite negative numbers have no power that is not whole.
    below = v.both(v.fcmp("olt", x, zero), v.fcmp("ogt", x, v.const(-math.inf)))
    lost = v.both(below, v.fcmp("one", whole, y))
    return v.select(lost, v.const(math.nan), result)


def _of_size(v: Values, size: str, y: str) -> str:
    """size^y for size >= 0, save where the exponent is undefined."""
    wide = v.of(v.like("double"))
    log = _log2(wide, v.convert("fpext", size, wide.kind))
    log = wide.select(v.fcmp("oeq", size, v.const(0)), wide.const(-math.inf), log)
    # Infinity and nan are their own logarithms.
    ends = v.fcmp("uge", size, v.const(math.inf))
    log = wide.select(ends, v.convert("fpext", size, wide.kind), log)
    exponent = wide.mul(v.convert("fpext", y, wide.kind), log)
    return wide.convert("fptrunc", _exp2(wide, exponent), v.kind)


def _log2(v: Values, x: str) -> str:
    """Of a positive number that is normal in float64, as every float32 is."""
    whole, m = parts_of(v, x)
    fraction = v.sub(m, v.const(1))
    square = v.mul(fraction, fraction)
    cubic = v.fma(fraction, v.polynomial(fraction, _LOG), v.const(-0.5))
    natural = v.fma(square, cubic, fraction)
    e = v.of(v.words).convert("sitofp", whole, v.kind)
    return v.fma(natural, v.const(DOUBLE.to_2.high), e)


def _exp2(v: Values, x: str) -> str:
    x = v.bounded(x, _LEAST, _MOST)
    shift = v.const(DOUBLE.shift + DOUBLE.bias)
    shifted = v.add(x, shift)
    r = v.sub(x, v.sub(shifted, shift))
    y = v.fma(r, v.polynomial(r, SINGLE.exp2), v.const(1))
    return v.mul(y, power_of_two(v, v.bits(shifted)))
