"""Norms, distances, covariance."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from plait._autocast import in_full
from plait._functions import pointwise as pw
from plait._functions import reduction
from plait._functions.common import public, require_dtype, tensor_argument
from plait._functions.matrix import matmul
from plait._functions.shape import diagonal, movedim
from plait._promotion import promote_types, result_type
from plait._tensor import Tensor, scalar_type
from plait._unbuilt import not_built
from plait.core.functional.axes import normal_axes, normal_axis
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.functional.norms import vector_norm
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.cell import leaf_of
from plait.core.ops.elementwise import cast
from plait.core.ops.index import TAKE
from plait.core.ops.view import broadcast, reshape, transpose


def _floating(name: str, input: Tensor, dtype: Any) -> Tensor:
    if input.dtype.is_complex and dtype is None:
        input = pw.abs(input)
    wanted = require_dtype(name, dtype) or input.dtype
    for held in (input.dtype, wanted):
        if held.kind != "f":
            raise error(
                RuntimeError,
                "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
                f"{scalar_type(held)}",
            )
    if wanted is not promote_types(input.dtype, wanted):
        raise error(
            RuntimeError,
            f"linalg.vector_norm: the dtype of the input ({scalar_type(input.dtype)}) should be "
            "convertible without narrowing to the specified dtype "
            f"({scalar_type(wanted)})",
        )
    return cast(input, wanted)


@public
def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """The p-norm of all elements or over axes; "fro" is p = 2, "nuc" the nuclear norm."""
    if p == "nuc":
        if input.dtype.is_complex:
            raise not_built(f"the nuclear norm of {input.dtype}")
        return _nuclear(_floating("norm", input, dtype), dim, keepdim)
    if p is None or p == "fro":
        p = 2.0
    if isinstance(p, str):
        if p not in ("inf", "-inf"):
            raise error(RuntimeError, f"linalg.matrix_norm: Order {p} not supported.")
        p = float(p)
    value = _floating("norm", input, dtype)
    axes = normal_axes(dim, value.ndim, "norm")
    if math.isinf(p) and 0 in [value._shape[axis] for axis in axes]:
        raise error(
            RuntimeError,
            f"linalg.vector_norm cannot compute the {p} norm on an empty tensor because the "
            f"operation does not have an identity (shape {list(value.shape)})",
        )
    result = vector_norm(value, float(p), axes)
    return result if keepdim else reduction.dropped(result, axes)


def _nuclear(value: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """The sum of the singular values over two axes."""
    from plait.core.ops.linalg import SVD

    if value.ndim < 2:
        raise error(
            RuntimeError,
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions, received "
            f"shape {list(value.shape)}",
        )
    first, second = [normal_axis(d, value.ndim, "norm") for d in (dim or (-2, -1))]
    _, singular, _ = SVD(movedim(value, (first, second), (-2, -1)), full=False)
    total = reduction.sum(singular, -1)
    if not keepdim:
        return total
    return reshape(
        total, tuple([1 if i in (first, second) else n for i, n in enumerate(value.shape)])
    )


@public
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    return norm(pw.sub(input, tensor_argument("dist", "other", other)), p)


@public(inplace=True)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along `dim` whose p-norm is above maxnorm are scaled down to it."""
    if input.ndim < 2:
        raise error(
            RuntimeError,
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions",
        )
    axis = normal_axis(dim, input.ndim, "renorm")
    axes = tuple([i for i in range(input.ndim) if i != axis])
    size = vector_norm(input, float(p), axes)
    # The small number keeps a rounded norm from ending above the limit, as PyTorch's does.
    factor = pw.where(pw.gt(size, maxnorm), pw.div(maxnorm, pw.add(size, 1e-7)), 1.0)
    return pw.mul(input, factor)


# -- distances between rows -------------------------------------------------------------------

#: From this many rows on, Euclidean distances come from a matrix product, as in PyTorch.
_ROWS_FOR_PRODUCT = 25


@public(method=False)
def cdist(
    x1: Tensor,
    x2: Tensor,
    p: float = 2.0,
    compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary",
) -> Tensor:
    """The p-norm distances between all rows: (*batch, P, M), (*batch, R, M) -> (*batch, P, R)."""
    x1, x2 = in_full(x1), in_full(x2)
    for number, x in ((1, x1), (2, x2)):
        if x.ndim < 2:
            raise error(
                RuntimeError,
                f"cdist only supports at least 2D tensors, X{number} got: {x.ndim}D",
            )
        if x.dtype.kind != "f":
            raise error(
                RuntimeError,
                f"cdist only supports floating-point dtypes, X{number} got: {scalar_type(x.dtype)}",
            )
    if x1._shape[-1] != x2._shape[-1]:
        raise error(
            RuntimeError,
            f"X1 and X2 must have the same number of columns. X1: {x1._shape[-1]} X2: "
            f"{x2._shape[-1]}",
        )
    if p < 0:
        raise error(RuntimeError, f"cdist only supports non-negative p values, received {p}")
    rows = builtins.max(x1._shape[-2], x2._shape[-2])
    wanted = {
        "use_mm_for_euclid_dist": True,
        "donot_use_mm_for_euclid_dist": False,
    }.get(compute_mode or "", rows > _ROWS_FOR_PRODUCT)
    if p == 2 and wanted:
        return _euclidean(x1, x2)
    difference = pw.sub(_with_axis(x1, -1), _with_axis(x2, -2))
    return reduction.dropped(
        vector_norm(difference, float(p), (difference.ndim - 1,)), (difference.ndim - 1,)
    )


