"""The old tensor types: FloatTensor(2, 3), LongTensor([1, 2]), `isinstance(x, FloatTensor)`.

Each type stands for one dtype. Calling it makes a tensor from sizes, a sequence, an array, a
storage or a tensor of that dtype; tensors are its instances by their dtype.
"""

from __future__ import annotations

from typing import Any

from plait._functions.creation import legacy_tensor
from plait._promotion import get_default_dtype, set_default_dtype
from plait._storage import TypedStorage
from plait._tensor import Tensor, scalar_type
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error


class tensortype(type):
    """The type of FloatTensor and its like."""

    dtype: DType
    is_cuda = False
    is_sparse = False

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> Tensor:
        """A new tensor. Raises TypeError for a tensor of another dtype and for single numbers."""
        first = args[0] if len(args) == 1 else None
        if isinstance(first, TypedStorage):
            first = first.tensor()
        if isinstance(first, Tensor):
            if first.dtype is not cls.dtype:
                raise error(
                    TypeError,
                    f"{cls.__name__}(): expected a tensor of dtype {cls.dtype} (got "
                    f"{first.dtype}, shape {list(first.shape)}); convert with .to({cls.dtype})",
                )
            return first.detach()
        return legacy_tensor(cls.dtype, *args, **kwargs).to(cls.dtype)

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _tensor_type(dtype: DType) -> tensortype:
    doc = f"Tensors of dtype {dtype.name}; called, a constructor."
    return tensortype(
        f"{scalar_type(dtype)}Tensor", (), {"dtype": dtype, "__module__": "plait", "__doc__": doc}
    )


#: The old tensor types by name.
TENSOR_TYPES: dict[str, tensortype] = {
    made.__name__: made
    for made in map(
        _tensor_type,
        (
            dtypes.float32,
            dtypes.float64,
            dtypes.float16,
            dtypes.bfloat16,
            dtypes.int64,
            dtypes.int32,
            dtypes.int16,
            dtypes.int8,
            dtypes.uint8,
            dtypes.bool_,
        ),
    )
}


def dtype_of_type_name(name: str) -> DType:
    """The dtype of "torch.FloatTensor" and its like.

    Raises ValueError for an unknown name, RuntimeError for the type of another device.
    """
    place, _, short = name.rpartition(".")
    if short in TENSOR_TYPES and place == "torch":
        return TENSOR_TYPES[short].dtype
    if name == "torch.Tensor":
        return get_default_dtype()
    if short in TENSOR_TYPES and place == "torch.cuda":
        raise error(
            RuntimeError, f"type {name} not available. Torch not compiled with CUDA enabled."
        )
    raise error(ValueError, f"invalid type: '{name}'")


def set_default_tensor_type(t: Any) -> None:
    """Set the default float dtype by an old tensor type or its name; TypeError for others."""
    dtype = dtype_of_type_name(t) if isinstance(t, str) else getattr(t, "dtype", None)
    if not isinstance(dtype, DType) or not dtype.is_floating_point:
        raise error(
            TypeError,
            f"only floating-point types are supported as the default type, received {t!r}",
        )
    set_default_dtype(dtype)
