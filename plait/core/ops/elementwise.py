"""Elementwise primitives: arithmetic, comparisons, logic, selection, casts."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DivisionByZeroError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.families import (
    ANY,
    BITS,
    INTEGER,
    NUMBER,
    ORDERED,
    REAL,
    binary,
    comparison,
    contiguous,
    require_kind,
    require_same_dtype,
    require_same_shape,
    unary,
)
from plait.core.ops.source import constant

# -- casts ------------------------------------------------------------------------------------


def _infer_cast(x: Any, *, dtype: Any) -> tuple[Any, Any]:
    """The same values in another dtype; floats to integers truncate."""
    return x.shape, dtype


def _cast(x: np.ndarray, *, dtype: Any) -> np.ndarray:
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = np.real(x)
    if dtype.kind in "iu" and x.dtype.kind not in "biu":
        # x86-64 converts to 32 or 64 bits: what does not fit them becomes the least integer, and
        # narrower types keep its low bits.
        wide = np.int64 if dtype.itemsize == 8 else np.int32
        whole = np.trunc(x.astype(np.float64))
        limit = -float(np.iinfo(wide).min)
        fits = (whole >= -limit) & (whole < limit)
        return np.where(fits, whole, -limit).astype(wide).astype(dtype.numpy)
    return x.astype(dtype.numpy)


def _cast_vjp(g: Any, y: Any, x: Any, *, dtype: Any) -> Any:
    return cast(g, x.dtype) if x.dtype.is_differentiable else None


CAST = Op(
    "cast",
    infer=_infer_cast,
    lowering=Lowering.ELEMENTWISE,
    reference=_cast,
    vjp=_cast_vjp,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def cast(x: Any, dtype: Any) -> Any:
    """`x` in another dtype; `x` itself where it has it already."""
    return x if x.dtype is dtype else CAST(x, dtype=dtype)


ALIAS = unary("alias", lambda x: x, vjp=lambda g, y, x: g, kinds=ANY)
#: The value, for what comes after a constant: where graphs are differentiated and not tensors.
DETACH = unary("detach", lambda x: x, kinds=ANY)

# -- arithmetic -------------------------------------------------------------------------------

ADD = binary("add", np.add, vjp=lambda g, y, a, b: (g, g), kinds=ANY)
SUB = binary("sub", np.subtract, vjp=lambda g, y, a, b: (g, NEG(g)))
MUL = binary(
    "mul",
    np.multiply,
    vjp=lambda g, y, a, b: (MUL(g, b), MUL(g, a)),
    saves=(0, 1),
    reads=((1,), (0,)),
    kinds=ANY,
)
DIV = binary(
    "div",
    np.divide,
    vjp=lambda g, y, a, b: (DIV(g, b), NEG(MUL(g, DIV(DIV(a, b), b)))),
    saves=(0, 1),
    reads=((1,), (0, 1)),
    kinds="fc",
    flops=4,
)


def _no_zero_divisor(a: Any, b: np.ndarray) -> None:
    if b.dtype.kind in "iu" and b.size and not b.all():
        # PyTorch's first word, and a type that both dialects' users catch.
        raise DivisionByZeroError(
            "ZeroDivisionError: integer division or remainder by zero (divisor of dtype "
            f"{b.dtype.name} and shape {list(b.shape)})"
        )


def _trunc_div(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "f":
        return np.trunc(np.divide(a, b))
    quotient = np.floor_divide(a, b)
    inexact = np.remainder(a, b) != 0
    return quotient + (inexact & ((a < 0) != (b < 0))).astype(a.dtype)


def _floor_div(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind != "f":
        return np.floor_divide(a, b)
    quotient = np.floor_divide(a, b)
    # NumPy gives nan for a finite number over zero; C and PyTorch give the infinity.
    return np.where(b == 0, np.divide(a, b), quotient)


def _flat(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """The rule of a step function."""
    return constant(0, a), constant(0, b)


FLOOR_DIV = binary(
    "floor_div", _floor_div, vjp=_flat, kinds="iuf", check=_no_zero_divisor, checks=(1,), flops=4
)
TRUNC_DIV = binary(
    "trunc_div", _trunc_div, vjp=_flat, kinds="iuf", check=_no_zero_divisor, checks=(1,), flops=4
)


def _remainder(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind != "f":
        return np.remainder(a, b)
    # As in C: an exact quotient leaves a zero with the sign of a, where NumPy gives that of b.
    rest = np.fmod(a, b)
    return np.where((rest != 0) & ((b < 0) != (rest < 0)), rest + b, rest)


REMAINDER = binary(
    "remainder",
    _remainder,
    vjp=lambda g, y, a, b: (g, NEG(MUL(g, FLOOR_DIV(a, b)))),
    saves=(0, 1),
    kinds="iuf",
    check=_no_zero_divisor,
    checks=(1,),
    flops=4,
)
FMOD = binary(
    "fmod",
    np.fmod,
    vjp=lambda g, y, a, b: (g, NEG(MUL(g, TRUNC_DIV(a, b)))),
    saves=(0, 1),
    kinds="iuf",
    check=_no_zero_divisor,
    checks=(1,),
    flops=4,
)


def _power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind in "iu" and b.dtype.kind == "i":
        # A negative integer power truncates to 0, save for the bases 1 and -1.
        power = np.power(a, np.maximum(b, 0))
        flips = np.where(b % 2 == 0, 1, a)
        units = np.where(np.abs(a) == 1, flips, 0)
        return np.where(b < 0, units, power).astype(a.dtype)
    return np.power(contiguous(a), contiguous(b))


def _pow_vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    # d/da = b a^(b-1), and 0 where b is 0; d/db = a^b log a, and 0 where a is 0 and b >= 0.
    one, zero = constant(1, a), constant(0, a)
    slope = MUL(b, POW(a, SUB(b, one)))
    grad_a = MUL(g, WHERE(EQ(b, zero), zero, slope))
    real = dtypes.real_of(b.dtype)
    at_zero = AND(EQ(a, zero), GE(cast(b, real), cast(zero, real)))
    # a^b anew: were the result read, a program could not write to it in place.
    grad_b = WHERE(at_zero, zero, MUL(g, MUL(POW(a, b), LOG(WHERE(at_zero, one, a)))))
    return grad_a, grad_b


POW = binary("pow", _power, vjp=_pow_vjp, saves=(0, 1), flops=20, domain=(0.3, 2.5))


def _extremum_vjp(loses: Any) -> Any:
    """The winner takes the gradient, equals share it, both take it at a nan, as in PyTorch."""

    def vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
        half, zero = MUL(g, constant(0.5, g)), constant(0, g)
        tie = EQ(a, b)
        return (
            WHERE(tie, half, WHERE(loses(a, b), zero, g)),
            WHERE(tie, half, WHERE(loses(b, a), zero, g)),
        )

    return vjp


MAXIMUM = binary(
    "maximum",
    np.maximum,
    vjp=_extremum_vjp(lambda a, b: LT(a, b)),
    saves=(0, 1),
    kinds=ORDERED,
)
MINIMUM = binary(
    "minimum",
    np.minimum,
    vjp=_extremum_vjp(lambda a, b: GT(a, b)),
    saves=(0, 1),
    kinds=ORDERED,
)


def _atan2_vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    # At the origin the angle has no slope; PyTorch takes 0.
    norm = ADD(MUL(a, a), MUL(b, b))
    zero = constant(0, g)
    scaled = WHERE(EQ(norm, zero), zero, DIV(g, norm))
    return MUL(scaled, b), NEG(MUL(scaled, a))


ATAN2 = binary(
    "atan2",
    lambda a, b: np.arctan2(contiguous(a), contiguous(b)),
    vjp=_atan2_vjp,
    saves=(0, 1),
    kinds=REAL,
    flops=30,
)

NEG = unary("neg", np.negative, vjp=lambda g, y, x: NEG(g), kinds=NUMBER)
ABS = unary("abs", np.abs, vjp=lambda g, y, x: MUL(g, SIGN(x)), saves=(0,), kinds="iuf")


def _sign(x: np.ndarray) -> np.ndarray:
    # The sign of a nan is 0, as in PyTorch; NumPy gives nan.
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


SIGN = unary("sign", _sign, vjp=lambda g, y, x: constant(0, x), kinds="iuf")
FLOOR = unary("floor", np.floor, vjp=lambda g, y, x: constant(0, x), kinds=REAL)
CEIL = unary("ceil", np.ceil, vjp=lambda g, y, x: constant(0, x), kinds=REAL)
ROUND = unary("round", np.rint, vjp=lambda g, y, x: constant(0, x), kinds=REAL)
TRUNC = unary("trunc", np.trunc, vjp=lambda g, y, x: constant(0, x), kinds=REAL)

# -- comparisons, logic, selection ------------------------------------------------------------

EQ = comparison("eq", np.equal, kinds=ANY)
NE = comparison("ne", np.not_equal, kinds=ANY)
LT = comparison("lt", np.less)
LE = comparison("le", np.less_equal)
GT = comparison("gt", np.greater)
GE = comparison("ge", np.greater_equal)

AND = binary("and", np.bitwise_and, kinds=BITS)
GCD = binary("gcd", np.gcd, kinds=INTEGER, flops=20)
OR = binary("or", np.bitwise_or, kinds=BITS)
XOR = binary("xor", np.bitwise_xor, kinds=BITS)
NOT = unary("not", np.invert, kinds=BITS)


def _shift(shift: Any) -> Any:
    def reference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        # A shift by less than 0, or by the width or more, is undefined in C; here, as in PyTorch,
        # it shifts every bit out.
        bits = a.dtype.itemsize * 8
        gone = -1 if shift is np.right_shift and a.dtype.kind == "i" else 0
        inside = shift(a, np.clip(b, 0, bits - 1))
        return np.where((b >= 0) & (b < bits), inside, np.where(a < 0, gone, 0)).astype(a.dtype)

    return reference


SHIFT_LEFT = binary("shift_left", _shift(np.left_shift), kinds=INTEGER)
SHIFT_RIGHT = binary("shift_right", _shift(np.right_shift), kinds=INTEGER)

ISNAN = unary("isnan", np.isnan, result=dtypes.bool_)
ISINF = unary("isinf", np.isinf, result=dtypes.bool_)
ISFINITE = unary("isfinite", np.isfinite, result=dtypes.bool_)


def _infer_where(condition: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """`a` where the condition holds, else `b`."""
    require_same_shape("where", condition, a, b)
    require_kind("where: condition", condition.dtype, "b")
    require_same_dtype("where", a, b)
    return a.shape, a.dtype


def _where_vjp(g: Any, y: Any, condition: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    zero = constant(0, g)
    return None, WHERE(condition, g, zero), WHERE(condition, zero, g)


WHERE = Op(
    "where",
    infer=_infer_where,
    lowering=Lowering.ELEMENTWISE,
    reference=np.where,
    vjp=_where_vjp,
    saves=(0,),
    flops=lambda c, a, b: elements(a.shape),
    moves_only=True,
    dtypes=dtypes.COMMON,
)

# LOG is needed by the rule of POW; the rest of the transcendental functions are in `math`.
LOG = unary("log", np.log, vjp=lambda g, y, x: DIV(g, x), saves=(0,), flops=15, domain=(0.2, 4.0))
