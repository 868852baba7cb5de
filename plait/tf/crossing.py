"""From PyTorch's face to TensorFlow's: variables that share a parameter's memory.

The other way is `torch.as_tensor`, which takes tensors and variables of both faces and of Keras,
and PyTorch-style optimizers, which take variables as they take parameters. TensorFlow's functions
take PyTorch-style tensors as they are. Both faces record into one graph: gradients and compiled
steps go through either.
"""

from __future__ import annotations

from typing import Any

from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.tf._dtypes import BY_CORE
from plait.tf._variable import Variable


def as_variable(tensor: Tensor, name: str | None = None) -> Variable:
    """A `tf.Variable` whose memory is a leaf tensor (a parameter): each sees what is written into
    the other, and a tape's gradients by it are those by the parameter.

    Trainable where the tensor requires gradients. Raises TypeError for what is no tensor,
    ValueError for one that was computed from others.
    """
    if not isinstance(tensor, Tensor):
        raise error(TypeError, f"as_variable: expected a tensor, got {type(tensor).__name__}")
    if not tensor.is_leaf:
        raise error(
            ValueError,
            "as_variable: the tensor was computed from others and has no memory of its own; "
            "detach() it first",
        )
    variable: Variable = object.__new__(Variable)
    kind = BY_CORE[tensor.dtype]
    variable._set_up(tuple(tensor.shape), kind, name, tensor.requires_grad, None)
    variable._leaf, variable._shared = tensor, True
    return variable
