"""`Variable`: PyTorch's old name for a tensor that takes part in differentiation."""

from __future__ import annotations

from typing import Any

from plait._tensor import Tensor
from plait.core.ir.errors import error

__all__ = ["Variable"]


class _VariableMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)

    def __call__(
        cls, data: Any = None, requires_grad: bool = False, volatile: bool = False
    ) -> Tensor:
        if data is None:
            from plait._functions.creation import empty

            data = empty(0)
        if not isinstance(data, Tensor):
            raise error(
                TypeError, f"Variable data has to be a tensor, but got {type(data).__name__}"
            )
        return data.detach().requires_grad_(requires_grad and not volatile)


class Variable(metaclass=_VariableMeta):
    """Variable(data, requires_grad=False) gives a tensor over the same memory."""
