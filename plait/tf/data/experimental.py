"""`tf.data.experimental`: the earlier place of what `tf.data.Dataset` has now."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf.data._csv import make_csv_dataset
from plait.tf.data._dataset import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY,
    Dataset,
    Options,
)  # fmt: skip
from plait.tf.data._files import CsvDataset, TFRecordWriter


class AutoShardPolicy:
    """Accepted: there is one worker."""

    OFF, AUTO, FILE, DATA, HINT = -1, 0, 1, 2, 3


def cardinality(dataset: Dataset) -> Any:
    """The number of elements, int64."""
    return dataset.cardinality()


def assert_cardinality(expected_cardinality: Any) -> Any:
    """A transformation that states the number of elements, and checks it at the end."""
    expected = int(expected_cardinality)

    def apply(dataset: Dataset) -> Dataset:
        def make() -> Any:
            count = 0
            for element in dataset.elements():
                count += 1
                if count > expected >= 0:
                    break
                yield element
            if count != expected >= 0:
                raise error(
                    errors.FailedPreconditionError,
                    f"Input dataset was expected to contain {expected} elements but contained "
                    f"{'more' if count > expected else count}.",
                )

        return Dataset(make, lambda: dataset.element_spec, expected)

    return apply


def Counter(start: int = 0, step: int = 1, dtype: Any = "int64") -> Dataset:
    """start, start + step, ... without end."""
    from itertools import count

    from plait.tf._dtypes import as_dtype
    from plait.tf._shape import TensorSpec

    kind = as_dtype(dtype).core.numpy
    return Dataset(
        lambda: (np.array(n, kind) for n in count(start, step)),
        TensorSpec((), dtype),
        INFINITE_CARDINALITY,
    )


def dense_to_ragged_batch(
    batch_size: Any, drop_remainder: bool = False, row_splits_dtype: Any = "int64"
) -> Any:
    """A transformation: elements of different first extents as the rows of ragged tensors."""
    return lambda dataset: dataset.ragged_batch(batch_size, drop_remainder, row_splits_dtype)


def enumerate_dataset(start: int = 0) -> Any:
    return lambda dataset: dataset.enumerate(start)


def unbatch() -> Any:
    return lambda dataset: dataset.unbatch()


def unique() -> Any:
    return lambda dataset: dataset.unique()


def ignore_errors(log_warning: bool = False) -> Any:
    return lambda dataset: dataset.ignore_errors(log_warning)


def get_single_element(dataset: Dataset) -> Any:
    return dataset.get_single_element()


def map_and_batch(map_func: Any, batch_size: Any, **kwargs: Any) -> Any:
    """A transformation: map, then batch."""
    whole = kwargs.get("drop_remainder", False)
    return lambda dataset: dataset.map(map_func).batch(batch_size, whole)


def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: Any = None) -> Any:
    """A transformation: shuffle, then repeat."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


def parallel_interleave(
    map_func: Any, cycle_length: Any, block_length: int = 1, **kwargs: Any
) -> Any:
    """A transformation: interleave."""
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)


def prefetch_to_device(device: Any, buffer_size: Any = None) -> Any:
    return lambda dataset: dataset
