"""tf.data.Dataset: a recipe for a sequence of elements, made anew for each loop over it.

A data set holds a function that gives a fresh iterator over elements (structures of arrays).
Everything runs in the thread that asks for the next element. Parallel calls are blocks of elements
(see `_blocks`); prefetching is accepted and changes nothing.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.core.lazy.capture import current
from plait.tf import errors, nest
from plait.tf._autograph import bodies
from plait.tf._convert import convert
from plait.tf._dispatch import carry_out
from plait.tf._dtypes import as_dtype
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf._tensor import of_array
from plait.tf.data import _elements as el
from plait.tf.data._base import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY,
    DatasetSpec,
    pass_seed,
)
from plait.tf.data._batches import BatchMethods
from plait.tf.data._functions import FunctionMethods
from plait.tf.data._order import OrderMethods


class ThreadingOptions:
    """Accepted: pipelines run in the thread that reads them."""

    max_intra_op_parallelism: Any = None
    private_threadpool_size: Any = None


class Options:
    """Accepted: options of input pipelines change nothing here."""

    def __init__(self) -> None:
        self.threading = ThreadingOptions()
        self.autotune = ThreadingOptions()
        self.experimental_optimization = ThreadingOptions()
        self.experimental_distribute = ThreadingOptions()
        self.deterministic: Any = None
        self.experimental_deterministic: Any = None


class Iterator:
    """One pass over a data set."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._elements = dataset.elements()

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        # Elements are no constants of a function that asks for them.
        bodies.refuse("an element of a data set is asked for")
        active = current()
        if active is not None:
            active.interrupt("an element of a data set is asked for")
        return el.to_tensors(next(self._elements))

    def get_next(self) -> Any:
        """The next element. Raises OutOfRangeError at the end."""
        try:
            return next(self)
        except StopIteration:
            raise error(errors.OutOfRangeError, "End of sequence") from None

    @property
    def element_spec(self) -> Any:
        return self._dataset.element_spec


