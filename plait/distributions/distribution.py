"""The base of all distributions: shapes, checks, the interface."""

from __future__ import annotations

from typing import Any, ClassVar

from plait._functions.creation import as_tensor
from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait._types import Size
from plait.core.functional.broadcasting import Number, broadcast_shapes
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.core.ops.elementwise import cast
from plait.core.ops.view import broadcast
from plait.distributions.constraints import Constraint

__all__ = ["Distribution"]


class Distribution:
    """A distribution over events; independent batches of them have `batch_shape`.

    Raises ValueError for parameters outside `arg_constraints`, and in `log_prob` for values outside
    `support`, unless `validate_args` is False.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    support: Any = None
    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on check their arguments."""
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: tuple[int, ...] = (),
        event_shape: tuple[int, ...] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape = Size(batch_shape)
        self._event_shape = Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            for name, constraint in self.arg_constraints.items():
                if name in self.__dict__:
                    self._check_parameter(name, self.__dict__[name], constraint)

    def _check_parameter(self, name: str, value: Tensor, constraint: Constraint) -> None:
        if bool(constraint.check(value.detach()).all().item()):  # type: ignore[attr-defined]  # attached by plait._functions
            return
        raise error(
            ValueError,
            f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of "
            f"distribution {self!r} to satisfy the constraint {constraint!r}, but found invalid "
            f"values:\n{value!r}",
        )

    @property
    def batch_shape(self) -> Size:
        """The shape of independent distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one event."""
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise NotImplementedError

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()  # type: ignore[attr-defined]  # attached by plait._functions

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws of shape sample_shape + batch_shape + event_shape, without gradient."""
        with grad_mode(False):
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws through which gradients flow to the parameters."""
        raise NotImplementedError(f"{type(self).__name__}: rsample has no derivative to offer")

    def sample_n(self, n: int) -> Tensor:
        """`n` draws."""
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density or probability at `value`."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to `value`."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of `cdf`."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The expected information."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()  # type: ignore[attr-defined]  # attached by plait._functions

    def expand(self, batch_shape: Any) -> Distribution:
        """This distribution for a larger batch."""
        shape = tuple(batch_shape)
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        for name, value in self.__dict__.items():
            if isinstance(value, Distribution):  # what this one is made of
                made.__dict__[name] = value.expand(shape)
        for name, constraint in self.arg_constraints.items():
            if name in self.__dict__:
                value = self.__dict__[name]
                event = value.shape[value.ndim - constraint.event_dim :]
                made.__dict__[name] = broadcast(value, (*shape, *event))
        made._batch_shape = Size(shape)
        return made

    def _extended_shape(self, sample_shape: Any = ()) -> tuple[int, ...]:
        return (*sample_shape, *self._batch_shape, *self._event_shape)

    def _checked(self, value: Any) -> Tensor:
        """A value given to `log_prob`, after the checks."""
        if not isinstance(value, Tensor):
            raise error(ValueError, "The value argument to log_prob must be a Tensor")
        if self._validate_args:
            name = type(self).__name__
            broadcast_shapes(
                f"{name}.log_prob", tuple(value.shape), (*self._batch_shape, *self._event_shape)
            )
            support = self.support
            if support is not None and not bool(support.check(value).all().item()):
                raise error(
                    ValueError,
                    f"Expected value argument ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) to be within the support ({support!r}) of the "
                    f"distribution {self!r}, but found invalid values:\n{value!r}",
                )
        return value

    def __repr__(self) -> str:
        parts = []
        for name in self.arg_constraints:
            if name in self.__dict__:
                value = self.__dict__[name]
                parts.append(f"{name}: {value if value.numel() == 1 else value.size()}")
        return f"{type(self).__name__}({', '.join(parts)})"


def parameters(*values: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """Parameters as tensors of one shape and dtype, and that shape."""
    tensors = [v for v in values if isinstance(v, Tensor)]
    dtype = tensors[0].dtype if tensors else get_default_dtype()
    made = [as_tensor(v, dtype=dtype) if isinstance(v, Number) else as_tensor(v) for v in values]
    shape = broadcast_shapes("distribution", *[tuple(v.shape) for v in made])
    return tuple([broadcast(cast(v, made[0].dtype), shape) for v in made]), shape
