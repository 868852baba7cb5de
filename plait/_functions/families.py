"""Loads every family of functions, which registers their functions and Tensor methods."""

from plait._functions import (
    creation,
    gathering,
    indexing,
    joining,
    matrix,
    operators,
    pointwise,
    random,
    reduction,
    shape,
    sorting,
    special,
)

__all__ = [
    "creation",
    "gathering",
    "indexing",
    "joining",
    "matrix",
    "operators",
    "pointwise",
    "random",
    "reduction",
    "shape",
    "sorting",
    "special",
]
