"""Functions applied to the elements of data sets."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterator as PythonIterator
from typing import Any

from plait.core.ir.errors import error
from plait.tf import nest
from plait.tf.data import _elements as el
from plait.tf.data._base import AUTOTUNE, Base


class FunctionMethods(Base):
    """What a data set can do with functions of its elements."""

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: Any = None,
        deterministic: Any = None,
        synchronous: Any = None,
        use_unbounded_threadpool: Any = None,
        name: Any = None,
    ) -> Any:
        """The function of each element; tuples are handed over as several arguments."""

        mapped = el.Mapped(map_func)

        def make() -> PythonIterator[Any]:
            if num_parallel_calls is not None:
                from plait.tf.data._blocks import Blocks  # it loads what compiles

                return Blocks(mapped, self.elements())
            # Not a generator, which would end where the function raises: `ignore_errors` goes on.
            return map(lambda e: el.results(mapped(e)), self.elements())  # noqa: C417  # as said

        return self._new(make, lambda: _result_spec(map_func, self), self._count)

    def filter(self, predicate: Callable[..., Any], name: Any = None) -> Any:
        """The elements for which the function is True."""

        def make() -> PythonIterator[Any]:
            return (e for e in self.elements() if bool(el.call(predicate, e)))

        return self._new(make, lambda: self.element_spec)

    def flat_map(self, map_func: Callable[..., Any], name: Any = None) -> Any:
        """The elements of the data sets that the function gives, one after another."""
        return self.interleave(map_func, cycle_length=1)

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: Any = None,
        block_length: Any = None,
        num_parallel_calls: Any = None,
        deterministic: Any = None,
        name: Any = None,
    ) -> Any:
        """Blocks of elements of `cycle_length` data sets that the function gives, in turn."""
        width = cycle_length if cycle_length not in (None, AUTOTUNE) else 4
        block = block_length or 1

        def opened(element: Any) -> PythonIterator[Any]:
            made = el.call(map_func, element)
            if not el.is_dataset(made):
                raise error(
                    TypeError,
                    "The `map_func` argument must return a `Dataset` object. Got "
                    f"{type(made).__name__!r}.",
                )
            return made.elements()

        def make() -> PythonIterator[Any]:
            sources = map(opened, self.elements())
            slots: list[Any] = [None] * width
            more = True
            while more or any(slot is not None for slot in slots):
                for place in range(width):
                    if slots[place] is None and more:
                        slots[place] = next(sources, None)
                        more = slots[place] is not None
                    if slots[place] is None:
                        continue
                    taken = 0
                    for element in itertools.islice(slots[place], block):
                        taken += 1
                        yield element
                    if taken < block:
                        slots[place] = None  # the next data set comes here in the next round

        return self._new(make, None)

    def scan(self, initial_state: Any, scan_func: Callable[..., Any], name: Any = None) -> Any:
        """(state, output) = scan_func(state, element): the outputs."""

        def make() -> PythonIterator[Any]:
            state = el.to_tensors(el.to_arrays(initial_state))
            for element in self.elements():
                state, output = scan_func(state, el.to_tensors(element))
                yield el.to_arrays(output)

        return self._new(make, None, self._count)

    def take_while(self, predicate: Callable[..., Any], name: Any = None) -> Any:
        """The elements before the first for which the function is False."""

        def make() -> PythonIterator[Any]:
            return itertools.takewhile(lambda e: bool(el.call(predicate, e)), self.elements())

        return self._new(make, lambda: self.element_spec)

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any], name: Any = None) -> Any:
        """state = reduce_func(state, element) over all elements; the last state."""
        state = el.to_tensors(el.to_arrays(initial_state))
        kinds = [x.dtype for x in nest.flatten(state)]
        for element in self.elements():
            state = el.to_tensors(el.to_arrays(reduce_func(state, el.to_tensors(element))))
            found = [x.dtype for x in nest.flatten(state)]
            if found != kinds:
                raise error(
                    TypeError,
                    "The element types for the new state must match the initial state. Expected "
                    f"{kinds} but got {found}.",
                )
        return state

    def apply(self, transformation_func: Callable[[Any], Any]) -> Any:
        """The function of the data set itself."""
        return transformation_func(self)


def _result_spec(function: Callable[..., Any], source: Base) -> Any:
    """The spec of a function's results: from its graph, or else from its first result."""
    from plait.tf._graph import result_spec

    try:
        return result_spec(function, source.element_spec)
    except Exception:  # whatever the user's function does not take without values
        first = next(source.elements(), None)
        if first is None:
            raise error(
                ValueError, "the elements of a function of an empty data set are not known"
            ) from None
        return el.spec_of(el.results(el.call(function, first)))
