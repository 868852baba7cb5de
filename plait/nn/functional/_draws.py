"""Random draws of the functions: each takes a fresh counter from the default generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from plait.core.lazy.cell import leaf_of
from plait.core.ops.random import BERNOULLI_MASK, UNIFORM


def _counter() -> Any:
    from plait._functions.random import default_generator

    return leaf_of(np.array(default_generator.next_counter(), np.uint64).view(np.int64))


def bernoulli(shape: tuple[int, ...], p: float) -> Any:
    """A bool mask that is True with probability p in each place."""
    return BERNOULLI_MASK(_counter(), shape=tuple(shape), p=p)


def uniform(shape: tuple[int, ...], dtype: DType) -> Any:
    """Draws from [0, 1)."""
    return UNIFORM(_counter(), shape=tuple(shape), dtype=dtype)
