"""Iterators of TensorFlow 1 over data sets: operations that give the next element.

Each session is at a place of its own. A data set that is made of placeholders reads what was fed
when its initializer ran.
"""

from __future__ import annotations

import weakref
from typing import Any

from plait.core.ir.errors import error
from plait.tf import errors, nest
from plait.tf._convert import convert
from plait.tf._dispatch import op, state
from plait.tf._graph import Symbol
from plait.tf._session import _ordered, _stack
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf.data._dataset import Dataset, Iterator


class GraphIterator:
    """The elements of one data set after another, by operations of a graph."""

    def __init__(self, element_spec: Any, initializer: Any = None, once: Dataset | None = None):
        self.element_spec = element_spec
        self._initializer = initializer
        self._once = once
        #: By session: (the elements that are left, the values of the symbols they are made of).
        self._passes: Any = weakref.WeakKeyDictionary()

    @property
    def initializer(self) -> Any:
        """The operation that begins again. Raises ValueError where there is none, or several."""
        if self._initializer is None:
            raise error(ValueError, "Iterator does not have an initializer.")
        return self._initializer

    @property
    def output_types(self) -> Any:
        return nest.map_structure(lambda s: s.dtype, self.element_spec)

    @property
    def output_shapes(self) -> Any:
        return nest.map_structure(lambda s: s.shape, self.element_spec)

    @property
    def output_classes(self) -> Any:
        return nest.map_structure(lambda s: Symbol, self.element_spec)

    def get_next(self, name: Any = None) -> Any:
        """The next element, in the structure of elements. It raises OutOfRangeError in the session
        at the end, FailedPreconditionError before the initializer has run."""
        return _next(self, name=name or "IteratorGetNext")

    def make_initializer(self, dataset: Dataset, name: Any = None) -> Any:
        """An operation after which the iterator is at the beginning of a data set.

        Raises TypeError for one whose elements are of another kind.
        """
        for ours, theirs in zip(
            nest.flatten(self.element_spec), nest.flatten(dataset.element_spec)
        ):
            if ours.dtype != theirs.dtype or not ours.shape.is_compatible_with(theirs.shape):
                raise error(
                    TypeError,
                    f"Expected output types {self.output_types!r} but got dataset with elements "
                    f"{dataset.element_spec!r}.",
                )
        return _begin(self, dataset, list(dataset.symbols), name=name or "MakeIterator")

    def string_handle(self, name: Any = None) -> Any:
        """A string that stands for this iterator where `from_string_handle` is fed with it."""
        return _handle(self, name=name or "IteratorToStringHandle")

    @staticmethod
    def from_structure(
        output_types: Any,
        output_shapes: Any = None,
        shared_name: Any = None,
        output_classes: Any = None,
    ) -> GraphIterator:
        """An iterator without a data set: `make_initializer` gives it one."""
        from plait.tf.data._dataset import _signature

        return GraphIterator(_signature(output_types, output_shapes))

    @staticmethod
    def from_string_handle(
        string_handle: Any,
        output_types: Any,
        output_shapes: Any = None,
        output_classes: Any = None,
    ) -> FedIterator:
        """The iterator whose string is fed: `get_next` gives its next element."""
        from plait.tf.data._dataset import _signature

        return FedIterator(string_handle, _signature(output_types, output_shapes))


class FedIterator(GraphIterator):
    """Whichever iterator of the session a string says."""

    def __init__(self, handle: Any, element_spec: Any) -> None:
        super().__init__(element_spec)
        self._string = handle

    def get_next(self, name: Any = None) -> Any:
        """As `GraphIterator.get_next`. It raises InvalidArgumentError for other strings, and for an
        iterator over elements of another kind."""
        return _next_of(self, self._string, name=name or "IteratorGetNext")

    def string_handle(self, name: Any = None) -> Any:
        return self._string

    def make_initializer(self, dataset: Dataset, name: Any = None) -> Any:
        raise error(ValueError, "an iterator that is fed by its string cannot be initialized")


#: Iterators by their strings.
_by_handle: Any = weakref.WeakValueDictionary()


@op
def _handle(iterator: GraphIterator) -> Any:
    handle = f"iterator_{id(iterator)}"
    _by_handle[handle] = iterator
    return convert(handle)