def _with_axis(x: Tensor, place: int) -> Tensor:
    """An axis of extent 1 before the last (-1) or the last but one (-2)."""
    at = x.ndim + place
    return reshape(x, (*x._shape[:at], 1, *x._shape[at:]))


def _euclidean(x1: Tensor, x2: Tensor) -> Tensor:
    """Distances from |a|^2 + |b|^2 - 2 a.b, where rounding may give tiny negative squares."""
    squares1 = reduction.sum(pw.mul(x1, x1), -1, True)
    squares2 = reduction.sum(pw.mul(x2, x2), -1, True)
    turned = transpose(x2, (*range(x2.ndim - 2), x2.ndim - 1, x2.ndim - 2))
    across = transpose(squares2, (*range(x2.ndim - 2), x2.ndim - 1, x2.ndim - 2))
    square = pw.sub(pw.add(squares1, across), pw.mul(matmul(x1, turned), 2))
    positive = pw.gt(square, 0)
    return pw.where(positive, pw.sqrt(pw.where(positive, square, 1.0)), 0.0)


@public
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product along an axis of extent 3 (the first such axis unless told)."""
    if input.ndim != other.ndim:
        raise error(
            RuntimeError,
            "linalg.cross: inputs must have the same number of dimensions, received shapes "
            f"{list(input.shape)} and {list(other.shape)}",
        )
    shape = broadcast_shapes("cross", input._shape, other._shape)
    if dim is None:
        if 3 not in shape:
            raise error(
                RuntimeError,
                f"no dimension of size 3 in input, received shapes {list(input.shape)} and "
                f"{list(other.shape)}",
            )
        dim = shape.index(3)
    axis = normal_axis(dim, len(shape), "cross")
    extents = (input._shape[axis], other._shape[axis])
    if extents != (3, 3):
        raise error(
            RuntimeError,
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {extents[0]} and "
            f"{extents[1]}",
        )
    dtype = result_type(input, other)
    a, b = broadcast(cast(input, dtype), shape), broadcast(cast(other, dtype), shape)

    def turned(x: Any, order: tuple[int, ...]) -> Any:
        return TAKE(x, leaf_of(np.array(order, np.int64)), axis=axis)

    left, right = (1, 2, 0), (2, 0, 1)
    return pw.sub(
        pw.mul(turned(a, left), turned(b, right)), pw.mul(turned(a, right), turned(b, left))
    )


# -- covariance -------------------------------------------------------------------------------


def _require_weights(name: str, weights: Tensor, count: int) -> None:
    """Raise RuntimeError, in PyTorch's words, unless these are weights of so many observations."""
    wanted = "integral" if name == "fweights" else "floating point"
    if weights.ndim > 1:
        raise error(
            RuntimeError,
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
            f"{weights.ndim} dimensions",
        )
    if weights.dtype.kind not in ("iu" if name == "fweights" else "f"):
        raise error(
            RuntimeError,
            f"cov(): expected {name} to have {wanted} dtype but got {name} with "
            f"{scalar_type(weights.dtype)} dtype",
        )
    if weights.numel() != count:
        raise error(
            RuntimeError,
            f"cov(): expected {name} to have the same numel as there are observations in the "
            f"input but got {weights.numel()} != {count}",
        )
    if count and bool((weights.detach() < 0).any()):
        raise error(RuntimeError, f"cov(): {name} cannot be negative")


@public
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariance matrix of variables in rows, observations in columns, with optional weights.

    fweights: how often each observation counts (integers); aweights: its importance.
    """
    if input.dtype.kind == "b":
        raise error(RuntimeError, "cov(): bool dtype is not supported for input")
    if input.dtype.is_complex:
        raise not_built(f"torch.cov of {input.dtype}")
    if input.ndim > 2:
        raise error(
            RuntimeError,
            f"cov(): expected input to have two or fewer dimensions but got {input.ndim}",
        )
    value = input if input.dtype.kind == "f" else cast(input, dtypes.float32)
    rows = reshape(value, (1, value.numel())) if value.ndim < 2 else value
    weights: Any = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is not None:
            _require_weights(name, given, rows._shape[1])
            weights = given if weights is None else pw.mul(weights, given)
    if weights is None:
        total: Any = float(rows._shape[1])
        center = reduction.mean(rows, 1, True)
    else:
        weights = cast(weights, rows.dtype)
        total = reduction.sum(weights)
        center = pw.div(reduction.sum(pw.mul(rows, weights), 1, True), total)
    deviation = pw.sub(rows, center)
    freedom: Any = pw.sub(total, correction) if isinstance(total, Tensor) else total - correction
    if aweights is not None:
        # Reliability weights: the mean weight takes the place of 1 in the correction.
        mean_weight = pw.div(reduction.sum(pw.mul(weights, aweights)), total)
        freedom = pw.sub(total, pw.mul(mean_weight, correction))
    freedom = (
        pw.clamp(freedom, min=0) if isinstance(freedom, Tensor) else builtins.max(freedom, 0.0)
    )
    weighted = deviation if weights is None else pw.mul(deviation, weights)
    result = pw.div(matmul(weighted, transpose(deviation, (1, 0))), freedom)
    return reshape(result, ()) if rows._shape[0] == 1 else result


@public
def corrcoef(input: Tensor) -> Tensor:
    """The matrix of correlation coefficients of variables in rows, limited to [-1, 1]."""
    covariance = cov(input)
    if not covariance._shape:
        return pw.div(covariance, covariance)
    spread = pw.sqrt(diagonal(covariance))
    scaled = pw.div(covariance, reshape(spread, (spread.numel(), 1)))
    return pw.clamp(pw.div(scaled, spread), -1, 1)
