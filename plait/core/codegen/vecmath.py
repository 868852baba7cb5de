"""Transcendental functions of float32 on vectors, without branches.

Argument reductions are those of Cody and Waite, *Software Manual for the Elementary Functions*
(1980), and Muller, *Elementary Functions*, ch. 11. The polynomials are our own: weighted least
squares at Chebyshev nodes, reweighted (Lawson) towards the least greatest error.

Errors in units in the last place of the result, over all float32 arguments (denormal results
included), are at most 1 for log, log2 and log10; 1.1 for exp, exp2 and erf; 1.6 for expm1 and
log1p; 2.4 for sigmoid and tanh. Results that overflow are infinite, those below the least denormal
are 0, nan stays nan and zeros keep their sign. All widths give the same bits.
"""

from __future__ import annotations

import math

import numpy as np

from plait.core.codegen.values import Values

_LN2_HIGH = float(np.float32(math.log(2)))
_LN2_LOW = math.log(2) - _LN2_HIGH
#: Adding it to |n| < 2^21 leaves n, rounded to nearest, in the lowest bits of the mantissa; with
#: twice the bias of the exponent on top, half of those bits is the biased exponent of 2^(n/2).
_SHIFT = 1.5 * 2.0**23
_TWICE_BIAS = 254.0

#: (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2; error 6e-8.
_EXP = (
    0.5000000026973594,
    0.16666576902304003,
    0.04166637496149849,
    0.008363192509330986,
    0.001394113976075529,
)
#: (2^r - 1) / r for |r| <= 1/2; error 8e-9.
_EXP2 = (
    0.6931471880379309,
    0.24022651084589822,
    0.055503570624150254,
    0.009618030706545044,
    0.0013390889825967043,
    0.00015469757003476088,
)
#: (log(1 + f) - f + f^2 / 2) / f^3 for 1 + f in [sqrt(1/2), sqrt(2)]; error 2e-8.
_LOG = (
    0.33333331256245163,
    -0.24999981182553652,
    0.20000688235599187,
    -0.1666915144060779,
    0.1425115044701841,
    -0.12396686772202171,
    0.1163470492809544,
    -0.1166004888215107,
    0.07332555105469321,
)
#: erf(x) / x in x^2, for |x| <= 1; error 1e-9.
_ERF = (
    1.1283791659137499,
    -0.3761262713596183,
    0.11283600176209083,
    -0.026854444589798975,
    0.005189535335207429,
    -0.0008020841242567148,
    7.889119406512431e-05,
)
#: erfc(x) exp(x^2) in 1 / (1 + x), for 1 <= x <= 4.1; error 2e-9.
_ERFCX = (
    -0.00012354810655858435,
    0.56711262710865,
    0.5357753116782039,
    0.4233124830889642,
    -0.6186375392799971,
    -0.6373349847568343,
    1.321017201075552,
    -0.6101001225025031,
)


# -- exponentials -----------------------------------------------------------------------------


def _reduced(v: Values, x: str, bias: float) -> tuple[str, str]:
    """(bits whose lowest are n + bias, exp(r) - 1), where x = n ln 2 + r."""
    shift = v.const(_SHIFT + bias)
    shifted = v.fma(x, v.const(1 / math.log(2)), shift)
    n = v.sub(shifted, shift)
    # The first step is exact: its result has no bits below those of ln2_high.
    r = v.fma(n, v.const(-_LN2_HIGH), x)
    r = v.fma(n, v.const(-_LN2_LOW), r)
    return v.bits(shifted), v.fma(v.mul(r, r), v.polynomial(r, _EXP), r)


def _power(v: Values, biased: str) -> str:
    """2^n from n + 127 in the lowest bits."""
    w = v.of(v.words)
    return v.from_bits(w.do("shl", biased, w.const(23)))


def _scaled(v: Values, x: str, twice_biased: str) -> str:
    """x 2^n from n + 254 in the lowest bits, in two steps: 2^n may not be representable."""
    w = v.of(v.words)
    half = w.do("ashr", twice_biased, w.const(1))
    rest = w.do("sub", twice_biased, half)
    return v.mul(v.mul(x, _power(v, half)), _power(v, rest))


