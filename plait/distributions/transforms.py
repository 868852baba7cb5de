"""Invertible functions of random variables, with the logarithm of their Jacobian's determinant.

`y = transform(x)`, `x = transform.inv(y)`. `event_dim` axes at the end are mapped together (0: each
element by itself); `log_abs_det_jacobian(x, y)` has the shape without them.
"""

from __future__ import annotations

import math
from typing import Any

from plait._functions import pointwise as pw
from plait._functions.creation import arange, zeros_like
from plait._functions.joining import cat as concatenate
from plait._types import finfo
from plait.core.ir.errors import error
from plait.distributions import constraints
from plait.distributions.constraints import Constraint

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "ComposeTransform",
    "ExpTransform",
    "IndependentTransform",
    "PowerTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "identity_transform",
]


class Transform:
    """The base: subclasses give `_call`, `_inverse` and `log_abs_det_jacobian`.

    cache_size 1 keeps the last pair of input and output, so that the inverse of an output is its
    very input.
    """

    bijective = False
    domain: Constraint = constraints.real
    codomain: Constraint = constraints.real

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise error(ValueError, "cache_size must be 0 or 1")
        self._cache_size = cache_size
        self._cached: tuple[Any, Any] = (None, None)

    @property
    def event_dim(self) -> int:
        """How many axes at the end are mapped together."""
        return max(self.domain.event_dim, self.codomain.event_dim)

    @property
    def inv(self) -> Transform:
        """The inverse."""
        return _Inverse(self)

    @property
    def sign(self) -> Any:
        """1 where the function rises, -1 where it falls."""
        raise NotImplementedError

    def with_cache(self, cache_size: int = 1) -> Transform:
        """This transform with another size of cache."""
        if cache_size == self._cache_size:
            return self
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._cache_size, twin._cached = cache_size, (None, None)
        return twin

    def __call__(self, x: Any) -> Any:
        if self._cache_size and x is self._cached[0]:
            return self._cached[1]
        y = self._call(x)
        if self._cache_size:
            self._cached = x, y
        return y

    def _inv_call(self, y: Any) -> Any:
        if self._cache_size and y is self._cached[1]:
            return self._cached[0]
        x = self._inverse(y)
        if self._cache_size:
            self._cached = x, y
        return x

    def _call(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no _call")

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no _inverse")

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log |dy/dx| for an input and its output."""
        raise NotImplementedError(f"{type(self).__name__} has no log_abs_det_jacobian")

    def forward_shape(self, shape: Any) -> Any:
        """The shape of the output for an input's."""
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        """The shape of the input for an output's."""
        return shape

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    """A transform the other way round."""

    def __init__(self, transform: Transform) -> None:
        super().__init__(transform._cache_size)
        self._inv = transform
        self.bijective = transform.bijective
        self.domain, self.codomain = transform.codomain, transform.domain

    @property
    def inv(self) -> Transform:
        return self._inv

    @property
    def sign(self) -> Any:
        return self._inv.sign

    def with_cache(self, cache_size: int = 1) -> Transform:
        return _Inverse(self._inv.with_cache(cache_size))

    def __call__(self, x: Any) -> Any:
        return self._inv._inv_call(x)

    def _inv_call(self, y: Any) -> Any:
        return self._inv(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return pw.neg(self._inv.log_abs_det_jacobian(y, x))

    def forward_shape(self, shape: Any) -> Any:
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self._inv.forward_shape(shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Inverse) and self._inv == other._inv

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"_InverseTransform({self._inv!r})"


def _folded(value: Any, count: int) -> Any:
    return value.sum(tuple(range(-count, 0))) if count > 0 else value


class ComposeTransform(Transform):
    """Several transforms, one after the other."""

    def __init__(self, parts: list[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = [part.with_cache(cache_size) for part in parts] if cache_size else list(parts)
        self.bijective = all(part.bijective for part in parts)
        if parts:
            self.domain, self.codomain = parts[0].domain, parts[-1].codomain

    @property
    def event_dim(self) -> int:
        return max([part.event_dim for part in self.parts], default=0)

    @property
    def sign(self) -> Any:
        sign: Any = 1
        for part in self.parts:
            sign = sign * part.sign
        return sign

    def with_cache(self, cache_size: int = 1) -> Transform:
        return ComposeTransform(self.parts, cache_size)

    def __call__(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x

    def _inv_call(self, y: Any) -> Any:
        for part in reversed(self.parts):
            y = part._inv_call(y)
        return y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        if not self.parts:
            return zeros_like(x)
        values = [x]
        for part in self.parts[:-1]:
            values.append(part(values[-1]))
        values.append(y)
        total: Any = 0
        for part, before, after in zip(self.parts, values, values[1:]):
            step = part.log_abs_det_jacobian(before, after)
            total = total + _folded(step, self.event_dim - part.event_dim)
        return total

    def forward_shape(self, shape: Any) -> Any:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        inner = ",\n    ".join(repr(part) for part in self.parts)
        return f"ComposeTransform(\n    {inner}\n)"


#: The function that changes nothing.
identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform whose last `reinterpreted_batch_ndims` batch axes count as event axes."""

    def __init__(
        self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.bijective = base_transform.bijective
        self.domain = constraints.independent(base_transform.domain, reinterpreted_batch_ndims)
        self.codomain = constraints.independent(base_transform.codomain, reinterpreted_batch_ndims)

    @property
    def sign(self) -> Any:
        return self.base_transform.sign

    def _call(self, x: Any) -> Any:
        return self.base_transform(x)

    def _inverse(self, y: Any) -> Any:
        return self.base_transform._inv_call(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        inner = self.base_transform.log_abs_det_jacobian(x, y)
        return _folded(inner, self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class _Elementwise(Transform):
    """A rising bijection of single numbers without parameters."""

    bijective = True
    sign: Any = +1

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = object.__hash__


class ExpTransform(_Elementwise):
    """y = exp(x)."""

    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return pw.exp(x)

    def _inverse(self, y: Any) -> Any:
        return pw.log(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x


class SigmoidTransform(_Elementwise):
    """y = 1 / (1 + exp(-x))."""

    codomain = constraints.unit_interval

    def _call(self, x: Any) -> Any:
        limits = finfo(x.dtype)
        return pw.clamp(pw.sigmoid(x), limits.tiny, 1.0 - limits.eps)

    def _inverse(self, y: Any) -> Any:
        limits = finfo(y.dtype)
        y = pw.clamp(y, limits.tiny, 1.0 - limits.eps)
        return pw.sub(pw.log(y), pw.log1p(pw.neg(y)))

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return pw.neg(pw.add(_softplus(pw.neg(x)), _softplus(x)))


class TanhTransform(_Elementwise):
    """y = tanh(x)."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Any) -> Any:
        return pw.tanh(x)

    def _inverse(self, y: Any) -> Any:
        return pw.atanh(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        # log(1 - tanh(x)^2) without the cancellation near 1.
        return pw.mul(pw.sub(pw.sub(math.log(2.0), x), _softplus(pw.mul(x, -2.0))), 2.0)


class SoftplusTransform(_Elementwise):
    """y = log(1 + exp(x))."""

    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return _softplus(x)

    def _inverse(self, y: Any) -> Any:
        return pw.add(pw.log(pw.neg(pw.expm1(pw.neg(y)))), y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return pw.neg(_softplus(pw.neg(x)))


class PowerTransform(Transform):
    """y = x ** exponent, for positive x."""

    bijective = True
    domain = codomain = constraints.positive

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = exponent

    @property
    def sign(self) -> Any:
        positive = self.exponent > 0
        return (1 if positive else -1) if isinstance(positive, bool) else positive * 2 - 1

    def _call(self, x: Any) -> Any:
        return pw.pow(x, self.exponent)

    def _inverse(self, y: Any) -> Any:
        return pw.pow(y, 1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return pw.log(pw.abs(pw.div(pw.mul(y, self.exponent), x)))


class AffineTransform(Transform):
    """y = loc + scale * x."""

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale = loc, scale
        self._event_dim = event_dim
        self.domain = self.codomain = constraints.independent(constraints.real, event_dim)

    @property
    def sign(self) -> Any:
        return pw.sign(self.scale) if hasattr(self.scale, "sign") else (self.scale > 0) * 2 - 1

    def _call(self, x: Any) -> Any:
        return pw.add(self.loc, pw.mul(x, self.scale))

    def _inverse(self, y: Any) -> Any:
        return pw.div(pw.sub(y, self.loc), self.scale)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        if hasattr(self.scale, "abs"):
            logarithm = pw.log(pw.abs(self.scale))
        else:
            logarithm = math.log(abs(self.scale))
        return _folded(pw.add(zeros_like(x), logarithm), self._event_dim)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AffineTransform):
            return False
        ours, theirs = (self.loc, self.scale), (other.loc, other.scale)
        return all(a is b or bool(pw.eq(a, b).all()) if hasattr(a, "all") else a == b
                   for a, b in zip(ours, theirs))  # fmt: skip

    __hash__ = object.__hash__


class AbsTransform(Transform):
    """y = |x|; the inverse is the positive branch."""

    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return pw.abs(x)

    def _inverse(self, y: Any) -> Any:
        return y


class SoftmaxTransform(Transform):
    """y = exp(x), normalised over the last axis; the inverse is a logarithm."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Any) -> Any:
        return x.softmax(-1)

    def _inverse(self, y: Any) -> Any:
        return pw.log(y)


class StickBreakingTransform(Transform):
    """From n - 1 numbers to n shares of 1 (the last axis): each takes a part of what is left."""

    bijective = True
    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Any) -> Any:
        count = x.shape[-1]
        offset = pw.log(arange(count, 0, -1, dtype=x.dtype))
        taken = pw.sigmoid(pw.sub(x, offset))
        left: Any = pw.sub(1, taken)
        left = left.cumprod(-1)
        first = zeros_like(x[..., :1])
        before = concatenate([pw.add(first, 1), left], -1)
        return pw.mul(concatenate([taken, pw.add(first, 1)], -1), before)

    def _inverse(self, y: Any) -> Any:
        inner = y[..., :-1]
        offset = pw.log(arange(inner.shape[-1], 0, -1, dtype=y.dtype))
        left = pw.clamp(pw.sub(1, inner.cumsum(-1)), min=finfo(y.dtype).tiny)
        return pw.add(pw.sub(pw.log(inner), pw.log(left)), offset)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        offset = pw.log(arange(x.shape[-1], 0, -1, dtype=x.dtype))
        x = pw.sub(x, offset)
        return pw.add(pw.sub(pw.neg(_softplus(pw.neg(x))), x), pw.log(y[..., :-1])).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] - 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StickBreakingTransform)

    __hash__ = object.__hash__


def _softplus(x: Any) -> Any:
    """log(1 + exp(x)) without overflow."""
    return pw.add(pw.clamp(x, min=0), pw.log1p(pw.exp(pw.neg(pw.abs(x)))))
