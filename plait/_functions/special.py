"""Special functions: the error function, gamma, Bessel and normal families."""

from __future__ import annotations

import math
from typing import Any

from plait._functions import pointwise as pw
from plait._functions.common import both_operands, public, takes_out, tensor_argument
from plait._promotion import float_result
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.ir.op import Op
from plait.core.ops import special as sp
from plait.core.ops.elementwise import cast


def unary_of(name: str, op: Op) -> Any:
    """A function of one operand; integers are converted to the default float dtype."""

    def function(input: Tensor) -> Tensor:
        tensor_argument(name, "input", input)
        return op(cast(input, float_result(input)))

    function.__name__ = name
    function.__doc__ = f"Elementwise `{name}`; integers are converted to the default float dtype."
    return takes_out(function)


def binary_of(name: str, op: Op, numbers: bool = True) -> Any:
    """A function of two operands, of which one may be a number, if `numbers` are taken."""

    def function(input: Any, other: Any) -> Tensor:
        input, other = both_operands(name, input, other)
        if not numbers:
            tensor_argument(name, "input", input)
            tensor_argument(name, "other", other)
        return pw.apply(op, float_result(input, other), input, other)

    function.__name__ = name
    function.__doc__ = f"Elementwise `{name}`: {op.doc}"
    return takes_out(function)


def _unary(name: str, op: Op, names: tuple[str, ...] = ()) -> Any:
    return public(unary_of(name, op), inplace=True, names=names)


erf = _unary("erf", sp.ERF)
erfc = _unary("erfc", sp.ERFC)
erfinv = _unary("erfinv", sp.ERFINV)
lgamma = _unary("lgamma", sp.LGAMMA)
digamma = _unary("digamma", sp.DIGAMMA)
i0 = _unary("i0", sp.I0)
sinc = _unary("sinc", sp.SINC)
xlogy = public(binary_of("xlogy", sp.XLOGY), inplace=True)
igamma = public(binary_of("igamma", sp.IGAMMA, numbers=False), inplace=True)
igammac = public(binary_of("igammac", sp.IGAMMAC, numbers=False), inplace=True)


def _polygamma(n: int, input: Tensor) -> Tensor:
    if n < 0:
        raise error(RuntimeError, f"polygamma(n, x) does not support negative n, received {n}")
    value = cast(input, float_result(input))
    return sp.DIGAMMA(value) if n == 0 else sp.POLYGAMMA(value, n=n)


@public(method=False)
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma. Raises RuntimeError for negative n."""
    if isinstance(n, Tensor):
        n, input = int(input), n
    return _polygamma(int(n), input)


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma."""
    return _polygamma(n, self)


Tensor.polygamma = _polygamma_method  # type: ignore[attr-defined]  # attached here


@public(inplace=True)
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)); with `eps`, of x limited to [eps, 1 - eps]."""
    return sp.logit(cast(input, float_result(input)), eps)


@public(inplace=True)
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p."""
    if p < 1:
        raise error(RuntimeError, f"p has to be greater than or equal to 1, received {p}")
    value = cast(input, float_result(input))
    total: Any = lgamma(value)
    for i in range(1, p):
        total = pw.add(total, lgamma(pw.sub(value, i / 2)))
    return pw.add(total, p * (p - 1) / 4 * math.log(math.pi))
