"""The logistic function and tanh on vectors, for the gates of recurrent cells.

Both go through one exponential: x = n ln 2 + r with |r| <= ln 2 / 2, and the Taylor polynomial of
exp(r) - 1, whose remainder is below half a unit in the last place there (Muller, *Elementary
Functions*, ch. 11). Results are within 4 units in the last place; nan stays nan.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from plait.core.codegen.brgemm import multiply_add
from plait.core.codegen.text import Function, spread_constant


class _Format(NamedTuple):
    """An IEEE format: its integer type, bits of the mantissa, bias of the exponent.

    degree: of the polynomial. ln2_high has so many zeros at its end that n * ln2_high is exact.
    most: the largest argument of exp without overflow. flat: where tanh is 1 in this format.
    """

    word: str
    mantissa: int
    bias: int
    degree: int
    ln2_high: float
    ln2_low: float
    most: float
    flat: float


_FORMATS = {
    "float": _Format("i32", 23, 127, 7, 0.693359375, -2.12194440054690583e-4, 87.0, 10.0),
    "double": _Format(
        "i64", 52, 1023, 13, 0.693147180369123816490, 1.90821492927058770002e-10, 708.0, 20.0
    ),
}


def _element(kind: str) -> str:
    return kind if kind[0] != "<" else kind[1:-1].split(" x ")[1]


def _words(kind: str, word: str) -> str:
    """The integer type with as many lanes as `kind`."""
    return word if kind[0] != "<" else f"<{kind[1:-1].split(' x ')[0]} x {word}>"


def _truths(kind: str) -> str:
    return _words(kind, "i1")


def _bounded(f: Function, kind: str, x: str, low: float, high: float) -> str:
    """x between two bounds; nan stays nan."""
    for compare, bound in (("ogt", high), ("olt", low)):
        limit = spread_constant(kind, bound)
        beyond = f.let(f"fcmp {compare} {kind} {x}, {limit}")
        x = f.let(f"select {_truths(kind)} {beyond}, {kind} {limit}, {kind} {x}")
    return x


def _power(f: Function, kind: str, x: str) -> tuple[str, str]:
    """(2^n, exp(r) - 1) with x = n ln 2 + r, for |x| <= `most`."""
    form = _FORMATS[_element(kind)]

    def const(value: float) -> str:
        return spread_constant(kind, value)

    # Adding this number leaves n, rounded to nearest, in the lowest bits of the mantissa.
    shift = 1.5 * 2.0**form.mantissa
    shifted = multiply_add(f, kind, x, const(1 / math.log(2)), const(shift))
    n = f.let(f"fsub {kind} {shifted}, {const(shift)}")
    r = multiply_add(f, kind, n, const(-form.ln2_high), x)
    r = multiply_add(f, kind, n, const(-form.ln2_low), r)
    y = const(1 / math.factorial(form.degree))
    for power in range(form.degree - 1, 0, -1):
        y = multiply_add(f, kind, y, r, const(1 / math.factorial(power)))
    less_one = f.let(f"fmul {kind} {y}, {r}")
    words = _words(kind, form.word)
    bits = f.let(f"bitcast {kind} {shifted} to {words}")
    biased = f.let(f"add {words} {bits}, {spread_constant(words, form.bias)}")
    placed = f.let(f"shl {words} {biased}, {spread_constant(words, form.mantissa)}")
    return f.let(f"bitcast {words} {placed} to {kind}"), less_one


def sigmoid(f: Function, kind: str, x: str) -> str:
    """1 / (1 + exp(-x)); `kind` is "float", "double" or a vector of them."""
    form = _FORMATS[_element(kind)]
    one = spread_constant(kind, 1)
    # Beyond the bounds the result is 1, or too small to matter beside any other gate.
    x = _bounded(f, kind, f.let(f"fneg {kind} {x}"), -form.most, form.most)
    scale, less_one = _power(f, kind, x)
    grown = multiply_add(f, kind, scale, less_one, scale)
    return f.let(f"fdiv {kind} {one}, {f.let(f'fadd {kind} {one}, {grown}')}")


def tanh(f: Function, kind: str, x: str) -> str:
    """-expm1(-2 |x|) / (2 + expm1(-2 |x|)), with the sign of x."""
    form = _FORMATS[_element(kind)]
    stem = kind if kind[0] != "<" else "v" + kind[1:-1].replace(" x ", "")
    suffix = stem.replace("float", "f32").replace("double", "f64")
    size = f.call(kind, f"llvm.fabs.{suffix}", (kind, x))
    size = _bounded(f, kind, size, 0, form.flat)
    scale, less_one = _power(f, kind, f.let(f"fmul {kind} {size}, {spread_constant(kind, -2)}"))
    fall = f.let(f"fsub {kind} {scale}, {spread_constant(kind, 1)}")
    fall = multiply_add(f, kind, scale, less_one, fall)
    below = f.let(f"fadd {kind} {fall}, {spread_constant(kind, 2)}")
    y = f.let(f"fdiv {kind} {f.let(f'fneg {kind} {fall}')}, {below}")
    return f.call(kind, f"llvm.copysign.{suffix}", (kind, y), (kind, x))
