"""Composites of two operands: lengths and logarithms of sums, with PyTorch's slopes.

Their values are computed so that nothing overflows on the way; the slopes are those of the formula,
which is undefined where PyTorch's is: the length at the origin, the logarithm of equal infinities.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import (
    ABS,
    ADD,
    DIV,
    EQ,
    ISNAN,
    LOG,
    MAXIMUM,
    MINIMUM,
    MUL,
    NEG,
    OR,
    SUB,
    WHERE,
    cast,
)
from plait.core.ops.families import (
    REAL,
    contiguous,
    require_kind,
    require_same_dtype,
    require_same_shape,
)
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import EXP, EXP2, LOG1P, SIGMOID, SQRT, scaled
from plait.core.ops.rows import widen
from plait.core.ops.source import constant


def _pair(
    name: str,
    doc: str,
    *,
    reference: Callable[..., Any],
    body: Callable[..., Any],
    slopes: Callable[..., Any],
    saves: tuple[int | str, ...],
    flops: int,
) -> Op:
    """`body` and `slopes` see float32 for 16 bits, so that a result is rounded once."""

    def infer(a: Any, b: Any) -> tuple[Any, Any]:
        require_same_dtype(name, a, b)
        require_same_shape(name, a, b)
        require_kind(name, a.dtype, REAL)
        return a.shape, a.dtype

    def vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
        made = slopes(widen(g), widen(y), widen(a), widen(b))
        return cast(made[0], a.dtype), cast(made[1], a.dtype)

    return Op(
        name,
        infer=infer,
        lowering=Lowering.ELEMENTWISE,
        reference=lambda a, b: reference(contiguous(a), contiguous(b)),
        body=lambda a, b: cast(body(widen(a), widen(b)), a.dtype),
        vjp=vjp,
        saves=saves,
        flops=lambda a, b: flops * elements(a.shape),
        dtypes=dtypes_of_kinds(REAL),
        doc=doc,
    )


def _infinite(x: Any) -> Any:
    return EQ(ABS(x), constant(math.inf, x))


def _hypot_body(a: Any, b: Any) -> Any:
    zero, one, top = constant(0, a), constant(1, a), constant(math.inf, a)
    first, second = ABS(a), ABS(b)
    large, small = MAXIMUM(first, second), MINIMUM(first, second)
    # Where the larger is 0 or infinite, their quotient would be nan.
    plain = OR(EQ(large, zero), EQ(large, top))
    ratio = DIV(WHERE(plain, zero, small), WHERE(plain, one, large))
    length = MUL(large, SQRT(ADD(MUL(ratio, ratio), one)))
    return WHERE(OR(EQ(first, top), EQ(second, top)), top, length)


HYPOT = _pair(
    "hypot",
    "sqrt(a^2 + b^2), scaled against overflow; infinite where an operand is, nan or not.",
    reference=np.hypot,
    body=_hypot_body,
    slopes=lambda g, y, a, b: (MUL(g, DIV(a, y)), MUL(g, DIV(b, y))),
    saves=(0, 1, "y"),
    flops=12,
)


def _logaddexp_body(a: Any, b: Any) -> Any:
    top = MAXIMUM(a, b)
    finite = WHERE(OR(_infinite(top), ISNAN(top)), constant(0, a), top)
    return ADD(finite, LOG(ADD(EXP(SUB(a, finite)), EXP(SUB(b, finite)))))


def _shares(scale: float) -> Callable[..., Any]:
    """The gradient is dealt out as e^(scale a) to e^(scale b)."""

    def slopes(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
        lead = SUB(a, b)
        lead = lead if scale == 1 else scaled(lead, scale)
        return MUL(g, SIGMOID(lead)), MUL(g, SIGMOID(NEG(lead)))

    return slopes


LOGADDEXP = _pair(
    "logaddexp",
    "log(e^a + e^b) without overflow.",
    reference=np.logaddexp,
    body=_logaddexp_body,
    slopes=_shares(1.0),
    saves=(0, 1),
    flops=50,
)


def _logaddexp2_body(a: Any, b: Any) -> Any:
    top = MAXIMUM(a, b)
    zero = constant(0, a)
    alike = OR(EQ(a, b), ISNAN(top))
    rest = WHERE(alike, zero, SUB(MINIMUM(a, b), top))
    return ADD(top, scaled(LOG1P(EXP2(rest)), 1 / math.log(2)))


LOGADDEXP2 = _pair(
    "logaddexp2",
    "log2(2^a + 2^b) without overflow.",
    reference=np.logaddexp2,
    body=_logaddexp2_body,
    slopes=_shares(math.log(2)),
    saves=(0, 1),
    flops=40,
)
