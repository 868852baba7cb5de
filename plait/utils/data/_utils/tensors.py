"""All the loader knows about the inside of tensors: to arrays and back, without a graph.

Kept in one file because the core may know cheaper ways than the public interface offers.
"""

from typing import Any

import numpy as np

# dtypes NumPy lacks cross as integers of the same width.
_BITS_OF = {"bfloat16": "int16"}


def is_tensor(value: Any) -> bool:
    """Whether `value` is a tensor (or an instance of a subclass)."""
    import plait  # not at the top: the face imports this module

    return isinstance(value, plait.Tensor)


def dtype_name(tensor: Any) -> str:
    """`float32` for `torch.float32`."""
    return str(tensor.dtype).rpartition(".")[2]


def is_plain(tensor: Any) -> bool:
    """Whether the tensor's values alone say all: exact type, CPU, dense, no gradient."""
    import plait  # not at the top: the face imports this module

    return (
        type(tensor) is plait.Tensor
        and not tensor.requires_grad
        and tensor.device.type == "cpu"
        and tensor.layout == plait.strided
    )


def read(tensor: Any) -> np.ndarray:
    """The values of a plain tensor as an array that is only read; bfloat16 as int16 bits."""
    array = tensor.compute()
    return array.view(np.int16) if dtype_name(tensor) in _BITS_OF else array


def make(array: np.ndarray, dtype: str) -> Any:
    """A tensor of the named dtype with the values of `array`, which nobody else writes to."""
    from plait._functions.creation import owned  # not at the top: the face imports this module
    from plait.core.ir.dtypes import BY_NAME

    return owned(array.view(BY_NAME[dtype].numpy) if dtype in _BITS_OF else array)


def take_rows(tensor: Any, indices: list[int]) -> Any:
    """`tensor[i]` for each of the indices, stacked: one gather, and never a view of `tensor`.

    Gathered at once: a recorded gather would hold the whole data set until the batch is used.
    Raises IndexError for an index out of range.
    """
    from plait._functions.creation import owned  # not at the top: the face imports this module

    return owned(np.take(tensor.compute(), indices, axis=0))
