"""Loads every family of functions, which registers their functions and Tensor methods."""

from plait._functions import (
    creation,
    cumulative,
    gathering,
    indexing,
    joining,
    matrix,
    operators,
    pointwise,
    random,
    reduction,
    searching,
    shape,
    sorting,
    special,
)

__all__ = [
    "creation",
    "cumulative",
    "gathering",
    "indexing",
    "joining",
    "matrix",
    "operators",
    "pointwise",
    "random",
    "reduction",
    "searching",
    "shape",
    "sorting",
    "special",
]
