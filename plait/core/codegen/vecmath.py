"""Transcendental functions on vectors, without branches (save for large angles).

Argument reductions are those of Cody and Waite, *Software Manual for the Elementary Functions*
(1980), and Muller, *Elementary Functions*, ch. 11; the polynomials stand in `vecmath_formats`.

Errors in units in the last place of the result, over all arguments and with denormal results, are
at most 1 for log, log2 and log10; 1.1 for exp and exp2; 1.6 for log1p, sin and cos; 2 for erf and
expm1; 2.6 for sigmoid and tanh. Results that overflow are infinite, those below the least denormal
are 0, nan stays nan and zeros keep their sign. On one target all widths give the same bits.
Functions take float32 and float64, save erf, sin and cos, which take float32 only. `vecmath_wide`
has exp, tanh and erf of float32 for AVX-512.
"""

from __future__ import annotations

import math

import numpy as np

from plait.core.codegen import vecmath_wide
from plait.core.codegen.values import Values
from plait.core.codegen.vecmath_formats import FORMATS, SINGLE, Format, Split
from plait.core.codegen.vecmath_wide import by_sixteens

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


def _format(v: Values) -> Format:
    return FORMATS[v.element]


def _reduced(v: Values, x: str, bias: int) -> tuple[str, str]:
    """(bits whose lowest are n + bias, exp(r) - 1), where x = n ln 2 + r."""
    form = _format(v)
    shift = v.const(form.shift + bias)
    shifted = v.fma(x, v.const(form.to_2.high), shift)
    n = v.sub(shifted, shift)
    # The first step is exact: its result has no bits below those of ln 2.
    r = v.fma(n, v.const(-form.ln2.high), x)
    r = v.fma(n, v.const(-form.ln2.low), r)
    return v.bits(shifted), v.fma(v.mul(r, r), v.polynomial(r, form.exp), r)


def power_of_two(v: Values, biased: str) -> str:
    """2^n from n + bias in the lowest bits."""
    w = v.of(v.words)
    return v.from_bits(w.do("shl", biased, w.const(_format(v).mantissa)))


def _scaled(v: Values, x: str, twice_biased: str) -> str:
    """x 2^n from n + 2 bias in the lowest bits, in two steps: 2^n may not be representable."""
    w = v.of(v.words)
    half = w.do("ashr", twice_biased, w.const(1))
    rest = w.do("sub", twice_biased, half)
    return v.mul(v.mul(x, power_of_two(v, half)), power_of_two(v, rest))


def _wide(v: Values) -> bool:
    """Whether `vecmath_wide` has the functions of this type here."""
    if v.f.wide is None:
        raise ValueError(f"{v.f.name}: not said whether registers hold 16 floats")
    return v.f.wide and v.element == "float"


def exp(v: Values, x: str) -> str:
    if _wide(v):
        return by_sixteens(v, x, vecmath_wide.exp)
    form = _format(v)
    bits, less_one = _reduced(v, v.bounded(x, form.low, form.high), 2 * form.bias)
    return _scaled(v, v.add(less_one, v.const(1)), bits)


def exp2(v: Values, x: str) -> str:
    form = _format(v)
    x = v.bounded(x, -float(form.bias + form.mantissa + 1), form.bias + 2.0)
    shift = v.const(form.shift + 2 * form.bias)
    shifted = v.add(x, shift)
    r = v.sub(x, v.sub(shifted, shift))
    y = v.fma(r, v.polynomial(r, form.exp2), v.const(1))
    return _scaled(v, y, v.bits(shifted))


def expm1(v: Values, x: str) -> str:
    form = _format(v)
    held = v.bounded(x, -2 * form.flat, form.high)
    # Half of 2^n, which the greatest n does not overflow.
    bits, less_one = _reduced(v, held, form.bias - 1)
    half = power_of_two(v, bits)
    y = v.fma(half, less_one, v.sub(half, v.const(0.5)))
    # Also keeps zeros and denormals, whose halves are not exact.
    tiny = v.fcmp("olt", v.call("fabs", x), v.const(form.tiny))
    return v.select(tiny, x, v.add(y, y))


def sigmoid(v: Values, x: str) -> str:
    """1 / (1 + exp(-x)), through the exponential of a non-positive number."""
    if _wide(v):
        return by_sixteens(v, x, vecmath_wide.sigmoid)
    e = exp(v, v.neg(v.call("fabs", x)))
    above = v.select(v.fcmp("oge", x, v.const(0)), v.const(1), e)
    return v.div(above, v.add(e, v.const(1)))