class Dataset(FunctionMethods, OrderMethods, BatchMethods):
    """A sequence of elements: tensors, or tuples and dicts of them."""

    def __init__(
        self,
        make: Callable[[], PythonIterator[Any]],
        spec: Any = None,
        count: int = UNKNOWN_CARDINALITY,
    ) -> None:
        self._make = make
        #: The element spec, or a function that gives it.
        self._spec = spec
        self._count = count
        self._options = Options()
        #: Tensors of a graph of TensorFlow 1 that the elements are made of: they have values when
        #: an iterator's initializer runs.
        self.symbols: tuple[Any, ...] = ()

    def _new(
        self,
        make: Callable[[], PythonIterator[Any]],
        spec: Any = None,
        count: int = UNKNOWN_CARDINALITY,
    ) -> Dataset:
        made = Dataset(make, spec, count)
        made.symbols = self.symbols
        return made

    def elements(self) -> PythonIterator[Any]:
        """A fresh iterator over elements as structures of arrays."""
        return self._make()

    # -- sources ------------------------------------------------------------------------------

    @staticmethod
    def from_tensors(tensors: Any, name: Any = None) -> Dataset:
        """One element."""
        symbols = el.symbols_in(tensors)
        if symbols:
            made = Dataset(lambda: iter([el.to_arrays(tensors)]), el.static_spec(tensors), 1)
            made.symbols = symbols
            return made
        element = carry_out(el.to_arrays, (tensors,), {})
        return Dataset(lambda: iter([element]), el.spec_of(element), 1)

    @staticmethod
    def from_tensor_slices(tensors: Any, name: Any = None) -> Dataset:
        """The slices along the first axis. Raises ValueError where its extents differ."""
        symbols = el.symbols_in(tensors)
        if symbols:
            return _slices_of_symbols(tensors, symbols)
        if any(map(el.is_ragged, nest.flatten(tensors))):
            return _slices_of_ragged(tensors)
        arrays, count = carry_out(el.slices_of, (tensors,), {})

        def make() -> PythonIterator[Any]:
            if isinstance(arrays, np.ndarray) and arrays.ndim > 1:
                return iter(arrays)
            return (el.row(arrays, place) for place in range(count))

        spec = nest.map_structure(
            lambda a: TensorSpec(a.shape[1:], a.dtype if a.dtype != object else "string"), arrays
        )
        made = Dataset(make, spec, count)
        made._rows = (arrays, lambda: iter(range(count)))
        return made

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Any = None,
        output_signature: Any = None,
        name: Any = None,
    ) -> Dataset:
        """What a Python generator yields, checked against the signature (or types and shapes).

        Raises InvalidArgumentError, when an element is asked for, for one of another structure,
        dtype or shape.
        """
        if not callable(generator):
            raise error(TypeError, "`generator` must be a Python callable.")
        if output_signature is None:
            if output_types is None:
                raise error(
                    TypeError, "Either `output_signature` or `output_types` must be specified."
                )
            output_signature = _signature(output_types, output_shapes)
        given = [convert(a).numpy() for a in args or ()]

        def make() -> PythonIterator[Any]:
            for value in generator(*given):
                yield _conforming(value, output_signature)

        return Dataset(make, output_signature)

    @staticmethod
    def range(*args: Any, output_type: Any = "int64", name: Any = None) -> Dataset:
        """The numbers of Python's `range`."""
        kind = as_dtype(output_type).core.numpy
        symbols = el.symbols_in(list(args))
        if symbols:
            made = Dataset(
                lambda: (np.array(n, kind) for n in range(*[int(a) for a in args])),
                TensorSpec((), output_type),
            )
            made.symbols = symbols
            return made
        numbers = range(*[int(a) for a in args])
        return Dataset(
            lambda: (np.array(n, kind) for n in numbers), TensorSpec((), output_type), len(numbers)
        )

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: Any = None) -> Dataset:
        """Tuples of the elements of several data sets, as long as the shortest."""
        structure = (
            datasets
            if datasets is not None
            else args[0]
            if len(args) == 1 and not (isinstance(args[0], Dataset))
            else args
        )
        parts: list[Dataset] = nest.flatten(structure)
        if not all(isinstance(d, Dataset) for d in parts):
            raise error(TypeError, f"Invalid `datasets`: expected data sets, got {structure!r}")

        def make() -> PythonIterator[Any]:
            for row in zip(*[d.elements() for d in parts]):
                yield _regroup(structure, iter(row))

        counts = [d._count for d in parts if d._count != INFINITE_CARDINALITY]
        count = (
            INFINITE_CARDINALITY
            if not counts
            else UNKNOWN_CARDINALITY
            if UNKNOWN_CARDINALITY in counts
            else min(counts)
        )
        made = Dataset(
            make, lambda: _regroup(structure, iter([d.element_spec for d in parts])), count
        )
        made.symbols = tuple([s for d in parts for s in d.symbols])
        return made

    @staticmethod
    def random(
        seed: Any = None, rerandomize_each_iteration: Any = None, name: Any = None
    ) -> Dataset:
        """Random int64 numbers below 2**32, without end."""

        def make() -> PythonIterator[Any]:
            engine = random.Random(pass_seed(seed, 0))
            while True:
                yield np.array(engine.getrandbits(32), np.int64)

        return Dataset(make, TensorSpec((), "int64"), INFINITE_CARDINALITY)

    @staticmethod
    def list_files(
        file_pattern: Any, shuffle: bool | None = None, seed: Any = None, name: Any = None
    ) -> Dataset:
        """The names of files that match patterns, shuffled unless told otherwise.

        Raises InvalidArgumentError if there are none.
        """
        import glob

        patterns = [_name(p) for p in np.atleast_1d(np.asarray(convert(file_pattern)._array()))]
        found = sorted(f for p in patterns for f in glob.glob(p))
        if not found:
            raise error(
                errors.InvalidArgumentError, f"No files matched pattern: {', '.join(patterns)}"
            )
        made = Dataset.from_tensor_slices(found)
        return made if shuffle is False else made.shuffle(len(found), seed=seed)

    @staticmethod
    def sample_from_datasets(
        datasets: Any,
        weights: Any = None,
        seed: Any = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: Any = None,
        name: Any = None,
    ) -> Dataset:
        """Elements drawn from several data sets with given probabilities."""
        parts = list(datasets)
        shares = [1.0 / len(parts)] * len(parts) if weights is None else list(weights)

        def make() -> PythonIterator[Any]:
            engine = random.Random(pass_seed(seed, 0))
            left = {k: (d.elements(), float(w)) for k, (d, w) in enumerate(zip(parts, shares))}
            while any(weight for _, weight in left.values()):
                (key,) = engine.choices(list(left), [w for _, w in left.values()])
                try:
                    yield next(left[key][0])
                except StopIteration:
                    if stop_on_empty_dataset:
                        return
                    del left[key]

        return Dataset(make, lambda: parts[0].element_spec)

    @staticmethod
    def choose_from_datasets(
        datasets: Any, choice_dataset: Dataset, stop_on_empty_dataset: bool = True, name: Any = None
    ) -> Dataset:
        """Elements of several data sets in the order that numbers from another give."""
        parts = list(datasets)

        def make() -> PythonIterator[Any]:
            left = [d.elements() for d in parts]
            for number in choice_dataset.elements():
                try:
                    yield next(left[int(number)])
                except StopIteration:
                    if stop_on_empty_dataset:
                        return

        return Dataset(make, lambda: parts[0].element_spec)

    # -- reading --------------------------------------------------------------------------------

    def __iter__(self) -> Iterator:
        return Iterator(self)

    def __len__(self) -> int:
        if self._count == INFINITE_CARDINALITY:
            raise error(TypeError, "The dataset is infinite.")
        if self._count == UNKNOWN_CARDINALITY:
            raise error(TypeError, "The dataset length is unknown.")
        return self._count

    def __bool__(self) -> bool:
        return True

    def cardinality(self, name: Any = None) -> Any:
        """The number of elements, int64: -1 for infinitely many, -2 where it is not known."""
        return of_array(np.array(self._count, np.int64))

    def as_numpy_iterator(self) -> PythonIterator[Any]:
        """Elements as NumPy arrays."""
        return (el.to_numpy(e) for e in self.elements())

    def get_single_element(self, name: Any = None) -> Any:
        """The only element. Raises InvalidArgumentError for none or several."""
        found = list(itertools.islice(self.elements(), 2))
        if len(found) != 1:
            what = "empty" if not found else "of more than one element"
            raise error(errors.InvalidArgumentError, f"Dataset was {what}.")
        return el.to_tensors(found[0])

    @property
    def element_spec(self) -> Any:
        """The shapes and dtypes of elements; of functions' results, as far as a look at the first
        element shows them."""
        if callable(self._spec):
            self._spec = self._spec()
        if self._spec is None:
            first = next(self.elements(), None)
            if first is None:
                raise error(ValueError, "the elements of an empty data set are not known")
            self._spec = el.spec_of(first)
        return self._spec

    # -- as TensorFlow 1 has them ---------------------------------------------------------------

    def make_one_shot_iterator(self) -> Any:
        """See `tf.compat.v1.data.make_one_shot_iterator`."""
        from plait.tf.compat import _iterators  # it builds on this module

        return _iterators.make_one_shot_iterator(self)

    def make_initializable_iterator(self, shared_name: Any = None) -> Any:
        """See `tf.compat.v1.data.make_initializable_iterator`."""
        from plait.tf.compat import _iterators  # it builds on this module

        return _iterators.make_initializable_iterator(self)

    @property
    def output_types(self) -> Any:
        return nest.map_structure(lambda s: s.dtype, self.element_spec)

    @property
    def output_shapes(self) -> Any:
        return nest.map_structure(lambda s: s.shape, self.element_spec)

    def with_options(self, options: Any, name: Any = None) -> Dataset:
        """The data set with options, which change nothing."""
        made = self._new(self._make, self._spec, self._count)
        made._rows, made._options = self._rows, options
        return made

    def options(self) -> Any:
        return self._options

    def __repr__(self) -> str:
        return f"<Dataset element_spec={self.element_spec}>"


