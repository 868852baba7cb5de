"""From what the user trains on to batches of tensors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.trainers.data_adapters.generator_data_adapter import GeneratorDataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDataset
from keras.src.trainers.epoch_iterator import EpochIterator

import plait as torch
from keras_plait.src.core import convert_to_tensor
from plait.utils.data import DataLoader


class Batches(EpochIterator):
    """Groups of `steps_per_execution` batches; the last group of an epoch may have fewer."""

    def _get_iterator(self) -> Any:
        """Arrays; what a generator yields as it is, since it may be sparse."""
        if isinstance(self.data_adapter, GeneratorDataAdapter):
            return self.data_adapter.generator()
        return self.data_adapter.get_numpy_iterator()

    def __next__(self) -> tuple[int, int, list[Any]]:
        position: Any = self._epoch_iterator  # set by `iter`
        begin, end, iterator = next(position)
        group = list(islice(iterator, self.steps_per_execution))
        if not group:
            with self.catch_stop_iteration():
                raise StopIteration
            raise StopIteration
        return begin, end, group


def as_batches(x: Any) -> Any:
    """A `DataLoader`, or a `tf.data.Dataset` of Plait's, as something Keras iterates over;
    everything else as it is."""
    if isinstance(x, DataLoader):
        return _LoaderDataset(x)
    module = sys.modules.get("plait.tf.data")
    if module is not None and isinstance(x, module.Dataset):
        return _Elements(x)
    return x


class _Sequence(PyDataset):
    """Batches that can only be had one after another, as Keras' own kind of dataset: each item is
    the next batch, whatever its number (Keras draws the numbers in any order)."""

    def __init__(self, count: int | None) -> None:
        super().__init__()
        self._count = count
        self._batches: Iterator[Any] | None = None

    def _start(self) -> Iterator[Any]:
        raise NotImplementedError

    @property
    def num_batches(self) -> int | None:
        return self._count

    def on_epoch_end(self) -> None:
        """The next epoch begins anew; what has no end goes on."""
        if self._count is not None:
            self._batches = None

    def __getitem__(self, index: int) -> Any:
        if self._batches is None:
            self._batches = self._start()
        return next(self._batches)


class _LoaderDataset(_Sequence):
    """A loader."""

    def __init__(self, loader: DataLoader) -> None:
        try:
            count: int | None = len(loader)
        except TypeError:
            count = None
        super().__init__(count)
        self._loader = loader

    def _start(self) -> Iterator[Any]:
        for batch in self._loader:
            yield tuple(np.asarray(part) for part in batch) if isinstance(batch, list) else batch


class _Elements(_Sequence):
    """A `tf.data.Dataset`."""

    def __init__(self, dataset: Any) -> None:
        count = int(dataset.cardinality())
        if count == -2:
            # What is not known is counted, once: Keras would ask past the end.
            count = sum(1 for _ in dataset.elements())
        super().__init__(None if count < 0 else count)
        self._dataset = dataset

    def _start(self) -> Iterator[Any]:
        return self._dataset.elements()


def as_tensors(data: Any) -> Any:
    """A batch with its arrays as tensors. Strings and other objects stay."""

    def tensor(x: Any) -> Any:
        if x is None or isinstance(x, (torch.Tensor, str)):
            return x
        if isinstance(x, np.ndarray) and x.dtype.kind in "OSU":
            return x
        return convert_to_tensor(x)

    return tree.map_structure(tensor, data)
