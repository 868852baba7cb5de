"""Powers of 2 and logarithms to base 2 of vectors, as softmax in blocks takes them."""

from __future__ import annotations

import math

from plait.core.codegen import vectors
from plait.core.codegen.brgemm import multiply_add
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.dtypes import DType


def _integers(wide: DType, lanes: int) -> tuple[str, int]:
    """The integer vector of the same size, and the number of bits of the fraction."""
    return (f"<{lanes} x i32>", 23) if wide.itemsize == 4 else (f"<{lanes} x i64>", 52)


def exp2(f: Function, wide: DType, lanes: int, x: str) -> str:
    """2 ** x, 0 where that is below the normal numbers; for x that does not overflow. nan stays.

    2^n 2^t with |t| <= 1/2, and the series of 2^t, whose rest is below half a unit roundoff.
    """
    kind = vectors.register_type(wide, lanes)
    whole, bits = _integers(wide, lanes)
    bias, terms = (127, 8) if wide.itemsize == 4 else (1023, 14)
    # Adding 1.5 * 2^bits leaves the nearest integer in the low bits of the fraction.
    magic = spread_constant(kind, 1.5 * 2.0**bits)
    shifted = f.let(f"fadd {kind} {x}, {magic}")
    n = f.let(f"fsub {kind} {shifted}, {magic}")
    t = f.let(f"fsub {kind} {x}, {n}")
    ln2 = math.log(2)
    power = [spread_constant(kind, ln2**k / math.factorial(k)) for k in range(terms)]
    y = power[-1]
    for coefficient in reversed(power[:-1]):
        y = multiply_add(f, kind, y, t, coefficient)
    raw = f.let(f"bitcast {kind} {shifted} to {whole}")
    moved = f.let(f"shl {whole} {raw}, {spread_constant(whole, bits)}")
    biased = f.let(f"add {whole} {moved}, {spread_constant(whole, bias << bits)}")
    y = f.let(f"fmul {kind} {y}, {f.let(f'bitcast {whole} {biased} to {kind}')}")
    small = f.let(f"fcmp olt {kind} {x}, {spread_constant(kind, float(1 - bias))}")
    zero = spread_constant(kind, 0)
    return f.let(f"select <{lanes} x i1> {small}, {kind} {zero}, {kind} {y}")


def log2(f: Function, wide: DType, lanes: int, x: str) -> str:
    """Logarithm to base 2 of normal positive numbers; nan stays nan.

    x = 2^e m with m in [sqrt 1/2, sqrt 2], and the series of atanh((m - 1) / (m + 1)).
    """
    kind = vectors.register_type(wide, lanes)
    whole, bits = _integers(wide, lanes)
    bias, terms = (127, 6) if wide.itemsize == 4 else (1023, 12)
    one = spread_constant(kind, 1)
    raw = f.let(f"bitcast {kind} {x} to {whole}")
    root = 0x3504F3 if bits == 23 else 0x6A09E667F3BCD
    # Numbers whose fraction is above that of sqrt 2 are counted to the next power.
    step = spread_constant(whole, (1 << bits) - root)
    e = f.let(f"lshr {whole} {f.let(f'add {whole} {raw}, {step}')}, {spread_constant(whole, bits)}")
    e = f.let(f"sub {whole} {e}, {spread_constant(whole, bias)}")
    down = f.let(f"shl {whole} {e}, {spread_constant(whole, bits)}")
    m = f.let(f"bitcast {whole} {f.let(f'sub {whole} {raw}, {down}')} to {kind}")
    less, more = f.let(f"fsub {kind} {m}, {one}"), f.let(f"fadd {kind} {m}, {one}")
    z = f.let(f"fdiv {kind} {less}, {more}")
    square = f.let(f"fmul {kind} {z}, {z}")
    power = [spread_constant(kind, 2 / math.log(2) / (2 * k + 1)) for k in range(terms)]
    y = power[-1]
    for coefficient in reversed(power[:-1]):
        y = multiply_add(f, kind, y, square, coefficient)
    count = f.let(f"sitofp {whole} {e} to {kind}")
    y = multiply_add(f, kind, y, z, count)
    there = f.let(f"fcmp ord {kind} {x}, {x}")
    return f.let(f"select <{lanes} x i1> {there}, {kind} {y}, {kind} {x}")
