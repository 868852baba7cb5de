"""Relaxations of discrete choices (Maddison, Mnih & Teh, arXiv:1611.00712; Jang, Gu & Poole,
arXiv:1611.01144): draws through which gradients flow."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from plait._functions import pointwise as pw
from plait._functions.creation import as_tensor
from plait._functions.random import rand
from plait.core.functional.broadcasting import Number
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.distributions import constraints
from plait.distributions.constraints import Constraint
from plait.distributions.discrete import Categorical, OneHotCategorical
from plait.distributions.distribution import Distribution, parameters
from plait.distributions.utils import clamp_probs, logits_to_probs, probs_to_logits

__all__ = ["OneHotCategoricalStraightThrough", "RelaxedBernoulli", "RelaxedOneHotCategorical"]


def _temperature(value: Any, dtype: DType) -> Any:
    return as_tensor(value, dtype=dtype) if isinstance(value, Number) else value


class RelaxedBernoulli(Distribution):
    """Values in (0, 1) that near 0 or 1 as the temperature falls."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if (probs is None) == (logits is None):
            raise error(ValueError, "Either `probs` or `logits` must be specified, but not both.")
        (value,), shape = parameters(logits if probs is None else probs)
        self.probs = logits_to_probs(value, is_binary=True) if probs is None else value
        self.logits = value if probs is None else probs_to_logits(value, is_binary=True)
        self.temperature = _temperature(temperature, value.dtype)
        super().__init__(shape, (), validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        draw = clamp_probs(rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))
        probs = clamp_probs(self.probs)
        noise = pw.sub(pw.log(draw), pw.log1p(pw.neg(draw)))
        odds = pw.sub(pw.log(probs), pw.log1p(pw.neg(probs)))
        return clamp_probs(pw.sigmoid(pw.div(pw.add(noise, odds), self.temperature)))

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        inner = pw.sub(pw.log(value), pw.log1p(pw.neg(value)))
        difference = pw.sub(self.logits, pw.mul(inner, self.temperature))
        slope = pw.sub(
            pw.add(pw.log(self.temperature), difference),
            pw.mul(pw.log1p(pw.exp(difference)), 2),
        )
        return pw.sub(slope, pw.add(pw.log(value), pw.log1p(pw.neg(value))))


class RelaxedOneHotCategorical(Distribution):
    """Vectors over n classes (the last axis) that near one-hot ones as the temperature falls."""

    arg_constraints: ClassVar[dict[str, Constraint]] = Categorical.arg_constraints
    support = constraints.simplex
    has_rsample = True

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self._categorical = Categorical(probs, logits)
        self.temperature = _temperature(temperature, self._categorical.logits.dtype)
        count = self._categorical.logits.shape[-1:]
        super().__init__(self._categorical.batch_shape, count, validate_args)

    @property
    def probs(self) -> Any:
        """The probability of each class."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """Its logarithm."""
        return self._categorical.logits

    def _scores(self, sample_shape: Any) -> Any:
        draw = clamp_probs(rand(self._extended_shape(sample_shape), dtype=self.logits.dtype))
        gumbels = pw.neg(pw.log(pw.neg(pw.log(draw))))
        scores: Any = pw.div(pw.add(self.logits, gumbels), self.temperature)
        return pw.sub(scores, scores.logsumexp(-1, keepdim=True))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return pw.exp(self._scores(sample_shape))

    def log_prob(self, value: Any) -> Any:
        logarithm: Any = pw.log(self._checked(value))
        count = float(self._event_shape[0])
        score: Any = pw.sub(self.logits, pw.mul(logarithm, self.temperature))
        score = pw.sub(score, score.logsumexp(-1, keepdim=True)).sum(-1)
        scale = pw.sub(math.lgamma(count), pw.neg(pw.mul(pw.log(self.temperature), count - 1)))
        return pw.sub(pw.add(score, scale), logarithm.sum(-1))


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot draws whose gradient is that of the probabilities (Bengio et al.,
    arXiv:1308.3432)."""

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Any:
        with grad_mode(False):
            drawn = self.sample(sample_shape)
        probs = self.probs
        return pw.add(drawn, pw.sub(probs, probs.detach()))