def _slices_of_ragged(tensors: Any) -> Dataset:
    """Rows of different lengths, and the rows of tensors beside them."""
    held = nest.map_structure(
        lambda x: x if el.is_ragged(x) else np.asarray(convert(x)._array()), el.columns(tensors)
    )
    counts = {len(x) for x in nest.flatten(held)}
    if len(counts) > 1:
        raise error(ValueError, f"Dimensions {sorted(counts)} are not compatible")
    (count,) = counts

    def at(x: Any, place: int) -> Any:
        return el.to_arrays(x[place]) if el.is_ragged(x) else el.row(x, place)

    def make() -> PythonIterator[Any]:
        return (
            nest.map_structure(lambda x, place=place: at(x, place), held) for place in range(count)
        )

    def spec(x: Any) -> Any:
        if not el.is_ragged(x):
            return TensorSpec(x.shape[1:], x.dtype if x.dtype != object else "string")
        inner = x.values
        return inner.spec() if el.is_ragged(inner) else TensorSpec(x.shape[1:], x.dtype)

    return Dataset(make, nest.map_structure(spec, held), count)


def _slices_of_symbols(tensors: Any, symbols: tuple[Any, ...]) -> Dataset:
    """The slices of tensors of a graph."""

    def make() -> PythonIterator[Any]:
        arrays, count = el.slices_of(tensors)
        return (el.row(arrays, place) for place in range(count))

    whole = el.static_spec(tensors)
    spec = nest.map_structure(
        lambda s: TensorSpec(s.shape[1:] if s.shape.rank else None, s.dtype), whole
    )
    made = Dataset(make, spec)
    made.symbols = symbols
    return made


