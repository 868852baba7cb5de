"""The few names of `torch._C` that libraries read: what is asked of the tracer, of logging, of
devices. Nothing here is native code."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from plait._functions.random import Generator
from plait._types import device
from plait.nn.modules._convert import parse_to

__all__ = ["Generator", "device"]

#: The metaclass of tensors.
_TensorMeta = type

_nn = SimpleNamespace(_parse_to=parse_to)


def _get_tracing_state() -> None:
    """The state of `torch.jit.trace`: none, as nothing is traced that way."""


def _is_tracing() -> bool:
    """Whether `torch.jit.trace` runs."""
    return False


def _log_api_usage_once(event: str) -> None:
    """Nothing is logged."""


def _get_default_device() -> str:
    """The type of device that constructors use."""
    return "cpu"


def _get_privateuse1_backend_name() -> str:
    """The name of a backend that an extension registered; PyTorch's word where there is none."""
    return "privateuseone"


def _disabled_torch_function_impl(
    func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
) -> Any:
    """The `__torch_function__` of a subclass that wants none: the function itself."""
    return func(*args, **(kwargs or {}))