def exp(v: Values, x: str) -> str:
    x = v.bounded(x, -105.0, 89.0)
    bits, less_one = _reduced(v, x, _TWICE_BIAS)
    return _scaled(v, v.add(less_one, v.const(1)), bits)


def exp2(v: Values, x: str) -> str:
    x = v.bounded(x, -151.0, 129.0)
    shift = v.const(_SHIFT + _TWICE_BIAS)
    shifted = v.add(x, shift)
    r = v.sub(x, v.sub(shifted, shift))
    y = v.fma(r, v.polynomial(r, _EXP2), v.const(1))
    return _scaled(v, y, v.bits(shifted))


def expm1(v: Values, x: str) -> str:
    held = v.bounded(x, -20.0, 89.0)
    # Half of 2^n, which n = 128 does not overflow.
    bits, less_one = _reduced(v, held, 126.0)
    half = _power(v, bits)
    y = v.fma(half, less_one, v.sub(half, v.const(0.5)))
    # Also keeps zeros and denormals, whose halves are not exact.
    tiny = v.fcmp("olt", v.call("fabs", x), v.const(2.0**-30))
    return v.select(tiny, x, v.add(y, y))


def sigmoid(v: Values, x: str) -> str:
    """1 / (1 + exp(-x)), through the exponential of a non-positive number."""
    e = exp(v, v.neg(v.call("fabs", x)))
    above = v.select(v.fcmp("oge", x, v.const(0)), v.const(1), e)
    return v.div(above, v.add(e, v.const(1)))


def tanh(v: Values, x: str) -> str:
    """-m / (2 + m) with m = expm1(-2 |x|) up to 0.55, beyond 1 - 2 (m + 1) / (m + 2); signed."""
    size = v.bounded(v.call("fabs", x), None, 10.0)
    bits, less_one = _reduced(v, v.mul(size, v.const(-2)), 127.0)
    scale = _power(v, bits)
    fall = v.fma(scale, less_one, v.sub(scale, v.const(1)))
    twice = v.mul(v.fma(scale, less_one, scale), v.const(2))
    near = v.fcmp("ole", size, v.const(0.55))
    ratio = v.div(v.select(near, fall, twice), v.add(fall, v.const(2)))
    y = v.sub(v.select(near, v.const(0), v.const(1)), ratio)
    return v.call("copysign", y, x)


# -- logarithms -------------------------------------------------------------------------------

_LEAST_NORMAL = 2.0**-126
_ONE = 0x3F800000
#: The bits of sqrt(1/2).
_ROOT_HALF = 0x3F3504F3


def _exponent(v: Values, x: str) -> tuple[str, str]:
    """(e as an integer, m in [sqrt(1/2), sqrt(2)]) with x = 2^e m, for normal x."""
    w = v.of(v.words)
    moved = w.do("add", v.bits(x), w.const(_ONE - _ROOT_HALF))
    e = w.do("sub", w.do("ashr", moved, w.const(23)), w.const(127))
    mantissa = w.do("and", moved, w.const(0x7FFFFF))
    return e, v.from_bits(w.do("add", mantissa, w.const(_ROOT_HALF)))


def _split(v: Values, x: str) -> tuple[str, str]:
    """(e, m - 1) with x = 2^e m, for positive x; denormals are scaled first."""
    small = v.fcmp("olt", x, v.const(_LEAST_NORMAL))
    x = v.select(small, v.mul(x, v.const(2.0**23)), x)
    e, m = _exponent(v, x)
    e = v.of(v.words).convert("sitofp", e, v.kind)
    e = v.select(small, v.sub(e, v.const(23)), e)
    return e, v.sub(m, v.const(1))


def _curve(v: Values, fraction: str) -> str:
    """log(1 + f) - f."""
    square = v.mul(fraction, fraction)
    cubic = v.mul(fraction, v.polynomial(fraction, _LOG))
    return v.mul(square, v.add(cubic, v.const(-0.5)))


