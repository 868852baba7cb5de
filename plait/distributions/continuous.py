"""Normal, LogNormal, Laplace, Uniform, Exponential."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from plait._functions import pointwise as pw
from plait._functions.random import rand, randn
from plait._functions.special import erf, erfinv
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.distributions import constraints
from plait.distributions.constraints import Constraint
from plait.distributions.distribution import Distribution, parameters

__all__ = ["Exponential", "Laplace", "LogNormal", "Normal", "Uniform"]


class Normal(Distribution):
    """The normal distribution with mean `loc` and standard deviation `scale`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        (self.loc, self.scale), shape = parameters(loc, scale)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        return pw.mul(self.scale, self.scale)

    @property
    def stddev(self) -> Tensor:
        return self.scale

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        noise = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return pw.add(self.loc, pw.mul(noise, self.scale))

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        distance = pw.div(pw.sub(value, self.loc), self.scale)
        constant = 0.5 * math.log(2 * math.pi)
        return pw.sub(pw.sub(pw.mul(pw.square(distance), -0.5), pw.log(self.scale)), constant)

    def cdf(self, value: Tensor) -> Tensor:
        distance = pw.div(pw.sub(self._checked(value), self.loc), self.scale)
        return pw.mul(pw.add(erf(pw.mul(distance, math.sqrt(0.5))), 1), 0.5)

    def icdf(self, value: Tensor) -> Tensor:
        quantile = erfinv(pw.sub(pw.mul(value, 2), 1))
        return pw.add(self.loc, pw.mul(pw.mul(self.scale, quantile), math.sqrt(2)))

    def entropy(self) -> Tensor:
        return pw.add(pw.log(self.scale), 0.5 + 0.5 * math.log(2 * math.pi))


class LogNormal(Distribution):
    """exp of a normal distribution with `loc` and `scale`."""

    arg_constraints = Normal.arg_constraints
    support = constraints.positive
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        (self.loc, self.scale), shape = parameters(loc, scale)
        super().__init__(shape, (), validate_args)

    @property
    def _base(self) -> Normal:
        return Normal(self.loc, self.scale, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return pw.exp(pw.add(self.loc, pw.mul(pw.square(self.scale), 0.5)))

    @property
    def variance(self) -> Tensor:
        square = pw.square(self.scale)
        return pw.mul(pw.expm1(square), pw.exp(pw.add(pw.mul(self.loc, 2), square)))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return pw.exp(self._base.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        logarithm = pw.log(self._checked(value))
        return pw.sub(self._base.log_prob(logarithm), logarithm)

    def entropy(self) -> Tensor:
        return pw.add(self._base.entropy(), self.loc)


class Laplace(Distribution):
    """The double-exponential distribution around `loc`."""

    arg_constraints = Normal.arg_constraints
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        (self.loc, self.scale), shape = parameters(loc, scale)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        return pw.mul(pw.square(self.scale), 2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        # (-1, 1): neither end, where the logarithm is infinite.
        draw = pw.sub(pw.mul(rand(self._extended_shape(sample_shape), dtype=self.loc.dtype), 2), 1)
        draw = pw.clamp(draw, min=-1 + 1e-7)
        size = pw.log1p(pw.neg(pw.abs(draw)))
        return pw.sub(self.loc, pw.mul(pw.mul(self.scale, pw.sign(draw)), size))

    def log_prob(self, value: Tensor) -> Tensor:
        distance = pw.div(pw.abs(pw.sub(self._checked(value), self.loc)), self.scale)
        return pw.neg(pw.add(pw.log(pw.mul(self.scale, 2)), distance))

    def cdf(self, value: Tensor) -> Tensor:
        distance = pw.sub(self._checked(value), self.loc)
        tail = pw.expm1(pw.neg(pw.div(pw.abs(distance), self.scale)))
        return pw.sub(0.5, pw.mul(pw.mul(pw.sign(distance), tail), 0.5))

    def entropy(self) -> Tensor:
        return pw.add(pw.log(pw.mul(self.scale, 2)), 1)


class Uniform(Distribution):
    """Even over [low, high)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "low": constraints.real,
        "high": constraints.real,
    }
    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        (self.low, self.high), shape = parameters(low, high)
        super().__init__(shape, (), validate_args)
        if self._validate_args and not bool(pw.lt(self.low, self.high).all().item()):  # type: ignore[attr-defined]  # attached by plait._functions
            raise error(ValueError, "Uniform is not defined when low>= high")

    @property
    def support(self) -> Constraint:  # type: ignore[override]  # it depends on the parameters here
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        return pw.mul(pw.add(self.low, self.high), 0.5)

    @property
    def variance(self) -> Tensor:
        return pw.div(pw.square(pw.sub(self.high, self.low)), 12)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        draw = rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return pw.add(self.low, pw.mul(draw, pw.sub(self.high, self.low)))

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        inside = pw.logical_and(pw.le(self.low, value), pw.gt(self.high, value))
        return pw.sub(pw.log(inside.to(self.low.dtype)), pw.log(pw.sub(self.high, self.low)))

    def cdf(self, value: Tensor) -> Tensor:
        share = pw.div(pw.sub(value, self.low), pw.sub(self.high, self.low))
        return pw.clamp(share, 0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        return pw.add(pw.mul(value, pw.sub(self.high, self.low)), self.low)

    def entropy(self) -> Tensor:
        return pw.log(pw.sub(self.high, self.low))


class Exponential(Distribution):
    """Waiting times at a `rate`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,), shape = parameters(rate)
        super().__init__(shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return pw.reciprocal(self.rate)

    @property
    def variance(self) -> Tensor:
        return pw.reciprocal(pw.square(self.rate))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        draw = rand(self._extended_shape(sample_shape), dtype=self.rate.dtype)
        return pw.div(pw.neg(pw.log1p(pw.neg(draw))), self.rate)

    def log_prob(self, value: Tensor) -> Tensor:
        return pw.sub(pw.log(self.rate), pw.mul(self.rate, self._checked(value)))

    def cdf(self, value: Tensor) -> Tensor:
        return pw.neg(pw.expm1(pw.neg(pw.mul(self.rate, self._checked(value)))))

    def icdf(self, value: Tensor) -> Tensor:
        return pw.div(pw.neg(pw.log1p(pw.neg(value))), self.rate)

    def entropy(self) -> Tensor:
        return pw.sub(1.0, pw.log(self.rate))
