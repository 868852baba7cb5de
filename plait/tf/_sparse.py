"""tf.SparseTensor: the places and values of what is not zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dtypes import DType, int64
from plait.tf._shape import TensorShape, TensorSpec, TypeSpec
from plait.tf._tensor import Tensor


class SparseTensor:
    """Values at places of a tensor whose other elements are zero.

    indices: (count, rank), int64; values: (count,); dense_shape: (rank,), int64. They are computed
    at once, and gradients follow `values`. Raises ValueError where the shapes do not fit.
    """

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        self.indices = convert(indices, None if isinstance(indices, Tensor) else int64)
        self.values = convert(values)
        self.dense_shape = convert(dense_shape, None if isinstance(dense_shape, Tensor) else int64)
        given = [t.shape.as_list() for t in (self.indices, self.values, self.dense_shape)]
        if [len(s) for s in given] != [2, 1, 1] or given[0] != [*given[1], *given[2]]:
            raise error(
                ValueError,
                f"SparseTensor: indices of shape {given[0]}, values of shape {given[1]} and "
                f"dense_shape of shape {given[2]} do not fit: they must be [count, rank], [count] "
                "and [rank]",
            )

    @property
    def shape(self) -> TensorShape:
        return TensorShape(self.dense_shape.numpy().tolist())

    def get_shape(self) -> TensorShape:
        return self.shape

    @property
    def dtype(self) -> DType:
        return self.values.dtype

    def with_values(self, new_values: Any) -> SparseTensor:
        """Other values at the same places."""
        return SparseTensor(self.indices, new_values, self.dense_shape)

    def consumers(self) -> list[Any]:
        """Nothing: there is no graph."""
        return []

    def __repr__(self) -> str:
        return (
            f"SparseTensor(indices={self.indices!r}, values={self.values!r}, "
            f"dense_shape={self.dense_shape!r})"
        )


class SparseTensorValue:
    """Indices, values and shape as arrays."""

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        self.indices, self.values = np.asarray(indices), np.asarray(values)
        self.dense_shape = np.asarray(dense_shape)


class SparseTensorSpec(TypeSpec):
    """The shape and dtype of a sparse tensor."""

    def __init__(self, shape: Any = None, dtype: Any = "float32") -> None:
        spec = TensorSpec(shape, dtype)
        self.shape, self.dtype = spec.shape, spec.dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SparseTensorSpec) and (self.shape, self.dtype) == (
            other.shape,
            other.dtype,
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"SparseTensorSpec({self.shape}, {self.dtype!r})"


def checked(value: Any, name: str) -> SparseTensor:
    """A sparse tensor. Raises TypeError for anything else."""
    if isinstance(value, SparseTensorValue):
        return SparseTensor(value.indices, value.values, value.dense_shape)
    if not isinstance(value, SparseTensor):
        raise error(TypeError, f"{name}: Input must be a SparseTensor, got {type(value).__name__}")
    return value


def places(sp: SparseTensor, name: str) -> np.ndarray:
    """The indices as an array. Raises InvalidArgumentError for one outside of the shape."""
    found, shape = sp.indices.numpy(), sp.dense_shape.numpy()
    for row, index in enumerate(found):
        if (index < 0).any() or (index >= shape).any():
            raise error(
                errors.InvalidArgumentError,
                f"{name}: indices[{row}] = {index.tolist()} is out of bounds: need 0 <= index < "
                f"{shape.tolist()}",
            )
    return found
