"""Gamma, Beta, Dirichlet; how they are drawn is in `gamma_draws`."""

from __future__ import annotations

from typing import Any, ClassVar

from plait._functions import pointwise as pw
from plait._functions.joining import stack
from plait._functions.special import digamma, lgamma, xlogy
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.ops.view import broadcast
from plait.distributions import constraints
from plait.distributions.constraints import Constraint
from plait.distributions.distribution import Distribution, parameters
from plait.distributions.gamma_draws import _standard_gamma, drawn_dirichlet

__all__ = ["Beta", "Chi2", "Dirichlet", "Gamma"]


class Gamma(Distribution):
    """The gamma distribution with a `concentration` (shape) and a `rate`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        (self.concentration, self.rate), shape = parameters(concentration, rate)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return pw.div(self.concentration, self.rate)

    @property
    def variance(self) -> Tensor:
        return pw.div(self.concentration, pw.square(self.rate))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
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


class Dirichlet(Distribution):
    """Distributions over classes (the last axis), by their `concentration`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration": Constraint(
            "IndependentConstraint(GreaterThan(lower_bound=0.0), 1)",
            lambda v: pw.gt(v, 0).all(-1),
            1,
        )
    }
    support = constraints.simplex
    has_rsample = True

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

    def rsample(self, sample_shape: Any = ()) -> Any:
        return drawn_dirichlet(broadcast(self.concentration, self._extended_shape(sample_shape)))

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


class Beta(Distribution):
    """The beta distribution on (0, 1) with two concentrations."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

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

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        return self._dirichlet.log_prob(stack([value, pw.sub(1.0, value)], -1))

    def entropy(self) -> Tensor:
        return self._dirichlet.entropy()
