"""FisherSnedecor and InverseGamma: what is made of gamma variables by division."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from plait._functions import pointwise as pw
from plait._functions.special import digamma, lgamma
from plait._types import finfo
from plait.core.ops.view import broadcast
from plait.distributions import constraints
from plait.distributions.constraints import Constraint
from plait.distributions.distribution import Distribution, parameters
from plait.distributions.gammas import Gamma
from plait.distributions.transformed import TransformedDistribution
from plait.distributions.transforms import PowerTransform

__all__ = ["FisherSnedecor", "InverseGamma"]


class InverseGamma(TransformedDistribution):
    """1 / x for x of the gamma distribution with a `concentration` (shape) and a `rate`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = Gamma.arg_constraints
    support = constraints.positive  # type: ignore[assignment]  # a property of the base class
    has_rsample = True  # type: ignore[assignment]  # a property of the base class

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args)
        inverse = PowerTransform(pw.neg(pw.div(base.rate, base.rate)))
        super().__init__(base, inverse, validate_args)

    @property
    def concentration(self) -> Any:
        """The shape of the gamma variable."""
        return self._gamma.concentration

    @property
    def rate(self) -> Any:
        """Its rate."""
        return self._gamma.rate

    @property
    def _gamma(self) -> Any:
        return self.base_dist

    @property
    def mean(self) -> Any:
        finite = pw.div(self.rate, pw.sub(self.concentration, 1))
        return pw.where(pw.gt(self.concentration, 1), finite, math.inf)

    @property
    def mode(self) -> Any:
        """The most likely value."""
        return pw.div(self.rate, pw.add(self.concentration, 1))

    @property
    def variance(self) -> Any:
        a = self.concentration
        spread = pw.mul(pw.square(pw.sub(a, 1)), pw.sub(a, 2))
        return pw.where(pw.gt(a, 2), pw.div(pw.square(self.rate), spread), math.inf)

    def entropy(self) -> Any:
        a = self.concentration
        start = pw.add(pw.add(a, pw.log(self.rate)), lgamma(a))
        return pw.sub(start, pw.mul(pw.add(a, 1), digamma(a)))


class FisherSnedecor(Distribution):
    """The ratio of two chi-squared variables, each over its degrees of freedom `df1`, `df2`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "df1": constraints.positive,
        "df2": constraints.positive,
    }
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        (self.df1, self.df2), shape = parameters(df1, df2)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return pw.where(pw.gt(self.df2, 2), pw.div(self.df2, pw.sub(self.df2, 2)), math.nan)

    @property
    def mode(self) -> Any:
        """The most likely value."""
        m, n = self.df1, self.df2
        inner = pw.mul(pw.div(pw.sub(m, 2), m), pw.div(n, pw.add(n, 2)))
        return pw.where(pw.gt(m, 2), inner, math.nan)

    @property
    def variance(self) -> Any:
        m, n = self.df1, self.df2
        top = pw.mul(pw.mul(pw.square(n), 2), pw.sub(pw.add(m, n), 2))
        bottom = pw.mul(pw.mul(m, pw.square(pw.sub(n, 2))), pw.sub(n, 4))
        return pw.where(pw.gt(n, 4), pw.div(top, bottom), math.nan)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        least = finfo(self.df1.dtype).tiny
        parts = []
        for df in (self.df1, self.df2):
            wide = broadcast(df, shape)
            parts.append(Gamma(pw.mul(wide, 0.5), wide, validate_args=False).rsample())
        return pw.clamp(pw.div(parts[0], pw.clamp(parts[1], least)), least)

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        a, b = pw.mul(self.df1, 0.5), pw.mul(self.df2, 0.5)
        ratio = pw.div(self.df1, self.df2)
        front = pw.sub(pw.sub(lgamma(pw.add(a, b)), lgamma(a)), lgamma(b))
        power = pw.add(pw.mul(a, pw.log(ratio)), pw.mul(pw.sub(a, 1), pw.log(value)))
        tail = pw.mul(pw.add(a, b), pw.log1p(pw.mul(ratio, value)))
        return pw.sub(pw.add(front, power), tail)
