"""Functions of each element, or of the elements at the same place of two tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras.src.backend.config import floatx

import plait as torch
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from keras_plait.src.operands import as_float, as_integer, name_of, together

Unary = Callable[[Any], Any]
Binary = Callable[[Any, Any], Any]


def _named(made: Any, name: str, meaning: str) -> Any:
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"`{meaning}` of each element, in Keras' dtypes."
    return made


def _plain(name: str, function: Unary) -> Unary:
    """Of any dtype."""
    return _named(lambda x: function(convert_to_tensor(x)), name, name)


def _floating(name: str, function: Unary) -> Unary:
    """Computed in a float dtype, whatever comes."""
    return _named(lambda x: function(as_float(x)), name, name)


def _pair(name: str, function: Binary, **how: bool) -> Binary:
    """Of two operands in their common dtype."""
    return _named(lambda x1, x2: function(*together(x1, x2, **how)), name, name)


def _pair_of_bits(name: str, function: Binary, **how: bool) -> Binary:
    """As `_pair`, with the names that Keras gives to the operands of these."""
    return _named(lambda x, y: function(*together(x, y, **how)), name, name)


# -- of one operand ------------------------------------------------------------------------------

absolute = _plain("absolute", lambda x: x if x.dtype is torch.bool else torch.abs(x))
abs = absolute
fabs = _floating("fabs", torch.abs)
negative = _plain("negative", lambda x: torch.neg(as_integer(x)))
square = _plain("square", lambda x: torch.square(as_integer(x)))
reciprocal = _floating("reciprocal", torch.reciprocal)
sqrt = _floating("sqrt", torch.sqrt)
exp = _floating("exp", torch.exp)
exp2 = _floating("exp2", torch.exp2)
expm1 = _floating("expm1", torch.expm1)
log = _floating("log", torch.log)
log10 = _floating("log10", torch.log10)
log1p = _floating("log1p", torch.log1p)
log2 = _floating("log2", torch.log2)
sin = _floating("sin", torch.sin)
cos = _floating("cos", torch.cos)
tan = _floating("tan", torch.tan)
sinh = _floating("sinh", torch.sinh)
cosh = _floating("cosh", torch.cosh)
tanh = _floating("tanh", torch.tanh)
arcsin = _floating("arcsin", torch.asin)
arccos = _floating("arccos", torch.acos)
arctan = _floating("arctan", torch.atan)
arcsinh = _floating("arcsinh", torch.asinh)
arccosh = _floating("arccosh", torch.acosh)
arctanh = _floating("arctanh", torch.atanh)
sinc = _floating("sinc", torch.sinc)
i0 = _floating("i0", torch.i0)
deg2rad = _floating("deg2rad", torch.deg2rad)
rad2deg = _floating("rad2deg", torch.rad2deg)
ceil = _floating("ceil", torch.ceil)
floor = _floating("floor", torch.floor)
sign = _plain("sign", lambda x: torch.sign(as_integer(x)))
signbit = _plain("signbit", torch.signbit)
isnan = _plain("isnan", torch.isnan)
isinf = _plain("isinf", torch.isinf)
isfinite = _plain("isfinite", torch.isfinite)
isneginf = _plain("isneginf", torch.isneginf)
isposinf = _plain("isposinf", torch.isposinf)
isreal = _plain("isreal", torch.isreal)
logical_not = _plain("logical_not", lambda x: torch.logical_not(x))
bitwise_invert = _plain("bitwise_invert", torch.bitwise_not)
bitwise_not = bitwise_invert
conjugate = _plain("conjugate", torch.conj)
conj = conjugate
real = _plain("real", lambda x: torch.real(x) if x.dtype.is_complex else x)
angle = _floating("angle", torch.angle)


def imag(x: Any) -> Any:
    """The imaginary part; zeros of real numbers."""
    x = convert_to_tensor(x)
    return torch.imag(x) if x.dtype.is_complex else torch.zeros_like(x)


def cbrt(x: Any) -> Any:
    """The real cube root, sharpened by one step of Newton's method."""
    x = as_float(x)
    near = torch.sign(x) * torch.abs(x).pow(1 / 3)
    step = (near * near * near - x) / torch.where(near == 0, 1.0, 3 * near * near)
    return torch.where(torch.isfinite(step), near - step, near)