def tanh(v: Values, x: str) -> str:
    """-m / (2 + m) with m = expm1(-2 |x|) up to 0.55, beyond 1 - 2 (m + 1) / (m + 2); signed."""
    if _wide(v):
        return by_sixteens(v, x, vecmath_wide.tanh)
    form = _format(v)
    size = v.bounded(v.call("fabs", x), None, form.flat)
    bits, less_one = _reduced(v, v.mul(size, v.const(-2)), form.bias)
    scale = power_of_two(v, bits)
    fall = v.fma(scale, less_one, v.sub(scale, v.const(1)))
    twice = v.mul(v.fma(scale, less_one, scale), v.const(2))
    near = v.fcmp("ole", size, v.const(0.55))
    ratio = v.div(v.select(near, fall, twice), v.add(fall, v.const(2)))
    y = v.sub(v.select(near, v.const(0), v.const(1)), ratio)
    return v.call("copysign", y, x)


# -- logarithms -------------------------------------------------------------------------------


def parts_of(v: Values, x: str) -> tuple[str, str]:
    """(e as an integer, m in [sqrt(1/2), sqrt(2)]) with x = 2^e m, for normal x."""
    form, w = _format(v), v.of(v.words)
    moved = w.do("add", v.bits(x), w.const(form.one - form.root_half))
    e = w.do("sub", w.do("ashr", moved, w.const(form.mantissa)), w.const(form.bias))
    mantissa = w.do("and", moved, w.const((1 << form.mantissa) - 1))
    return e, v.from_bits(w.do("add", mantissa, w.const(form.root_half)))


def _split(v: Values, x: str) -> tuple[str, str]:
    """(e, m - 1) with x = 2^e m, for positive x; denormals are scaled first."""
    form = _format(v)
    small = v.fcmp("olt", x, v.const(2.0 ** (1 - form.bias)))
    x = v.select(small, v.mul(x, v.const(2.0**form.mantissa)), x)
    e, m = parts_of(v, x)
    e = v.of(v.words).convert("sitofp", e, v.kind)
    e = v.select(small, v.sub(e, v.const(form.mantissa)), e)
    return e, v.sub(m, v.const(1))


def _curve(v: Values, fraction: str) -> str:
    """log(1 + f) - f, for 1 + f in [sqrt(1/2), sqrt(2)].

    float32: by a polynomial for (log(1 + f) - f + f^2 / 2) / f^3. float64 would need twenty terms
    of that: there by s = f / (2 + f), where log(1 + f) = 2 artanh(s), in the arrangement that
    cancels least (Tang, "Table-driven implementation of the logarithm function", 1990).
    """
    form = _format(v)
    square = v.mul(fraction, fraction)
    if v.element == "float":
        cubic = v.mul(fraction, v.polynomial(fraction, form.log))
        return v.mul(square, v.add(cubic, v.const(-0.5)))
    s = v.div(fraction, v.add(fraction, v.const(2)))
    s_square = v.mul(s, s)
    half = v.mul(square, v.const(0.5))
    rest = v.fma(s_square, v.polynomial(s_square, form.log), half)
    return v.fma(s, rest, v.neg(half))


def _with_ends(v: Values, x: str, y: str, least: float) -> str:
    """The logarithm's result: nan below `least`, -inf there; inf and nan as they are."""
    y = v.select(v.fcmp("olt", x, v.const(least)), v.const(math.nan), y)
    y = v.select(v.fcmp("oeq", x, v.const(least)), v.const(-math.inf), y)
    return v.select(v.fcmp("uge", x, v.const(math.inf)), x, y)


def _natural(v: Values, e: str, fraction: str) -> str:
    """e ln 2 + log(1 + f)."""
    ln2 = _format(v).ln2
    curve = v.fma(e, v.const(ln2.low), _curve(v, fraction))
    return v.fma(e, v.const(ln2.high), v.add(fraction, curve))


def log(v: Values, x: str) -> str:
    e, fraction = _split(v, x)
    return _with_ends(v, x, _natural(v, e, fraction), 0.0)


def _to_base(v: Values, x: str, unit: Split, turn: Split) -> str:
    """unit * log(x) where turn is unit * ln 2; with the sum in two parts, rounded once."""
    e, fraction = _split(v, x)
    curve = _curve(v, fraction)
    high = v.add(fraction, curve)
    low = v.add(v.sub(fraction, high), curve)
    rest = v.fma(high, v.const(unit.low), v.mul(low, v.const(unit.high)))
    if turn.low:
        rest = v.fma(e, v.const(turn.low), rest)
    near = v.fma(high, v.const(unit.high), rest)
    return _with_ends(v, x, v.fma(e, v.const(turn.high), near), 0.0)


def log2(v: Values, x: str) -> str:
    return _to_base(v, x, _format(v).to_2, Split(1.0, 0.0))


def log10(v: Values, x: str) -> str:
    return _to_base(v, x, _format(v).to_10, _format(v).log10_2)


