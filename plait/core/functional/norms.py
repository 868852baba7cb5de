"""Norms of vectors, with the subgradient 0 where a norm has a corner.

Values have a floating dtype. 16-bit floats are widened, so that squares of large elements do not
overflow.
"""

from __future__ import annotations

import math
from typing import Any

from plait.core.ir import dtypes
from plait.core.ops.elementwise import ABS, EQ, ISNAN, MUL, POW, SIGN, WHERE, cast
from plait.core.ops.math import SQRT
from plait.core.ops.reduce import MAX_EVENLY, MIN_EVENLY, SUM
from plait.core.ops.source import constant


def vector_norm(x: Any, p: float, axes: tuple[int, ...]) -> Any:
    """(sum |x|^p)^(1/p) over axes, which stay with extent 1.

    p = inf and -inf give the largest and the smallest |x|, p = 0 the number of elements that are
    not 0.
    """
    if x.dtype.is_half:
        return cast(vector_norm(cast(x, dtypes.float32), p, axes), x.dtype)
    if p == math.inf:
        return MAX_EVENLY(ABS(x), axes=axes)
    if p == -math.inf:
        return MIN_EVENLY(ABS(x), axes=axes)
    if p == 0:
        return SUM(count(x), axes=axes)
    if p == 1:
        return SUM(ABS(x), axes=axes)
    if p == 2:
        return root(SUM(MUL(x, x), axes=axes), SQRT)
    power = root(ABS(x), lambda v: POW(v, constant(p, v)), at_zero=math.inf if p < 0 else 0)
    return root(SUM(power, axes=axes), lambda v: POW(v, constant(1 / p, v)))


def count(x: Any) -> Any:
    """1 where x is not 0 (nan is not), else 0; its gradient is 0."""
    return WHERE(ISNAN(x), constant(1, x), ABS(SIGN(x)))


def root(x: Any, function: Any, at_zero: float = 0) -> Any:
    """function(x), and `at_zero` with no gradient where x is 0, where the slope may be infinite."""
    zero = EQ(x, constant(0, x))
    return WHERE(zero, constant(at_zero, x), function(WHERE(zero, constant(1, x), x)))
