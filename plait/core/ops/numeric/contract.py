"""dot_general on NumPy: reshapes to one (batched) matrix product."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def free_axes(rank: int, contracted: tuple[int, ...], batch: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that are neither contracted nor batched, in order."""
    return tuple([axis for axis in range(rank) if axis not in contracted and axis not in batch])


def dot_general(a: np.ndarray, b: np.ndarray, *, contract: Any, batch: Any) -> np.ndarray:
    """The contraction of `a` and `b`: axes batch, free of a, free of b.

    Both operands are first laid out in row-major order, because BLAS rounds differently for other
    layouts and a result must depend on the values alone.
    """
    a, b = np.asarray(a, order="C"), np.asarray(b, order="C")
    free_a = free_axes(a.ndim, contract[0], batch[0])
    free_b = free_axes(b.ndim, contract[1], batch[1])
    shape_batch = [a.shape[i] for i in batch[0]]
    shape_a = [a.shape[i] for i in free_a]
    shape_b = [b.shape[i] for i in free_b]
    depth = math.prod([a.shape[i] for i in contract[0]])
    count = math.prod(shape_batch)
    rows, columns = math.prod(shape_a), math.prod(shape_b)

    left = a.transpose((*batch[0], *free_a, *contract[0])).reshape(count, rows, depth)
    right = b.transpose((*batch[1], *contract[1], *free_b)).reshape(count, depth, columns)
    if count == 1:
        product = np.matmul(left[0], right[0])
    else:
        product = np.matmul(left, right)
    return product.reshape((*shape_batch, *shape_a, *shape_b))
