"""Kernels that turn words of the host's random stream into PyTorch's uniform and normal values.

They do what `runtime/host_random.py` and `runtime/host_normal.py` do on NumPy arrays, operation by
operation in float32, each rounded once, and so give the same bits; those files say where the
formulas come from. Both work in place: 32-bit words come in, float32 values lie there afterwards.
"""

from __future__ import annotations

from plait.core.codegen.box_muller import (
    BLOCK,
    COS_COEFFICIENTS,
    FOUR_OVER_PI,
    LN2_HIGH,
    LN2_LOW,
    LOG_COEFFICIENTS,
    PI_FOURTHS,
    SIN_COEFFICIENTS,
    SQRT_HALF,
    TWO_PI,
)
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function
from plait.core.codegen.values import Values
from plait.core.llvm.target import Target

_HALF = BLOCK // 2


def uniform_kernel() -> Kernel:
    """Arguments: buffer; numbers: the bits of high - low, of low and of high.

    A value is low + u (high - low), rounded once, and `low` where that is `high`.
    """
    return Kernel("host_uniform", (), _emit_uniform)


def normal_kernel() -> Kernel:
    """Arguments: buffer; numbers: the bits of the standard deviation and of the mean."""
    return Kernel("host_normal", (), _emit_normal)


def _emit_uniform(symbol: str, on: Target) -> Function:
    f = Function(symbol)
    v = Values(f, f"<{BLOCK} x float>")
    words = f.argument(0)
    span, low, high = (_number(v, position) for position in (1, 2, 3))
    with f.loop("%begin", "%end") as unit:
        at = f.at(words, f.mul(unit.index, str(BLOCK)), "float")
        value = v.fma(_unit_uniform(v, at), span, low)
        f.store(v.kind, v.select(v.fcmp("oeq", value, high), low, value), at, 4)
    f.ret()
    return f


def _emit_normal(symbol: str, on: Target) -> Function:
    f = Function(symbol)
    v = Values(f, f"<{_HALF} x float>")
    words = f.argument(0)
    std, mean = (_number(v, position) for position in (1, 2))
    with f.loop("%begin", "%end") as unit:
        radii = f.at(words, f.mul(unit.index, str(BLOCK)), "float")
        angles = f.at(radii, str(_HALF), "float")
        logarithm = _log(v, v.sub(v.const(1), _unit_uniform(v, radii)))
        radius = v.call("sqrt", v.mul(v.const(-2), logarithm))
        sine, cosine = _sincos(v, v.mul(v.const(TWO_PI), _unit_uniform(v, angles)))
        f.store(v.kind, v.fma(v.mul(radius, cosine), std, mean), radii, 4)
        f.store(v.kind, v.fma(v.mul(radius, sine), std, mean), angles, 4)
    f.ret()
    return f


def _number(v: Values, position: int) -> str:
    """A float32 in every lane, whose bits are an argument."""
    bits = v.f.let(f"trunc i64 {v.f.argument(position, 'i64')} to i32")
    return v.f.splat(v.kind, v.f.let(f"bitcast i32 {bits} to float"))


def _unit_uniform(v: Values, at: str) -> str:
    """Values in [0, 1) of the low 24 bits of words, exactly."""
    words = v.of(v.words)
    low = words.do("and", v.f.load(v.words, at, 4), words.const((1 << 24) - 1))
    return v.mul(words.convert("sitofp", low, v.kind), v.const(2**-24))


def _log(v: Values, x: str) -> str:
    """The natural logarithm of positive, normal x."""
    words = v.of(v.words)
    bits = v.bits(x)
    power = words.do("sub", words.do("lshr", bits, words.const(23)), words.const(126))
    fraction = words.do("and", bits, words.const(0x007FFFFF))
    mantissa = v.from_bits(words.do("or", fraction, words.const(0x3F000000)))  # in [1/2, 1)
    small = v.fcmp("olt", mantissa, v.const(SQRT_HALF))
    exponent = words.convert("sitofp", power, v.kind)
    exponent = v.select(small, v.sub(exponent, v.const(1)), exponent)
    more = v.select(small, mantissa, v.const(0))
    t = v.add(v.sub(mantissa, v.const(1)), more)
    square = v.mul(t, t)
    y = v.mul(v.polynomial(t, LOG_COEFFICIENTS[::-1]), t)
    y = v.fma(y, square, v.mul(exponent, v.const(LN2_LOW)))
    y = v.fma(square, v.const(-0.5), y)
    return v.fma(exponent, v.const(LN2_HIGH), v.add(t, y))


def _sincos(v: Values, x: str) -> tuple[str, str]:
    """Sine and cosine of x, at least 0 and below 2**13."""
    words = v.of(v.words)
    octant = v.convert("fptosi", v.mul(x, v.const(FOUR_OVER_PI)), v.words)
    octant = words.do("and", words.do("add", octant, words.const(1)), words.const(-2))
    multiple = v.neg(words.convert("sitofp", octant, v.kind))
    for part in PI_FOURTHS:
        x = v.fma(multiple, v.const(part), x)
    square = v.mul(x, x)
    near_zero = v.fma(v.mul(v.polynomial(square, SIN_COEFFICIENTS[::-1]), square), x, x)
    near_one = v.mul(v.polynomial(square, COS_COEFFICIENTS[::-1]), square)
    near_one = v.fma(near_one, square, v.mul(square, v.const(-0.5)))
    near_one = v.add(near_one, v.const(1))
    swapped = _has_bit(words, octant, 2)
    sine = v.select(swapped, near_one, near_zero)
    cosine = v.select(swapped, near_zero, near_one)
    beyond = words.do("add", octant, words.const(2))
    return (
        v.select(_has_bit(words, octant, 4), v.neg(sine), sine),
        v.select(_has_bit(words, beyond, 4), v.neg(cosine), cosine),
    )


def _has_bit(words: Values, value: str, bit: int) -> str:
    return words.icmp("ne", words.do("and", value, words.const(bit)), words.const(0))
