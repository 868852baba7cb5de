"""Elementwise transcendental functions and activations that are primitives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.ops.elementwise import ADD, DIV, LE, MUL, NEG, SUB, WHERE
from plait.core.ops.families import REAL, unary
from plait.core.ops.source import constant


def scaled(x: Any, factor: float) -> Any:
    """x * factor."""
    return MUL(x, constant(factor, x))


def square(x: Any) -> Any:
    """x * x."""
    return MUL(x, x)


def one_minus_square(x: Any) -> Any:
    """1 - x * x."""
    return SUB(constant(1, x), square(x))


EXP = unary("exp", np.exp, vjp=lambda g, y, x: MUL(g, y), saves=("y",), flops=15)
EXP2 = unary(
    "exp2", np.exp2, vjp=lambda g, y, x: MUL(g, scaled(y, math.log(2))), saves=("y",), flops=15
)
EXPM1 = unary(
    "expm1",
    np.expm1,
    vjp=lambda g, y, x: MUL(g, ADD(y, constant(1, y))),
    saves=("y",),
    flops=15,
)
LOG2 = unary(
    "log2",
    np.log2,
    vjp=lambda g, y, x: DIV(g, scaled(x, math.log(2))),
    saves=(0,),
    flops=15,
    domain=(0.2, 4.0),
)
LOG10 = unary(
    "log10",
    np.log10,
    vjp=lambda g, y, x: DIV(g, scaled(x, math.log(10))),
    saves=(0,),
    flops=15,
    domain=(0.2, 4.0),
)
LOG1P = unary(
    "log1p",
    np.log1p,
    vjp=lambda g, y, x: DIV(g, ADD(x, constant(1, x))),
    saves=(0,),
    flops=15,
    domain=(-0.7, 3.0),
)
SQRT = unary(
    "sqrt",
    np.sqrt,
    vjp=lambda g, y, x: DIV(g, scaled(y, 2.0)),
    saves=("y",),
    flops=4,
    domain=(0.2, 4.0),
)
RSQRT = unary(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    vjp=lambda g, y, x: scaled(MUL(g, MUL(y, MUL(y, y))), -0.5),
    saves=("y",),
    flops=5,
    domain=(0.2, 4.0),
)
RECIPROCAL = unary(
    "reciprocal",
    lambda x: 1 / x,
    vjp=lambda g, y, x: NEG(MUL(g, square(y))),
    saves=("y",),
    flops=4,
    domain=(0.3, 4.0),
)

SIN = unary("sin", np.sin, vjp=lambda g, y, x: MUL(g, COS(x)), saves=(0,), flops=15)
COS = unary("cos", np.cos, vjp=lambda g, y, x: NEG(MUL(g, SIN(x))), saves=(0,), flops=15)
TAN = unary(
    "tan",
    np.tan,
    vjp=lambda g, y, x: MUL(g, ADD(constant(1, y), square(y))),
    saves=("y",),
    flops=20,
    domain=(-1.2, 1.2),
)
ASIN = unary(
    "asin",
    np.arcsin,
    vjp=lambda g, y, x: MUL(g, RSQRT(one_minus_square(x))),
    saves=(0,),
    flops=25,
    domain=(-0.9, 0.9),
)
ACOS = unary(
    "acos",
    np.arccos,
    vjp=lambda g, y, x: NEG(MUL(g, RSQRT(one_minus_square(x)))),
    saves=(0,),
    flops=25,
    domain=(-0.9, 0.9),
)
ATAN = unary(
    "atan",
    np.arctan,
    vjp=lambda g, y, x: DIV(g, ADD(constant(1, x), square(x))),
    saves=(0,),
    flops=25,
)
SINH = unary("sinh", np.sinh, vjp=lambda g, y, x: MUL(g, COSH(x)), saves=(0,), flops=20)
COSH = unary("cosh", np.cosh, vjp=lambda g, y, x: MUL(g, SINH(x)), saves=(0,), flops=20)
TANH = unary(
    "tanh", np.tanh, vjp=lambda g, y, x: MUL(g, one_minus_square(y)), saves=("y",), flops=15
)
ASINH = unary(
    "asinh",
    np.arcsinh,
    vjp=lambda g, y, x: MUL(g, RSQRT(ADD(square(x), constant(1, x)))),
    saves=(0,),
    flops=25,
)


def _acosh_vjp(g: Any, y: Any, x: Any) -> Any:
    one = constant(1, x)
    if x.dtype.is_complex:  # where the root of the product is on another branch
        return MUL(g, MUL(RSQRT(SUB(x, one)), RSQRT(ADD(x, one))))
    return MUL(g, RSQRT(SUB(square(x), one)))


ACOSH = unary(
    "acosh",
    np.arccosh,
    vjp=_acosh_vjp,
    saves=(0,),
    flops=25,
    domain=(1.2, 4.0),
)
ATANH = unary(
    "atanh",
    np.arctanh,
    vjp=lambda g, y, x: DIV(g, one_minus_square(x)),
    saves=(0,),
    flops=25,
    domain=(-0.9, 0.9),
)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # Through exp of a non-positive number on either side: no overflow.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)


SIGMOID = unary(
    "sigmoid",
    _sigmoid,
    vjp=lambda g, y, x: MUL(g, MUL(y, SUB(constant(1, y), y))),
    saves=("y",),
    kinds=REAL,
    flops=18,
)
RELU = unary(
    "relu",
    lambda x: np.maximum(x, 0),
    vjp=lambda g, y, x: WHERE(LE(y, constant(0, y)), constant(0, g), g),
    saves=("y",),
    kinds="iuf",
)
