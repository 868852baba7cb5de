"""tf.data.Dataset: a recipe for a sequence of elements, made anew for each loop over it.

A data set holds a function that gives a fresh iterator over elements (structures of arrays).
Everything runs in the thread that asks for the next element: options about parallel calls and
prefetching are accepted and change nothing.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors, nest
from plait.tf._convert import convert
from plait.tf._dtypes import as_dtype
from plait.tf._ops.random import mixed, seeds
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf._tensor import of_array
from plait.tf.data import _elements as el

AUTOTUNE = -1
INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2


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


class DatasetSpec:
    """What a nested data set's elements are like."""

    def __init__(self, element_spec: Any, dataset_shape: Any = ()) -> None:
        self.element_spec = element_spec
        self.shape = TensorShape(dataset_shape)

    def __repr__(self) -> str:
        return f"DatasetSpec({self.element_spec}, {self.shape})"


class Iterator:
    """One pass over a data set."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._elements = dataset.elements()

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
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


class Dataset:
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

    def elements(self) -> PythonIterator[Any]:
        """A fresh iterator over elements as structures of arrays."""
        return self._make()

    # -- sources ------------------------------------------------------------------------------

    @staticmethod
    def from_tensors(tensors: Any, name: Any = None) -> Dataset:
        """One element."""
        element = el.to_arrays(tensors)
        return Dataset(lambda: iter([element]), el.spec_of(element), 1)

    @staticmethod
    def from_tensor_slices(tensors: Any, name: Any = None) -> Dataset:
        """The slices along the first axis. Raises ValueError where its extents differ."""
        arrays, count = el.slices_of(tensors)

        def make() -> PythonIterator[Any]:
            if isinstance(arrays, np.ndarray) and arrays.ndim > 1:
                return iter(arrays)
            return (el.row(arrays, place) for place in range(count))

        spec = nest.map_structure(
            lambda a: TensorSpec(a.shape[1:], a.dtype if a.dtype != object else "string"), arrays
        )
        return Dataset(make, spec, count)

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]], output_types: Any = None,
        output_shapes: Any = None, args: Any = None, output_signature: Any = None, name: Any = None,
    ) -> Dataset:
        """What a Python generator yields, checked against the signature (or types and shapes).

        Raises TypeError, when an element is asked for, for one of another structure or dtype, and
        ValueError for one of another shape.
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
        numbers = range(*[int(a) for a in args])
        return Dataset(
            lambda: (np.array(n, kind) for n in numbers), TensorSpec((), output_type), len(numbers)
        )

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: Any = None) -> Dataset:
        """Tuples of the elements of several data sets, as long as the shortest."""
        structure = datasets if datasets is not None else args[0] if len(args) == 1 and not (
            isinstance(args[0], Dataset)
        ) else args
        parts: list[Dataset] = nest.flatten(structure)
        if not all(isinstance(d, Dataset) for d in parts):
            raise error(TypeError, f"Invalid `datasets`: expected data sets, got {structure!r}")

        def make() -> PythonIterator[Any]:
            for row in zip(*[d.elements() for d in parts]):
                yield _regroup(structure, iter(row))

        counts = [d._count for d in parts if d._count != INFINITE_CARDINALITY]
        count = (
            INFINITE_CARDINALITY if not counts
            else UNKNOWN_CARDINALITY if UNKNOWN_CARDINALITY in counts else min(counts)
        )
        return Dataset(
            make, lambda: _regroup(structure, iter([d.element_spec for d in parts])), count
        )

    @staticmethod
    def random(seed: Any = None, rerandomize_each_iteration: Any = None, name: Any = None) -> Dataset:
        """Random int64 numbers below 2**32, without end."""

        def make() -> PythonIterator[Any]:
            engine = random.Random(_seed(seed, 0))
            while True:
                yield np.array(engine.getrandbits(32), np.int64)

        return Dataset(make, TensorSpec((), "int64"), INFINITE_CARDINALITY)

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: Any = None,
                   name: Any = None) -> Dataset:
        """The names of files that match patterns, shuffled unless told otherwise.

        Raises InvalidArgumentError if there are none.
        """
        import glob

        patterns = [_name(p) for p in np.atleast_1d(np.asarray(convert(file_pattern)._array()))]
        found = sorted(f for p in patterns for f in glob.glob(p))
        if not found:
            raise error(errors.InvalidArgumentError, f"No files matched pattern: "
                        f"{', '.join(patterns)}")
        made = Dataset.from_tensor_slices(found)
        return made if shuffle is False else made.shuffle(len(found), seed=seed)

    @staticmethod
    def sample_from_datasets(
        datasets: Any, weights: Any = None, seed: Any = None, stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: Any = None, name: Any = None,
    ) -> Dataset:
        """Elements drawn from several data sets with given probabilities."""
        parts = list(datasets)
        shares = [1.0 / len(parts)] * len(parts) if weights is None else list(weights)

        def make() -> PythonIterator[Any]:
            engine = random.Random(_seed(seed, 0))
            left = {k: (d.elements(), float(w)) for k, (d, w) in enumerate(zip(parts, shares))}
            while left:
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

    # -- functions of elements ------------------------------------------------------------------

    def map(self, map_func: Callable[..., Any], num_parallel_calls: Any = None,
            deterministic: Any = None, synchronous: Any = None, use_unbounded_threadpool: Any = None,
            name: Any = None) -> Dataset:
        """The function of each element; tuples are handed over as several arguments."""

        def make() -> PythonIterator[Any]:
            return (el.to_arrays(el.call(map_func, e)) for e in self.elements())

        return Dataset(make, lambda: _result_spec(map_func, self), self._count)

    def filter(self, predicate: Callable[..., Any], name: Any = None) -> Dataset:
        """The elements for which the function is True."""

        def make() -> PythonIterator[Any]:
            return (e for e in self.elements() if bool(el.call(predicate, e)))

        return Dataset(make, lambda: self.element_spec)

    def flat_map(self, map_func: Callable[..., Any], name: Any = None) -> Dataset:
        """The elements of the data sets that the function gives, one after another."""
        return self.interleave(map_func, cycle_length=1)

    def interleave(
        self, map_func: Callable[..., Any], cycle_length: Any = None, block_length: Any = None,
        num_parallel_calls: Any = None, deterministic: Any = None, name: Any = None,
    ) -> Dataset:
        """Blocks of elements of `cycle_length` data sets that the function gives, in turn."""
        width = cycle_length if cycle_length not in (None, AUTOTUNE) else 4
        block = block_length or 1

        def opened(element: Any) -> PythonIterator[Any]:
            made = el.call(map_func, element)
            if not isinstance(made, Dataset):
                raise error(
                    TypeError, "The `map_func` argument must return a `Dataset` object. Got "
                    f"{type(made).__name__!r}."
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

        return Dataset(make, None)

    def scan(self, initial_state: Any, scan_func: Callable[..., Any], name: Any = None) -> Dataset:
        """(state, output) = scan_func(state, element): the outputs."""

        def make() -> PythonIterator[Any]:
            state = el.to_tensors(el.to_arrays(initial_state))
            for element in self.elements():
                state, output = scan_func(state, el.to_tensors(element))
                yield el.to_arrays(output)

        return Dataset(make, None, self._count)

    def take_while(self, predicate: Callable[..., Any], name: Any = None) -> Dataset:
        """The elements before the first for which the function is False."""

        def make() -> PythonIterator[Any]:
            return itertools.takewhile(lambda e: bool(el.call(predicate, e)), self.elements())

        return Dataset(make, lambda: self.element_spec)

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any], name: Any = None) -> Any:
        """state = reduce_func(state, element) over all elements; the last state."""
        state = el.to_tensors(el.to_arrays(initial_state))
        for element in self.elements():
            state = el.to_tensors(el.to_arrays(reduce_func(state, el.to_tensors(element))))
        return state

    def apply(self, transformation_func: Callable[[Any], Any]) -> Any:
        """The function of the data set itself."""
        return transformation_func(self)

    # -- order and number -----------------------------------------------------------------------

    def shuffle(self, buffer_size: Any, seed: Any = None,
                reshuffle_each_iteration: bool | None = True, name: Any = None) -> Dataset:
        """Elements in another order: each is drawn from the next `buffer_size` ones."""
        size = int(buffer_size)
        if size < 1 and size != AUTOTUNE:
            raise error(errors.InvalidArgumentError, f"buffer_size must be greater than zero: {size}")
        passes = itertools.count()

        def make() -> PythonIterator[Any]:
            number = next(passes) if reshuffle_each_iteration is not False else 0
            return _shuffled(self.elements(), size, random.Random(_seed(seed, number)))

        if reshuffle_each_iteration is False and seed is None and seeds.value is None:
            seed = random.SystemRandom().getrandbits(31)
        return Dataset(make, lambda: self.element_spec, self._count)

    def repeat(self, count: Any = None, name: Any = None) -> Dataset:
        """The elements `count` times over; without end for None or -1."""
        times = -1 if count is None else int(count)

        def make() -> PythonIterator[Any]:
            done = 0
            while times < 0 or done < times:
                empty = True
                for element in self.elements():
                    empty = False
                    yield element
                if empty:
                    return
                done += 1

        known = self._count if times != 0 else 0
        if known >= 0:
            known = known * times if times >= 0 else (INFINITE_CARDINALITY if known else 0)
        return Dataset(make, lambda: self.element_spec, known)

    def take(self, count: Any, name: Any = None) -> Dataset:
        """The first `count` elements (-1: all)."""
        most = int(count)
        if most < 0:
            return self
        known = most if self._count == INFINITE_CARDINALITY else min(self._count, most)
        return Dataset(
            lambda: itertools.islice(self.elements(), most), lambda: self.element_spec, known
        )

    def skip(self, count: Any, name: Any = None) -> Dataset:
        """All but the first `count` elements (-1: none)."""
        first = int(count)
        if first < 0:
            return Dataset(lambda: iter(()), lambda: self.element_spec, 0)
        known = max(self._count - first, 0) if self._count >= 0 else self._count
        return Dataset(
            lambda: itertools.islice(self.elements(), first, None), lambda: self.element_spec, known
        )

    def shard(self, num_shards: Any, index: Any, name: Any = None) -> Dataset:
        """Every `num_shards`-th element, from number `index` on."""
        step, first = int(num_shards), int(index)
        known = len(range(first, self._count, step)) if self._count >= 0 else self._count
        return Dataset(
            lambda: itertools.islice(self.elements(), first, None, step),
            lambda: self.element_spec, known,
        )

    def enumerate(self, start: int = 0, name: Any = None) -> Dataset:
        """(number as int64, element)."""

        def make() -> PythonIterator[Any]:
            for number, element in enumerate(self.elements(), start):
                yield np.array(number, np.int64), element

        return Dataset(
            make, lambda: (TensorSpec((), "int64"), self.element_spec), self._count
        )

    def concatenate(self, dataset: Dataset, name: Any = None) -> Dataset:
        """The elements of this data set, then those of another."""
        counts = (self._count, dataset._count)
        known = (
            INFINITE_CARDINALITY if INFINITE_CARDINALITY in counts
            else UNKNOWN_CARDINALITY if UNKNOWN_CARDINALITY in counts else sum(counts)
        )
        return Dataset(
            lambda: itertools.chain(self.elements(), dataset.elements()),
            lambda: self.element_spec, known,
        )

    def unique(self, name: Any = None) -> Dataset:
        """Each element once, where it comes first."""

        def make() -> PythonIterator[Any]:
            seen = set()
            for element in self.elements():
                key = (element.shape, element.item() if element.ndim == 0 else element.tobytes())
                if key not in seen:
                    seen.add(key)
                    yield element

        return Dataset(make, lambda: self.element_spec)

    def cache(self, filename: Any = "", name: Any = None) -> Dataset:
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

        return Dataset(make, lambda: self.element_spec, self._count)

    def prefetch(self, buffer_size: Any, name: Any = None) -> Dataset:
        """The data set itself."""
        return self

    def ignore_errors(self, log_warning: bool = False, name: Any = None) -> Dataset:
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

        return Dataset(make, lambda: self.element_spec)

    # -- batches --------------------------------------------------------------------------------

    def batch(self, batch_size: Any, drop_remainder: bool = False, num_parallel_calls: Any = None,
              deterministic: Any = None, name: Any = None) -> Dataset:
        """`batch_size` elements after another as one, along a new first axis."""
        size = _batch_size(batch_size)

        def make() -> PythonIterator[Any]:
            return map(el.stacked, _chunks(self.elements(), size, drop_remainder))

        lead = size if drop_remainder else None
        return Dataset(
            make, lambda: _batched_spec(self.element_spec, lead),
            _batches(self._count, size, drop_remainder),
        )

    def padded_batch(
        self, batch_size: Any, padded_shapes: Any = None, padding_values: Any = None,
        drop_remainder: bool = False, name: Any = None,
    ) -> Dataset:
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

        return Dataset(make, spec, _batches(self._count, size, drop_remainder))

    def unbatch(self, name: Any = None) -> Dataset:
        """The slices of the elements along their first axis."""

        def make() -> PythonIterator[Any]:
            for element in self.elements():
                for place in range(nest.flatten(element)[0].shape[0]):
                    yield el.row(element, place)

        def spec() -> Any:
            return nest.map_structure(
                lambda s: TensorSpec(s.shape[1:], s.dtype), self.element_spec
            )

        return Dataset(make, spec)

    def rebatch(self, batch_size: Any, drop_remainder: bool = False, name: Any = None) -> Dataset:
        """Batches of another size."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def window(self, size: Any, shift: Any = None, stride: Any = 1, drop_remainder: bool = False,
               name: Any = None) -> Dataset:
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
                yield _window(inside, self.element_spec)
                missing = step - len(held)
                held = held[step:]
                if missing > 0 and not over:
                    for _ in itertools.islice(elements, missing):
                        pass

        return Dataset(make, lambda: nest.map_structure(DatasetSpec, self.element_spec))

    def group_by_window(self, key_func: Callable[..., Any], reduce_func: Callable[..., Any],
                        window_size: Any = None, window_size_func: Any = None,
                        name: Any = None) -> Dataset:
        """Elements with the same key (int64) gathered in windows, each made a data set of by
        `reduce_func(key, window)`."""

        def make() -> PythonIterator[Any]:
            groups: dict[int, list[Any]] = {}
            for element in self.elements():
                key = int(el.call(key_func, element))
                group = groups.setdefault(key, [])
                group.append(element)
                most = window_size if window_size is not None else int(
                    window_size_func(of_array(np.array(key, np.int64)))
                )
                if len(group) >= most:
                    yield from _reduced(reduce_func, key, groups.pop(key), self.element_spec)
            for key, group in groups.items():
                yield from _reduced(reduce_func, key, group, self.element_spec)

        return Dataset(make, None)

    def bucket_by_sequence_length(
        self, element_length_func: Callable[..., Any], bucket_boundaries: Any,
        bucket_batch_sizes: Any, padded_shapes: Any = None, padding_values: Any = None,
        pad_to_bucket_boundary: bool = False, no_padding: bool = False,
        drop_remainder: bool = False, name: Any = None,
    ) -> Dataset:
        """Padded batches of elements of similar length."""
        bounds = list(bucket_boundaries)

        def bucket(*element: Any) -> int:
            return int(np.searchsorted(bounds, int(element_length_func(*element)), side="right"))

        def gather(key: Any, window: Dataset) -> Dataset:
            size = bucket_batch_sizes[int(key)]
            if no_padding:
                return window.batch(size, drop_remainder)
            return window.padded_batch(size, padded_shapes, padding_values, drop_remainder)

        return self.group_by_window(
            bucket, gather, window_size_func=lambda key: bucket_batch_sizes[int(key)]
        )

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

    def with_options(self, options: Any, name: Any = None) -> Dataset:
        """The data set with options, which change nothing."""
        made = Dataset(self._make, self._spec, self._count)
        made._options = options
        return made

    def options(self) -> Any:
        return self._options

    def __repr__(self) -> str:
        return f"<Dataset element_spec={self.element_spec}>"


def _name(item: Any) -> str:
    return item.decode() if isinstance(item, bytes) else str(item)


def _seed(seed: Any, number: int) -> int | None:
    """The seed of one pass: from that given and the global one; None for chance."""
    if seed is None and seeds.value is None:
        return None
    return mixed(seeds.value or 0, 0 if seed is None else int(seed), number)


def _signature(types: Any, shapes: Any) -> Any:
    if isinstance(types, dict):
        return {k: _signature(t, None if shapes is None else shapes[k]) for k, t in types.items()}
    if isinstance(types, (tuple, list)):
        return tuple([
            _signature(t, None if shapes is None else shapes[k]) for k, t in enumerate(types)
        ])
    return TensorSpec(TensorShape(shapes), types)


def _conforming(value: Any, signature: Any) -> Any:
    """An element of a generator as arrays with the signature's dtypes."""
    if isinstance(signature, dict):
        return {key: _conforming(value[key], part) for key, part in signature.items()}
    if isinstance(signature, tuple):
        if not isinstance(value, (tuple, list)) or len(value) != len(signature):
            raise error(
                TypeError, "`generator` yielded an element that did not match the expected "
                f"structure. The expected structure was {signature!r}, but the yielded element was "
                f"{value!r}."
            )
        return tuple([_conforming(v, part) for v, part in zip(value, signature)])
    try:
        made = convert(value, signature.dtype)
    except (TypeError, ValueError):
        raise error(
            TypeError, "`generator` yielded an element that could not be converted to the expected "
            f"type. The expected type was {signature.dtype.name}, but the yielded element was "
            f"{value!r}."
        ) from None
    if not signature.shape.is_compatible_with(made.shape):
        raise error(
            TypeError, f"`generator` yielded an element of shape {made.shape} where an element of "
            f"shape {signature.shape} was expected."
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


def _shuffled(elements: PythonIterator[Any], size: int, engine: random.Random) -> Any:
    held = list(elements if size == AUTOTUNE else itertools.islice(elements, size))
    for element in elements:
        place = engine.randrange(len(held))
        yield held[place]
        held[place] = element
    engine.shuffle(held)
    yield from held


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
        lambda s: s if isinstance(s, DatasetSpec) else TensorSpec(
            TensorShape([lead]).concatenate(s.shape), s.dtype
        ),
        spec,
    )


def _window(elements: list[Any], spec: Any) -> Any:
    """A data set for each component of the elements."""
    columns = list(zip(*[nest.flatten(e) for e in elements]))
    specs = nest.flatten(spec)
    made = [
        Dataset(lambda column=column: iter(column), part, len(column))
        for column, part in zip(columns, specs)
    ]
    return nest.pack_sequence_as(elements[0], made)


def _reduced(function: Callable[..., Any], key: int, group: list[Any], spec: Any) -> Any:
    window = Dataset(lambda: iter(group), spec, len(group))
    made = function(of_array(np.array(key, np.int64)), window)
    return made.elements()


def _result_spec(function: Callable[..., Any], source: Dataset) -> Any:
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
        return el.spec_of(el.to_arrays(el.call(function, first)))
