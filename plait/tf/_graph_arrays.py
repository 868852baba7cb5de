"""`tf.TensorArray` in graphs: each use is an operation; in a session, the array is a list."""

from __future__ import annotations

from typing import Any

from plait.tf._convert import convert
from plait.tf._dispatch import op
from plait.tf._dtypes import as_dtype
from plait.tf._graph import Symbol
from plait.tf._ops.tensor_array import TensorArray
from plait.tf._shape import TensorShape, TensorSpec


class ArraySpec(TensorSpec):
    """What is known of an array: the dtype and shape of its tensors."""

    def symbol(self, operation: Any, number: int) -> ArraySymbol:
        return ArraySymbol(operation, number, self.shape, self.dtype)


class ArraySymbol(Symbol):
    """An array of a graph: `shape` and `dtype` are those of its tensors."""

    __slots__ = ()

    def write(self, index: Any, value: Any, name: Any = None) -> Any:
        """The array with a tensor at a place."""
        return _write(self, index, value, name=name or "TensorArrayWrite")

    def read(self, index: Any, name: Any = None) -> Any:
        """The tensor at a place."""
        return _read(self, index, name=name or "TensorArrayRead")

    def stack(self, name: Any = None) -> Any:
        """All tensors along a new first axis."""
        return _stack(self, name=name or "TensorArrayStack")

    def concat(self, name: Any = None) -> Any:
        """All tensors one after another along the first axis."""
        return _concat(self, name=name or "TensorArrayConcat")

    def gather(self, indices: Any, name: Any = None) -> Any:
        """The tensors at some places, along a new first axis."""
        return _gather(self, indices, name=name or "TensorArrayGather")

    def unstack(self, value: Any, name: Any = None) -> Any:
        """The array filled with the slices of a tensor."""
        return _unstack(self, value, name=name or "TensorArrayUnstack")

    def scatter(self, indices: Any, value: Any, name: Any = None) -> Any:
        """The array with the slices of a tensor at some places."""
        return _scatter(self, indices, value, name=name or "TensorArrayScatter")

    def split(self, value: Any, lengths: Any, name: Any = None) -> Any:
        """The array filled with parts of a tensor of these lengths."""
        return _split(self, value, lengths, name=name or "TensorArraySplit")

    def size(self, name: Any = None) -> Any:
        """The number of places."""
        return _size(self, name=name or "TensorArraySize")

    def identity(self) -> ArraySymbol:
        return self

    def close(self, name: Any = None) -> None:
        """Nothing: the list goes with the run."""


@op
def _new(dtype: Any, size: Any, dynamic: bool, shape: Any) -> Any:
    return TensorArray(dtype, size, dynamic)


@op
def _write(array: Any, index: Any, value: Any) -> Any:
    return array.copy().write(index, value)


@op
def _read(array: Any, index: Any) -> Any:
    return array.read(index)


@op
def _stack(array: Any) -> Any:
    return array.stack()


@op
def _concat(array: Any) -> Any:
    return array.concat()


@op
def _gather(array: Any, indices: Any) -> Any:
    return array.gather(indices)


@op
def _unstack(array: Any, value: Any) -> Any:
    return array.copy().unstack(value)


@op
def _scatter(array: Any, indices: Any, value: Any) -> Any:
    return array.copy().scatter(indices, value)


@op
def _split(array: Any, value: Any, lengths: Any) -> Any:
    return array.copy().split(value, lengths)


@op
def _size(array: Any) -> Any:
    return array.size()


def _same(array: Any, *args: Any) -> ArraySpec:
    """What a use gives that writes: tensors of the first one's shape, where that was not stated."""
    shape = array.shape
    if shape.rank is None:
        shape = getattr(args[-1] if args else None, "shape", shape)
    return ArraySpec(shape, array.dtype)


def _rows(array: Any, *args: Any) -> TensorSpec:
    return TensorSpec(TensorShape([None]).concatenate(array.shape), array.dtype)


def _parts(array: Any, *args: Any) -> ArraySpec:
    shape = getattr(args[-1] if args else None, "shape", TensorShape(None))
    return ArraySpec(shape[1:] if shape.rank else None, array.dtype)


_new.__dict__["infer"] = lambda dtype, size, dynamic, shape: ArraySpec(shape, dtype)
_write.__dict__["infer"] = _same
_read.__dict__["infer"] = lambda array, index: TensorSpec(array.shape, array.dtype)
_stack.__dict__["infer"] = _gather.__dict__["infer"] = _rows
_concat.__dict__["infer"] = lambda array: TensorSpec(
    None if array.shape.rank is None else [None, *array.shape[1:]], array.dtype
)
_unstack.__dict__["infer"] = _scatter.__dict__["infer"] = _parts
_split.__dict__["infer"] = lambda array, value, lengths: ArraySpec(None, array.dtype)
_size.__dict__["infer"] = lambda array: TensorSpec((), "int32")


def array_in_graph(dtype: Any, size: Any, dynamic: bool, shape: Any) -> Any:
    """An array of the graph that is being built."""
    return _new(as_dtype(dtype), 0 if size is None else convert(size), dynamic, shape)
