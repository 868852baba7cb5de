"""From what the user trains on to batches of tensors."""

from __future__ import annotations

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
    """A `DataLoader` as something Keras iterates over; everything else as it is."""
    return _LoaderDataset(x) if isinstance(x, DataLoader) else x


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


def as_tensors(data: Any) -> Any:
    """A batch with its arrays as tensors. Strings and other objects stay."""

    def tensor(x: Any) -> Any:
        if x is None or isinstance(x, (torch.Tensor, str)):
            return x
        if isinstance(x, np.ndarray) and x.dtype.kind in "OSU":
            return x
        return convert_to_tensor(x)

    return tree.map_structure(tensor, data)
