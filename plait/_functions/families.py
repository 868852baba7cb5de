"""The families of functions: those that every program meets, and those loaded when asked for.

A family registers its functions and Tensor methods when it is imported. `import plait` brings the
first kind; a name that is not found brings the second (see `plait.__getattr__` and
`plait._late`).
"""

import importlib

from plait._functions import (
    creation,
    forwarding,
    gathering,
    indexing,
    joining,
    matrix,
    operators,
    pointwise,
    random,
    reduction,
    shape,
)

__all__ = [
    "creation",
    "forwarding",
    "gathering",
    "indexing",
    "joining",
    "load_late",
    "matrix",
    "operators",
    "pointwise",
    "random",
    "reduction",
    "shape",
]

_LATE = (
    "conjugation",
    "copies",
    "counted_draws",
    "cumulative",
    "decompositions",
    "exponents",
    "factorizations",
    "foreach",
    "histograms",
    "integers",
    "low_rank",
    "norms",
    "reordering",
    "searching",
    "sorting",
    "sparsity",
    "special",
    "spectral",
    "splitting",
    "triangles",
    "twins",
    "windows",
)


def load_late() -> None:
    """Import the families that `import plait` leaves out."""
    for name in _LATE:
        importlib.import_module(f"plait._functions.{name}")