@op
def _next_of(fed: FedIterator, handle: Any) -> Any:
    said = handle.numpy()
    found = _by_handle.get(said.decode() if isinstance(said, bytes) else str(said))
    if found is None:
        raise error(errors.InvalidArgumentError, f"no iterator has the string handle {said!r}")
    ours, theirs = nest.flatten(fed.element_spec), nest.flatten(found.element_spec)
    if [s.dtype for s in ours] != [s.dtype for s in theirs]:
        raise error(
            errors.InvalidArgumentError,
            f"expected elements {fed.element_spec!r}, the iterator {said!r} has "
            f"{found.element_spec!r}",
        )
    return _next.__dict__["plain"](found)


def _session() -> Any:
    return _stack.running[-1]


@op
def _begin(iterator: GraphIterator, dataset: Dataset, symbols: Any) -> None:
    """Put the iterator at the beginning. symbols: the values of what the data set is made of."""
    given = dict(zip([id(s) for s in dataset.symbols], symbols))
    iterator._passes[_session()] = (_within(given, lambda: Iterator(dataset)), given)


@op
def _next(iterator: GraphIterator) -> Any:
    """The next element of this session's pass."""
    session = _session()
    found = iterator._passes.get(session)
    if found is None:
        if iterator._once is None:
            raise error(
                errors.FailedPreconditionError,
                "GetNext() failed because the iterator has not been initialized. Ensure that you "
                "have run the initializer operation for this iterator before getting the next "
                "element.",
            )
        found = iterator._passes[session] = (Iterator(iterator._once), {})
    elements, given = found
    return _within(given, elements.get_next)


def _within(given: dict[int, Any], compute: Any) -> Any:
    """What a function gives while symbols have values that were fed before."""
    before = state.values

    def value(symbol: Symbol) -> Any:
        found = given.get(id(symbol))
        return found if found is not None or before is None else before(symbol)

    state.values = value
    try:
        return compute()
    finally:
        state.values = before


def _specs(iterator: GraphIterator, *_handle: Any) -> Any:
    return nest.map_structure(
        lambda s: TensorSpec(TensorShape(s.shape), s.dtype), iterator.element_spec
    )


_handle.__dict__.update(source=True, host=True, infer=lambda iterator: TensorSpec([], "string"))
_begin.__dict__.update(host=True, infer=lambda *args, **kwargs: None)
_next.__dict__.update(source=True, host=True, infer=_specs)
_next_of.__dict__.update(source=True, host=True, infer=_specs)


def make_one_shot_iterator(dataset: Dataset, shared_name: Any = None) -> Any:
    """An iterator that goes through a data set once in each session; where operations run at once,
    a plain one. Raises ValueError for data sets made of placeholders."""
    if state.graph is None:
        return Iterator(dataset)
    if any(o.function.__name__ == "_never" for o in _ordered(list(dataset.symbols), set())):
        raise error(
            ValueError,
            "Failed to create a one-shot iterator for a dataset. `Dataset.make_initializable_"
            "iterator()` is more appropriate for a dataset that captures a placeholder.",
        )
    return GraphIterator(dataset.element_spec, once=dataset)


def make_initializable_iterator(dataset: Dataset, shared_name: Any = None) -> Any:
    """An iterator that begins a pass each time its `initializer` runs.

    Raises RuntimeError while operations run at once.
    """
    if state.graph is None:
        raise error(
            RuntimeError,
            "dataset.make_initializable_iterator is not supported when eager execution is "
            "enabled. Use `for element in dataset` instead.",
        )
    made = GraphIterator(dataset.element_spec)
    made._initializer = made.make_initializer(dataset)
    return made


def get_output_types(dataset_or_iterator: Any) -> Any:
    """The dtypes of elements."""
    return nest.map_structure(lambda s: s.dtype, dataset_or_iterator.element_spec)


def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """The shapes of elements."""
    return nest.map_structure(lambda s: s.shape, dataset_or_iterator.element_spec)


__all__ = [
    "GraphIterator", "get_output_shapes", "get_output_types", "make_initializable_iterator",
    "make_one_shot_iterator",
]  # fmt: skip
