"""Samples: the derivatives of draws. PyTorch's are fits of three digits; tests/core has values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values

_SHAPES = [(), (7,), (2, 3), (0, 4)]


def _gamma(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = [tuple(values(rng, dtype, shape, 0.3, 3.0) for _ in range(2)) for shape in _SHAPES]
    made.append(tuple(np.array([[0.01, 40.0, 2.0, -1.0, 2.0], [0.001, 50.0, 0.0, 1.0, np.nan]])))
    return [Sample(tuple(x.astype(dtype.numpy) for x in pair), grad=False) for pair in made]


def _beta(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    ranges = [(0.1, 0.9), (0.3, 3.0), (0.3, 3.0)]
    made = [tuple(values(rng, dtype, shape, *r) for r in ranges) for shape in _SHAPES]
    made.append(
        tuple(np.array([[0.2, 0.5, 1.0, 0.0], [0.1, 40.0, 2.0, 2.0], [3.0, 0.1, 1.0, 1.0]]))
    )
    return [Sample(tuple(x.astype(dtype.numpy) for x in triple), grad=False) for triple in made]


SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {
    "gamma_slope": _gamma,
    "beta_slope": _beta,
}
TORCH: dict[str, Callable] = {}