def trunc(x: Any) -> Any:
    """Rounded towards zero; integers as they are."""
    x = convert_to_tensor(x)
    return torch.trunc(x) if x.dtype.is_floating_point else x


def round(x: Any, decimals: int = 0) -> Any:
    """Rounded to `decimals` places, halves to even; integers keep their dtype."""
    x = convert_to_tensor(x)
    if x.dtype is torch.bool:
        x = x.to(torch.int32)
    if x.dtype.is_floating_point:
        return torch.round(x, decimals=decimals)
    if decimals >= 0:
        return x
    unit = 10**-decimals
    return (torch.round(x.to(to_plait_dtype(floatx())) / unit) * unit).to(x.dtype)


def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """Each element, not below `x_min` and not above `x_max`."""
    x = as_integer(x)
    if x_min is not None:
        x = maximum(x, x_min)
    return x if x_max is None else minimum(x, x_max)


# -- of two operands -----------------------------------------------------------------------------

add = _pair("add", torch.add)
subtract = _pair("subtract", torch.sub)
multiply = _pair("multiply", torch.mul)
divide = _pair("divide", torch.div, floating=True)
true_divide = divide
maximum = _pair("maximum", lambda x, y: torch.maximum(*_both(x, y)))
minimum = _pair("minimum", lambda x, y: torch.minimum(*_both(x, y)))
fmax = _pair("fmax", lambda x, y: torch.fmax(*_both(x, y)))
fmin = _pair("fmin", lambda x, y: torch.fmin(*_both(x, y)))
mod = _pair("mod", torch.remainder, no_bool=True)
fmod = _pair("fmod", torch.fmod, no_bool=True)
floor_divide = _pair("floor_divide", torch.floor_divide, no_bool=True)
hypot = _pair("hypot", lambda x, y: torch.hypot(*_both(x, y)), floating=True)
arctan2 = _pair("arctan2", lambda x, y: torch.atan2(*_both(x, y)), floating=True)
heaviside = _pair("heaviside", lambda x, y: torch.heaviside(*_both(x, y)), floating=True)
logaddexp = _pair("logaddexp", lambda x, y: torch.logaddexp(*_both(x, y)), floating=True)
logaddexp2 = _pair("logaddexp2", lambda x, y: torch.logaddexp2(*_both(x, y)), floating=True)
equal = _pair("equal", torch.eq)
not_equal = _pair("not_equal", torch.ne)
less = _pair("less", torch.lt)
less_equal = _pair("less_equal", torch.le)
greater = _pair("greater", torch.gt)
greater_equal = _pair("greater_equal", torch.ge)
bitwise_and = _pair_of_bits("bitwise_and", torch.bitwise_and)
bitwise_or = _pair_of_bits("bitwise_or", torch.bitwise_or)
bitwise_xor = _pair_of_bits("bitwise_xor", torch.bitwise_xor)
bitwise_left_shift = _pair_of_bits("bitwise_left_shift", torch.bitwise_left_shift, no_bool=True)
bitwise_right_shift = _pair_of_bits("bitwise_right_shift", torch.bitwise_right_shift, no_bool=True)
left_shift = bitwise_left_shift
right_shift = bitwise_right_shift


