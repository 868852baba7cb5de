"""Activations that are composites of elementwise primitives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import ABS, ADD, GT, LE, MINIMUM, MUL, NEG, SUB, WHERE, cast
from plait.core.ops.families import REAL, contiguous, require_kind
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import EXP, EXPM1, LOG1P, SIGMOID, TANH, one_minus_square, scaled
from plait.core.ops.numeric.special_erf import erf
from plait.core.ops.rows import plus_number, widen
from plait.core.ops.source import constant
from plait.core.ops.special import ERF


def _activation(
    name: str,
    doc: str,
    *,
    reference: Callable[..., Any],
    body: Callable[..., Any],
    slope: Callable[..., Any],
    flops: int,
) -> Op:
    """A composite of one operand. `body` and `slope` (its derivative) see float32 for 16 bits."""

    def infer(x: Any, **attrs: Any) -> tuple[Any, Any]:
        require_kind(name, x.dtype, REAL)
        return x.shape, x.dtype

    def vjp(g: Any, y: Any, x: Any, **attrs: Any) -> Any:
        return cast(slope(widen(g), widen(x), **attrs), x.dtype)

    return Op(
        name,
        infer=infer,
        lowering=Lowering.ELEMENTWISE,
        reference=lambda x, **attrs: reference(contiguous(x), **attrs),
        body=lambda x, **attrs: cast(body(widen(x), **attrs), x.dtype),
        vjp=vjp,
        saves=(0,),
        flops=lambda x, **attrs: flops * elements(x.shape),
        dtypes=dtypes_of_kinds(REAL),
        doc=doc,
    )


# -- silu -------------------------------------------------------------------------------------


def _logistic(x: np.ndarray) -> np.ndarray:
    # Through exp of a non-positive number on either side: no overflow.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def _silu_slope(g: Any, x: Any) -> Any:
    # s + x s (1 - s) with s = sigmoid(x)
    s = SIGMOID(x)
    return MUL(g, MUL(s, ADD(constant(1, x), MUL(x, SUB(constant(1, x), s)))))


SILU = _activation(
    "silu",
    "x * sigmoid(x).",
    reference=lambda x: x * _logistic(x),
    body=lambda x: MUL(x, SIGMOID(x)),
    slope=_silu_slope,
    flops=20,
)

# -- softplus ---------------------------------------------------------------------------------


def _softplus(x: np.ndarray, *, beta: float, threshold: float) -> np.ndarray:
    inner = x * x.dtype.type(beta)
    curved = np.log1p(np.exp(np.minimum(inner, threshold))) / x.dtype.type(beta)
    return np.where(inner > threshold, x, curved)


def _softplus_body(x: Any, *, beta: float, threshold: float) -> Any:
    inner = scaled(x, beta)
    limit = constant(threshold, x)
    straight = GT(inner, limit)
    # The branch not taken is kept finite, so that its gradient does not spoil the other's.
    curved = scaled(LOG1P(EXP(WHERE(straight, limit, inner))), 1 / beta)
    return WHERE(straight, x, curved)


def _softplus_slope(g: Any, x: Any, *, beta: float, threshold: float) -> Any:
    inner = scaled(x, beta)
    return WHERE(GT(inner, constant(threshold, x)), g, MUL(g, SIGMOID(inner)))


SOFTPLUS = _activation(
    "softplus",
    "log(1 + exp(beta x)) / beta; x itself where beta x passes the threshold.",
    reference=_softplus,
    body=_softplus_body,
    slope=_softplus_slope,
    flops=35,
)

# -- log of the sigmoid -----------------------------------------------------------------------


def _log_sigmoid_body(x: Any) -> Any:
    return SUB(MINIMUM(x, constant(0, x)), LOG1P(EXP(NEG(ABS(x)))))


# The body has no second derivative at 0, where two kinks meet: the slope is written out.
LOG_SIGMOID = _activation(
    "log_sigmoid",
    "log(1 / (1 + exp(-x))) without overflow: min(x, 0) - log1p(exp(-|x|)).",
    reference=lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
    body=_log_sigmoid_body,
    slope=lambda g, x: MUL(g, SIGMOID(NEG(x))),
    flops=35,
)

# -- elu, leaky relu --------------------------------------------------------------------------


def _positive(x: Any) -> Any:
    return GT(x, constant(0, x))


def _elu_parts(x: Any) -> tuple[Any, Any]:
    """(where the exponential branch holds, its argument kept finite elsewhere)."""
    below = LE(x, constant(0, x))
    return below, WHERE(below, x, constant(0, x))


def _elu_body(x: Any, *, alpha: float) -> Any:
    below, argument = _elu_parts(x)
    return WHERE(below, scaled(EXPM1(argument), alpha), x)


def _elu_slope(g: Any, x: Any, *, alpha: float) -> Any:
    below, argument = _elu_parts(x)
    return WHERE(below, MUL(g, scaled(EXP(argument), alpha)), g)


ELU = _activation(
    "elu",
    "x where it is positive, else alpha * (exp(x) - 1).",
    reference=lambda x, *, alpha: np.where(
        x > 0, x, np.expm1(np.minimum(x, 0)) * x.dtype.type(alpha)
    ),
    body=_elu_body,
    slope=_elu_slope,
    flops=18,
)
LEAKY_RELU = _activation(
    "leaky_relu",
    "x where it is positive, else slope * x.",
    reference=lambda x, *, slope: np.where(x > 0, x, x * x.dtype.type(slope)),
    body=lambda x, *, slope: WHERE(_positive(x), x, scaled(x, slope)),
    slope=lambda g, x, *, slope: WHERE(_positive(x), g, scaled(g, slope)),
    flops=2,
)

# -- gelu -------------------------------------------------------------------------------------

_TANH_SCALE = math.sqrt(2 / math.pi)
_TANH_CUBE = 0.044715


def _tanh_argument(x: Any) -> Any:
    cube = MUL(x, MUL(x, x))
    return scaled(ADD(x, scaled(cube, _TANH_CUBE)), _TANH_SCALE)


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    kind = x.dtype.type
    inner = kind(_TANH_SCALE) * (x + kind(_TANH_CUBE) * x * x * x)
    return kind(0.5) * x * (1 + np.tanh(inner))


def _gelu_tanh_body(x: Any) -> Any:
    return MUL(scaled(x, 0.5), plus_number(TANH(_tanh_argument(x)), 1))


def _gelu_tanh_slope(g: Any, x: Any) -> Any:
    t = TANH(_tanh_argument(x))
    steep = scaled(plus_number(scaled(MUL(x, x), 3 * _TANH_CUBE), 1), _TANH_SCALE)
    turn = MUL(MUL(scaled(x, 0.5), one_minus_square(t)), steep)
    return MUL(g, ADD(scaled(plus_number(t, 1), 0.5), turn))


def _gelu_erf(x: np.ndarray) -> np.ndarray:
    kind = x.dtype.type
    return kind(0.5) * x * (1 + erf(x * kind(math.sqrt(0.5))))


def _normal_cdf(x: Any) -> Any:
    return scaled(plus_number(ERF(scaled(x, math.sqrt(0.5))), 1), 0.5)


def _gelu_erf_slope(g: Any, x: Any) -> Any:
    # cdf(x) + x pdf(x) of the normal distribution
    density = scaled(EXP(scaled(MUL(x, x), -0.5)), 1 / math.sqrt(2 * math.pi))
    return MUL(g, ADD(_normal_cdf(x), MUL(x, density)))


def _gelu(x: np.ndarray, *, approximate: str) -> np.ndarray:
    return _gelu_tanh(x) if approximate == "tanh" else _gelu_erf(x)


def _gelu_body(x: Any, *, approximate: str) -> Any:
    return _gelu_tanh_body(x) if approximate == "tanh" else MUL(x, _normal_cdf(x))


def _gelu_slope(g: Any, x: Any, *, approximate: str) -> Any:
    return _gelu_tanh_slope(g, x) if approximate == "tanh" else _gelu_erf_slope(g, x)


GELU = _activation(
    "gelu",
    'x * normal_cdf(x); approximate="tanh": Hendrycks & Gimpel\'s (arXiv:1606.08415) by tanh.',
    reference=_gelu,
    body=_gelu_body,
    slope=_gelu_slope,
    flops=40,
)
