"""Norms along axes, and the distances and angles made of them."""

from __future__ import annotations

import math
from typing import Any

from plait.core.functional import arithmetic as fn
from plait.core.functional.arithmetic import rounded_once
from plait.core.functional.norms import count, root
from plait.core.ops.elementwise import ABS, cast
from plait.core.ops.math import SQRT
from plait.core.ops.reduce import MAX_EVENLY, MIN_EVENLY
from plait.core.ops.rows import wide_of
from plait.core.ops.source import constant
from plait.core.ops.view import reshape


def norm(x: Any, p: float, axes: tuple[int, ...], keep: bool = False) -> Any:
    """The p-norm of x over axes (sorted): (sum |x|^p)^(1/p), and its limits for p of 0 and +-inf.

    Where the norm is 0 its gradient is 0.
    """
    return rounded_once(lambda x: _norm(x, p, axes, keep), x)


def _norm(x: Any, p: float, axes: tuple[int, ...], keep: bool) -> Any:
    if p == math.inf or p == -math.inf:
        made = (MAX_EVENLY if p > 0 else MIN_EVENLY)(ABS(x), axes=axes) if axes else ABS(x)
        shape = tuple([n for i, n in enumerate(made.shape) if keep or i not in axes])
        return reshape(made, shape)
    if p == 0:
        return fn.total(cast(count(x), wide_of(x.dtype)), axes, keep)
    if p == 1:
        return fn.total(ABS(x), axes, keep)
    if p == 2:
        return root(fn.total(fn.square(x), axes, keep), SQRT)
    # |x|^p has slope 0 at 0 for p > 1, which the rule of pow gives only away from 0.
    powers = root(ABS(x), lambda v: fn.power(v, p), at_zero=math.inf if p < 0 else 0)
    return root(fn.total(powers, axes, keep), lambda v: fn.power(v, 1 / p))


def pairwise_distance(a: Any, b: Any, p: float, eps: float, keep: bool) -> Any:
    """The p-norm of a - b + eps over the last axis; a and b of one shape and dtype."""
    axis = len(a.shape) - 1
    return norm(fn.add(fn.sub(a, b), eps), p, (axis,), keep)


def cosine_similarity(a: Any, b: Any, axis: int, eps: float) -> Any:
    """The cosine of the angle between a and b along `axis`, each norm limited from below by eps."""

    def formula(a: Any, b: Any) -> Any:
        unit_a, unit_b = _unit(a, axis, eps), _unit(b, axis, eps)
        return fn.total(fn.mul(unit_a, unit_b), (axis,))

    return rounded_once(formula, a, b)


def _unit(x: Any, axis: int, eps: float) -> Any:
    size = _norm(x, 2, (axis,), keep=True)
    return fn.div(x, fn.where(fn.less(size, eps), constant(eps, size), size))
