"""The order and number of the elements of data sets."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._ops.random import seeds
from plait.tf._shape import TensorSpec
from plait.tf.data._base import AUTOTUNE, INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Base, pass_seed

#: Begins a pass over elements, or over the numbers of rows.
Begin = Callable[[], PythonIterator[Any]]


class OrderMethods(Base):
    """What a data set can do with the order of its elements."""

    def shuffle(
        self,
        buffer_size: Any,
        seed: Any = None,
        reshuffle_each_iteration: bool | None = True,
        name: Any = None,
    ) -> Any:
        """Elements in another order: each is drawn from the next `buffer_size` ones."""
        size = int(buffer_size)
        if size < 1 and size != AUTOTUNE:
            raise error(
                errors.InvalidArgumentError, f"buffer_size must be greater than zero: {size}"
            )
        passes = itertools.count()

        def order(begin: Begin) -> PythonIterator[Any]:
            number = next(passes) if reshuffle_each_iteration is not False else 0
            return _shuffled(begin(), size, random.Random(pass_seed(seed, number)))

        if reshuffle_each_iteration is False and seed is None and seeds.value is None:
            seed = random.SystemRandom().getrandbits(31)
        return self._reordered(order, self._count)

    def repeat(self, count: Any = None, name: Any = None) -> Any:
        """The elements `count` times over; without end for None or -1."""
        times = -1 if count is None else int(count)

        def order(begin: Begin) -> PythonIterator[Any]:
            done = 0
            while times < 0 or done < times:
                empty = True
                for element in begin():
                    empty = False
                    yield element
                if empty:
                    return
                done += 1

        known = self._count if times != 0 else 0
        if known >= 0:
            known = known * times if times >= 0 else (INFINITE_CARDINALITY if known else 0)
        return self._reordered(order, known)

    def take(self, count: Any, name: Any = None) -> Any:
        """The first `count` elements (-1: all)."""
        most = int(count)
        if most < 0:
            return self
        known = most if self._count == INFINITE_CARDINALITY else min(self._count, most)
        return self._reordered(lambda begin: itertools.islice(begin(), most), known)

    def skip(self, count: Any, name: Any = None) -> Any:
        """All but the first `count` elements (-1: none)."""
        first = int(count)
        if first < 0:
            return self._new(lambda: iter(()), lambda: self.element_spec, 0)
        known = max(self._count - first, 0) if self._count >= 0 else self._count
        return self._reordered(lambda begin: itertools.islice(begin(), first, None), known)

    def shard(self, num_shards: Any, index: Any, name: Any = None) -> Any:
        """Every `num_shards`-th element, from number `index` on."""
        step, first = int(num_shards), int(index)
        known = len(range(first, self._count, step)) if self._count >= 0 else self._count
        return self._reordered(lambda begin: itertools.islice(begin(), first, None, step), known)

    def enumerate(self, start: int = 0, name: Any = None) -> Any:
        """(number as int64, element)."""

        def make() -> PythonIterator[Any]:
            for number, element in enumerate(self.elements(), start):
                yield np.array(number, np.int64), element

        return self._new(make, lambda: (TensorSpec((), "int64"), self.element_spec), self._count)

    def concatenate(self, dataset: Any, name: Any = None) -> Any:
        """The elements of this data set, then those of another."""
        counts = (self._count, dataset._count)
        known = (
            INFINITE_CARDINALITY
            if INFINITE_CARDINALITY in counts
            else UNKNOWN_CARDINALITY
            if UNKNOWN_CARDINALITY in counts
            else sum(counts)
        )
        made = self._new(
            lambda: itertools.chain(self.elements(), dataset.elements()),
            lambda: self.element_spec,
            known,
        )
        made.symbols = (*self.symbols, *dataset.symbols)
        return made

    def unique(self, name: Any = None) -> Any:
        """Each element once, where it comes first."""

        def make() -> PythonIterator[Any]:
            seen = set()
            for element in self.elements():
                key = (element.shape, element.item() if element.ndim == 0 else element.tobytes())
                if key not in seen:
                    seen.add(key)
                    yield element

        return self._new(make, lambda: self.element_spec)

    def cache(self, filename: Any = "", name: Any = None) -> Any:
        """The elements kept in memory once all of them have been read."""
        if filename:
            from plait._unbuilt import not_built

            raise not_built("tf.data.Dataset.cache in a file")
        kept: list[Any] = []
        complete = [False]

        def make() -> PythonIterator[Any]:
            if complete[0]:
                yield from kept
                return
            seen = []
            for element in self.elements():
                seen.append(element)
                yield element
            if not complete[0]:
                kept.extend(seen)
                complete[0] = True

        return self._new(make, lambda: self.element_spec, self._count)

    def prefetch(self, buffer_size: Any, name: Any = None) -> Any:
        """The data set itself."""
        return self

    def ignore_errors(self, log_warning: bool = False, name: Any = None) -> Any:
        """The elements that can be made without an error of `tf.errors`."""

        def make() -> PythonIterator[Any]:
            elements = self.elements()
            while True:
                try:
                    yield next(elements)
                except StopIteration:
                    return
                except errors.OpError:
                    continue

        return self._new(make, lambda: self.element_spec)


def _shuffled(elements: PythonIterator[Any], size: int, engine: random.Random) -> Any:
    held = list(elements if size == AUTOTUNE else itertools.islice(elements, size))
    count, draw = len(held), engine.random
    for element in elements:
        place = int(draw() * count)
        yield held[place]
        held[place] = element
    engine.shuffle(held)
    yield from held
