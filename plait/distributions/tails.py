"""Continuous distributions of extremes and heavy tails: Cauchy, HalfCauchy, HalfNormal, Gumbel,
Kumaraswamy, Pareto, Weibull, StudentT."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from plait._functions import pointwise as pw
from plait._functions.creation import empty, full_like
from plait._functions.random import rand, randn
from plait._functions.special import digamma, lgamma
from plait._types import finfo
from plait.core.ops.view import broadcast
from plait.distributions import constraints
from plait.distributions.constraints import Constraint
from plait.distributions.continuous import Normal
from plait.distributions.distribution import Distribution, parameters
from plait.distributions.gammas import Gamma

__all__ = [
    "Cauchy",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Kumaraswamy",
    "Pareto",
    "StudentT",
    "Weibull",
]

EULER = 0.57721566490153286060651209008240243


class Cauchy(Distribution):
    """The ratio of two normal variables, around `loc`; it has no mean."""

    arg_constraints: ClassVar[dict[str, Constraint]] = Normal.arg_constraints
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        (self.loc, self.scale), shape = parameters(loc, scale)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return full_like(self.loc, math.nan)

    @property
    def mode(self) -> Any:
        """Where the density is greatest."""
        return self.loc

    @property
    def variance(self) -> Any:
        return full_like(self.loc, math.inf)

    def rsample(self, sample_shape: Any = ()) -> Any:
        noise: Any = empty(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return pw.add(self.loc, pw.mul(noise.cauchy_(), self.scale))

    def log_prob(self, value: Any) -> Any:
        distance = pw.div(pw.sub(self._checked(value), self.loc), self.scale)
        density = pw.add(pw.log1p(pw.square(distance)), pw.log(self.scale))
        return pw.neg(pw.add(density, math.log(math.pi)))

    def cdf(self, value: Any) -> Any:
        distance = pw.div(pw.sub(self._checked(value), self.loc), self.scale)
        return pw.add(pw.div(pw.atan(distance), math.pi), 0.5)

    def icdf(self, value: Any) -> Any:
        return pw.add(pw.mul(pw.tan(pw.mul(pw.sub(value, 0.5), math.pi)), self.scale), self.loc)

    def entropy(self) -> Any:
        return pw.add(pw.log(self.scale), math.log(4 * math.pi))


class _Half(Distribution):
    """The size of a variable that is symmetric around 0."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    whole: ClassVar[type[Normal] | type[Cauchy]]

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        (self.scale,), shape = parameters(scale)
        super().__init__(shape, (), validate_args)

    @property
    def _both(self) -> Any:
        return self.whole(pw.mul(self.scale, 0.0), self.scale, validate_args=False)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return pw.abs(self._both.rsample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        density = pw.add(self._both.log_prob(value), math.log(2))
        return pw.where(pw.ge(value, 0), density, -math.inf)

    def cdf(self, value: Any) -> Any:
        return pw.sub(pw.mul(self._both.cdf(value), 2), 1)

    def icdf(self, value: Any) -> Any:
        return self._both.icdf(pw.div(pw.add(value, 1), 2))

    def entropy(self) -> Any:
        return pw.sub(self._both.entropy(), math.log(2))


class HalfNormal(_Half):
    """|x| for a normal x around 0."""

    whole = Normal

    @property
    def mean(self) -> Any:
        return pw.mul(self.scale, math.sqrt(2 / math.pi))

    @property
    def variance(self) -> Any:
        return pw.mul(pw.square(self.scale), 1 - 2 / math.pi)


class HalfCauchy(_Half):
    """|x| for a Cauchy x around 0."""

    whole = Cauchy

    @property
    def mean(self) -> Any:
        return full_like(self.scale, math.inf)

    @property
    def variance(self) -> Any:
        return full_like(self.scale, math.inf)


class Gumbel(Distribution):
    """The greatest of many exponential variables."""

    arg_constraints: ClassVar[dict[str, Constraint]] = Normal.arg_constraints
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        (self.loc, self.scale), shape = parameters(loc, scale)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return pw.add(self.loc, pw.mul(self.scale, EULER))

    @property
    def variance(self) -> Any:
        return pw.mul(pw.square(self.scale), math.pi**2 / 6)

    def rsample(self, sample_shape: Any = ()) -> Any:
        limits = finfo(self.loc.dtype)
        draw = rand(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        draw = pw.add(pw.mul(draw, 1 - limits.eps - limits.tiny), limits.tiny)
        return pw.sub(self.loc, pw.mul(self.scale, pw.log(pw.neg(pw.log(draw)))))

    def log_prob(self, value: Any) -> Any:
        y = pw.div(pw.sub(self.loc, self._checked(value)), self.scale)
        return pw.sub(pw.sub(y, pw.exp(y)), pw.log(self.scale))

    def cdf(self, value: Any) -> Any:
        return pw.exp(pw.neg(pw.exp(pw.div(pw.sub(self.loc, value), self.scale))))

    def icdf(self, value: Any) -> Any:
        return pw.sub(self.loc, pw.mul(self.scale, pw.log(pw.neg(pw.log(value)))))

    def entropy(self) -> Any:
        return pw.add(pw.log(self.scale), 1 + EULER)


class Weibull(Distribution):
    """scale * x ** (1 / concentration) for an exponential x."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "scale": constraints.positive,
        "concentration": constraints.positive,
    }
    support = constraints.positive
    has_rsample = True

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        (self.scale, self.concentration), shape = parameters(scale, concentration)
        super().__init__(shape, (), validate_args)

    def _moment(self, order: int) -> Any:
        return pw.exp(lgamma(pw.add(pw.div(float(order), self.concentration), 1)))

    @property
    def mean(self) -> Any:
        return pw.mul(self.scale, self._moment(1))

    @property
    def variance(self) -> Any:
        spread = pw.sub(self._moment(2), pw.square(self._moment(1)))
        return pw.mul(pw.square(self.scale), spread)

    def rsample(self, sample_shape: Any = ()) -> Any:
        draw = rand(self._extended_shape(sample_shape), dtype=self.scale.dtype)
        waiting = pw.neg(pw.log1p(pw.neg(draw)))
        return pw.mul(self.scale, pw.pow(waiting, pw.reciprocal(self.concentration)))

    def log_prob(self, value: Any) -> Any:
        k = self.concentration
        ratio = pw.div(self._checked(value), self.scale)
        front = pw.add(pw.log(pw.div(k, self.scale)), pw.mul(pw.sub(k, 1), pw.log(ratio)))
        return pw.sub(front, pw.pow(ratio, k))

    def cdf(self, value: Any) -> Any:
        return pw.neg(pw.expm1(pw.neg(pw.pow(pw.div(value, self.scale), self.concentration))))

    def icdf(self, value: Any) -> Any:
        waiting = pw.neg(pw.log1p(pw.neg(value)))
        return pw.mul(self.scale, pw.pow(waiting, pw.reciprocal(self.concentration)))

    def entropy(self) -> Any:
        inverse = pw.reciprocal(self.concentration)
        first = pw.mul(pw.sub(1, inverse), EULER)
        return pw.add(pw.add(first, pw.log(pw.mul(self.scale, inverse))), 1)


class Pareto(Distribution):
    """scale * exp(x / alpha) for an exponential x: values above `scale`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "alpha": constraints.positive,
        "scale": constraints.positive,
    }
    has_rsample = True

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        (self.scale, self.alpha), shape = parameters(scale, alpha)
        super().__init__(shape, (), validate_args)

    @property
    def support(self) -> Any:  # type: ignore[override]  # it depends on the parameters here
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Any:
        a = pw.clamp(self.alpha, min=1)
        return pw.div(pw.mul(a, self.scale), pw.sub(a, 1))

    @property
    def variance(self) -> Any:
        a = pw.clamp(self.alpha, min=2)
        below = pw.mul(pw.square(pw.sub(a, 1)), pw.sub(a, 2))
        return pw.div(pw.mul(pw.square(self.scale), a), below)

    def rsample(self, sample_shape: Any = ()) -> Any:
        draw = rand(self._extended_shape(sample_shape), dtype=self.scale.dtype)
        waiting = pw.div(pw.neg(pw.log1p(pw.neg(draw))), self.alpha)
        return pw.mul(self.scale, pw.exp(waiting))

    def log_prob(self, value: Any) -> Any:
        front = pw.add(pw.log(self.alpha), pw.mul(self.alpha, pw.log(self.scale)))
        return pw.sub(front, pw.mul(pw.add(self.alpha, 1), pw.log(self._checked(value))))

    def cdf(self, value: Any) -> Any:
        return pw.sub(1, pw.pow(pw.div(self.scale, value), self.alpha))

    def icdf(self, value: Any) -> Any:
        share = pw.pow(pw.sub(1, value), pw.neg(pw.reciprocal(self.alpha)))
        return pw.mul(self.scale, share)

    def entropy(self) -> Any:
        ratio = pw.log(pw.div(self.scale, self.alpha))
        return pw.add(pw.add(ratio, 1), pw.reciprocal(self.alpha))


class Kumaraswamy(Distribution):
    """A distribution on (0, 1) that is near the beta distribution and easy to draw from."""

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

    def _moment(self, order: int) -> Any:
        a, b = pw.add(pw.div(float(order), self.concentration1), 1), self.concentration0
        beta = pw.sub(pw.add(lgamma(a), lgamma(b)), lgamma(pw.add(a, b)))
        return pw.mul(b, pw.exp(beta))

    @property
    def mean(self) -> Any:
        return self._moment(1)

    @property
    def variance(self) -> Any:
        return pw.sub(self._moment(2), pw.square(self._moment(1)))

    def icdf(self, value: Any) -> Any:
        inner = pw.pow(pw.sub(1, value), pw.reciprocal(self.concentration0))
        return pw.pow(pw.sub(1, inner), pw.reciprocal(self.concentration1))

    def rsample(self, sample_shape: Any = ()) -> Any:
        dtype = self.concentration1.dtype
        limits = finfo(dtype)
        draw = rand(self._extended_shape(sample_shape), dtype=dtype)
        return self.icdf(pw.clamp(draw, limits.tiny, 1 - limits.eps))

    def log_prob(self, value: Any) -> Any:
        value, a, b = self._checked(value), self.concentration1, self.concentration0
        power = pw.log1p(pw.neg(pw.pow(value, a)))
        front = pw.add(pw.log(pw.mul(a, b)), pw.mul(pw.sub(a, 1), pw.log(value)))
        return pw.add(front, pw.mul(pw.sub(b, 1), power))

    def cdf(self, value: Any) -> Any:
        inner = pw.sub(1, pw.pow(value, self.concentration1))
        return pw.sub(1, pw.pow(inner, self.concentration0))

    def entropy(self) -> Any:
        a, b = self.concentration1, self.concentration0
        harmonic = pw.add(digamma(pw.add(b, 1)), EULER)
        spread = pw.mul(pw.sub(1, pw.reciprocal(a)), harmonic)
        return pw.sub(pw.add(pw.sub(1, pw.reciprocal(b)), spread), pw.log(pw.mul(a, b)))


class StudentT(Distribution):
    """Student's t with `df` degrees of freedom."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "df": constraints.positive,
        **Normal.arg_constraints,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        (self.df, self.loc, self.scale), shape = parameters(df, loc, scale)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return pw.where(pw.le(self.df, 1), math.nan, self.loc)

    @property
    def variance(self) -> Any:
        wide = pw.div(pw.mul(pw.square(self.scale), self.df), pw.sub(self.df, 2))
        some = pw.where(pw.gt(self.df, 2), wide, math.inf)
        return pw.where(pw.le(self.df, 1), math.nan, some)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        noise = randn(shape, dtype=self.loc.dtype)
        half = broadcast(pw.mul(self.df, 0.5), shape)
        chi = Gamma(half, full_like(half, 0.5), validate_args=False).rsample()
        return pw.add(self.loc, pw.mul(self.scale, pw.mul(noise, pw.rsqrt(pw.div(chi, self.df)))))

    def log_prob(self, value: Any) -> Any:
        n = self.df
        y = pw.div(pw.sub(self._checked(value), self.loc), self.scale)
        constant = pw.add(
            pw.add(pw.log(self.scale), pw.mul(pw.log(n), 0.5)),
            pw.add(
                pw.sub(lgamma(pw.mul(n, 0.5)), lgamma(pw.mul(pw.add(n, 1), 0.5))),
                0.5 * math.log(math.pi),
            ),
        )
        tail = pw.mul(pw.mul(pw.add(n, 1), 0.5), pw.log1p(pw.div(pw.square(y), n)))
        return pw.neg(pw.add(tail, constant))

    def entropy(self) -> Any:
        n = self.df
        half, next_half = pw.mul(n, 0.5), pw.mul(pw.add(n, 1), 0.5)
        slopes = pw.mul(next_half, pw.sub(digamma(next_half), digamma(half)))
        beta = pw.sub(pw.add(lgamma(half), lgamma(0.5 + pw.mul(n, 0.0))), lgamma(next_half))
        root = pw.add(pw.mul(pw.log(n), 0.5), pw.log(self.scale))
        return pw.add(pw.add(slopes, root), beta)
