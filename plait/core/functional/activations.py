"""Activations that have no record of their own: formulas of primitive ops.

Sources: SELU, Klambauer et al. (arXiv:1706.02515); CELU, Barron (arXiv:1704.07483); Mish, Misra
(arXiv:1908.08681); hard swish, Howard et al. (arXiv:1905.02244). Slopes at kinks are PyTorch's.
"""

from __future__ import annotations

from typing import Any

from plait.core.functional import arithmetic as fn
from plait.core.functional.arithmetic import rounded_once
from plait.core.ops.activation import ELU, LOG_SIGMOID, SOFTPLUS
from plait.core.ops.elementwise import ABS
from plait.core.ops.math import EXPM1, TANH
from plait.core.ops.view import slice_axis

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def selu(x: Any) -> Any:
    """scale * elu(x, alpha) with the constants that keep mean 0 and variance 1."""
    return rounded_once(lambda x: fn.mul(ELU(x, alpha=SELU_ALPHA), SELU_SCALE), x)


def celu(x: Any, alpha: float) -> Any:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""

    def formula(x: Any) -> Any:
        below = fn.at_most(x, 0)
        # The branch not taken is kept finite, so that its gradient does not spoil the other's.
        argument = fn.where(below, fn.div(x, alpha), 0)
        return fn.where(below, fn.mul(EXPM1(argument), alpha), x)

    return rounded_once(formula, x)


def mish(x: Any) -> Any:
    """x tanh(softplus(x))."""
    return rounded_once(lambda x: fn.mul(x, TANH(SOFTPLUS(x, beta=1.0, threshold=20.0))), x)


def log_sigmoid(x: Any) -> Any:
    """log(1 / (1 + exp(-x))) without overflow."""
    return LOG_SIGMOID(x)


def hard_sigmoid(x: Any) -> Any:
    """clamp(x + 3, 0, 6) / 6."""

    def formula(x: Any) -> Any:
        line = fn.div(fn.add(x, 3), 6)
        return fn.where(fn.at_most(x, -3), 0, fn.where(fn.at_least(x, 3), 1, line))

    return rounded_once(formula, x)


def hard_swish(x: Any) -> Any:
    """x hard_sigmoid(x)."""

    def formula(x: Any) -> Any:
        low, inside = fn.at_most(x, -3), fn.less(x, 3)
        # Kept finite elsewhere, so that the gradient of what is not taken does not spoil the other.
        bent = fn.where(low, 0, fn.where(inside, x, 0))
        curve = fn.div(fn.mul(bent, fn.add(bent, 3)), 6)
        return fn.where(low, 0, fn.where(inside, curve, x))

    return rounded_once(formula, x)


def hard_shrink(x: Any, bound: float) -> Any:
    """0 within [-bound, bound], x elsewhere."""
    return fn.where(fn.both(fn.at_least(x, -bound), fn.at_most(x, bound)), 0, x)


def soft_shrink(x: Any, bound: float) -> Any:
    """x moved towards 0 by `bound`, and 0 within it; nan stays."""
    inside = fn.where(fn.equal(x, x), 0, x)
    shrunk = fn.where(fn.less(x, -bound), fn.add(x, bound), inside)
    return fn.where(fn.greater(x, bound), fn.sub(x, bound), shrunk)


def soft_sign(x: Any) -> Any:
    """x / (1 + |x|)."""
    return rounded_once(lambda x: fn.div(x, fn.add(ABS(x), 1)), x)


def tanh_shrink(x: Any) -> Any:
    """x - tanh(x)."""
    return rounded_once(lambda x: fn.sub(x, TANH(x)), x)


def gated_half(x: Any, axis: int, gate: Any) -> Any:
    """The first half of x along `axis` times `gate` of the second."""
    half = x.shape[axis] // 2

    def formula(x: Any) -> Any:
        first, second = slice_axis(x, axis, 0, half), slice_axis(x, axis, half, 2 * half)
        return fn.mul(first, gate(second))

    return rounded_once(formula, x)
