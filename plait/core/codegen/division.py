"""Division, remainders and shifts, elementwise, for integers and floats.

Integers never trap: a zero divisor is taken as 1 (the op's check has refused it before), and a
divisor of -1 negates.
"""

from __future__ import annotations

from plait.core.codegen.values import Values


def _quotient(v: Values, a: str, b: str, signed: bool) -> tuple[str, str]:
    """(a / b towards zero, what it leaves)."""
    one, zero = v.const(1), v.const(0)
    b = v.select(v.icmp("eq", b, zero), one, b)
    if not signed:
        quotient = v.do("udiv", a, b)
    else:
        # The least integer by -1 overflows.
        minus = v.icmp("eq", b, v.const(-1))
        plain = v.do("sdiv", a, v.select(minus, one, b))
        quotient = v.select(minus, v.do("sub", zero, a), plain)
    return quotient, v.do("sub", a, v.do("mul", quotient, b))


def _opposed(v: Values, rest: str, b: str) -> str:
    """Where a remainder is not 0 and has another sign than the divisor."""
    crossed = v.icmp("slt", v.do("xor", rest, b), v.const(0))
    return v.both(v.icmp("ne", rest, v.const(0)), crossed)


def trunc_div(v: Values, a: str, b: str, kind: str) -> str:
    if kind == "f":
        return v.call("trunc", v.div(a, b))
    return _quotient(v, a, b, kind == "i")[0]


def fmod(v: Values, a: str, b: str, kind: str) -> str:
    if kind == "f":
        return v.per_lane("fmodf" if v.element == "float" else "fmod", [a, b])
    return _quotient(v, a, b, kind == "i")[1]


def floor_div(v: Values, a: str, b: str, kind: str) -> str:
    if kind == "f":
        return _floor_div_floats(v, a, b)
    quotient, rest = _quotient(v, a, b, kind == "i")
    if kind == "u":
        return quotient
    return v.select(_opposed(v, rest, b), v.do("sub", quotient, v.const(1)), quotient)


def remainder(v: Values, a: str, b: str, kind: str) -> str:
    rest = fmod(v, a, b, kind)
    if kind == "u":
        return rest
    if kind == "i":
        return v.select(_opposed(v, rest, b), v.do("add", rest, b), rest)
    return v.select(_opposed_floats(v, rest, b), v.add(rest, b), rest)


def _opposed_floats(v: Values, rest: str, b: str) -> str:
    zero = v.const(0)
    crossed = v.differ(v.fcmp("olt", b, zero), v.fcmp("olt", rest, zero))
    return v.both(v.fcmp("une", rest, zero), crossed)


def _floor_div_floats(v: Values, a: str, b: str) -> str:
    """By the exact remainder, as Python and NumPy: the quotient alone may be rounded up."""
    zero, one = v.const(0), v.const(1)
    ratio = v.div(a, b)
    rest = fmod(v, a, b, "f")
    quotient = v.div(v.sub(a, rest), b)
    quotient = v.select(_opposed_floats(v, rest, b), v.sub(quotient, one), quotient)
    floor = v.call("floor", quotient)
    short = v.fcmp("ogt", v.sub(quotient, floor), v.const(0.5))
    floor = v.select(short, v.add(floor, one), floor)
    signed_zero = v.call("copysign", zero, ratio)
    floor = v.select(v.fcmp("oeq", quotient, zero), signed_zero, floor)
    return v.select(v.fcmp("oeq", b, zero), ratio, floor)


def shift(v: Values, a: str, b: str, kind: str, left: bool) -> str:
    """Shifts by less than 0, or by the width or more, shift every bit out."""
    bits = int(v.element[1:])
    inside = v.icmp("ult", b, v.const(bits))
    if left or kind == "u":
        shifted = v.do("shl" if left else "lshr", a, v.select(inside, b, v.const(0)))
        return v.select(inside, shifted, v.const(0))
    return v.do("ashr", a, v.select(inside, b, v.const(bits - 1)))
