"""Elementwise functions: arithmetic, comparison, logic, rounding, transcendental ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import plait
from plait import special
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir.errors import error
from plait.core.ops import elementwise as prim
from plait.core.ops.view import broadcast
from plait.tf import errors
from plait.tf._convert import convert, core_dtype, inner, known, pair, require, same, wrap
from plait.tf._dispatch import op, state
from plait.tf._dtypes import as_dtype, int64, string
from plait.tf._shape import TensorSpec
from plait.tf._tensor import Tensor, of_array

_NUMERIC = "iufc"


def together(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Two tensors of the core broadcast to one shape. Raises InvalidArgumentError."""
    if a._shape == b._shape:
        return a, b
    try:
        shape = broadcast_shapes(name, a._shape, b._shape)
    except RuntimeError:
        raise error(
            errors.InvalidArgumentError,
            f"Incompatible shapes: {_short(a._shape)} vs. {_short(b._shape)} [Op:{name}]",
        ) from None
    return broadcast(a, shape), broadcast(b, shape)


def _short(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def binary(
    name: str,
    compute: Callable[..., Any],
    kinds: str = _NUMERIC,
    strict: bool = False,
    divides: bool = False,
) -> Callable[..., Any]:
    """A function of two tensors of one dtype that broadcast. name: TensorFlow's, for errors."""

    def apply(x: Any, y: Any) -> Any:
        a, b = pair(name, x, y, strict)
        if a._dtype.kind not in kinds:
            require(name, wrap(a), kinds)
        if divides:
            _refuse_zeros(a, b, y)
        return wrap(compute(*together(name, a, b)))

    return apply


def unary(name: str, compute: Callable[..., Any], kinds: str) -> Callable[..., Any]:
    """A function of one tensor."""

    def apply(x: Any) -> Any:
        return wrap(compute(require(name, x, kinds)))

    return apply


def _public(public: str, apply: Callable[..., Any], doc: str) -> Callable[..., Any]:
    apply.__name__ = public
    apply.__doc__ = doc
    return op(apply)


def _trunc_div(a: Any, b: Any) -> Any:
    return plait.div(a, b, rounding_mode="trunc")


def _refuse_zeros(a: Any, b: Any, y: Any) -> None:
    """TensorFlow's error for integers divided by 0, where the divisors are known now."""
    divisors: Any = None
    if a._dtype.kind in "iu":
        divisors = y if type(y) is int else known(b)
    if divisors is not None and not np.all(divisors):
        raise error(errors.InvalidArgumentError, "Integer division by zero")


@op
def add(x: Any, y: Any) -> Any:
    """x + y; strings are joined."""
    if _strings(x) or _strings(y):
        a, b = convert(x, string)._array(), convert(y, string)._array()
        return of_array(np.asarray(a + b, object))
    a, b = pair("AddV2", x, y)
    if a._dtype.kind == "b":
        require("AddV2", wrap(a), _NUMERIC)
    return wrap(prim.ADD(*together("AddV2", a, b)))


def _strings(x: Any) -> bool:
    return isinstance(x, (str, bytes)) or (isinstance(x, Tensor) and x.dtype is string)


subtract = _public("subtract", binary("Sub", prim.SUB), "x - y.")
multiply = _public("multiply", binary("Mul", prim.MUL), "x * y.")
floordiv = _public(
    "floordiv", binary("FloorDiv", plait.floor_divide, "iuf", divides=True), "floor(x / y)."
)
truncatediv = _public(
    "truncatediv",
    binary("TruncateDiv", _trunc_div, "iu", divides=True),
    "x / y, rounded towards 0.",
)
floormod = _public(
    "floormod",
    binary("FloorMod", plait.remainder, "iuf", divides=True),
    "The remainder with the sign of y.",
)
truncatemod = _public(
    "truncatemod",
    binary("TruncateMod", plait.fmod, "iuf", divides=True),
    "The remainder with the sign of x.",
)


def _extreme(record: Any, before: Any) -> Callable[..., Any]:
    """The greater or smaller of two; where they are equal the gradient is the first's, as
    TensorFlow has it (the core halves it)."""

    def extreme(a: Any, b: Any) -> Any:
        if not (state.tapes and (a.requires_grad or b.requires_grad)):
            return record(a, b)
        return plait.where(plait.logical_or(before(a, b), prim.ISNAN(a)), a, b)

    return extreme


_maximum, _minimum = _extreme(prim.MAXIMUM, prim.GE), _extreme(prim.MINIMUM, prim.LE)
maximum = _public("maximum", binary("Maximum", _maximum, "iuf"), "The greater of x and y.")
minimum = _public("minimum", binary("Minimum", _minimum, "iuf"), "The smaller of x and y.")
atan2 = _public("atan2", binary("Atan2", plait.atan2, "f"), "The angle of the point (x, y).")


@op
def truediv(x: Any, y: Any) -> Any:
    """x / y; of integers in floating point, as Python 3 has it."""
    a, b = pair("RealDiv", x, y)
    if a._dtype.kind in "iub":
        wide = plait.float32 if a._dtype.itemsize < 4 else plait.float64
        a, b = a.to(wide), b.to(wide)
    return wrap(prim.DIV(*together("RealDiv", a, b)))


@op
def divide(x: Any, y: Any) -> Any:
    """x / y, as Python 3 has it."""
    return truediv(x, y)


@op
def divide_no_nan(x: Any, y: Any) -> Any:
    """x / y, and 0 where y is 0."""
    a, b = together("DivNoNan", *pair("DivNoNan", x, y))
    return wrap(_where_nonzero(b, a, b, prim.DIV))


def _where_nonzero(test: Any, a: Any, b: Any, compute: Callable[..., Any]) -> Any:
    """compute(a, b) where `test` is not 0, else 0, with the gradient 0 there too."""
    there = test != 0
    safe = plait.where(there, b, plait.ones_like(b))
    return plait.where(there, compute(a, safe), plait.zeros_like(b))


@op
def multiply_no_nan(x: Any, y: Any) -> Any:
    """x * y, and 0 where y is 0, whatever x is."""
    a, b = together("MulNoNan", *pair("MulNoNan", x, y))
    there = b != 0
    return wrap(plait.where(there, plait.where(there, a, plait.zeros_like(a)) * b, 0 * b))


@op
def xlogy(x: Any, y: Any) -> Any:
    """x log(y), and 0 where x is 0."""
    return wrap(plait.xlogy(*together("Xlogy", *pair("Xlogy", x, y))))


@op
def xdivy(x: Any, y: Any) -> Any:
    """x / y, and 0 where x is 0."""
    a, b = together("Xdivy", *pair("Xdivy", x, y))
    return wrap(_where_nonzero(a, a, b, prim.DIV))


@op
def pow(x: Any, y: Any) -> Any:
    """x ** y. Raises InvalidArgumentError for negative powers of integers."""
    a, b = pair("Pow", x, y)
    powers: Any = None
    if a._dtype.kind in "iu":
        powers = y if type(y) is int else known(b)
    if powers is not None and np.any(powers < 0):
        raise error(
            errors.InvalidArgumentError,
            "Integers to negative integer powers are not allowed [Op:Pow]",
        )
    if b._dtype.kind == "f" and not b._shape and b.is_leaf and isinstance(y, (int, float)):
        return wrap(plait.pow(a, y))  # squares and roots have kernels of their own
    return wrap(plait.pow(*together("Pow", a, b)))


@op
def squared_difference(x: Any, y: Any) -> Any:
    """(x - y)^2."""
    a, b = together("SquaredDifference", *pair("SquaredDifference", x, y))
    difference = prim.SUB(a, b)
    return wrap(prim.MUL(difference, difference))


@op
def add_n(inputs: Any) -> Any:
    """The sum of tensors of one shape and dtype."""
    values = same("AddN", [inputs] if isinstance(inputs, Tensor) else inputs)
    if not values:
        raise error(ValueError, "Inputs must be a list/tuple of Tensors with the same dtype/shape.")
    for value in values:
        if value._shape != values[0]._shape:
            raise error(
                errors.InvalidArgumentError,
                f"Inputs to operation AddN of type AddN must have the same size and shape. Input "
                f"0: {_short(values[0]._shape)} != input: {_short(value._shape)} [Op:AddN]",
            )
    return wrap(functools.reduce(prim.ADD, values))


# -- comparison and logic ----------------------------------------------------------------------


def _comparison(public: str, name: str, record: Any, kinds: str = "iuf") -> Callable[..., Any]:
    words = {"equal": "==", "not_equal": "!="}
    return _public(public, binary(name, record, kinds, True), f"x {words.get(public, public)} y.")


less = _comparison("less", "Less", prim.LT)
less_equal = _comparison("less_equal", "LessEqual", prim.LE)
greater = _comparison("greater", "Greater", prim.GT)
greater_equal = _comparison("greater_equal", "GreaterEqual", prim.GE)


def _equality(name: str, x: Any, y: Any, record: Any, compare: Any) -> Any:
    if _strings(x) or _strings(y):
        a, b = np.broadcast_arrays(convert(x, string)._array(), convert(y, string)._array())
        return of_array(np.asarray(compare(a, b), np.bool_))
    return binary(name, record, "biufc", True)(x, y)


@op
def equal(x: Any, y: Any) -> Any:
    """x == y, elementwise."""
    return _equality("Equal", x, y, prim.EQ, np.equal)


@op
def not_equal(x: Any, y: Any) -> Any:
    """x != y, elementwise."""
    return _equality("NotEqual", x, y, prim.NE, np.not_equal)


logical_and = _public("logical_and", binary("LogicalAnd", prim.AND, "b"), "x and y.")
logical_or = _public("logical_or", binary("LogicalOr", prim.OR, "b"), "x or y.")
logical_xor = _public("logical_xor", binary("LogicalXor", prim.XOR, "b"), "x or y, not both.")
logical_not = _public("logical_not", unary("LogicalNot", prim.NOT, "b"), "not x.")
bitwise_and = _public("bitwise_and", binary("BitwiseAnd", prim.AND, "iu"), "Bits in both.")
bitwise_or = _public("bitwise_or", binary("BitwiseOr", prim.OR, "iu"), "Bits in either.")
bitwise_xor = _public("bitwise_xor", binary("BitwiseXor", prim.XOR, "iu"), "Bits in one of both.")
invert = _public("invert", unary("Invert", prim.NOT, "iu"), "All bits turned.")
left_shift = _public("left_shift", binary("LeftShift", prim.SHIFT_LEFT, "iu"), "x << y.")
right_shift = _public("right_shift", binary("RightShift", prim.SHIFT_RIGHT, "iu"), "x >> y.")

# -- one operand --------------------------------------------------------------------------------


def _function(public: str, name: str, compute: Any, kinds: str, doc: str) -> Callable[..., Any]:
    return _public(public, unary(name, compute, kinds), doc)


def _step(compute: Callable[..., Any]) -> Callable[..., Any]:
    """A function that TensorFlow does not differentiate: its gradient is None, not 0."""
    return lambda x: compute(x.detach())


negative = _function("negative", "Neg", prim.NEG, "ifc", "-x.")
abs = _function("abs", "Abs", plait.abs, "ifc", "The absolute value.")
sign = _function("sign", "Sign", plait.sign, "if", "-1, 0 or 1.")
square = _function("square", "Square", plait.square, "ifc", "x * x.")
sqrt = _function("sqrt", "Sqrt", plait.sqrt, "fc", "The square root.")
rsqrt = _function("rsqrt", "Rsqrt", plait.rsqrt, "fc", "1 / sqrt(x).")
reciprocal = _function("reciprocal", "Inv", plait.reciprocal, "fc", "1 / x.")
exp = _function("exp", "Exp", plait.exp, "fc", "e to the x.")
expm1 = _function("expm1", "Expm1", plait.expm1, "f", "exp(x) - 1, accurate near 0.")
log = _function("log", "Log", plait.log, "fc", "The natural logarithm.")
log1p = _function("log1p", "Log1p", plait.log1p, "f", "log(1 + x), accurate near 0.")
sin = _function("sin", "Sin", plait.sin, "fc", "The sine.")
cos = _function("cos", "Cos", plait.cos, "fc", "The cosine.")
tan = _function("tan", "Tan", plait.tan, "f", "The tangent.")
asin = _function("asin", "Asin", plait.asin, "f", "The arc sine.")
acos = _function("acos", "Acos", plait.acos, "f", "The arc cosine.")
atan = _function("atan", "Atan", plait.atan, "f", "The arc tangent.")
sinh = _function("sinh", "Sinh", plait.sinh, "f", "The hyperbolic sine.")
cosh = _function("cosh", "Cosh", plait.cosh, "f", "The hyperbolic cosine.")
tanh = _function("tanh", "Tanh", plait.tanh, "f", "The hyperbolic tangent.")
asinh = _function("asinh", "Asinh", plait.asinh, "f", "The inverse hyperbolic sine.")
acosh = _function("acosh", "Acosh", plait.acosh, "f", "The inverse hyperbolic cosine.")
atanh = _function("atanh", "Atanh", plait.atanh, "f", "The inverse hyperbolic tangent.")
sigmoid = _function("sigmoid", "Sigmoid", plait.sigmoid, "f", "1 / (1 + exp(-x)).")
floor = _function("floor", "Floor", _step(plait.floor), "f", "Rounded down.")
ceil = _function("ceil", "Ceil", _step(plait.ceil), "f", "Rounded up.")
rint = _function("rint", "Rint", plait.round, "f", "Rounded to the nearest, halves to even.")
erf = _function("erf", "Erf", special.erf, "f", "The error function.")
erfc = _function("erfc", "Erfc", special.erfc, "f", "1 - erf(x).")
erfinv = _function("erfinv", "Erfinv", special.erfinv, "f", "The inverse of erf.")
ndtri = _function(
    "ndtri", "Ndtri", special.ndtri, "f", "The inverse of the normal distribution function."
)
lgamma = _function("lgamma", "Lgamma", special.gammaln, "f", "log |Gamma(x)|.")
digamma = _function("digamma", "Digamma", special.digamma, "f", "The slope of lgamma.")
is_nan = _function("is_nan", "IsNan", plait.isnan, "f", "Whether x is nan.")
is_inf = _function("is_inf", "IsInf", plait.isinf, "f", "Whether x is infinite.")
is_finite = _function(
    "is_finite", "IsFinite", plait.isfinite, "f", "Whether x is neither infinite nor nan."
)


@op
def round(x: Any) -> Any:
    """Rounded to the nearest, halves to even; integers are as they are."""
    value = require("Round", x, "iuf")
    return wrap(value if value._dtype.kind in "iu" else plait.round(value.detach()))


@op
def cast(x: Any, dtype: Any) -> Any:
    """The values in another dtype; from floats to integers they are cut off."""
    kind = as_dtype(dtype)
    if hasattr(x, "dense_shape"):  # a sparse tensor
        return type(x)(x.indices, cast(x.values, kind), x.dense_shape)
    tensor = convert(x)
    if tensor.dtype is kind:
        return tensor
    if tensor.dtype is string or kind is string:
        raise error(
            errors.UnimplementedError,
            f"Cast {tensor.dtype.name} to {kind.name} is not supported [Op:Cast]; see "
            "tf.strings.to_number and tf.strings.as_string",
        )
    value = tensor.inner()
    if value._dtype.kind == "c" and kind.core.kind != "c":
        value = plait.real(value)
    return wrap(prim.cast(value, kind.core))


@op
def saturate_cast(value: Any, dtype: Any) -> Any:
    """A cast whose values stop at the limits of the new dtype."""
    kind = as_dtype(dtype)
    held = inner(value)
    if held._dtype.kind in "iuf" and kind.is_numeric:
        held = plait.clamp(held.to(plait.float64), float(kind.min), float(kind.max))
    return wrap(prim.cast(held, kind.core))


@op
def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    """min(max(t, clip_value_min), clip_value_max)."""
    value, low, high = same("ClipByValue", (t, clip_value_min, clip_value_max))
    low, high = (
        x.broadcast_to(value.shape) if x._shape != value._shape else x for x in (low, high)
    )
    return wrap(_minimum(_maximum(value, low), high))


@op
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None) -> Any:
    """t scaled so that its 2-norm (over `axes`) is at most clip_norm."""
    value = inner(t)
    limit = inner(convert(clip_norm, hint=convert(t).dtype))
    over = None if axes is None else [int(a) for a in np.atleast_1d(axes)]
    squares = (
        (value * value).sum(dim=over, keepdim=True) if over is not None else ((value * value).sum())
    )
    positive = squares > 0
    norm = plait.where(positive, plait.sqrt(plait.where(positive, squares, 1.0)), squares)
    return wrap(value * limit / plait.maximum(norm, limit.to(norm.dtype)))