def _name(item: Any) -> str:
    return item.decode() if isinstance(item, bytes) else str(item)


def _signature(types: Any, shapes: Any) -> Any:
    if isinstance(types, dict):
        return {k: _signature(t, None if shapes is None else shapes[k]) for k, t in types.items()}
    if isinstance(types, (tuple, list)):
        return tuple(
            [_signature(t, None if shapes is None else shapes[k]) for k, t in enumerate(types)]
        )
    return TensorSpec(TensorShape(shapes), types)


def _conforming(value: Any, signature: Any) -> Any:
    """An element of a generator as arrays with the signature's dtypes."""
    if isinstance(signature, dict):
        return {key: _conforming(value[key], part) for key, part in signature.items()}
    if isinstance(signature, tuple):
        if not isinstance(value, (tuple, list)) or len(value) != len(signature):
            raise error(
                errors.InvalidArgumentError,
                "`generator` yielded an element that did not match the expected "
                f"structure. The expected structure was {signature!r}, but the yielded element was "
                f"{value!r}.",
            )
        return tuple([_conforming(v, part) for v, part in zip(value, signature)])
    try:
        made = convert(value, signature.dtype)
    except (TypeError, ValueError):
        raise error(
            errors.InvalidArgumentError,
            "`generator` yielded an element that could not be converted to the expected "
            f"type. The expected type was {signature.dtype.name}, but the yielded element was "
            f"{value!r}.",
        ) from None
    if not signature.shape.is_compatible_with(made.shape):
        raise error(
            errors.InvalidArgumentError,
            f"`generator` yielded an element of shape {made.shape} where an element of "
            f"shape {signature.shape} was expected.",
        )
    return made._array()


def _regroup(structure: Any, values: PythonIterator[Any]) -> Any:
    """Elements, themselves structures, in the structure of the data sets they come from."""
    if isinstance(structure, dict):
        made = {key: _regroup(structure[key], values) for key in sorted(structure)}
        return {key: made[key] for key in structure}
    if isinstance(structure, (tuple, list)):
        return tuple([_regroup(part, values) for part in structure])
    return next(values)
