"""Samples of the op that calls a user's function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values


def reversed_and_counted(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The array upside down, and its number of elements."""
    return x[::-1], np.array(x.size)


def _call(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    for shape in [(3,), (2, 2), (0,)]:
        types = ((shape, dtype), ((), dtypes.int64))
        attrs = {"function": reversed_and_counted, "types": types}
        made.append(Sample((values(rng, dtype, shape),), attrs))
    return made


SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {"call": _call}

TORCH: dict[str, Callable] = {}
