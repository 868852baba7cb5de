"""Reductions. Folded axes stay with extent 1, so that a result broadcasts back by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import CAST, DIV, EQ, ISNAN, MUL, OR
from plait.core.ops.families import (
    ORDERED,
    REAL,
    contiguous,
    reduced_shape,
    reduction,
    require_kind,
)
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.source import constant, full


def _spread(g: Any, x: Any) -> Any:
    from plait.core.ops.view import broadcast  # view needs SUM for its own rules

    return broadcast(g, x.shape)


def _sum(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
    return np.sum(contiguous(x), axis=axes, keepdims=True, dtype=x.dtype)


SUM = reduction("sum", _sum, vjp=lambda g, y, x, *, axes: _spread(g, x))


def count_of(x: Any, axes: tuple[int, ...]) -> int:
    """How many elements are folded into each result."""
    return elements(tuple([x.shape[axis] for axis in axes]))


def _mean_body(x: Any, *, axes: tuple[int, ...]) -> Any:
    total = SUM(x, axes=axes)
    return DIV(total, constant(count_of(x, axes), total))


def _mean_vjp(g: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    return _spread(DIV(g, constant(count_of(x, axes), g)), x)


def _mean(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
    # Not np.mean, which warns where there is nothing to average; the result is nan.
    return _sum(x, axes=axes) / x.dtype.type(count_of(x, axes))


MEAN = reduction(
    "mean",
    _mean,
    vjp=_mean_vjp,
    body=_mean_body,
    kinds="fc",
)


def _prod_vjp(g: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    """d prod / d x_i = the product of the others: those before it times those after it.

    Without a division, so that it is right, and differentiable again, where some x are 0.
    """
    from plait.core.ops import view  # view and scan need SUM for their own rules
    from plait.core.ops.scan import CUMPROD

    if 0 in x.shape:
        return constant(0, x)
    rest = tuple([axis for axis in range(len(x.shape)) if axis not in axes])
    order = (*rest, *axes)
    moved = view.transpose(x, order)
    count = count_of(x, axes)
    last = len(rest)
    rows = view.reshape(moved, (*moved.shape[:last], count))
    one = full(1, (*moved.shape[:last], 1), x.dtype)

    def product_before(rows: Any) -> Any:
        shifted = view.CONCAT(one, view.slice_axis(rows, last, 0, count - 1), axis=last)
        return CUMPROD(shifted, axis=last)

    after = view.FLIP(product_before(view.FLIP(rows, axes=(last,))), axes=(last,))
    others = view.reshape(MUL(product_before(rows), after), moved.shape)
    return MUL(_spread(g, x), view.transpose(others, view.inverse_permutation(order)))


PROD = reduction(
    "prod",
    lambda x, *, axes: np.prod(contiguous(x), axis=axes, keepdims=True, dtype=x.dtype),
    vjp=_prod_vjp,
    saves=(0,),
)


def _extremum_vjp(g: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    """Equal extrema share the gradient evenly, as in PyTorch's amax and amin."""
    winners = CAST(EQ(x, _spread(y, x)), dtype=x.dtype)
    share = DIV(g, SUM(winners, axes=axes))
    return MUL(_spread(share, x), winners)


MAX = reduction(
    "max",
    lambda x, *, axes: np.max(x, axis=axes, keepdims=True),
    vjp=_extremum_vjp,
    saves=(0, "y"),
    kinds=ORDERED,
    empty=False,
)
MIN = reduction(
    "min",
    lambda x, *, axes: np.min(x, axis=axes, keepdims=True),
    vjp=_extremum_vjp,
    saves=(0, "y"),
    kinds=ORDERED,
    empty=False,
)


def _even_vjp(g: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    """As the extrema's, but where an extremum is nan its gradient goes to the nan."""
    winners = CAST(OR(EQ(x, _spread(y, x)), ISNAN(x)), dtype=x.dtype)
    share = DIV(g, SUM(winners, axes=axes))
    return MUL(_spread(share, x), winners)


#: PyTorch's whole-tensor `max` and `min`, and its norms of order inf and -inf, differ from `amax`
#: and `amin` in this: there a nan makes all gradients nan.
MAX_EVENLY = reduction(
    "max_evenly",
    lambda x, *, axes: np.max(x, axis=axes, keepdims=True),
    body=lambda x, *, axes: MAX(x, axes=axes),
    vjp=_even_vjp,
    saves=(0, "y"),
    kinds=REAL,
    empty=False,
)
MIN_EVENLY = reduction(
    "min_evenly",
    lambda x, *, axes: np.min(x, axis=axes, keepdims=True),
    body=lambda x, *, axes: MIN(x, axes=axes),
    vjp=_even_vjp,
    saves=(0, "y"),
    kinds=REAL,
    empty=False,
)

ALL = reduction("all", lambda x, *, axes: np.all(x, axis=axes, keepdims=True), kinds="b")
ANY = reduction("any", lambda x, *, axes: np.any(x, axis=axes, keepdims=True), kinds="b")


def _arg_reduction(name: str, reference: Any) -> Op:
    def infer(x: Any, *, axis: int) -> tuple[Any, Any]:
        """The position of the first extremum along one axis; nan counts as the extremum."""
        require_kind(name, x.dtype, ORDERED)
        shape = reduced_shape(name, x.shape, (axis,))
        if x.shape[axis] == 0:
            raise ShapeError(
                f"{name}: expected a reduction over at least one element, received shape "
                f"{list(x.shape)} and axis {axis}"
            )
        return shape, dtypes.int64

    return Op(
        name,
        infer=infer,
        lowering=Lowering.REDUCE,
        reference=lambda x, *, axis: np.expand_dims(reference(x, axis), axis),
        dtypes=dtypes_of_kinds(ORDERED),
    )


ARGMAX = _arg_reduction("argmax", np.argmax)
ARGMIN = _arg_reduction("argmin", np.argmin)
