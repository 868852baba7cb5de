"""Distributions of counts: Poisson, Geometric, Binomial, NegativeBinomial, Multinomial.

Draws follow the generator's seed, but are not PyTorch's own numbers; the geometric ones are.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from plait._functions import pointwise as pw
from plait._functions.counted_draws import host_generator
from plait._functions.creation import arange, owned, zeros
from plait._functions.random import rand
from plait._functions.special import lgamma, xlogy
from plait._types import finfo
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.core.ops.view import broadcast
from plait.distributions import constraints
from plait.distributions.constraints import Constraint
from plait.distributions.discrete import Categorical
from plait.distributions.distribution import Distribution, parameters
from plait.distributions.gammas import Gamma
from plait.distributions.utils import logits_to_probs, probs_to_logits

__all__ = ["Binomial", "Geometric", "Multinomial", "NegativeBinomial", "Poisson"]


class Poisson(Distribution):
    """How often something happens that happens `rate` times on average."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,), shape = parameters(rate)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return self.rate

    @property
    def variance(self) -> Any:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Any:
        with grad_mode(False):
            rates = broadcast(self.rate, self._extended_shape(sample_shape))
            drawn = host_generator().poisson(np.asarray(rates.compute(), np.float64))
            return owned(np.asarray(drawn).astype(self.rate.dtype.numpy))

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        return pw.sub(pw.sub(xlogy(value, self.rate), self.rate), lgamma(pw.add(value, 1.0)))


class _ByChance(Distribution):
    """What depends on the probability of one success, or on its log-odds."""

    def _set_chance(self, probs: Any, logits: Any, *others: Any) -> tuple[int, ...]:
        if (probs is None) == (logits is None):
            raise error(ValueError, "Either `probs` or `logits` must be specified, but not both.")
        name = "logits" if probs is None else "probs"
        values, shape = parameters(logits if probs is None else probs, *others)
        setattr(self, name, values[0])
        self._others = values[1:]
        return shape

    def __getattr__(self, name: str) -> Any:
        # Whichever of the two was not given follows from the other, when asked for.
        if name == "probs" and "logits" in self.__dict__:
            return logits_to_probs(self.logits, is_binary=True)
        if name == "logits" and "probs" in self.__dict__:
            return probs_to_logits(self.probs, is_binary=True)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Geometric(_ByChance):
    """How often one fails before the first success."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(self._set_chance(probs, logits), (), validate_args)

    @property
    def mean(self) -> Any:
        return pw.sub(pw.reciprocal(self.probs), 1.0)

    @property
    def variance(self) -> Any:
        return pw.div(pw.sub(pw.reciprocal(self.probs), 1.0), self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        with grad_mode(False):
            probs = self.probs
            draw = rand(self._extended_shape(sample_shape), dtype=probs.dtype)
            draw = pw.clamp(draw, min=finfo(probs.dtype).tiny)
            return pw.floor(pw.div(pw.log(draw), pw.log1p(pw.neg(probs))))

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        return pw.add(xlogy(value, pw.sub(1, self.probs)), pw.log(self.probs))

    def entropy(self) -> Any:
        failure = pw.sub(1, self.probs)
        inner = pw.add(xlogy(self.probs, self.probs), xlogy(failure, failure))
        return pw.div(pw.neg(inner), self.probs)


class Binomial(_ByChance):
    """How many of `total_count` tries succeed."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        shape = self._set_chance(probs, logits, total_count)
        (self.total_count,) = self._others
        super().__init__(shape, (), validate_args)

    @property
    def support(self) -> Any:  # type: ignore[override]  # it depends on the parameters here
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Any:
        return pw.mul(self.total_count, self.probs)

    @property
    def variance(self) -> Any:
        return pw.mul(self.mean, pw.sub(1, self.probs))

    def entropy(self) -> Any:
        """-sum p log p over 0 ... total_count, which must be the same for the whole batch."""
        n = int(self.total_count.max().item())
        if not bool(pw.eq(self.total_count, n).all()):
            raise error(
                NotImplementedError,
                "Inhomogeneous total count not supported by Binomial.entropy, received counts from "
                f"{int(self.total_count.min().item())} to {n}",
            )
        values: Any = arange(n + 1, dtype=self.probs.dtype)
        logs = self.log_prob(values.reshape(n + 1, *[1] * len(self.batch_shape)))
        terms: Any = pw.mul(pw.exp(logs), logs)
        return pw.neg(terms.sum(0))

    def sample(self, sample_shape: Any = ()) -> Any:
        with grad_mode(False):
            shape = self._extended_shape(sample_shape)
            counts = np.asarray(broadcast(self.total_count, shape).compute()).astype(np.int64)
            chances = np.asarray(broadcast(self.probs, shape).compute(), np.float64)
            drawn = host_generator().binomial(counts, chances)
            return owned(np.asarray(drawn).astype(self.total_count.dtype.numpy))

    def log_prob(self, value: Any) -> Any:
        value, n, logits = self._checked(value), self.total_count, self.logits
        ways = pw.sub(lgamma(pw.add(n, 1)), lgamma(pw.add(value, 1)))
        ways = pw.sub(ways, lgamma(pw.add(pw.sub(n, value), 1)))
        # n * log(1 + exp(logits)), without overflow.
        norm = pw.mul(n, pw.add(pw.clamp(logits, min=0), pw.log1p(pw.exp(pw.neg(pw.abs(logits))))))
        return pw.sub(pw.add(ways, pw.mul(value, logits)), norm)


