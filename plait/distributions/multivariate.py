"""MultivariateNormal, and mixtures of one family of distributions."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from plait._functions import matrix
from plait._functions import pointwise as pw
from plait._functions.creation import eye
from plait._functions.decompositions import triangular_solve
from plait._functions.random import randn
from plait._tensor import Tensor
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.core.ops.view import broadcast
from plait.distributions import constraints
from plait.distributions.constraints import Constraint
from plait.distributions.discrete import Categorical
from plait.distributions.distribution import Distribution

__all__ = ["MixtureSameFamily", "MultivariateNormal"]


class MultivariateNormal(Distribution):
    """Normal vectors (the last axis) around `loc`, by one of covariance, precision and its root.

    Raises ValueError unless exactly one of the three is given, and for a matrix that is not
    positive definite.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise error(ValueError, "loc must be at least one-dimensional.")
        given = {
            name: value
            for name, value in (
                ("covariance_matrix", covariance_matrix),
                ("precision_matrix", precision_matrix),
                ("scale_tril", scale_tril),
            )
            if value is not None
        }
        if len(given) != 1:
            raise error(
                ValueError,
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                f"specified; got {', '.join(given) or 'none'}.",
            )
        ((name, value),) = given.items()
        if value.ndim < 2:
            raise error(
                ValueError,
                f"{name} must be at least two-dimensional, with optional leading batch dimensions",
            )
        batch = broadcast_shapes(
            "MultivariateNormal", tuple(value.shape[:-2]), tuple(loc.shape[:-1])
        )
        size = loc.shape[-1]
        self.loc: Any = broadcast(loc, (*batch, size))
        setattr(self, name, broadcast(value, (*batch, *value.shape[-2:])))
        super().__init__(batch, (size,), validate_args)
        self._root = self._make_root(name)

    def _make_root(self, name: str) -> Any:
        value: Any = getattr(self, name)
        if name == "scale_tril":
            return value
        if name == "covariance_matrix":
            return value.cholesky()
        # The precision is P P'; with both axes turned round its root is the inverse of ours.
        turned = value.flip((-2, -1)).cholesky().flip((-2, -1)).mT
        eye = _eye_like(turned)
        return triangular_solve(eye, turned, upper=False)[0]

    def __getattr__(self, name: str) -> Any:
        if name not in ("covariance_matrix", "precision_matrix", "scale_tril"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        root = self.__dict__["_root"]
        if name == "covariance_matrix":
            return matrix.matmul(root, root.mT)
        return root if name == "scale_tril" else root.cholesky_inverse()

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        """Where the density is greatest."""
        return self.loc

    @property
    def variance(self) -> Any:
        return pw.square(self._root).sum(-1)

    def rsample(self, sample_shape: Any = ()) -> Any:
        noise: Any = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return pw.add(self.loc, matrix.matmul(self._root, noise[..., None])[..., 0])

    def log_prob(self, value: Any) -> Any:
        difference = pw.sub(self._checked(value), self.loc)
        shape = broadcast_shapes(
            "MultivariateNormal.log_prob", tuple(difference.shape[:-1]), tuple(self._batch_shape)
        )
        size = self._event_shape[0]
        root = broadcast(self._root, (*shape, size, size))
        column = broadcast(difference, (*shape, size))[..., None]
        whitened: Any = triangular_solve(column, root, upper=False)[0][..., 0]
        length = pw.square(whitened).sum(-1)
        constant = size * math.log(2 * math.pi)
        return pw.sub(pw.mul(pw.add(length, constant), -0.5), self._half_log_det())

    def _half_log_det(self) -> Any:
        diagonal: Any = self._root.diagonal(dim1=-2, dim2=-1)
        return pw.log(diagonal).sum(-1)

    def entropy(self) -> Any:
        constant = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        return pw.add(self._half_log_det(), constant)

    def expand(self, batch_shape: Any) -> MultivariateNormal:
        shape, size = tuple(batch_shape), self._event_shape[0]
        return MultivariateNormal(
            broadcast(self.loc, (*shape, size)),
            scale_tril=broadcast(self._root, (*shape, size, size)),
            validate_args=False,
        )


def _eye_like(square: Any) -> Any:
    return broadcast(eye(square.shape[-1], dtype=square.dtype), tuple(square.shape))


class MixtureSameFamily(Distribution):
    """A mixture: `mixture_distribution` chooses along the last batch axis of the components.

    Raises ValueError where the two do not fit.
    """

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise error(
                ValueError,
                " The Mixture distribution needs to be an  instance of "
                "torch.distributions.Categorical",
            )
        if not isinstance(component_distribution, Distribution):
            raise error(
                ValueError,
                "The Component distribution need to be an instance of "
                "torch.distributions.Distribution",
            )
        batch = component_distribution.batch_shape
        count = mixture_distribution.logits.shape[-1]
        if count != batch[-1]:
            raise error(
                ValueError,
                f"`mixture_distribution component` ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({batch[-1]})",
            )
        self._mixture, self._components = mixture_distribution, component_distribution
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args)

    @property
    def support(self) -> Any:  # type: ignore[override]  # the components'
        return self._components.support

    @property
    def mixture_distribution(self) -> Categorical:
        """What chooses a component."""
        return self._mixture

    @property
    def component_distribution(self) -> Distribution:
        """The components, along the last batch axis."""
        return self._components

    def _weights(self) -> Any:
        weights: Any = self._mixture.probs
        return weights.reshape((*weights.shape, *([1] * len(self._event_shape))))

    @property
    def mean(self) -> Any:
        axis = -1 - len(self._event_shape)
        return pw.mul(self._weights(), self._components.mean).sum(axis)

    @property
    def variance(self) -> Any:
        axis = -1 - len(self._event_shape)
        weights, means = self._weights(), self._components.mean
        within: Any = pw.mul(weights, self._components.variance).sum(axis)
        centre: Any = pw.mul(weights, means).sum(axis, keepdim=True)
        return pw.add(within, pw.mul(weights, pw.square(pw.sub(means, centre))).sum(axis))

    def expand(self, batch_shape: Any) -> MixtureSameFamily:
        shape = tuple(batch_shape)
        components = self._components.expand((*shape, self._components.batch_shape[-1]))
        mixture: Any = self._mixture.expand(shape)
        return MixtureSameFamily(mixture, components, validate_args=False)

    def _padded(self, value: Tensor) -> Any:
        return value.unsqueeze(-1 - len(self._event_shape))  # type: ignore[attr-defined]  # attached by plait._functions

    def log_prob(self, value: Any) -> Any:
        inner = self._components.log_prob(self._padded(self._checked(value)))
        return pw.add(inner, self._mixture.logits).logsumexp(-1)

    def cdf(self, value: Any) -> Any:
        return pw.mul(self._components.cdf(self._padded(value)), self._mixture.probs).sum(-1)

    def sample(self, sample_shape: Any = ()) -> Any:
        with grad_mode(False):
            chosen: Any = self._mixture.sample(sample_shape)
            drawn: Any = self._components.sample(sample_shape)
            axis = len(tuple(sample_shape)) + len(self._batch_shape)
            events = tuple(self._event_shape)
            index = chosen.reshape((*chosen.shape, 1, *([1] * len(events))))
            index = index.expand((*chosen.shape, 1, *events))
            return drawn.gather(axis, index).squeeze(axis)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture},\n  {self._components})"
