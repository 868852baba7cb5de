"""Draws of counts: `poisson` and `binomial`, without gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._functions.common import both_operands, public
from plait._functions.creation import owned
from plait._functions.random import randint
from plait._tensor import Tensor
from plait.core.ir.errors import error


def host_generator(generator: Any = None) -> np.random.Generator:
    """NumPy's generator for one call, from the seed of ours."""
    words: Any = randint(0, 2**31 - 1, (4,), generator=generator)
    return np.random.default_rng(words.tolist())


@public(method=False)
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Draws of the Poisson distributions with the rates `input`, in its dtype.

    They follow the generator's seed, with numbers of their own. Raises RuntimeError for negative
    rates and for other than floating ones.
    """
    if input.dtype.kind != "f":
        raise error(NotImplementedError, f'"poisson_cpu" not implemented for {input.dtype}')
    rates = np.asarray(input.detach().compute(), np.float64)
    if (rates < 0).any():
        raise error(RuntimeError, "invalid Poisson rate, expected rate to be non-negative")
    drawn = host_generator(generator).poisson(rates)
    return owned(np.asarray(drawn).astype(input.dtype.numpy))


@public(method=False)
def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """How many of `count` trials succeed, each with the chance `prob`; in `count`'s dtype.

    The draws follow the generator's seed, with numbers of their own. Raises ValueError for negative
    counts and for chances outside [0, 1].
    """
    count, prob = both_operands("binomial", count, prob)
    counts, chances = (np.asarray(x.detach().compute(), np.float64) for x in (count, prob))
    if (counts < 0).any() or not ((chances >= 0) & (chances <= 1)).all():
        raise error(
            ValueError, "binomial: expected counts of 0 or more and probabilities in [0, 1]"
        )
    drawn = host_generator(generator).binomial(counts.astype(np.int64), chances)
    return owned(np.asarray(drawn).astype(count.dtype.numpy))