@op
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """x where the condition holds, y elsewhere; the places where it holds (int64) without them."""
    test = inner(condition)
    if (x is None) != (y is None):
        raise error(ValueError, "x and y must both be non-None or both be None.")
    if x is None:
        return wrap(plait.nonzero(test))
    if _strings(x) or _strings(y):
        a, b = convert(x)._array(), convert(y)._array()
        return of_array(np.where(convert(condition)._array(), a, b).astype(object))
    a, b = pair("SelectV2", x, y)
    a, b = together("SelectV2", a, b)
    test, a = together("SelectV2", test, a)
    b = b.broadcast_to(a.shape)
    return wrap(plait.where(test, a, b))


def _where_spec(condition: Any, x: Any = None, y: Any = None) -> Any:
    """How many places there are depends on the values: a graph cannot know it."""
    if x is not None:
        raise LookupError
    return TensorSpec([None, len(condition.shape)], int64)


where.__dict__["infer"] = _where_spec


def _is_complex(value: Any) -> bool:
    return value._dtype.kind == "c"


@op
def complex(real: Any, imag: Any) -> Any:
    """real + i imag."""
    return wrap(plait.complex(*together("Complex", *pair("Complex", real, imag))))


@op
def real(input: Any) -> Any:
    """The real part."""
    value = inner(input)
    return wrap(plait.real(value).clone() if _is_complex(value) else value)