def _with_ends(v: Values, x: str, y: str, least: float) -> str:
    """The logarithm's result: nan below `least`, -inf there; inf and nan as they are."""
    y = v.select(v.fcmp("olt", x, v.const(least)), v.const(math.nan), y)
    y = v.select(v.fcmp("oeq", x, v.const(least)), v.const(-math.inf), y)
    return v.select(v.fcmp("uge", x, v.const(math.inf)), x, y)


def _natural(v: Values, e: str, fraction: str) -> str:
    """e ln 2 + log(1 + f)."""
    curve = v.fma(e, v.const(_LN2_LOW), _curve(v, fraction))
    return v.fma(e, v.const(_LN2_HIGH), v.add(fraction, curve))


def log(v: Values, x: str) -> str:
    e, fraction = _split(v, x)
    return _with_ends(v, x, _natural(v, e, fraction), 0.0)


def _to_base(v: Values, x: str, base: float) -> str:
    """The logarithm to another base; with its sum in two parts, so that it is rounded once."""
    unit, turn = 1 / math.log(base), math.log(2) / math.log(base)
    unit_high, turn_high = float(np.float32(unit)), float(np.float32(turn))
    e, fraction = _split(v, x)
    curve = _curve(v, fraction)
    high = v.add(fraction, curve)
    low = v.add(v.sub(fraction, high), curve)
    rest = v.fma(high, v.const(unit - unit_high), v.mul(low, v.const(unit)))
    if turn != turn_high:
        rest = v.fma(e, v.const(turn - turn_high), rest)
    near = v.fma(high, v.const(unit_high), rest)
    return _with_ends(v, x, v.fma(e, v.const(turn_high), near), 0.0)


def log2(v: Values, x: str) -> str:
    return _to_base(v, x, 2.0)


def log10(v: Values, x: str) -> str:
    return _to_base(v, x, 10.0)


def log1p(v: Values, x: str) -> str:
    """log(u) for u = 1 + x; what u has lost is added to the fraction."""
    one = v.const(1)
    u = v.add(x, one)
    taken = v.sub(u, one)
    lost = v.add(v.sub(one, v.sub(u, taken)), v.sub(x, taken))
    whole, m = _exponent(v, u)
    w = v.of(v.words)
    # 2^-e; for large e, where nothing of note is lost, another power that is representable.
    most = w.const(64)
    held = w.select(w.icmp("sgt", whole, most), most, whole)
    down = _power(v, w.do("sub", w.const(127), held))
    fraction = v.fma(lost, down, v.sub(m, one))
    y = _natural(v, w.convert("sitofp", whole, v.kind), fraction)
    y = v.select(v.fcmp("olt", v.call("fabs", x), v.const(2.0**-30)), x, y)
    return _with_ends(v, x, y, -1.0)


# -- error function ---------------------------------------------------------------------------


def erf(v: Values, x: str) -> str:
    """x P(x^2) up to 1; 1 - exp(-x^2) E(1 / (1 + |x|)) beyond."""
    one = v.const(1)
    # The leading 1 apart: the polynomial's rounding errors then count for little.
    near = v.fma(x, v.polynomial(v.mul(x, x), (_ERF[0] - 1, *_ERF[1:])), x)
    size = v.bounded(v.call("fabs", x), None, 4.1)
    bits, less_one = _reduced(v, v.neg(v.mul(size, size)), 127.0)
    gauss = v.mul(v.add(less_one, one), _power(v, bits))
    tail = v.polynomial(v.div(one, v.add(size, one)), _ERFCX)
    far = v.call("copysign", v.fma(v.neg(gauss), tail, one), x)
    return v.select(v.fcmp("ole", size, one), near, far)


#: By the op's name.
FUNCTIONS = {
    "exp": exp,
    "exp2": exp2,
    "expm1": expm1,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "log": log,
    "log2": log2,
    "log10": log10,
    "log1p": log1p,
    "erf": erf,
}
