"""`tf.RaggedTensor`: rows of different lengths, as the values of all rows and where each begins.

The values are a tensor, which gradients flow to; where rows begin is known at once, as an array: a
function that is traced with rows of its arguments runs as Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dispatch import RaggedOperand
from plait.tf._dtypes import as_dtype, int64
from plait.tf._ops import arrays, elementwise, slicing
from plait.tf._ops.creation import fill
from plait.tf._shape import TensorShape, TypeSpec
from plait.tf._tensor import Tensor, of_array


class RaggedTensor:
    """Rows of different lengths: row k is values[row_splits[k] : row_splits[k + 1]].

    Made by its class methods, `tf.ragged.constant` and the like. The values may be ragged again.
    """

    __array_priority__ = 120

    def __init__(self, values: Any, splits: np.ndarray) -> None:
        self._values = values
        self._splits = splits

    # -- making ----------------------------------------------------------------------------------

    @classmethod
    def from_row_splits(
        cls, values: Any, row_splits: Any, name: Any = None, validate: bool = True
    ) -> RaggedTensor:
        """Rows by their beginnings, and the end. Raises InvalidArgumentError for splits that do not
        begin with 0, fall, or do not end with the number of values."""
        held = _values(values)
        splits = _integers("row_splits", row_splits)
        if not splits.size:
            raise error(ValueError, "row_splits may not be empty")
        if validate:
            require(
                splits[0] == 0, "Arguments to from_row_splits do not form a valid RaggedTensor:zero"
            )
            require(bool((np.diff(splits) >= 0).all()), "monotonic: row_splits must not fall")
            require(
                int(splits[-1]) == _count(held),
                f"row_splits end with {splits[-1]}, but there are {_count(held)} values",
            )
        return cls(held, splits)

    @classmethod
    def from_row_lengths(
        cls, values: Any, row_lengths: Any, name: Any = None, validate: bool = True
    ) -> RaggedTensor:
        """Rows by their lengths."""
        lengths = _integers("row_lengths", row_lengths)
        require(not validate or bool((lengths >= 0).all()), "row_lengths must be non-negative")
        splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls.from_row_splits(values, splits, validate=validate)

    @classmethod
    def from_value_rowids(
        cls, values: Any, value_rowids: Any, nrows: Any = None, name: Any = None,
        validate: bool = True,
    ) -> RaggedTensor:  # fmt: skip
        """Rows by the row of each value, in rising order."""
        rows = _integers("value_rowids", value_rowids)
        least = int(rows[-1]) + 1 if rows.size else 0
        count = least if nrows is None else int(nrows)
        if count < 0:
            raise error(ValueError, f"Expected nrows >= 0; got {count}")
        require(bool((np.diff(rows) >= 0).all()), "value_rowids must not fall")
        require(count >= least, f"nrows={count} is less than value_rowids[-1] + 1 = {least}")
        return cls.from_row_lengths(values, np.bincount(rows, minlength=count), validate=validate)

    @classmethod
    def from_row_starts(
        cls, values: Any, row_starts: Any, name: Any = None, validate: bool = True
    ) -> RaggedTensor:
        """Rows by their beginnings."""
        held = _values(values)
        splits = np.append(_integers("row_starts", row_starts), _count(held))
        return cls.from_row_splits(held, splits, validate=validate)

    @classmethod
    def from_row_limits(
        cls, values: Any, row_limits: Any, name: Any = None, validate: bool = True
    ) -> RaggedTensor:
        """Rows by their ends."""
        splits = np.insert(_integers("row_limits", row_limits), 0, 0)
        return cls.from_row_splits(values, splits, validate=validate)

    @classmethod
    def from_uniform_row_length(
        cls, values: Any, uniform_row_length: Any, nrows: Any = None, validate: bool = True,
        name: Any = None,
    ) -> RaggedTensor:  # fmt: skip
        """Rows of one length."""
        held, length = _values(values), int(uniform_row_length)
        count = (_count(held) // length if length else 0) if nrows is None else int(nrows)
        return cls.from_row_lengths(held, np.full(count, length), validate=validate)

    @classmethod
    def from_nested_row_splits(
        cls, flat_values: Any, nested_row_splits: Any, name: Any = None, validate: bool = True
    ) -> RaggedTensor:
        """Rows of rows, the outermost splits first."""
        return _nested(cls.from_row_splits, flat_values, nested_row_splits, validate)

    @classmethod
    def from_nested_row_lengths(
        cls, flat_values: Any, nested_row_lengths: Any, name: Any = None, validate: bool = True
    ) -> RaggedTensor:
        """Rows of rows, the outermost lengths first."""
        return _nested(cls.from_row_lengths, flat_values, nested_row_lengths, validate)

    @classmethod
    def from_tensor(
        cls, tensor: Any, lengths: Any = None, padding: Any = None, ragged_rank: int = 1,
        name: Any = None, row_splits_dtype: Any = int64,
    ) -> RaggedTensor:  # fmt: skip
        """The rows of a tensor: whole, of some lengths, or without the padding at their ends."""
        held = convert(tensor)
        if ragged_rank != 1 or len(held.shape) < 2:
            raise not_built("tf.RaggedTensor.from_tensor of more than one ragged axis")
        rows, width = held.shape[0], held.shape[1]
        if padding is not None:
            real: Any = np.asarray(held.numpy() != padding).reshape(rows, width, -1).any(-1)
            lengths = np.where(real.any(1), width - real[:, ::-1].argmax(1), 0)
        sizes = np.full(rows, width) if lengths is None else _integers("lengths", lengths)
        kept = np.arange(width) < np.minimum(sizes, width)[:, None]
        flat = arrays.reshape(held, [rows * width, *held.shape[2:]])
        values = slicing.gather(flat, np.flatnonzero(kept))
        return cls.from_row_lengths(values, kept.sum(1))

    # -- what it is made of ------------------------------------------------------------------------

    @property
    def values(self) -> Any:
        """The values of all rows, one after another."""
        return self._values

    @property
    def flat_values(self) -> Any:
        """The innermost values, a tensor."""
        return self._values.flat_values if isinstance(self._values, RaggedTensor) else self._values

    @property
    def row_splits(self) -> Tensor:
        """Where rows begin, and the end: int64."""
        return of_array(self._splits)

    @property
    def nested_row_splits(self) -> tuple[Tensor, ...]:
        """The splits of each ragged axis, the outermost first."""
        inner = self._values
        rest = inner.nested_row_splits if isinstance(inner, RaggedTensor) else ()
        return (self.row_splits, *rest)

    @property
    def ragged_rank(self) -> int:
        return 1 + (self._values.ragged_rank if isinstance(self._values, RaggedTensor) else 0)

    @property
    def dtype(self) -> Any:
        return self._values.dtype

    @property
    def shape(self) -> TensorShape:
        """(rows, None, ...): the extents that are the same everywhere."""
        return TensorShape([len(self._splits) - 1, None, *list(self._values.shape)[1:]])

    def get_shape(self) -> TensorShape:
        return self.shape

    def nrows(self, out_type: Any = None, name: Any = None) -> Tensor:
        """The number of rows."""
        return elementwise.cast(of_array(np.array(len(self._splits) - 1)), out_type or int64)

    def row_lengths(self, axis: int = 1, name: Any = None) -> Any:
        """The lengths of rows; along a deeper axis, ragged."""
        if axis == 0:
            return self.nrows()
        if axis > 1:
            if not isinstance(self._values, RaggedTensor):
                raise error(ValueError, f"axis {axis} is not ragged")
            return self.with_values(self._values.row_lengths(axis - 1))
        return of_array(np.diff(self._splits))

    def row_starts(self, name: Any = None) -> Tensor:
        return of_array(self._splits[:-1])

    def row_limits(self, name: Any = None) -> Tensor:
        return of_array(self._splits[1:])

    def value_rowids(self, name: Any = None) -> Tensor:
        """The row of each value."""
        return of_array(self._rows())

    def _rows(self) -> np.ndarray:
        return np.repeat(np.arange(len(self._splits) - 1), np.diff(self._splits))

    def bounding_shape(self, axis: Any = None, name: Any = None, out_type: Any = None) -> Tensor:
        """The greatest extents."""
        inner = self._values
        lengths = np.diff(self._splits)
        rest = inner.bounding_shape() if isinstance(inner, RaggedTensor) else arrays.shape(inner)
        extents = [len(lengths), int(lengths.max(initial=0)), *rest.numpy()[1:].tolist()]
        made = np.array(extents, np.int64)
        return of_array(made if axis is None else made[axis])

    def with_values(self, new_values: Any) -> RaggedTensor:
        """The same rows of other values. Raises InvalidArgumentError for another number of them."""
        held = _values(new_values)
        require(
            _count(held) == int(self._splits[-1]),
            f"with_values: {self._splits[-1]} values are needed, got {_count(held)}",
        )
        return RaggedTensor(held, self._splits)

    def with_flat_values(self, new_values: Any) -> RaggedTensor:
        """The same rows of other innermost values."""
        if isinstance(self._values, RaggedTensor):
            return RaggedTensor(self._values.with_flat_values(new_values), self._splits)
        return self.with_values(new_values)

    # -- as other things ---------------------------------------------------------------------------

    def to_tensor(self, default_value: Any = None, name: Any = None, shape: Any = None) -> Tensor:
        """All rows filled up at their ends (with 0, or the empty string), cut to `shape`."""
        inner: Any = self._values
        wanted = [None] * len(self.shape) if shape is None else list(TensorShape(shape))
        if isinstance(inner, RaggedTensor):
            inner = inner.to_tensor(default_value, shape=[None, *wanted[2:]])
        filler = b"" if inner.dtype.name == "string" else 0
        given = filler if default_value is None else default_value
        blank = fill([1, *inner.shape[1:]], convert(given, inner.dtype))
        lengths = np.diff(self._splits)
        width = int(lengths.max(initial=0)) if wanted[1] is None else int(wanted[1])
        count = len(lengths) if wanted[0] is None else int(wanted[0])
        places = np.full((count, width), _count(inner), np.int64)
        for row in range(min(count, len(lengths))):
            size = min(int(lengths[row]), width)
            places[row, :size] = np.arange(size) + self._splits[row]
        return slicing.gather(arrays.concat([inner, blank], 0), places)

    def to_list(self) -> list[Any]:
        """Nested lists of Python values."""
        return [_listed(row) for row in self]

    def numpy(self) -> np.ndarray:
        """An array of arrays; a plain array where all rows are of one length."""
        rows = [row.numpy() for row in self]
        if len({getattr(row, "shape", ()) for row in rows}) <= 1:
            return np.array(rows)
        made = np.empty(len(rows), object)
        for place, row in enumerate(rows):
            made[place] = row
        return made

    def spec(self) -> RaggedTensorSpec:
        """What it is like."""
        return RaggedTensorSpec([None, *list(self.shape)[1:]], self.dtype, self.ragged_rank)

    def consumers(self) -> list[Any]:
        return []

    # -- Python --------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._splits) - 1

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        """Rows, and parts of rows, by numbers and slices."""
        if isinstance(key, tuple):
            if not key:
                return self
            first, rest = key[0], key[1:]
            if first is Ellipsis or first is None:
                raise not_built("indexing of ragged tensors by ... and new axes")
            if not isinstance(first, slice):
                return self[first][rest] if rest else self[first]
            picked = self[first]
            return picked._columns(rest) if rest else picked
        if isinstance(key, slice):
            return self._taken(np.arange(len(self))[_plain(key)])
        row = int(key)
        if not -len(self) <= row < len(self):
            raise error(IndexError, f"Row key {row} out of bounds: there are {len(self)} rows")
        row %= max(len(self), 1)
        return self._values[int(self._splits[row]) : int(self._splits[row + 1])]

    def _taken(self, rows: np.ndarray) -> RaggedTensor:
        """Some rows, in this order."""
        lengths = np.diff(self._splits)[rows]
        places = [places_of(self._splits[r], self._splits[r + 1]) for r in rows]
        flat = np.concatenate(places).astype(np.int64) if places else np.zeros(0, np.int64)
        inner = self._values
        held = (
            inner._taken(flat) if isinstance(inner, RaggedTensor) else slicing.gather(inner, flat)
        )
        return RaggedTensor(held, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    def _columns(self, key: tuple[Any, ...]) -> Any:
        """What is at `key` of each row."""
        column, rest = key[0], key[1:]
        inner = self._values
        if isinstance(column, slice):
            places = [
                places_of(a, b)[_plain(column)] for a, b in zip(self._splits, self._splits[1:])
            ]
            flat = np.concatenate(places).astype(np.int64) if places else np.zeros(0, np.int64)
            held = (
                inner._taken(flat)
                if isinstance(inner, RaggedTensor)
                else slicing.gather(inner, flat)
            )
            if rest:
                held = held[(slice(None), *rest)]
            return RaggedTensor.from_row_lengths(held, [len(p) for p in places])
        lengths, number = np.diff(self._splits), int(column)
        if len(lengths) and not bool(((lengths > number) & (lengths >= -number)).all()):
            raise error(
                errors.InvalidArgumentError,
                f"slice index {number} of dimension 1 out of bounds: rows are as short as "
                f"{lengths.min()}",
            )
        flat = (self._splits[:-1] if number >= 0 else self._splits[1:]) + number
        held = (
            inner._taken(flat) if isinstance(inner, RaggedTensor) else slicing.gather(inner, flat)
        )
        return held[(slice(None), *rest)] if rest else held

    def _as_tf_tensor(self) -> Any:
        raise RaggedOperand

    def __repr__(self) -> str:
        return f"<tf.RaggedTensor {self.to_list()}>"


def _nested(make: Any, values: Any, parts: Any, validate: bool) -> Any:
    """Rows of rows: `make(values, part)` for each part, the last first."""
    for part in reversed(list(parts)):
        values = make(values, part, validate=validate)
    return values


def _values(values: Any) -> Any:
    return values if isinstance(values, RaggedTensor) else convert(values)


def _count(values: Any) -> int:
    return len(values) if isinstance(values, RaggedTensor) else int(values.shape[0])


def _integers(name: str, value: Any) -> np.ndarray:
    array = np.asarray(convert(value).numpy() if not isinstance(value, np.ndarray) else value)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.dtype.kind not in "iu":
        raise error(TypeError, f"{name} must be integers, got {array.dtype}")
    if array.ndim != 1:
        raise error(ValueError, f"Shape {array.shape} must have rank 1")
    return array.astype(np.int64)


def require(holds: Any, message: str) -> None:
    if not holds:
        raise error(errors.InvalidArgumentError, message)


def places_of(start: Any, stop: Any) -> np.ndarray:
    """The places of a row's values."""
    return np.arange(int(start), int(stop))


def _plain(key: slice) -> slice:
    def bound(value: Any) -> Any:
        return None if value is None else int(value)

    return slice(bound(key.start), bound(key.stop), bound(key.step))


def _listed(row: Any) -> Any:
    return row.to_list() if isinstance(row, RaggedTensor) else row.numpy().tolist()


class RaggedTensorSpec(TypeSpec):
    """What a ragged tensor is like."""

    def __init__(
        self, shape: Any = None, dtype: Any = "float32", ragged_rank: int | None = None,
        row_splits_dtype: Any = int64, flat_values_spec: Any = None,
    ) -> None:  # fmt: skip
        self.shape, self.dtype = TensorShape(shape), as_dtype(dtype)
        self.ragged_rank = 1 if ragged_rank is None else ragged_rank
        self.row_splits_dtype = as_dtype(row_splits_dtype)

    def __repr__(self) -> str:
        return (
            f"RaggedTensorSpec({self.shape!r}, {self.dtype!r}, {self.ragged_rank}, "
            f"{self.row_splits_dtype!r})"
        )
