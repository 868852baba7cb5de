"""Random draws of the functions, from the default generator.

`bernoulli` and `uniform` take a fresh counter each and are drawn where the program runs;
`exponential` is drawn at once, with PyTorch's own values.
"""

from __future__ import annotations

from typing import Any

from plait._functions.random import drawn, next_counters
from plait.core.ir.dtypes import DType
from plait.core.ops.random import BERNOULLI_MASK, UNIFORM
from plait.core.runtime import host_random


def _counter() -> Any:
    return drawn(next_counters, None)


def bernoulli(shape: tuple[int, ...], p: float) -> Any:
    """A bool mask that is True with probability p in each place."""
    return BERNOULLI_MASK(_counter(), shape=tuple(shape), p=p)


def uniform(shape: tuple[int, ...], dtype: DType) -> Any:
    """Draws from [0, 1)."""
    return UNIFORM(_counter(), shape=tuple(shape), dtype=dtype)


def exponential(shape: tuple[int, ...], dtype: DType) -> Any:
    """Exponential draws of rate 1: those of PyTorch's `exponential_`."""
    return drawn(host_random.exponential, None, tuple(shape), dtype.numpy)
