"""What `repr` of a tensor shows: computes its value and hands it to the formatter."""

from __future__ import annotations

from typing import Any

from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait._tensor_str import get_printoptions, printoptions, set_printoptions, tensor_str

__all__ = ["get_printoptions", "printoptions", "set_printoptions", "tensor_text"]


def tensor_text(tensor: Tensor) -> str:
    """The text of a tensor as PyTorch prints it; a user's subclass shows its own name."""
    kind = type(tensor)
    own = kind is Tensor or kind.__module__.startswith("plait.")
    return tensor_str(
        tensor.compute(),
        tensor.dtype.name,
        requires_grad=tensor.requires_grad,
        grad_fn_name=_name_of(tensor.grad_fn),
        prefix="tensor(" if own else f"{kind.__name__}(",
        default_dtype=get_default_dtype().name,
    )


def _name_of(grad_fn: Any) -> str | None:
    """A grad node's name as printed; PyTorch leaves out the C++ namespace."""
    return None if grad_fn is None else grad_fn.name().rsplit("::", 1)[-1]
