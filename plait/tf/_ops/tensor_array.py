"""tf.TensorArray: a list of tensors that is written by place and stacked at the end."""

from __future__ import annotations

from typing import Any

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert, ints
from plait.tf._dispatch import state
from plait.tf._dtypes import as_dtype
from plait.tf._ops import arrays


class TensorArray:
    """Tensors of one dtype by number. Every write gives the array itself.

    Where a graph is built it is a symbol, whose uses are operations.
    """

    def __new__(
        cls,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        *args: Any,
        element_shape: Any = None,
        **kwargs: Any,
    ) -> Any:
        if state.graph is None or state.inside:
            return super().__new__(cls)
        from plait.tf._graph_arrays import array_in_graph  # it builds on this module

        return array_in_graph(dtype, size, bool(dynamic_size), element_shape)

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: Any = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: Any = None,
    ) -> None:
        self.dtype = as_dtype(dtype)
        self.dynamic_size = bool(dynamic_size)
        self._items: list[Any] = [None] * (0 if size is None else int(size))

    def copy(self) -> TensorArray:
        """Another array of the same tensors."""
        made = TensorArray(self.dtype, 0, self.dynamic_size)
        made._items = list(self._items)
        return made

    def write(self, index: Any, value: Any, name: Any = None) -> TensorArray:
        """Put a tensor at a place. Raises OutOfRangeError past the end of an array of fixed size,
        InvalidArgumentError for another dtype."""
        place = int(index)
        if place >= len(self._items):
            if not self.dynamic_size:
                raise error(
                    errors.OutOfRangeError,
                    f"Tried to write to index {place} but array is not resizeable and size is: "
                    f"{len(self._items)}",
                )
            self._items.extend([None] * (place + 1 - len(self._items)))
        made = convert(value, hint=self.dtype)
        if made.dtype != self.dtype:
            raise error(
                errors.InvalidArgumentError,
                f"TensorArray dtype is {self.dtype.name} but Op is trying to write dtype "
                f"{made.dtype.name}",
            )
        self._items[place] = made
        return self

    def read(self, index: Any, name: Any = None) -> Any:
        """The tensor at a place. Raises OutOfRangeError where there is none."""
        place = int(index)
        if not 0 <= place < len(self._items):
            raise error(
                errors.OutOfRangeError,
                f"Tried to read from index {place} but array size is: {len(self._items)}",
            )
        found = self._items[place]
        if found is None:
            raise error(
                errors.InvalidArgumentError, f"Could not read index {place}: it was not written"
            )
        return found

    def stack(self, name: Any = None) -> Any:
        """All tensors along a new first axis; places not written are zeros."""
        written = next((t for t in self._items if t is not None), None)
        if written is None:
            from plait.tf._ops.creation import zeros

            return zeros((len(self._items),), self.dtype)
        from plait.tf._ops.creation import zeros_like

        return arrays.stack([zeros_like(written) if t is None else t for t in self._items])

    def concat(self, name: Any = None) -> Any:
        """All tensors one after another along the first axis."""
        return arrays.concat(self._items, 0)

    def gather(self, indices: Any, name: Any = None) -> Any:
        """The tensors at some places, along a new first axis."""
        return arrays.stack([self.read(i) for i in ints(indices)])

    def unstack(self, value: Any, name: Any = None) -> TensorArray:
        """Fill the array with the slices of a tensor."""
        self._items = list(arrays.unstack(value))
        return self

    def scatter(self, indices: Any, value: Any, name: Any = None) -> TensorArray:
        """Write the slices of a tensor at some places."""
        for place, part in zip(ints(indices), arrays.unstack(value)):
            self.write(place, part)
        return self

    def split(self, value: Any, lengths: Any, name: Any = None) -> TensorArray:
        """Fill the array with parts of a tensor of these lengths."""
        self._items = list(arrays.split(value, list(ints(lengths))))
        return self

    def size(self, name: Any = None) -> Any:
        """The number of places, a scalar tensor."""
        return convert(len(self._items))

    def identity(self) -> TensorArray:
        return self

    def close(self, name: Any = None) -> None:
        self._items = []
