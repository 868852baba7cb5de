"""Distances and angles between vectors."""

from __future__ import annotations

import numpy as np

from plait._promotion import result_type
from plait._tensor import Tensor, scalar_type
from plait._unbuilt import not_built
from plait.core.functional import arithmetic as fn
from plait.core.functional import distances
from plait.core.functional.axes import normal_axis
from plait.core.ir.errors import error
from plait.core.ops.index import TAKE
from plait.core.ops.view import reshape
from plait.nn.functional._arguments import common_operands, constant_array, require_tensor


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between x1 and x2 along `dim`; the shapes broadcast."""
    require_tensor("cosine_similarity", "x1", x1, 1)
    require_tensor("cosine_similarity", "x2", x2, 2)
    common = result_type(x1, x2)
    if common.kind != "f":
        raise error(
            RuntimeError,
            "expected common dtype to be floating point, yet common dtype is "
            f"{scalar_type(common)} (cosine_similarity)",
        )
    a, b = common_operands("cosine_similarity", x1, x2)
    axis = normal_axis(dim, a.ndim, "cosine_similarity")
    if not a.ndim:
        a, b = reshape(a, (1,)), reshape(b, (1,))
    return distances.cosine_similarity(a, b, axis, eps)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last axis; the shapes broadcast."""
    require_tensor("pairwise_distance", "x1", x1, 1)
    require_tensor("pairwise_distance", "x2", x2, 2)
    a, b = common_operands("pairwise_distance", x1, x2)
    if a.dtype.is_complex:
        raise not_built(f"pairwise_distance of {a.dtype}")
    return distances.pairwise_distance(a, b, float(p), eps, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distance of each pair of rows (i < j) of (N, M), in row-major order of pairs."""
    require_tensor("pdist", "input", input, 1)
    if input.ndim != 2:
        raise error(RuntimeError, f"pdist only supports 2D tensors, got: {input.ndim}D")
    if input.dtype.kind != "f":
        raise error(RuntimeError, "pdist only supports floating-point dtypes")
    if p < 0:
        raise error(RuntimeError, "pdist only supports non-negative p values")
    first, second = np.triu_indices(input.shape[0], 1)
    a = TAKE(input, constant_array(first), axis=0)
    b = TAKE(input, constant_array(second), axis=0)
    return distances.norm(fn.sub(a, b), float(p), (1,))