class NegativeBinomial(_ByChance):
    """How many successes there are before `total_count` failures."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "total_count": constraints.nonnegative,
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self,
        total_count: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        shape = self._set_chance(probs, logits, total_count)
        (self.total_count,) = self._others
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return pw.mul(self.total_count, pw.exp(self.logits))

    @property
    def variance(self) -> Any:
        return pw.div(self.mean, pw.sigmoid(pw.neg(self.logits)))

    def sample(self, sample_shape: Any = ()) -> Any:
        with grad_mode(False):
            rate = pw.exp(pw.neg(self.logits))
            rates = Gamma(self.total_count, rate, validate_args=False).sample(sample_shape)
            return Poisson(rates, validate_args=False).sample()

    def log_prob(self, value: Any) -> Any:
        value, n, logits = self._checked(value), self.total_count, self.logits

        def log_sigmoid(x: Any) -> Any:
            return pw.sub(pw.clamp(x, max=0), pw.log1p(pw.exp(pw.neg(pw.abs(x)))))

        odds = pw.add(pw.mul(n, log_sigmoid(pw.neg(logits))), pw.mul(value, log_sigmoid(logits)))
        ways = pw.sub(lgamma(pw.add(n, value)), pw.add(lgamma(pw.add(value, 1.0)), lgamma(n)))
        return pw.add(odds, pw.where(pw.eq(pw.add(n, value), 0), 0.0, ways))


class Multinomial(Distribution):
    """How often each of n classes (the last axis) comes up in `total_count` draws."""

    arg_constraints: ClassVar[dict[str, Constraint]] = Categorical.arg_constraints

    def __init__(
        self,
        total_count: int = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits)
        given = probs if probs is not None else logits
        super().__init__(self._categorical.batch_shape, given.shape[-1:], validate_args)

    @property
    def support(self) -> Any:  # type: ignore[override]  # it depends on the parameters here
        return constraints.multinomial(self.total_count)

    @property
    def probs(self) -> Any:
        """The probability of each class."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """Its logarithm."""
        return self._categorical.logits

    @property
    def mean(self) -> Any:
        return pw.mul(self.probs, self.total_count)

    @property
    def variance(self) -> Any:
        return pw.mul(self.mean, pw.sub(1, self.probs))

    def entropy(self) -> Any:
        """n H - log n! + the sum over classes of E[log x!], x binomial: (*batch,)."""
        n = self.total_count
        one = Binomial(n, self.probs)
        values: Any = arange(n + 1, dtype=self.probs.dtype)
        values = values.reshape(n + 1, *[1] * self.probs.ndim)
        chances: Any = pw.mul(pw.exp(one.log_prob(values)), lgamma(pw.add(values, 1)))
        of_draws = pw.mul(self._categorical.entropy(), n)
        return pw.add(pw.sub(of_draws, math.lgamma(n + 1)), chances.sum(0).sum(-1))

    def sample(self, sample_shape: Any = ()) -> Any:
        with grad_mode(False):
            drawn: Any = self._categorical.sample((self.total_count, *sample_shape))
            counts: Any = zeros(self._extended_shape(sample_shape), dtype=self.probs.dtype)
            classes = drawn.movedim(0, -1)
            ones: Any = zeros(classes.shape, dtype=counts.dtype)
            return counts.scatter_add(-1, classes, pw.add(ones, 1))

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        shape = broadcast_shapes("Multinomial", tuple(self.logits.shape), tuple(value.shape))
        logits, value = broadcast(self.logits, shape), broadcast(value, shape)
        ways = pw.sub(lgamma(pw.add(value.sum(-1), 1)), lgamma(pw.add(value, 1)).sum(-1))
        logits = pw.where(pw.logical_and(pw.eq(value, 0), pw.eq(logits, float("-inf"))), 0, logits)
        return pw.add(ways, pw.mul(logits, value).sum(-1))
