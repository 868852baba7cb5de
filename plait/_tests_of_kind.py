"""Questions about objects and modes: is_tensor, is_floating_point, is_grad_enabled, ..."""

from __future__ import annotations

from typing import Any

from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.lazy.modes import modes


def is_tensor(obj: Any) -> bool:
    """Whether the object is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """Whether the object is a tensor's storage."""
    from plait._storage import TypedStorage, UntypedStorage

    return isinstance(obj, (TypedStorage, UntypedStorage))


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is floating."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input.is_complex()


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not 0. Raises RuntimeError for more or fewer elements."""
    if input.numel() != 1:
        raise error(
            RuntimeError,
            f"Boolean value of Tensor with {input.numel()} values is ambiguous in is_nonzero",
        )
    return bool(input.item())


def numel(input: Tensor) -> int:
    """Number of elements."""
    return input.numel()


def is_grad_enabled() -> bool:
    """Whether operations are recorded for differentiation now."""
    return modes.grad_enabled


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on."""
    return modes.inference
