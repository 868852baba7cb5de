"""Fetchers: from indices to a batch, for map-style and for iterable datasets.

A fetcher takes what the index sampler gives (a list of indices, or one index where nothing is
batched) and gives the collated batch.
"""

from collections.abc import Callable
from typing import Any

from plait.utils.data.dataset import Subset, TensorDataset

from . import tensors
from .collate import default_collate


class _DatasetKind:
    """The two kinds of datasets."""

    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(
        kind: int, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool
    ) -> "_MapDatasetFetcher | _IterableDatasetFetcher":
        """The fetcher for a kind."""
        if kind == _DatasetKind.Map:
            return _MapDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)
        return _IterableDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)


def _rows_at_once(dataset: Any, indices: Any) -> list | None:
    """The default-collated batch of a TensorDataset in one gather a tensor, or None.

    Item-wise, entry i is `tensor[i]` and the batch their stack. One gather gives the same values in
    fresh memory, but only if nobody changed what an item is: so for exactly TensorDataset (a
    subclass may override `__getitem__`), also under exactly Subset, which does nothing but rename
    indices; for plain tensors (a stack of a gradient's views would be another graph); and for
    indices that are all ints (a slice, a list or a tensor selects more than a row).
    """
    while type(dataset) is Subset:
        if not all(type(index) is int for index in indices):
            return None
        renamed = dataset.indices
        indices = [renamed[index] for index in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or not indices:
        return None
    if not all(type(index) is int for index in indices):
        return None
    if not all(tensors.is_plain(tensor) for tensor in dataset.tensors):
        return None
    return [tensors.take_rows(tensor, indices) for tensor in dataset.tensors]


class _MapDatasetFetcher:
    """Asks a map-style dataset for items by index."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn

    def fetch(self, possibly_batched_index: Any) -> Any:
        """The batch of these indices (or the converted item of this index)."""
        if not self.auto_collation:
            return self.collate_fn(self.dataset[possibly_batched_index])
        if self.collate_fn is default_collate and type(possibly_batched_index) is list:
            batch = _rows_at_once(self.dataset, possibly_batched_index)
            if batch is not None:
                return batch
        if callable(getattr(self.dataset, "__getitems__", None)):
            items = self.dataset.__getitems__(possibly_batched_index)
        else:
            items = [self.dataset[index] for index in possibly_batched_index]
        return self.collate_fn(items)


class _IterableDatasetFetcher:
    """Takes the next items of an iterable dataset, as many as there are indices."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool
    ) -> None:
        self.items = iter(dataset)
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, possibly_batched_index: Any) -> Any:
        """The next batch; StopIteration when there is none."""
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.items))
        batch = []
        for _ in possibly_batched_index:
            try:
                batch.append(next(self.items))
            except StopIteration:
                self.ended = True
                break
        if not batch or (self.drop_last and len(batch) < len(possibly_batched_index)):
            raise StopIteration
        return self.collate_fn(batch)
