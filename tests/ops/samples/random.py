"""Samples of the random ops; PyTorch has no counterpart of the same bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample

_SHAPES = [(), (5,), (3, 7), (0, 2), (2, 1, 3)]


def _counter(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(-(2**63), 2**63 - 1, 2)


def _bits(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [Sample((_counter(rng),), {"shape": shape}) for shape in _SHAPES]


def _uniform(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((_counter(rng),), {"shape": shape, "dtype": kind})
        for shape in _SHAPES
        for kind in dtypes.FLOATS
    ]


def _mask(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((_counter(rng),), {"shape": shape, "p": p})
        for shape in _SHAPES
        for p in (0.0, 0.3, 1.0)
    ]


SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {
    "random_bits": _bits,
    "uniform": _uniform,
    "bernoulli_mask": _mask,
}

TORCH: dict[str, Callable] = {}
