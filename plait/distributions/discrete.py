"""Bernoulli, Categorical, OneHotCategorical."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from plait._functions import pointwise as pw
from plait._functions.creation import arange
from plait._functions.random import bernoulli, multinomial
from plait._tensor import Tensor
from plait._types import finfo
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.core.ops.elementwise import cast
from plait.core.ops.softmax import LOG_SOFTMAX
from plait.core.ops.view import broadcast, reshape
from plait.distributions import constraints
from plait.distributions.constraints import Constraint
from plait.distributions.distribution import Distribution, parameters

__all__ = ["Bernoulli", "Categorical", "OneHotCategorical"]


def _inside(probs: Tensor) -> Tensor:
    """Probabilities kept off 0 and 1, where a logarithm is infinite."""
    eps = finfo(probs.dtype).eps
    return pw.clamp(probs, eps, 1 - eps)


def _require_one(probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise error(ValueError, "Either `probs` or `logits` must be specified, but not both.")


class Bernoulli(Distribution):
    """0 or 1, by the probability of 1 or its log-odds."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        _require_one(probs, logits)
        if probs is not None:
            (self.probs,), shape = parameters(probs)
        else:
            (self.logits,), shape = parameters(logits)
        super().__init__(shape, (), validate_args)

    def __getattr__(self, name: str) -> Any:
        # Whichever of the two was not given follows from the other, when asked for.
        if name == "probs" and "logits" in self.__dict__:
            value = pw.sigmoid(self.logits)
        elif name == "logits" and "probs" in self.__dict__:
            probs = _inside(self.probs)
            value = pw.sub(pw.log(probs), pw.log1p(pw.neg(probs)))
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return value

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return pw.mul(self.probs, pw.sub(1, self.probs))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with grad_mode(False):
            return bernoulli(broadcast(self.probs, self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        value = cast(self._checked(value), self.logits.dtype)
        return pw.sub(pw.mul(value, self.logits), _softplus(self.logits))

    def entropy(self) -> Tensor:
        return pw.sub(_softplus(self.logits), pw.mul(self.probs, self.logits))

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values, along a new first axis."""
        rank = len(self._batch_shape)
        values = reshape(arange(2, dtype=self.probs.dtype), (2, *([1] * rank)))
        return broadcast(values, (2, *self._batch_shape)) if expand else values


def _softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)) without overflow."""
    return pw.add(pw.clamp(x, min=0), pw.log1p(pw.exp(pw.neg(pw.abs(x)))))


class Categorical(Distribution):
    """One of n classes (the last axis), by probabilities or unnormalised log-probabilities."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        _require_one(probs, logits)
        given = probs if probs is not None else logits
        if given.ndim < 1:
            what = "probs" if probs is not None else "logits"
            raise error(ValueError, f"`{what}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = pw.div(probs, probs.sum(-1, keepdim=True))
        else:
            self.logits = LOG_SOFTMAX(logits, axis=logits.ndim - 1)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], (), validate_args)

    def __getattr__(self, name: str) -> Any:
        # Whichever of the two was not given follows from the other, when asked for.
        if name == "probs" and "logits" in self.__dict__:
            return pw.exp(self.logits)
        if name == "logits" and "probs" in self.__dict__:
            return pw.log(_inside(self.probs))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def support(self) -> Constraint:  # type: ignore[override]  # it depends on the parameters here
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self) -> Any:
        """The shape of the probabilities."""
        return self.probs.shape

    @property
    def mode(self) -> Tensor:
        """The most probable class."""
        return self.probs.argmax(-1)

    @property
    def mean(self) -> Tensor:
        return pw.mul(self._nothing(), float("nan"))

    variance = mean

    def _nothing(self) -> Tensor:
        return self.probs.sum(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with grad_mode(False):
            rows = reshape(self.probs, (self._batch_shape.numel(), self._num_events))
            count = math.prod(sample_shape)
            drawn = multinomial(rows, count, True)  # (batch, count)
            return reshape(drawn.T, self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        value = cast(self._checked(value), dtypes.int64)
        from plait.core.functional.broadcasting import broadcast_shapes

        shape = broadcast_shapes(
            "Categorical.log_prob", tuple(value.shape), tuple(self._batch_shape)
        )
        table = broadcast(self.logits, (*shape, self._num_events))
        index = broadcast(value, shape)[..., None]
        return table.gather(-1, index)[..., 0]

    def entropy(self) -> Tensor:
        smallest = finfo(self.logits.dtype).min
        return pw.neg(pw.mul(self.probs, pw.clamp(self.logits, min=smallest)).sum(-1))  # type: ignore[attr-defined]  # attached by plait._functions

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All classes, along a new first axis."""
        rank = len(self._batch_shape)
        values = reshape(arange(self._num_events), (self._num_events, *([1] * rank)))
        return broadcast(values, (self._num_events, *self._batch_shape)) if expand else values


class OneHotCategorical(Distribution):
    """A categorical distribution whose events are unit vectors."""

    arg_constraints = Categorical.arg_constraints
    support = constraints.one_hot

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args)

    @property
    def probs(self) -> Tensor:
        """The normalised probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The normalised log-probabilities."""
        return self._categorical.logits

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return pw.mul(self.probs, pw.sub(1, self.probs))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        drawn = self._categorical.sample(sample_shape)
        classes = arange(self._event_shape[0])
        return cast(pw.eq(drawn[..., None], classes), self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._categorical.log_prob(self._checked(value).argmax(-1))  # type: ignore[attr-defined]  # attached by plait._functions

    def entropy(self) -> Tensor:
        return self._categorical.entropy()
