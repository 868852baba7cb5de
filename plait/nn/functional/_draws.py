"""Random draws of the functions, from the default generator.

`bernoulli` and `uniform` take a fresh counter each and are drawn where the program runs;
`exponential` is drawn at once, with PyTorch's own values.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from plait.core.lazy.capture import current
from plait.core.lazy.cell import leaf_of
from plait.core.lazy.recorder import recorder
from plait.core.ops.random import BERNOULLI_MASK, UNIFORM
from plait.core.runtime import host_random


def _counter() -> Any:
    from plait._functions.random import default_generator

    recorder.before_draw(default_generator)
    active = current()

    def draw() -> np.ndarray:
        return np.array(default_generator.next_counter(), np.uint64).view(np.int64)

    before = default_generator.offset
    node = leaf_of(draw())
    if active is not None:
        active.undo.append(partial(default_generator.rewind, before))
        active.draw(node, draw, default_generator)
    return node


def bernoulli(shape: tuple[int, ...], p: float) -> Any:
    """A bool mask that is True with probability p in each place."""
    return BERNOULLI_MASK(_counter(), shape=tuple(shape), p=p)


def uniform(shape: tuple[int, ...], dtype: DType) -> Any:
    """Draws from [0, 1)."""
    return UNIFORM(_counter(), shape=tuple(shape), dtype=dtype)


def exponential(shape: tuple[int, ...], dtype: DType) -> Any:
    """Exponential draws of rate 1: those of PyTorch's `exponential_`."""
    from plait._functions.random import source

    return leaf_of(host_random.exponential(source(None), tuple(shape), dtype.numpy))
