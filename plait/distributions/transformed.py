"""TransformedDistribution: what a chain of transforms makes of another distribution's draws."""

from __future__ import annotations

from typing import Any, ClassVar

from plait._functions import pointwise as pw
from plait._types import Size
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.distributions.constraints import Constraint
from plait.distributions.continuous import Normal
from plait.distributions.distribution import Distribution
from plait.distributions.independent import Independent
from plait.distributions.transforms import ComposeTransform, StickBreakingTransform, Transform

__all__ = ["LogisticNormal", "TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of transforms[-1](...transforms[0](x)) for x drawn from a base.

    Raises ValueError for what is not a Transform or a list of them.
    """

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | list[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(self.transforms, list) or not all(
            isinstance(t, Transform) for t in self.transforms
        ):
            raise error(
                ValueError, f"transforms must be a Transform or list, but was {transforms!r}"
            )
        chain = ComposeTransform(self.transforms)
        base_event = len(base_distribution.event_shape)
        wanted = max(chain.event_dim, base_event)
        if wanted > base_event:
            base_distribution = Independent(base_distribution, wanted - base_event)
        self.base_dist = base_distribution
        shape = chain.forward_shape(base_distribution.batch_shape + base_distribution.event_shape)
        cut = len(shape) - wanted
        super().__init__(shape[:cut], shape[cut:], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]  # the base distribution's
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:  # type: ignore[override]  # the last transform's
        return self.transforms[-1].codomain if self.transforms else self.base_dist.support

    def sample(self, sample_shape: Any = ()) -> Any:
        with grad_mode(False):
            return self._through(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._through(self.base_dist.rsample(sample_shape))

    def _through(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        event_dim = len(self.event_shape)
        total: Any = 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(value)
            step = transform.log_abs_det_jacobian(x, value)
            total = pw.sub(total, _folded(step, event_dim - transform.event_dim))
            value = x
        base = self.base_dist.log_prob(value)
        return pw.add(_folded(base, event_dim - len(self.base_dist.event_shape)), total)

    def _monotone(self, value: Any) -> Any:
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value: Any) -> Any:
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        return self._monotone(self.base_dist.cdf(value))

    def icdf(self, value: Any) -> Any:
        return self._through(self.base_dist.icdf(self._monotone(value)))

    def expand(self, batch_shape: Any) -> Distribution:
        shape = tuple(batch_shape)
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.base_dist = self.base_dist.expand(shape)
        made._batch_shape = Size(shape)
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class LogisticNormal(TransformedDistribution):
    """Shares of 1 (the last axis, one longer than the parameters') of a normal vector."""

    arg_constraints: ClassVar[dict[str, Constraint]] = Normal.arg_constraints

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args)
        if not base.batch_shape:
            base = base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args)

    @property
    def loc(self) -> Any:
        """The mean of the normal vector."""
        return self._normal.loc

    @property
    def scale(self) -> Any:
        """Its standard deviation."""
        return self._normal.scale

    @property
    def _normal(self) -> Any:
        base: Any = self.base_dist
        return base.base_dist


def _folded(value: Any, count: int) -> Any:
    return value.sum(tuple(range(-count, 0))) if count > 0 else value
