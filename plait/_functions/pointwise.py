"""Elementwise functions: arithmetic, comparison, logic, rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from plait._functions.common import both_operands, operand, public, tensor_argument
from plait._promotion import float_result, number_dtype, promote_types, result_type
from plait._tensor import Tensor
from plait.core.functional.broadcasting import Number, elementwise
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.ir.op import Op
from plait.core.ops import elementwise as prim
from plait.core.ops import math as pmath
from plait.core.ops.complex_parts import CONJ
from plait.core.ops.elementwise import cast
from plait.core.ops.source import full


def apply(op: Op, dtype: DType, *operands: Any) -> Any:
    """An elementwise op on operands converted to one dtype."""
    return elementwise(op, operands, [dtype] * len(operands))


def promoted(op: Op, input: Any, other: Any) -> Any:
    """A binary op in the operands' common dtype."""
    input, other = both_operands(op.name, input, other)
    return apply(op, result_type(input, other), input, other)


def _is_bool(x: Any) -> bool:
    return isinstance(x, bool) if isinstance(x, Number) else x.dtype.kind == "b"


def without_slope(value: Tensor, *sources: Any) -> Tensor:
    """`value`, a gradient of 0 flowing from it to `sources` (of shapes that broadcast to its own).

    For results that do not change with an argument, where PyTorch gives zeros and not None.
    """
    for source in sources:
        if isinstance(source, Tensor) and source.requires_grad:
            never = Tensor.of_node(full(False, value._shape, dtypes.bool_))
            value = where(never, source, value)
    return value


# -- arithmetic -------------------------------------------------------------------------------


def _scaled_by(name: str, value: Any, alpha: Any, dtype: DType) -> Any:
    if alpha == 1:
        return value
    if isinstance(alpha, float) and dtype.kind in "biu":
        raise error(
            RuntimeError,
            f"{name}: For integral input tensors, argument alpha must not be a floating point "
            f"number, received alpha={alpha}",
        )
    return value * alpha if isinstance(value, Number) else apply(prim.MUL, dtype, value, alpha)


@public(inplace=True, pure=True)
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    input, other = both_operands("add", input, other)
    dtype = result_type(input, other)
    other = _scaled_by("add", other, alpha, dtype)
    return apply(prim.OR if dtype.kind == "b" else prim.ADD, dtype, input, other)


@public(inplace=True, names=("subtract",), pure=True)
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other."""
    input, other = both_operands("sub", input, other)
    dtype = result_type(input, other)
    if any(_is_bool(x) for x in (input, other)):
        raise error(
            RuntimeError,
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead. (in sub)",
        )
    return apply(prim.SUB, dtype, input, _scaled_by("sub", other, alpha, dtype))


@public(pure=True)
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * input."""
    tensor_argument("rsub", "input", input)
    return sub(other, input, alpha=alpha)


@public(inplace=True, names=("multiply",), pure=True)
def mul(input: Any, other: Any) -> Tensor:
    """input * other."""
    input, other = both_operands("mul", input, other)
    dtype = result_type(input, other)
    return apply(prim.AND if dtype.kind == "b" else prim.MUL, dtype, input, other)


