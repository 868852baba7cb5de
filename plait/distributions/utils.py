"""What distributions written by users take from `torch.distributions.utils`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._functions import pointwise as pw
from plait._functions.joining import broadcast_tensors
from plait._functions.random import randn
from plait._tensor import Tensor
from plait._types import finfo
from plait.core.functional.broadcasting import Number
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.core.ops.softmax import LOG_SOFTMAX, SOFTMAX
from plait.distributions.distribution import parameters

__all__ = ["broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits"]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape. Raises ValueError for anything else."""
    if not all(isinstance(v, (Tensor, Number)) for v in values):
        raise error(
            ValueError,
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing "
            f"__torch_function__; got {', '.join(type(v).__name__ for v in values)}",
        )
    if all(isinstance(v, Tensor) for v in values):
        return tuple(broadcast_tensors(*values))
    return parameters(*values)[0]


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Any:
    """Draws of the standard normal distribution."""
    return randn(shape, dtype=dtype, device=device)


def _sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last `dim` axes."""
    return value.sum(tuple(range(-dim, 0))) if dim else value


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept off 0 and 1 by the dtype's eps."""
    eps = finfo(probs.dtype).eps
    return pw.clamp(probs, eps, 1 - eps)


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities of logits: of one class each (binary), or over the last axis."""
    return pw.sigmoid(logits) if is_binary else SOFTMAX(logits, axis=logits.ndim - 1)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """Log-odds of probabilities (binary), or log-probabilities."""
    inside = clamp_probs(probs)
    if is_binary:
        return pw.sub(pw.log(inside), pw.log1p(pw.neg(inside)))
    return pw.log(inside)


def normalized(logits: Any) -> Any:
    """Log-probabilities whose exponentials add to 1 over the last axis."""
    return LOG_SOFTMAX(logits, axis=logits.ndim - 1)


class lazy_property:
    """A property that is computed once, with gradients on, and then kept on the object."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with grad_mode(True):
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value