@op
def imag(input: Any) -> Any:
    """The imaginary part."""
    value = inner(input)
    return wrap(plait.imag(value).clone() if _is_complex(value) else plait.zeros_like(value))


@op
def conj(x: Any) -> Any:
    """The complex conjugate."""
    value = inner(x)
    return wrap(plait.conj(value) if _is_complex(value) else value)


@op
def angle(input: Any) -> Any:
    """The angle in the complex plane."""
    return wrap(plait.angle(inner(input)))


@op
def nextafter(x1: Any, x2: Any) -> Any:
    """The next number from x1 towards x2."""
    a, b = (t.detach().numpy() for t in together("NextAfter", *pair("NextAfter", x1, x2)))
    return of_array(np.nextafter(a, b))


@op
def bitcast(input: Any, type: Any) -> Any:
    """The same bits as another dtype of the same or another width."""
    return wrap(inner(input).view(core_dtype(type)))


#: What `tf.math` has of these.
__all__ = [
    "abs", "acos", "acosh", "add", "add_n", "angle", "asin", "asinh", "atan", "atan2", "atanh",
    "ceil", "conj", "cos", "cosh", "digamma", "divide", "divide_no_nan", "equal", "erf", "erfc",
    "erfinv", "exp", "expm1", "floor", "floordiv", "floormod", "greater", "greater_equal", "imag",
    "is_finite", "is_inf", "is_nan", "less", "less_equal", "lgamma", "log", "log1p",
    "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply",
    "multiply_no_nan", "ndtri", "negative", "nextafter", "not_equal", "pow", "real", "reciprocal",
    "rint", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "square",
    "squared_difference", "subtract", "tan", "tanh", "truediv", "truncatediv", "truncatemod",
    "xdivy", "xlogy",
]  # fmt: skip