@public(inplace=True, names=("divide",), pure=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounding_mode "trunc" or "floor" rounds the quotient."""
    input, other = both_operands("div", input, other)
    if rounding_mode is None:
        return apply(prim.DIV, float_result(input, other), input, other)
    if rounding_mode == "trunc":
        return apply(prim.TRUNC_DIV, result_type(input, other), input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    raise error(
        RuntimeError,
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'",
    )


@public(inplace=True, pure=True)
def true_divide(input: Any, other: Any) -> Tensor:
    """input / other, always floating."""
    return div(input, other)


@public(inplace=True, pure=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """floor(input / other)."""
    return promoted(prim.FLOOR_DIV, input, other)


@public(inplace=True, pure=True)
def remainder(input: Any, other: Any) -> Tensor:
    """input - floor(input / other) * other: the sign of `other`, as in Python."""
    return promoted(prim.REMAINDER, input, other)


@public(inplace=True)
def fmod(input: Any, other: Any) -> Tensor:
    """input - trunc(input / other) * other: the sign of `input`, as in C."""
    return promoted(prim.FMOD, input, other)


@public(inplace=True, pure=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent."""
    input, exponent = both_operands("pow", input, exponent)
    dtype = result_type(input, exponent)
    if isinstance(exponent, Number) and not isinstance(exponent, complex):
        if dtype.kind in "iu" and exponent < 0:
            raise error(RuntimeError, "Integers to negative integer powers are not allowed.")
        if exponent == 2:
            value = cast(input, dtype)
            return prim.MUL(value, value)
        if exponent == 1:
            return prim.ALIAS(cast(input, dtype))
        if dtype.kind == "f":
            simple = {0.5: pmath.SQRT, -0.5: pmath.RSQRT, -1: pmath.RECIPROCAL}.get(exponent)
            if simple is not None:
                return simple(cast(input, dtype))
    return apply(prim.POW, dtype, input, exponent)


@public
def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent in double precision."""
    input, exponent = both_operands("float_power", input, exponent)
    real = result_type(input, exponent).kind != "c"
    return apply(prim.POW, dtypes.float64 if real else dtypes.complex128, input, exponent)


@public(inplace=True, pure=True)
def square(input: Tensor) -> Tensor:
    """input * input; of bools as int64."""
    value = cast(input, dtypes.int64) if input.dtype.kind == "b" else input
    return prim.MUL(value, value)


@public(inplace=True, names=("negative",), pure=True)
def neg(input: Tensor) -> Tensor:
    """-input."""
    if input.dtype.kind == "b":
        raise error(
            RuntimeError,
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead. (in neg)",
        )
    return prim.NEG(input)


@public
def positive(input: Tensor) -> Tensor:
    """input itself."""
    if input.dtype.kind == "b":
        raise error(RuntimeError, "The `+` operator, on a bool tensor is not supported.")
    return input


@public(inplace=True, names=("absolute",), pure=True)
def abs(input: Tensor) -> Tensor:
    """The absolute value; of complex numbers their size, which is real."""
    if input.dtype.is_complex:
        from plait._functions.conjugation import modulus  # it builds on this module

        return modulus(input)
    return input if input.dtype.kind == "b" else prim.ABS(input)


def conjugate(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor itself."""
    return CONJ(input) if input.dtype.is_complex else input


@public(inplace=True, pure=True)
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1; nan stays nan."""
    return input if input.dtype.kind == "b" else prim.SIGN(input)


@public(inplace=True)
def sgn(input: Tensor) -> Tensor:
    """The sign; complex numbers scaled to size 1, and 0."""
    if input.dtype.is_complex:
        from plait._functions.conjugation import direction  # it builds on this module

        return direction(input)
    return sign(input)


@public(inplace=True, pure=True)
def addcmul(input: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    return add(input, mul(tensor1, tensor2), alpha=value)


@public(inplace=True, pure=True)
def addcdiv(input: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    return add(input, div(tensor1, tensor2), alpha=value)


@public(inplace=True, pure=True)
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input); from the nearer end for accuracy, as PyTorch does."""
    difference = sub(end, input)
    if isinstance(weight, (bool, int, float)):
        if weight < 0.5:
            return add(input, mul(difference, weight))
        return sub(end, mul(difference, 1 - weight))
    near = add(input, mul(weight, difference))
    far = sub(end, mul(difference, rsub(weight, 1)))
    return where(lt(abs(weight), 0.5), near, far)


# -- comparison -------------------------------------------------------------------------------


def _comparison(name: str, op: Op, aliases: tuple[str, ...] = ()) -> Callable[..., Tensor]:
    def compare(input: Any, other: Any) -> Tensor:
        if isinstance(input, Number):
            tensor_argument(name, "input", input)
        return promoted(op, input, other)

    compare.__name__ = name
    compare.__doc__ = f"Elementwise `{name}`, in the operands' common dtype; bool result."
    return public(compare, inplace=True, names=aliases)


eq = _comparison("eq", prim.EQ)
ne = _comparison("ne", prim.NE, ("not_equal",))
lt = _comparison("lt", prim.LT, ("less",))
le = _comparison("le", prim.LE, ("less_equal",))
gt = _comparison("gt", prim.GT, ("greater",))
ge = _comparison("ge", prim.GE, ("greater_equal",))


@public
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and values."""
    tensor_argument("equal", "other", other)
    if input.shape != other.shape:
        return False
    return bool(eq(input, other).all().item())


@public
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """|input - other| <= atol + rtol * |other|."""
    if input.dtype is not other.dtype:
        raise error(RuntimeError, f"{input.dtype} did not match {other.dtype} in isclose")
    for name, bound in (("rtol", rtol), ("atol", atol)):
        if bound < 0:
            raise error(
                RuntimeError, f"{name} must be greater than or equal to zero, but got {bound}"
            )
    close = eq(input, other)
    if equal_nan and input.dtype.kind in "fc":
        close = logical_or(close, logical_and(isnan(input), isnan(other)))
    if input.dtype.kind == "b":
        return close
    bound = add(mul(abs(other), rtol), atol)
    near = le(abs(sub(input, other)), bound)
    finite = isfinite(other) if other.dtype.kind in "fc" else None
    return logical_or(close, near if finite is None else logical_and(near, finite))


@public
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close (see `isclose`)."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


@public(pure=True)
def maximum(input: Any, other: Any) -> Tensor:
    """The larger of each pair; nan wins."""
    return promoted(prim.MAXIMUM, input, other)


@public(pure=True)
def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of each pair; nan wins."""
    return promoted(prim.MINIMUM, input, other)


@public
def fmax(input: Any, other: Any) -> Tensor:
    """The larger of each pair; a number wins over nan."""
    tensor_argument("fmax", "other", other)
    best = maximum(input, other)
    if best.dtype.kind != "f":
        return best
    return where(logical_or(ge(input, other), isnan(other)), input, other)


@public
def fmin(input: Any, other: Any) -> Tensor:
    """The smaller of each pair; a number wins over nan."""
    tensor_argument("fmin", "other", other)
    best = minimum(input, other)
    if best.dtype.kind != "f":
        return best
    return where(logical_or(le(input, other), isnan(other)), input, other)


@public(inplace=True, names=("clip",), pure=True)
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit to [min, max]; numbers or tensors."""
    if min is None and max is None:
        raise error(RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None")
    bounds = [operand("clamp", "bound", b) for b in (min, max) if b is not None]
    dtype = result_type(input, *bounds)
    value: Any = cast(input, dtype)
    # Numbers: the gradient passes on the bounds too, as in PyTorch.
    if all(isinstance(b, Number) for b in bounds):
        return _clamp_numbers(value, min, max)
    if min is not None:
        value = _clamp_tensor(value, min, dtype, lower=True)
    return value if max is None else _clamp_tensor(value, max, dtype, lower=False)


def _clamp_numbers(value: Tensor, low: Any, high: Any) -> Tensor:
    result = value
    if low is not None and high is not None and low > high:
        low = high
    if low is not None:
        result = where(lt(value, low), low, result)
    return result if high is None else where(gt(value, high), high, result)


def _clamp_tensor(value: Tensor, bound: Any, dtype: DType, lower: bool) -> Tensor:
    if isinstance(bound, Number):
        return _clamp_numbers(value, bound if lower else None, None if lower else bound)
    bound = cast(bound, dtype)
    beyond = lt(value, bound) if lower else gt(value, bound)
    return where(logical_or(beyond, isnan(bound)) if dtype.kind == "f" else beyond, bound, value)


@public(inplace=True, pure=True)
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Limit from below."""
    return clamp(input, min=min)


@public(inplace=True, pure=True)
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Limit from above."""
    return clamp(input, max=max)


# -- selection, logic, bits -------------------------------------------------------------------


@public
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where condition holds, else other; with one argument, the indices that hold."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    tensor_argument("where", "condition", condition)
    if condition.dtype.kind != "b":
        if condition.dtype is not dtypes.uint8:
            raise error(
                RuntimeError,
                f"where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{condition.dtype}",
            )
        condition = ne(condition, 0)
    input, other = operand("where", "input", input), operand("where", "other", other)
    dtype = _where_dtype(input, other)
    return elementwise(prim.WHERE, (condition, input, other), (dtypes.bool_, dtype, dtype))


def _where_dtype(input: Any, other: Any) -> DType:
    if isinstance(input, Number) and isinstance(other, Number):
        return promote_types(number_dtype(input), number_dtype(other))
    return result_type(input, other)


def _truth(value: Any) -> Any:
    if isinstance(value, Number):
        return bool(value)
    return value if value.dtype.kind == "b" else ne(value, 0)


def _logical(name: str, op: Op) -> Callable[..., Tensor]:
    def logical(input: Any, other: Any) -> Tensor:
        input, other = both_operands(name, input, other)
        return apply(op, dtypes.bool_, _truth(input), _truth(other))

    logical.__name__ = name
    logical.__doc__ = f"Elementwise `{name}` of truth values."
    return public(logical, inplace=True)


logical_and = _logical("logical_and", prim.AND)
logical_or = _logical("logical_or", prim.OR)
logical_xor = _logical("logical_xor", prim.XOR)


@public(inplace=True)
def logical_not(input: Tensor) -> Tensor:
    """The negated truth value."""
    return prim.NOT(_truth(input))


def _bitwise(name: str, op: Op) -> Callable[..., Tensor]:
    def bitwise(input: Any, other: Any) -> Tensor:
        input, other = both_operands(name, input, other)
        dtype = result_type(input, other)
        if dtype.kind == "f":
            raise error(
                RuntimeError, f"{name}: '{dtype.name}' is not supported; expected integers or bool"
            )
        return apply(op, dtype, input, other)

    bitwise.__name__ = name
    bitwise.__doc__ = f"Elementwise `{name}` of integers or bools."
    return public(bitwise, inplace=True)


bitwise_and = _bitwise("bitwise_and", prim.AND)
bitwise_or = _bitwise("bitwise_or", prim.OR)
bitwise_xor = _bitwise("bitwise_xor", prim.XOR)
bitwise_left_shift = _bitwise("bitwise_left_shift", prim.SHIFT_LEFT)
bitwise_right_shift = _bitwise("bitwise_right_shift", prim.SHIFT_RIGHT)


@public(inplace=True)
def bitwise_not(input: Tensor) -> Tensor:
    """The inverted bits; of bools, the negation."""
    return prim.NOT(input)


def _float_test(name: str, op: Op, whole: bool) -> Callable[..., Tensor]:
    def test(input: Tensor) -> Tensor:
        if input.dtype.kind in "fc":
            return op(input)
        return apply(prim.EQ if whole else prim.NE, input.dtype, input, input)

    test.__name__ = name
    test.__doc__ = f"Elementwise `{name}`."
    return public(test)


isnan = _float_test("isnan", prim.ISNAN, False)
isinf = _float_test("isinf", prim.ISINF, False)
isfinite = _float_test("isfinite", prim.ISFINITE, True)


@public
def isposinf(input: Tensor) -> Tensor:
    """Whether an element is +inf."""
    return eq(input, math.inf)


@public
def isneginf(input: Tensor) -> Tensor:
    """Whether an element is -inf."""
    return eq(input, -math.inf)


@public(inplace=True)
def nan_to_num(
    input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Replace nan and the infinities by finite numbers (the dtype's extremes by default)."""
    if input.dtype.kind != "f":
        return input
    from plait._types import finfo

    limits = finfo(input.dtype)
    value = where(isnan(input), 0.0 if nan is None else nan, input)
    value = where(isposinf(input), limits.max if posinf is None else posinf, value)
    return where(isneginf(input), limits.min if neginf is None else neginf, value)


# -- rounding ---------------------------------------------------------------------------------


def _rounding(name: str, op: Op, aliases: tuple[str, ...] = ()) -> Callable[..., Tensor]:
    def rounding(input: Tensor) -> Tensor:
        return input if input.dtype.kind in "biu" else op(input)

    rounding.__name__ = name
    rounding.__doc__ = f"Elementwise `{name}`; integers are unchanged."
    return public(rounding, inplace=True, names=aliases)


floor = _rounding("floor", prim.FLOOR)
ceil = _rounding("ceil", prim.CEIL)
trunc = _rounding("trunc", prim.TRUNC, ("fix",))


@public(inplace=True)
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest integer, halves to even; `decimals` as in Python's round."""
    if input.dtype.kind in "biu":
        return input
    if decimals == 0:
        return prim.ROUND(input)
    scale = 10.0 ** math.fabs(decimals)
    if decimals > 0:
        return div(prim.ROUND(mul(input, scale)), scale)
    return mul(prim.ROUND(div(input, scale)), scale)


@public(inplace=True)
def frac(input: Tensor) -> Tensor:
    """The fractional part, with the sign of the input."""
    return sub(input, trunc(input))


# -- transcendental ---------------------------------------------------------------------------


def _floating(name: str, op: Op, aliases: tuple[str, ...] = ()) -> Callable[..., Tensor]:
    def function(input: Tensor) -> Tensor:
        tensor_argument(name, "input", input)
        return op(cast(input, float_result(input)))

    function.__name__ = name
    function.__doc__ = f"Elementwise `{name}`; integers are converted to the default float dtype."
    return public(function, inplace=True, names=aliases, pure=True)


exp = _floating("exp", pmath.EXP)
exp2 = _floating("exp2", pmath.EXP2)
expm1 = _floating("expm1", pmath.EXPM1)
log = _floating("log", prim.LOG)
log2 = _floating("log2", pmath.LOG2)
log10 = _floating("log10", pmath.LOG10)
log1p = _floating("log1p", pmath.LOG1P)
sqrt = _floating("sqrt", pmath.SQRT)
rsqrt = _floating("rsqrt", pmath.RSQRT)
reciprocal = _floating("reciprocal", pmath.RECIPROCAL)
sin = _floating("sin", pmath.SIN)
cos = _floating("cos", pmath.COS)
tan = _floating("tan", pmath.TAN)
asin = _floating("asin", pmath.ASIN, ("arcsin",))
acos = _floating("acos", pmath.ACOS, ("arccos",))
atan = _floating("atan", pmath.ATAN, ("arctan",))
sinh = _floating("sinh", pmath.SINH)
cosh = _floating("cosh", pmath.COSH)
tanh = _floating("tanh", pmath.TANH)
asinh = _floating("asinh", pmath.ASINH, ("arcsinh",))
acosh = _floating("acosh", pmath.ACOSH, ("arccosh",))
atanh = _floating("atanh", pmath.ATANH, ("arctanh",))
sigmoid = _floating("sigmoid", pmath.SIGMOID)


@public(inplace=True, pure=True)
def relu(input: Tensor) -> Tensor:
    """max(input, 0)."""
    return pmath.RELU(input)


@public(inplace=True, names=("arctan2",))
def atan2(input: Any, other: Any) -> Tensor:
    """The angle of the point (other, input)."""
    return apply(prim.ATAN2, float_result(input, other), input, other)


@public
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input**2 + other**2), scaled against overflow; floats only."""
    tensor_argument("hypot", "other", other)
    dtype = result_type(input, other)
    if dtype.kind != "f":
        raise error(RuntimeError, f"hypot: not implemented for {dtype}, expected floats")
    a, b = abs(input), abs(other)
    large, small = maximum(a, b), minimum(a, b)
    # Where the larger is 0 or infinite, their quotient would be nan.
    plain = logical_or(eq(large, 0), isinf(large))
    ratio = div(where(plain, 0.0, small), where(plain, 1.0, large))
    return where(
        logical_or(isinf(a), isinf(b)), math.inf, mul(large, sqrt(add(mul(ratio, ratio), 1)))
    )


@public
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)) without overflow."""
    tensor_argument("logaddexp", "other", other)
    dtype = result_type(input, other)
    if dtype.kind != "f":
        raise error(RuntimeError, f"logaddexp: not implemented for {dtype}, expected floats")
    input, other = cast(input, dtype), cast(other, dtype)
    top = maximum(input, other)
    finite = where(isfinite(top), top, 0.0)
    return add(finite, log(add(exp(sub(input, finite)), exp(sub(other, finite)))))


