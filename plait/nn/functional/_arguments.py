"""What the functions share: argument checks in PyTorch's wording, reductions, in-place results."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._functions.common import kind_of
from plait._promotion import result_type
from plait._tensor import Tensor, scalar_type
from plait.core.functional import arithmetic as fn
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error, warn
from plait.core.lazy.cell import leaf_of
from plait.core.ops.elementwise import cast
from plait.core.ops.view import broadcast, reshape

#: C++ names of element types, which some of PyTorch's messages use.
_C_NAMES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int",
    "int32": "int", "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "float32": "float", "float64": "double", "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}  # fmt: skip

REDUCTIONS = ("none", "mean", "sum")


def c_name(dtype: DType) -> str:
    """The C++ name of an element type."""
    return _C_NAMES.get(dtype.name, dtype.name)


def require_tensor(name: str, position: str, value: Any, number: int) -> Tensor:
    """The value if it is a tensor; TypeError naming the argument and its position otherwise."""
    if not isinstance(value, Tensor):
        raise error(
            TypeError,
            f"{name}(): argument '{position}' (position {number}) must be Tensor, not "
            f"{kind_of(value)}",
        )
    return value


def require_float(kernel: str, input: Any) -> None:
    """Raise NotImplementedError in PyTorch's words unless the input holds real floats."""
    if input.dtype.kind != "f":
        raise error(
            NotImplementedError,
            f"\"{kernel}\" not implemented for '{scalar_type(input.dtype)}' (input of shape "
            f"{list(input.shape)}; convert it with .float())",
        )


def per_axis(name: str, argument: str, value: Any, rank: int) -> tuple[int, ...]:
    """An int, or a sequence of one or `rank` ints, as `rank` ints."""
    if hasattr(value, "__index__"):
        return (value.__index__(),) * rank
    if not hasattr(value, "__iter__"):
        raise error(
            TypeError,
            f"{name}(): argument '{argument}' must be tuple of ints, not {type(value).__name__}",
        )
    values = tuple(value)
    for i, v in enumerate(values):
        if not hasattr(v, "__index__"):
            raise error(
                TypeError,
                f"{name}(): argument '{argument}' must be tuple of ints, but found element of type "
                f"{type(v).__name__} at pos {i}",
            )
    if len(values) not in (1, rank):
        raise error(
            RuntimeError,
            f"expected {argument} to be a single integer value or a list of {rank} values to match "
            f"the {name} dimensions, but got {argument}={list(values)}",
        )
    return tuple([v.__index__() for v in (values if len(values) == rank else values * rank)])


def constant_array(array: np.ndarray) -> Any:
    """A node for an array made here."""
    return leaf_of(np.ascontiguousarray(array))


def snapshot(input: Tensor) -> Tensor:
    """The present value under its own handle: a later in-place write does not reach it."""
    return input.frozen()


def store(name: str, input: Tensor, result: Any, inplace: bool) -> Any:
    """The result, written into the input where `inplace` asks for it."""
    return input.assign_result(name, result) if inplace else result


def legacy_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that the deprecated arguments ask for, with PyTorch's warning."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        found = "none"
    else:
        found = "sum" if size_average is False else "mean"
    warn(
        f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.",
    )
    return found


def require_reduction(reduction: str) -> str:
    """Raise ValueError for an unknown reduction."""
    if reduction not in REDUCTIONS:
        raise error(ValueError, f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(losses: Any, reduction: str) -> Any:
    """Losses reduced as asked. Raises ValueError for an unknown reduction."""
    require_reduction(reduction)
    if reduction == "none":
        return losses
    return fn.total(losses) if reduction == "sum" else fn.average(losses)


def common_operands(name: str, *tensors: Tensor) -> tuple[Any, ...]:
    """Tensors promoted to one dtype and broadcast to one shape."""
    dtype = result_type(*tensors)
    shape = broadcast_shapes(name, *[x.shape for x in tensors])
    return tuple([broadcast(cast(x, dtype), tuple(shape)) for x in tensors])


def with_batch(input: Tensor, rank: int) -> tuple[Any, bool]:
    """(input with a batch axis, whether it had to be added), for inputs (N, C, *rank axes)."""
    if len(input.shape) == rank + 2:
        return input, False
    return reshape(input, (1, *input.shape)), True


def without_batch(value: Any, added: bool) -> Any:
    """The inverse of `with_batch`."""
    return reshape(value, tuple(value.shape[1:])) if added else value
