"""Batches, windows and groups of the elements of data sets."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors, nest
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf._tensor import of_array
from plait.tf.data import _elements as el
from plait.tf.data._base import Base, DatasetSpec


class BatchMethods(Base):
    """What a data set can do to gather its elements."""

    def batch(
        self,
        batch_size: Any,
        drop_remainder: bool = False,
        num_parallel_calls: Any = None,
        deterministic: Any = None,
        name: Any = None,
    ) -> Any:
        """`batch_size` elements after another as one, along a new first axis."""
        fed = el.symbols_in(batch_size)
        if fed:
            made = self._new(
                lambda: self.batch(int(batch_size), drop_remainder).elements(),
                lambda: _batched_spec(self.element_spec, None),
            )
            made.symbols = (*made.symbols, *fed)
            return made
        size = _batch_size(batch_size)

        def make() -> PythonIterator[Any]:
            if self._rows is None:
                return map(el.stacked, _chunks(self.elements(), size, drop_remainder))
            arrays, numbers = self._rows
            chunks = _chunks(numbers(), size, drop_remainder)
            return (nest.map_structure(lambda a, c=chunk: a[c], arrays) for chunk in chunks)

        lead = size if drop_remainder else None
        return self._new(
            make,
            lambda: _batched_spec(self.element_spec, lead),
            _batches(self._count, size, drop_remainder),
        )

    def padded_batch(
        self,
        batch_size: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
        name: Any = None,
    ) -> Any:
        """As `batch`, with elements padded to the longest of the batch, or to given shapes."""
        size = _batch_size(batch_size)

        def make() -> PythonIterator[Any]:
            for chunk in _chunks(self.elements(), size, drop_remainder):
                yield el.padded(chunk, padded_shapes, padding_values)

        lead = size if drop_remainder else None

        def spec() -> Any:
            return nest.map_structure(
                lambda s: TensorSpec([lead, *[None] * (s.shape.rank or 0)], s.dtype),
                self.element_spec,
            )

        return self._new(make, spec, _batches(self._count, size, drop_remainder))

    def ragged_batch(
        self,
        batch_size: Any,
        drop_remainder: bool = False,
        row_splits_dtype: Any = "int64",
        name: Any = None,
    ) -> Any:
        """As `batch`, with elements of different first extents as the rows of ragged tensors."""
        size = _batch_size(batch_size)
        specs = nest.flatten(self.element_spec)
        rows = [not s.shape.is_fully_defined() for s in specs]

        def together(column: tuple[np.ndarray, ...], is_row: bool) -> Any:
            if not is_row:
                return el.stacked(list(column))
            from plait.tf.ragged import RaggedTensor

            flat = np.concatenate(column)
            return RaggedTensor.from_row_lengths(flat, [len(part) for part in column])

        def make() -> PythonIterator[Any]:
            for chunk in _chunks(self.elements(), size, drop_remainder):
                columns = zip(zip(*[nest.flatten(e) for e in chunk]), rows)
                yield nest.pack_sequence_as(chunk[0], [together(c, r) for c, r in columns])

        return self._new(make, None, _batches(self._count, size, drop_remainder))

    def unbatch(self, name: Any = None) -> Any:
        """The slices of the elements along their first axis."""

        def make() -> PythonIterator[Any]:
            for element in self.elements():
                for place in range(nest.flatten(element)[0].shape[0]):
                    yield el.row(element, place)

        def spec() -> Any:
            return nest.map_structure(lambda s: TensorSpec(s.shape[1:], s.dtype), self.element_spec)

        return self._new(make, spec)

    def rebatch(self, batch_size: Any, drop_remainder: bool = False, name: Any = None) -> Any:
        """Batches of another size."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def window(
        self,
        size: Any,
        shift: Any = None,
        stride: Any = 1,
        drop_remainder: bool = False,
        name: Any = None,
    ) -> Any:
        """Data sets of `size` elements each, `shift` (by default `size`) further every time."""
        width, step, gap = int(size), int(size if shift is None else shift), int(stride)
        if width < 1 or step < 1 or gap < 1:
            raise error(ValueError, "size, shift and stride of a window must be positive")
        span = (width - 1) * gap + 1

        def make() -> PythonIterator[Any]:
            held: list[Any] = []
            elements = self.elements()
            over = False
            while True:
                while not over and len(held) < span:
                    try:
                        held.append(next(elements))
                    except StopIteration:
                        over = True
                inside = held[:span:gap]
                if not inside or (len(inside) < width and drop_remainder):
                    return
                yield _window(self, inside)
                missing = step - len(held)
                held = held[step:]
                if missing > 0 and not over:
                    for _ in itertools.islice(elements, missing):
                        pass

        return self._new(make, lambda: nest.map_structure(DatasetSpec, self.element_spec))

    def group_by_window(
        self,
        key_func: Callable[..., Any],
        reduce_func: Callable[..., Any],
        window_size: Any = None,
        window_size_func: Any = None,
        name: Any = None,
    ) -> Any:
        """Elements with the same key (int64) gathered in windows, each made a data set of by
        `reduce_func(key, window)`."""

        def make() -> PythonIterator[Any]:
            groups: dict[int, list[Any]] = {}
            for element in self.elements():
                key = int(el.call(key_func, element))
                group = groups.setdefault(key, [])
                group.append(element)
                most = (
                    window_size
                    if window_size is not None
                    else int(window_size_func(of_array(np.array(key, np.int64))))
                )
                if len(group) >= most:
                    yield from _reduced(self, reduce_func, key, groups.pop(key))
            for key, group in sorted(groups.items()):
                yield from _reduced(self, reduce_func, key, group)

        return self._new(make, None)

    def bucket_by_sequence_length(
        self,
        element_length_func: Callable[..., Any],
        bucket_boundaries: Any,
        bucket_batch_sizes: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
        name: Any = None,
    ) -> Any:
        """Padded batches of elements of similar length."""
        bounds = list(bucket_boundaries)

        def bucket(*element: Any) -> int:
            return int(np.searchsorted(bounds, int(element_length_func(*element)), side="right"))

        def gather(key: Any, window: Any) -> Any:
            size = bucket_batch_sizes[int(key)]
            if no_padding:
                return window.batch(size, drop_remainder)
            return window.padded_batch(size, padded_shapes, padding_values, drop_remainder)

        return self.group_by_window(
            bucket, gather, window_size_func=lambda key: bucket_batch_sizes[int(key)]
        )


