"""TensorShape and TensorSpec: what is known of a tensor's shape and dtype."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from plait.core.ir.errors import error
from plait.tf._dtypes import as_dtype, float32


class Dimension:
    """One extent of a shape as TensorFlow 1 gives it; `value` is None where it is unknown."""

    def __init__(self, value: Any) -> None:
        self.value = None if value is None else int(value)

    def __int__(self) -> int:
        return int(self.value)  # type: ignore[arg-type]  # TypeError for an unknown one

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        return self.value == (other.value if isinstance(other, Dimension) else other)

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"Dimension({self.value})"

    def __str__(self) -> str:
        return "?" if self.value is None else str(self.value)


def dimension_value(dimension: Any) -> int | None:
    """The extent as an int or None."""
    return dimension.value if isinstance(dimension, Dimension) else dimension


class TensorShape:
    """Extents, each an int or None; `dims` is None where even the rank is unknown."""

    __slots__ = ("_dims",)

    def __init__(self, dims: Any) -> None:
        self._dims: tuple[int | None, ...] | None
        if dims is None:
            self._dims = None
        elif isinstance(dims, TensorShape):
            self._dims = dims._dims
        elif hasattr(dims, "__index__") and getattr(dims, "shape", ()) == ():
            self._dims = (int(dims),)
        else:
            try:
                self._dims = tuple(
                    [None if (v := dimension_value(d)) is None else int(v) for d in dims]
                )
            except TypeError:
                raise error(TypeError, f"Failed to convert {dims!r} to a TensorShape") from None
            if any(d is not None and d < 0 for d in self._dims):
                raise error(ValueError, f"Dimension {dims} must be >= 0")

    @property
    def rank(self) -> int | None:
        return None if self._dims is None else len(self._dims)

    @property
    def ndims(self) -> int | None:
        return self.rank

    @property
    def dims(self) -> list[Dimension] | None:
        return None if self._dims is None else [Dimension(d) for d in self._dims]

    def as_list(self) -> list[int | None]:
        """The extents as a list. Raises ValueError for an unknown rank."""
        if self._dims is None:
            raise error(ValueError, "as_list() is not defined on an unknown TensorShape.")
        return list(self._dims)

    def num_elements(self) -> int | None:
        return math.prod(self._dims) if self.is_fully_defined() else None  # type: ignore[arg-type]  # no None among them

    def is_fully_defined(self) -> bool:
        return self._dims is not None and all(d is not None for d in self._dims)

    def assert_is_fully_defined(self) -> None:
        if not self.is_fully_defined():
            raise error(ValueError, f"Shape {self} is not fully defined")

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a tensor could have both shapes."""
        other = TensorShape(other)
        if self._dims is None or other._dims is None:
            return True
        return len(self._dims) == len(other._dims) and all(
            a is None or b is None or a == b for a, b in zip(self._dims, other._dims)
        )

    def assert_is_compatible_with(self, other: Any) -> None:
        if not self.is_compatible_with(other):
            raise error(ValueError, f"Shapes {self} and {TensorShape(other)} are incompatible")

    def assert_has_rank(self, rank: int) -> None:
        if self.rank not in (None, rank):
            raise error(ValueError, f"Shape {self} must have rank {rank}")

    def with_rank(self, rank: int) -> TensorShape:
        self.assert_has_rank(rank)
        return self if self._dims is not None else TensorShape([None] * rank)

    def merge_with(self, other: Any) -> TensorShape:
        """What is known from both. Raises ValueError where they disagree."""
        other = TensorShape(other)
        self.assert_is_compatible_with(other)
        if self._dims is None or other._dims is None:
            return other if self._dims is None else self
        return TensorShape([b if a is None else a for a, b in zip(self._dims, other._dims)])

    def concatenate(self, other: Any) -> TensorShape:
        other = TensorShape(other)
        if self._dims is None or other._dims is None:
            return TensorShape(None)
        return TensorShape(self._dims + other._dims)

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        return TensorShape(other).concatenate(self)

    def __len__(self) -> int:
        if self._dims is None:
            raise error(ValueError, "Cannot take the length of shape with unknown rank.")
        return len(self._dims)

    def __iter__(self) -> Iterator[int | None]:
        if self._dims is None:
            raise error(ValueError, "Cannot iterate over a shape with unknown rank.")
        return iter(self._dims)

    def __getitem__(self, key: Any) -> Any:
        if self._dims is None:
            return TensorShape(None) if isinstance(key, slice) else None
        return TensorShape(self._dims[key]) if isinstance(key, slice) else self._dims[key]

    def __bool__(self) -> bool:
        return self._dims is not None

    def __eq__(self, other: object) -> bool:
        try:
            return self._dims == TensorShape(other)._dims
        except (TypeError, ValueError):
            return False

    def __hash__(self) -> int:
        return hash(self._dims)

    def __repr__(self) -> str:
        return f"TensorShape({None if self._dims is None else list(self._dims)})"

    def __str__(self) -> str:
        if self._dims is None:
            return "<unknown>"
        return f"({', '.join(map(str, self._dims))}{',' if len(self._dims) == 1 else ''})"

    def __reduce__(self) -> Any:
        return TensorShape, (None if self._dims is None else list(self._dims),)


class TypeSpec:
    """What a value of TensorFlow is like: the base of the specs of all kinds of tensors."""


class TensorSpec(TypeSpec):
    """The shape and dtype that a tensor has, or must have."""

    def __init__(self, shape: Any, dtype: Any = float32, name: str | None = None) -> None:
        self.shape = TensorShape(shape)
        self.dtype = as_dtype(dtype)
        self.name = name

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        return cls(tensor.shape, tensor.dtype, name)

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        return cls(spec.shape, spec.dtype, name or spec.name)

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a tensor (or another spec) has a shape and dtype that this one allows."""
        return other.dtype == self.dtype and self.shape.is_compatible_with(other.shape)

    def most_specific_compatible_shape(self, shape: TensorShape) -> TensorShape:
        """What both shapes have in common."""
        if self.shape.rank is None or self.shape.rank != shape.rank:
            return TensorShape(None)
        return TensorShape([a if a == b else None for a, b in zip(self.shape, shape)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and (self.shape, self.dtype, self.name) == (
            other.shape,
            other.dtype,
            other.name,
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype={self.dtype!r}, name={self.name!r})"
