"""Joining a run of axes into one, and splitting one axis into several."""

from __future__ import annotations

from typing import Any

from plait import Tensor
from plait.core.ir.errors import error
from plait.nn.modules.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Join the axes `start_dim` to `end_dim` (inclusive) into one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split axis `dim` into `unflattened_size`; one entry may be -1."""

    def __init__(self, dim: Any, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(dim, int):
            raise error(
                TypeError, f"Unflatten takes an int for dim, but found type {type(dim).__name__}"
            )
        if not isinstance(unflattened_size, (tuple, list)):
            raise error(
                TypeError,
                "unflattened_size must be a tuple of ints, "
                f"but found type {type(unflattened_size).__name__}",
            )
        for position, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise error(
                    TypeError,
                    "unflattened_size must be tuple of ints, "
                    f"but found element of type {type(size).__name__} at pos {position}",
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
