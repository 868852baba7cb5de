"""Names that are both function and method where one of the two lives elsewhere."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from plait._functions.common import FUNCTIONS, attach, public
from plait._tensor import Tensor


@public(method=False)
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy; gradients flow through it."""
    return input.clone()


@public(method=False)
def detach(input: Tensor) -> Tensor:
    """The same memory outside of autograd."""
    return input.detach()


@public
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    return input._shape == other._shape


def _copying(name: str) -> Callable[..., Tensor]:
    def copy(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return FUNCTIONS[name](input, *args, **kwargs).clone()

    copy.__name__ = f"{name}_copy"
    copy.__doc__ = f"`{name}` as a copy instead of a view."
    return public(copy, method=False)


for _name in ("expand", "permute", "transpose", "t", "squeeze", "unsqueeze", "view", "select"):
    _copying(_name)


def _of_functional(name: str) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        functional = importlib.import_module("plait.nn.functional")
        return getattr(functional, name)(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"See `torch.nn.functional.{name}`."
    return method


# `nn.functional` loads when one of these is first called.
attach(**{name: _of_functional(name) for name in ("softmax", "log_softmax", "hardshrink", "prelu")})