def _batch_size(size: Any) -> int:
    found = int(size)
    if found < 1:
        raise error(errors.InvalidArgumentError, "Batch size must be greater than zero.")
    return found


def _chunks(elements: PythonIterator[Any], size: int, whole: bool) -> PythonIterator[list[Any]]:
    while chunk := list(itertools.islice(elements, size)):
        if len(chunk) == size or not whole:
            yield chunk


def _batches(count: int, size: int, whole: bool) -> int:
    if count < 0:
        return count
    return count // size if whole else -(-count // size)


def _batched_spec(spec: Any, lead: int | None) -> Any:
    return nest.map_structure(
        lambda s: (
            s
            if isinstance(s, DatasetSpec)
            else TensorSpec(TensorShape([lead]).concatenate(s.shape), s.dtype)
        ),
        spec,
    )


def _window(source: Base, elements: list[Any]) -> Any:
    """A data set for each component of the elements."""
    columns = list(zip(*[nest.flatten(e) for e in elements]))
    specs = nest.flatten(source.element_spec)
    made = [
        source._new(lambda column=column: iter(column), part, len(column))
        for column, part in zip(columns, specs)
    ]
    return nest.pack_sequence_as(elements[0], made)


def _reduced(source: Base, function: Callable[..., Any], key: int, group: list[Any]) -> Any:
    window = source._new(lambda: iter(group), source.element_spec, len(group))
    made = function(of_array(np.array(key, np.int64)), window)
    return made.elements()
