"""From what the user trains on to batches of tensors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDataset
from keras.src.trainers.epoch_iterator import EpochIterator

import plait as torch
from keras_plait.src.core import convert_to_tensor
from plait.utils.data import DataLoader


class Batches(EpochIterator):
    """Groups of `steps_per_execution` batches; the last group of an epoch may have fewer."""

    def __next__(self) -> tuple[int, int, list[Any]]:
        begin, end, iterator = next(self._epoch_iterator)
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


class _LoaderDataset(PyDataset):
    """A loader as Keras' own kind of dataset: each item is its next batch."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__()
        self._loader = loader
        self._batches: Iterator[Any] = iter(loader)

    @property
    def num_batches(self) -> int | None:
        try:
            return len(self._loader)
        except TypeError:
            return None

    def __getitem__(self, index: int) -> Any:
        if index == 0:
            self._batches = iter(self._loader)
        batch = next(self._batches)
        return tuple(np.asarray(part) for part in batch) if isinstance(batch, list) else batch


class _Elements(PyDataset):
    """A `tf.data.Dataset` as Keras' own kind of dataset: each item is its next element."""

    def __init__(self, dataset: Any) -> None:
        super().__init__()
        self._dataset = dataset
        self._elements: Iterator[Any] = dataset.elements()
        count = int(dataset.cardinality())
        # What is not known is counted, once: Keras would ask past the end.
        self._count = sum(1 for _ in dataset.elements()) if count == -2 else count

    @property
    def num_batches(self) -> int | None:
        return None if self._count < 0 else self._count

    def __getitem__(self, index: int) -> Any:
        if index == 0:
            self._elements = self._dataset.elements()
        return next(self._elements)


def as_tensors(data: Any) -> Any:
    """A batch with its arrays as tensors. Strings and other objects stay."""

    def tensor(x: Any) -> Any:
        if x is None or isinstance(x, (torch.Tensor, str)):
            return x
        if isinstance(x, np.ndarray) and x.dtype.kind in "OSU":
            return x
        return convert_to_tensor(x)

    return tree.map_structure(tensor, data)
