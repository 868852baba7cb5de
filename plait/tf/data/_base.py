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

    @property
    def element_spec(self) -> Any:
        """The shapes and dtypes of elements."""
        raise NotImplementedError


def pass_seed(seed: Any, number: int) -> int | None:
    """The seed of one pass: from that given and the global one; None for chance."""
    if seed is None and seeds.value is None:
        return None
    return mixed(seeds.value or 0, 0 if seed is None else int(seed), number)