@public
def signbit(input: Tensor) -> Tensor:
    """Whether an element is negative, -0.0 included (a nan counts as positive)."""
    if input.dtype.kind == "b":
        return lt(input, input)
    below = lt(input, 0)
    if input.dtype.kind != "f":
        return below
    return logical_or(below, logical_and(eq(input, 0), lt(reciprocal(input), 0)))


@public(inplace=True)
def copysign(input: Tensor, other: Any) -> Tensor:
    """|input| with the sign of `other` (that of -0.0 included)."""
    other = operand("copysign", "other", other)
    size = abs(cast(input, float_result(input, other)))
    if isinstance(other, (bool, int, float)):
        return neg(size) if math.copysign(1.0, other) < 0 else size
    return where(signbit(other), neg(size), size)


@public
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below zero, `values` at zero, 1 above."""
    tensor_argument("heaviside", "values", values)
    if input.dtype is not values.dtype:
        raise error(
            RuntimeError,
            "heaviside is not yet implemented for tensors with different dtypes, received "
            f"{input.dtype} and {values.dtype}",
        )
    return where(eq(input, 0), values, gt(input, 0).to(input.dtype))


@public(inplace=True)
def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians."""
    return mul(input, math.pi / 180)


@public(inplace=True)
def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees."""
    return mul(input, 180 / math.pi)
