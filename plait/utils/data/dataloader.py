"""The loader: batches of a dataset, in this process or by worker processes.

`DataLoader(dataset, batch_size, shuffle, ...)` is iterated once an epoch and gives collated
batches. With the same `manual_seed` it gives PyTorch's order, and its workers have PyTorch's seeds.

Workers (`num_workers > 0`) fetch ahead of the loop. On Linux they are forked unless
`multiprocessing_context` or `multiprocessing.set_start_method` says otherwise: a forked worker does
not run the script again, so scripts without `if __name__ == "__main__":` work, and datasets need
not be pickled, both as with PyTorch there. What must not cross a fork (thread pool, LLVM) the
runtime discards in the child. Elsewhere the platform's start method (spawn, forkserver) is used;
then the script is imported again by each worker, and one without the guard gets an error that says
so, from Python in the worker and from the loader. Batches cross as described in `_utils.transport`.
A worker that dies, hangs past `timeout` or raises ends the loop by an exception here; leaving the
loop in any way ends the workers.
"""

import multiprocessing
import multiprocessing.context
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from plait.core.ir.errors import error

from ._utils.collate import default_collate, default_convert
from ._utils.fetch import _DatasetKind
from ._utils.iterators import (
    _BaseDataLoaderIter,
    _MultiProcessingDataLoaderIter,
    _SingleProcessDataLoaderIter,
)
from ._utils.worker import get_worker_info
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

_collate_fn_t = Callable[[list], Any]

T_co = TypeVar("T_co", covariant=True)

_DEFAULT_PREFETCH = 2
_FIXED_ATTRIBUTES = frozenset(
    ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
)


class _InfiniteConstantSampler(Sampler):
    """None without end: an iterable dataset itself says what comes next."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches.

    dataset: map-style (`__getitem__`, `__len__`) or an `IterableDataset`.
    batch_size: items a batch; None for no batching. drop_last: leave out a short last batch.
    shuffle: a new random order each epoch; else sampler (any iterable of indices) or batch_sampler
    (of lists of indices) says the order.
    collate_fn: list of items -> batch (`default_collate`; `default_convert` without batching).
    num_workers, prefetch_factor: processes, and batches each keeps ahead (2). persistent_workers:
    keep them between epochs. worker_init_fn: called with the worker's number at its start. timeout:
    seconds to wait for a batch, 0 for no limit. in_order: give batches in order though later ones
    are ready.
    multiprocessing_context: name of a start method, or a context.
    generator: the `Generator` of `shuffle` and of the workers' base seed.
    pin_memory, pin_memory_device: nothing is pinned, and a warning says so, as in PyTorch on a CPU.

    Raises ValueError (TypeError for a context that is none) for options that exclude each other.
    """

    _iterator: _BaseDataLoaderIter | None = None
    __initialized = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_worker_options(num_workers, timeout, prefetch_factor, persistent_workers)
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = _DEFAULT_PREFETCH
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order

        if isinstance(dataset, IterableDataset):
            self._dataset_kind = _DatasetKind.Iterable
            _check_iterable_options(shuffle, sampler, batch_sampler)
        else:
            self._dataset_kind = _DatasetKind.Map
        _check_order_options(batch_size, bool(shuffle), sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            sampler = self._default_sampler(bool(shuffle), generator)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers

        self._IterableDataset_len_called: int | None = None
        self._iterator = None
        self.__initialized = True
        self.check_worker_number_rationality()

    def _default_sampler(self, shuffle: bool, generator: Any) -> Sampler:
        if self._dataset_kind == _DatasetKind.Iterable:
            return _InfiniteConstantSampler()
        if shuffle:
            return RandomSampler(self.dataset, generator=generator)
        return SequentialSampler(self.dataset)

    @property
    def multiprocessing_context(self) -> Any:
        """The context workers are started by; None for the default one."""
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, value: Any) -> None:
        if value is not None:
            value = _checked_context(value, self.num_workers)
        self.__multiprocessing_context = value

    def __setattr__(self, attr: str, val: Any) -> None:
        if self.__initialized and attr in _FIXED_ATTRIBUTES:
            raise error(
                ValueError,
                f"{attr} attribute should not be set after {type(self).__name__} is initialized",
            )
        super().__setattr__(attr, val)

    def _get_iterator(self) -> _BaseDataLoaderIter:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        return _MultiProcessingDataLoaderIter(self)

    def __iter__(self) -> _BaseDataLoaderIter:
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        """What the fetcher is given one by one: lists of indices, or indices."""
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Map:
            return len(self._index_sampler)
        # Remembered, so that a dataset that gives more than it said can be warned about.
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is None:
            return length
        whole, rest = divmod(length, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def check_worker_number_rationality(self) -> None:
        """Warn if there are more workers than cores that this process may use."""
        if not self.num_workers:
            return
        has_affinity = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count()
        if cores is not None and self.num_workers <= cores:
            return
        if cores is None:
            reason = (
                "DataLoader is not able to compute a suggested max number of worker in current "
                "system."
            )
        else:
            unchecked = "" if has_affinity else " (`cpuset` is not taken into account)"
            reason = (
                f"Our suggested max number of worker in current system is {cores}{unchecked}, "
                "which is smaller than what this DataLoader is going to create."
            )
        warnings.warn(
            f"This DataLoader will create {self.num_workers} worker processes in total. {reason} "
            "Please be aware that excessive worker creation might get DataLoader running slow or "
            "even freeze, lower the worker number to avoid potential slowness/freeze if necessary.",
            stacklevel=3,
        )


def _check_worker_options(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise error(
            ValueError,
            "num_workers option should be non-negative; "
            "use num_workers=0 to disable multiprocessing.\n"
            f"  (received num_workers={num_workers})",
        )
    if timeout < 0:
        raise error(
            ValueError, f"timeout option should be non-negative\n  (received timeout={timeout})"
        )
    if num_workers == 0 and prefetch_factor is not None:
        raise error(
            ValueError,
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None.",
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise error(ValueError, "prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise error(ValueError, "persistent_workers option needs num_workers > 0")


def _check_iterable_options(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in given.items():
        if value is not None:
            raise error(
                ValueError,
                f"DataLoader with IterableDataset: expected unspecified {name} option, "
                f"but got {name}={value}",
            )


def _check_order_options(
    batch_size: int | None, shuffle: bool, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise error(ValueError, "sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise error(
                ValueError,
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                "and drop_last",
            )
    elif batch_size is None and drop_last:
        raise error(
            ValueError,
            "batch_size=None option disables auto-batching and is mutually exclusive with "
            "drop_last",
        )


def _checked_context(value: Any, num_workers: int) -> Any:
    """A context, from one or from the name of a start method."""
    if num_workers == 0:
        raise error(
            ValueError,
            "multiprocessing_context can only be used with multi-process loading "
            f"(num_workers > 0), but got num_workers={num_workers}",
        )
    if isinstance(value, str):
        methods = multiprocessing.get_all_start_methods()
        if value not in methods:
            raise error(
                ValueError,
                "multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={value!r}",
            )
        return multiprocessing.get_context(value)
    if not isinstance(value, multiprocessing.context.BaseContext):
        raise error(
            TypeError,
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={value}",
        )
    return value