def log1p(v: Values, x: str) -> str:
    """log(u) for u = 1 + x; what u has lost is added to the fraction."""
    one = v.const(1)
    u = v.add(x, one)
    taken = v.sub(u, one)
    lost = v.add(v.sub(one, v.sub(u, taken)), v.sub(x, taken))
    whole, m = parts_of(v, u)
    w = v.of(v.words)
    # 2^-e; for large e, where nothing of note is lost, another power that is representable.
    most = w.const(64)
    held = w.select(w.icmp("sgt", whole, most), most, whole)
    down = power_of_two(v, w.do("sub", w.const(_format(v).bias), held))
    fraction = v.fma(lost, down, v.sub(m, one))
    y = _natural(v, w.convert("sitofp", whole, v.kind), fraction)
    y = v.select(v.fcmp("olt", v.call("fabs", x), v.const(_format(v).tiny)), x, y)
    return _with_ends(v, x, y, -1.0)


# -- error function ---------------------------------------------------------------------------


def erf(v: Values, x: str) -> str:
    """x P(x^2) up to 1; 1 - exp(-x^2) E(1 / (1 + |x|)) beyond."""
    if _wide(v):
        return by_sixteens(v, x, vecmath_wide.erf)
    one = v.const(1)
    # The leading 1 apart: the polynomial's rounding errors then count for little.
    near = v.fma(x, v.polynomial(v.mul(x, x), (_ERF[0] - 1, *_ERF[1:])), x)
    size = v.bounded(v.call("fabs", x), None, 4.1)
    bits, less_one = _reduced(v, v.neg(v.mul(size, size)), SINGLE.bias)
    gauss = v.mul(v.add(less_one, one), power_of_two(v, bits))
    tail = v.polynomial(v.div(one, v.add(size, one)), _ERFCX)
    far = v.call("copysign", v.fma(v.neg(gauss), tail, one), x)
    return v.select(v.fcmp("ole", size, one), near, far)


# -- sine and cosine --------------------------------------------------------------------------

#: (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2, for |r| <= pi / 4; errors 2e-8, 2e-9.
_SIN = (-0.16666664667328657, 0.008332748881936223, -0.000195879836765868)
_COS = (0.04166666466358619, -0.0013888303526510372, 2.4548015304799165e-05)
#: Up to here the multiples of pi / 2 are taken off by three float32 numbers.
_REDUCED = 20000.0
_HALF_PI_HIGH = float(np.float32(math.pi / 2))
_HALF_PI_LOW = float(np.float32(math.pi / 2 - _HALF_PI_HIGH))
#: pi / 2 = 1.5707963267948966 + 6.123233995736766e-17
_HALF_PI_LEAST = math.pi / 2 - _HALF_PI_HIGH - _HALF_PI_LOW + 6.123233995736766e-17


def _waves(v: Values, x: str, quarters: int) -> str:
    """sin(x + quarters pi / 2), for |x| up to `_REDUCED`."""
    w = v.of(v.words)
    shift = v.const(SINGLE.shift)
    shifted = v.fma(x, v.const(2 / math.pi), shift)
    n = v.sub(shifted, shift)
    r = x
    for part in (_HALF_PI_HIGH, _HALF_PI_LOW, _HALF_PI_LEAST):
        r = v.fma(n, v.const(-part), r)
    square = v.mul(r, r)
    sine = v.fma(v.mul(square, v.polynomial(square, _SIN)), r, r)
    cosine = v.fma(square, v.const(-0.5), v.const(1))
    cosine = v.fma(v.mul(square, square), v.polynomial(square, _COS), cosine)
    turn = w.do("add", v.bits(shifted), w.const(quarters))
    odd = w.icmp("ne", w.do("and", turn, w.const(1)), w.const(0))
    sign = w.do("shl", w.do("and", turn, w.const(2)), w.const(30))
    return v.from_bits(w.do("xor", v.bits(v.select(odd, cosine, sine)), sign))


def _beyond(v: Values, x: str, y: str, name: str) -> str:
    """`y`, but by the C library where x is large: in a branch that is taken if any lane is."""
    f = v.f
    large = v.fcmp("ogt", v.call("fabs", x), v.const(_REDUCED))
    some = large
    if v.kind[0] == "<":
        some = f.call("i1", f"llvm.vector.reduce.or.v{v.lanes}i1", (v.truths, large))
    before = f.block
    with f.when(some):
        slow = v.select(large, v.per_lane(name, [x]), y)
        inside = f.block
    return f.let(f"phi {v.kind} [ {y}, %{before} ], [ {slow}, %{inside} ]")


def sin(v: Values, x: str) -> str:
    y = _waves(v, x, 0)
    # Also keeps the sign of zeros.
    y = v.select(v.fcmp("olt", v.call("fabs", x), v.const(2.0**-13)), x, y)
    return _beyond(v, x, y, "sinf")


def cos(v: Values, x: str) -> str:
    return _beyond(v, x, _waves(v, x, 1), "cosf")


#: Functions of float32 by the op's name.
FUNCTIONS = {
    "sin": sin,
    "cos": cos,
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
#: Those of float64.
DOUBLE_FUNCTIONS = {
    name: FUNCTIONS[name]
    for name in ("exp", "exp2", "expm1", "sigmoid", "tanh", "log", "log2", "log10", "log1p")
}
