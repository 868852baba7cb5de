"""Gamma, Beta, Dirichlet.

Draws follow Marsaglia & Tsang, A Simple Method for Generating Gamma Variables (2000). They are
made from the generator's uniform and normal numbers, so that they follow its seed, but are not
PyTorch's own numbers; gradients through them (`rsample`) are not built.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from plait._functions import pointwise as pw
from plait._functions.creation import owned
from plait._functions.joining import stack
from plait._functions.random import rand, randn
from plait._functions.special import digamma, lgamma, xlogy
from plait._tensor import Tensor
from plait._unbuilt import not_built
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.core.ops.view import broadcast
from plait.distributions import constraints
from plait.distributions.constraints import Constraint
from plait.distributions.distribution import Distribution, parameters

__all__ = ["Beta", "Chi2", "Dirichlet", "Gamma"]


def _standard_gamma(concentration: Tensor) -> Tensor:
    """Draws with scale 1, without gradient."""
    shape = np.asarray(concentration.compute(), np.float64)
    # Below 1: draw for one more and shrink by U^(1/shape).
    boosted = np.where(shape < 1, shape + 1, shape).reshape(-1)
    d = boosted - 1 / 3
    c = 1 / np.sqrt(9 * d)
    drawn = np.empty_like(boosted)
    open_places = np.arange(boosted.size)
    while open_places.size:
        count = open_places.size
        x = np.asarray(randn(count, dtype=dtypes.float64).compute())
        u = np.asarray(rand(count, dtype=dtypes.float64).compute())
        v = (1 + c[open_places] * x) ** 3
        with np.errstate(invalid="ignore", divide="ignore"):
            limit = 0.5 * x**2 + d[open_places] * (1 - v + np.log(v))
            accepted = (v > 0) & (np.log(u) < limit)
        drawn[open_places[accepted]] = (d[open_places] * v)[accepted]
        open_places = open_places[~accepted]
    drawn = drawn.reshape(shape.shape)
    if (shape < 1).any():
        u = np.asarray(rand(shape.shape, dtype=dtypes.float64).compute())
        drawn = np.where(shape < 1, drawn * (1 - u) ** (1 / shape), drawn)
    tiny = np.finfo(np.float32).tiny
    return owned(np.maximum(drawn, tiny).astype(concentration.dtype.numpy))


class _FromGammas(Distribution):
    """What is drawn by way of gamma variables."""

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        raise not_built(f"{type(self).__name__}.rsample (gradients through gamma draws)")


class Gamma(_FromGammas):
    """The gamma distribution with a `concentration` (shape) and a `rate`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        (self.concentration, self.rate), shape = parameters(concentration, rate)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return pw.div(self.concentration, self.rate)

    @property
    def variance(self) -> Tensor:
        return pw.div(self.concentration, pw.square(self.rate))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with grad_mode(False):
            shape = broadcast(self.concentration, self._extended_shape(sample_shape))
            return pw.div(_standard_gamma(shape), self.rate)

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        a, b = self.concentration, self.rate
        density = pw.add(xlogy(a, b), xlogy(pw.sub(a, 1), value))
        return pw.sub(pw.sub(density, pw.mul(b, value)), lgamma(a))

    def entropy(self) -> Tensor:
        a = self.concentration
        total = pw.add(pw.sub(a, pw.log(self.rate)), lgamma(a))
        return pw.add(total, pw.mul(pw.sub(1.0, a), digamma(a)))


class Chi2(Gamma):
    """The sum of `df` squared normal variables."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        (self.df,), _ = parameters(df)
        super().__init__(pw.mul(self.df, 0.5), 0.5, validate_args)

    def expand(self, batch_shape: Any) -> Distribution:
        return Chi2(broadcast(self.df, tuple(batch_shape)), validate_args=False)


class Dirichlet(_FromGammas):
    """Distributions over classes (the last axis), by their `concentration`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration": Constraint(
            "IndependentConstraint(GreaterThan(lower_bound=0.0), 1)",
            lambda v: pw.gt(v, 0).all(-1),
            1,
        )
    }
    support = constraints.simplex

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise error(ValueError, "`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args)

    @property
    def mean(self) -> Any:
        return pw.div(self.concentration, self._total()[..., None])

    @property
    def variance(self) -> Any:
        total = self._total()[..., None]
        share = pw.div(self.concentration, total)
        return pw.div(pw.mul(share, pw.sub(1, share)), pw.add(total, 1))

    def _total(self) -> Any:
        return self.concentration.sum(-1)  # type: ignore[attr-defined]  # attached by plait._functions

    def sample(self, sample_shape: Any = ()) -> Any:
        with grad_mode(False):
            shape = broadcast(self.concentration, self._extended_shape(sample_shape))
            drawn: Any = _standard_gamma(shape)
            return pw.div(drawn, drawn.sum(-1, keepdim=True))

    def log_prob(self, value: Tensor) -> Any:
        a: Any = self.concentration
        weighted: Any = xlogy(pw.sub(a, 1), self._checked(value))
        inner: Any = lgamma(a)
        return pw.sub(pw.add(weighted.sum(-1), lgamma(self._total())), inner.sum(-1))

    def entropy(self) -> Any:
        a: Any = self.concentration
        total, count = self._total(), a.shape[-1]
        inner: Any = lgamma(a)
        slopes: Any = pw.mul(pw.sub(a, 1.0), digamma(a))
        result = pw.sub(inner.sum(-1), lgamma(total))
        result = pw.sub(result, pw.mul(pw.sub(float(count), total), digamma(total)))
        return pw.sub(result, slopes.sum(-1))


def _sample_dirichlet(concentration: Tensor, generator: Any = None) -> Tensor:
    """Draws of the Dirichlet distributions along the last axis, without gradient."""
    if generator is not None:
        raise not_built("_sample_dirichlet with a generator")
    return Dirichlet(concentration).sample()


class Beta(_FromGammas):
    """The beta distribution on (0, 1) with two concentrations."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        (self.concentration1, self.concentration0), shape = parameters(
            concentration1, concentration0
        )
        super().__init__(shape, (), validate_args)

    @property
    def _dirichlet(self) -> Dirichlet:
        both = stack([self.concentration1, self.concentration0], -1)
        return Dirichlet(both, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return pw.div(self.concentration1, pw.add(self.concentration1, self.concentration0))

    @property
    def variance(self) -> Tensor:
        total = pw.add(self.concentration1, self.concentration0)
        product = pw.mul(self.concentration1, self.concentration0)
        return pw.div(product, pw.mul(pw.square(total), pw.add(total, 1)))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self._dirichlet.sample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        return self._dirichlet.log_prob(stack([value, pw.sub(1.0, value)], -1))

    def entropy(self) -> Tensor:
        return self._dirichlet.entropy()
