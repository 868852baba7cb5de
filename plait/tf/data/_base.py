"""What the parts of `Dataset` share."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator as PythonIterator
from typing import Any

from plait.tf._ops.random import mixed, seeds
from plait.tf._shape import TensorShape

AUTOTUNE = -1
INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2


class DatasetSpec:
    """What a nested data set's elements are like."""

    def __init__(self, element_spec: Any, dataset_shape: Any = ()) -> None:
        self.element_spec = element_spec
        self.shape = TensorShape(dataset_shape)

    def __repr__(self) -> str:
        return f"DatasetSpec({self.element_spec}, {self.shape})"


class Base:
    """A function that gives a fresh iterator over elements (structures of arrays)."""

    _count: int
    symbols: tuple[Any, ...]
    #: Of a data set whose elements are rows of arrays: (the arrays, a function that gives the
    #: numbers of the rows in order). Batches of such are taken out at once.
    _rows: tuple[Any, Callable[[], PythonIterator[int]]] | None = None

    def elements(self) -> PythonIterator[Any]:
        """A fresh iterator over elements as structures of arrays."""
        raise NotImplementedError

    def _new(
        self,
        make: Callable[[], PythonIterator[Any]],
        spec: Any = None,
        count: int = UNKNOWN_CARDINALITY,
    ) -> Any:
        """Another data set."""
        raise NotImplementedError

    def _reordered(
        self, order: Callable[[Callable[[], PythonIterator[Any]]], PythonIterator[Any]], count: int
    ) -> Any:
        """A data set of elements of this one. order: given a function that begins a pass, the
        elements of a pass; it does not look at them."""
        made = self._new(lambda: order(self.elements), lambda: self.element_spec, count)
        if self._rows is not None:
            arrays, numbers = self._rows
            made._rows = (arrays, lambda: order(numbers))
        return made

    @property
    def element_spec(self) -> Any:
        """The shapes and dtypes of elements."""
        raise NotImplementedError


def pass_seed(seed: Any, number: int) -> int | None:
    """The seed of one pass: from that given and the global one; None for chance."""
    if seed is None and seeds.value is None:
        return None
    return mixed(seeds.value or 0, 0 if seed is None else int(seed), number)