def _both(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Tensors both, for functions that take no numbers."""
    if not isinstance(x1, torch.Tensor):
        return torch.full((), x1, dtype=x2.dtype), x2
    if not isinstance(x2, torch.Tensor):
        return x1, torch.full((), x2, dtype=x1.dtype)
    return x1, x2


def nextafter(x1: Any, x2: Any) -> Any:
    """The next number after x1 towards x2."""
    x1, x2 = _both(*together(x1, x2, floating=True))
    if x1.dtype not in (torch.float16, torch.bfloat16):
        return torch.nextafter(x1, x2)
    # The bits of a number count upwards with its size.
    x1, x2 = torch.broadcast_tensors(x1, x2)
    bits = x1.clone().view(torch.int16)
    stepped = torch.where((x2 > x1) == (x1 > 0), bits + 1, bits - 1).view(x1.dtype)
    least = torch.ones_like(bits).view(x1.dtype)
    stepped = torch.where(x1 == 0, torch.where(x2 > 0, least, -least), stepped)
    made = torch.where(x1 == x2, x2, stepped)
    return torch.where(torch.isnan(x1) | torch.isnan(x2), torch.nan, made).to(x1.dtype)


def logical_and(x1: Any, x2: Any) -> Any:
    return torch.logical_and(convert_to_tensor(x1), convert_to_tensor(x2))


def logical_or(x1: Any, x2: Any) -> Any:
    return torch.logical_or(convert_to_tensor(x1), convert_to_tensor(x2))


def logical_xor(x1: Any, x2: Any) -> Any:
    return torch.logical_xor(convert_to_tensor(x1), convert_to_tensor(x2))


def power(x1: Any, x2: Any) -> Any:
    """x1 to the power x2; of integers an integer."""
    x1, x2 = together(x1, x2, no_bool=True)
    return torch.pow(x1, x2)


def divide_no_nan(x1: Any, x2: Any) -> Any:
    """x1 / x2, and 0 where x2 is 0."""
    x1, x2 = _both(*together(x1, x2, floating=True))
    zero = x2 == 0
    return torch.where(zero, 0.0, x1 / torch.where(zero, 1.0, x2))


def ldexp(x1: Any, x2: Any) -> Any:
    """x1 times 2 to the power x2. Raises TypeError where x2 holds no integers."""
    x1, x2 = convert_to_tensor(x1), convert_to_tensor(x2)
    if not x2.dtype.is_integer or x2.dtype is torch.bool:
        raise TypeError(f"ldexp exponent must be an integer type. Received: x2 dtype={name_of(x2)}")
    dtype = as_float(x1).dtype
    # In two halves, so that the power itself does not overflow.
    half = torch.div(x2, 2, rounding_mode="floor")
    rest = x2 - half
    return as_float(x1) * torch.exp2(half.to(dtype)) * torch.exp2(rest.to(dtype))


def isclose(
    x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    x1, x2 = _both(*together(x1, x2))
    return torch.isclose(x1, x2, rtol=rtol, atol=atol, equal_nan=equal_nan)


def allclose(
    x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    return torch.all(isclose(x1, x2, rtol, atol, equal_nan))


def gcd(x1: Any, x2: Any) -> Any:
    """The greatest common divisor, by Euclid's algorithm."""
    x1, x2 = (torch.abs(x) for x in _both(*together(x1, x2)))
    x1, x2 = torch.broadcast_tensors(x1, x2)

    def turn(a: Any, b: Any) -> tuple[Any, Any]:
        rest = torch.remainder(a, torch.where(b == 0, 1, b).to(b.dtype))
        return torch.where(b == 0, a, b), torch.where(b == 0, torch.zeros_like(b), rest)

    return torch.while_loop(lambda a, b: torch.any(b != 0), turn, (x1.clone(), x2.clone()))[0]


def lcm(x1: Any, x2: Any) -> Any:
    """The least common multiple; 0 where an operand is 0."""
    x1, x2 = _both(*together(x1, x2))
    divisor = gcd(x1, x2)
    safe = torch.where(divisor == 0, torch.ones_like(divisor), divisor)
    return torch.abs(torch.div(x1, safe, rounding_mode="trunc") * x2).to(x1.dtype)
