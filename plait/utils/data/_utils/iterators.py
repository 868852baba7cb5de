"""The loader's iterators: in this process, and over worker processes.

Both draw one 64-bit number, the workers' base seed, from the loader's generator when they are made:
part of the sequence of draws that makes a seeded program give PyTorch's order.
"""

import itertools
import os
import warnings
import weakref
from typing import Any

from plait.core.ir.errors import error

from .exceptions import ExceptionWrapper
from .fetch import _DatasetKind
from .pool import WorkerPool, default_context
from .worker import EndOfData, Resume, Task, WorkerSetup


class _BaseDataLoaderIter:
    """What both iterators share: the sampler's iterator, the base seed, the count of batches."""

    def __init__(self, loader: Any) -> None:
        import plait  # not at the top: the face imports this module

        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._persistent_workers = loader.persistent_workers
        self._sampler_iter = iter(self._index_sampler)
        draw = plait.empty((), dtype=plait.int64).random_(generator=loader.generator)
        self._base_seed = int(draw.item())
        self._num_yielded = 0
        if loader.pin_memory:
            _warn_about_pinning(loader.pin_memory_device)

    def __iter__(self) -> "_BaseDataLoaderIter":
        return self

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        expected = self._IterableDataset_len_called
        if (
            self._dataset_kind == _DatasetKind.Iterable
            and expected is not None
            and self._num_yielded > expected
        ):
            self._warn_about_length(expected)
        return data

    def _next_data(self) -> Any:
        """The next batch; StopIteration after the last."""
        raise NotImplementedError

    def _reset(self, loader: Any) -> None:
        """Begin another epoch."""
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called

    def _warn_about_length(self, expected: int) -> None:
        message = (
            f"Length of IterableDataset {self._dataset} was reported to be {expected}"
            f"(when accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
        )
        if self._num_workers > 0:
            message += (
                "For multiprocessing data-loading, this could be caused by not properly "
                "configuring the IterableDataset replica at each worker. Please see "
                "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for "
                "examples."
            )
        warnings.warn(message, stacklevel=3)

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise error(NotImplementedError, f"{type(self).__name__} cannot be pickled")


def _warn_about_pinning(device: str) -> None:
    """Plait computes on the CPU: there is no memory to pin for anyone."""
    if device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device,"
            f"ignore pin_memory_device='{device}'.",
            stacklevel=5,
        )
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, "
        "then device pinned memory won't be used.",
        stacklevel=5,
    )


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Fetches in this process, when the batch is asked for."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        if loader.timeout != 0:
            raise error(
                AssertionError,
                f"timeout={loader.timeout} is for worker processes: without any it must be 0",
            )
        self._dataset_fetcher = _DatasetKind.create_fetcher(
            self._dataset_kind,
            self._dataset,
            self._auto_collation,
            self._collate_fn,
            self._drop_last,
        )

    def _next_data(self) -> Any:
        return self._dataset_fetcher.fetch(next(self._sampler_iter))


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Keeps `prefetch_factor` tasks ahead at every worker and gives their batches in order.

    Tasks go to the workers in turn. A worker whose iterable dataset has ended gets no more. With
    `in_order=False` batches are given as they come.
    """

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        if loader.prefetch_factor <= 0:
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
            )
        self._max_tasks = loader.prefetch_factor * self._num_workers
        self._in_order = loader.in_order
        self._epoch = 0
        init_fn = loader.worker_init_fn

        def setup_of(number: int) -> WorkerSetup:
            return WorkerSetup(
                dataset_kind=self._dataset_kind,
                dataset=self._dataset,
                auto_collation=self._auto_collation,
                collate_fn=self._collate_fn,
                drop_last=self._drop_last,
                base_seed=self._base_seed,
                init_fn=init_fn,
                worker_id=number,
                num_workers=self._num_workers,
                parent_pid=os.getpid(),
                forked=False,
                inherited=[],
            )

        context = loader.multiprocessing_context or default_context()
        self._pool = WorkerPool(context, self._num_workers, setup_of)
        # Also runs at interpreter exit, and does not need this object to be whole.
        self._finalizer = weakref.finalize(self, self._pool.close)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._next_number = 0
        self._assigned: dict[int, int] = {}  # task number -> worker, in the order of sending
        self._load = [0] * self._num_workers  # tasks assigned to each worker
        self._active = set(range(self._num_workers))
        self._turns = itertools.cycle(range(self._num_workers))
        for _ in range(self._max_tasks):
            self._dispatch()

    def _reset(self, loader: Any) -> None:
        super()._reset(loader)
        self._epoch += 1
        for number in range(self._num_workers):
            self._pool.send(number, Resume(self._epoch))
        self._begin_epoch()

    def _dispatch(self) -> None:
        """Send the next task to the worker whose turn it is, if there are both."""
        index = next(self._sampler_iter, _NO_INDEX)
        worker = None if index is _NO_INDEX else self._next_worker()
        if worker is None:
            return
        self._pool.send(worker, Task(self._epoch, self._next_number, index))
        self._assigned[self._next_number] = worker
        self._load[worker] += 1
        self._next_number += 1

    def _next_worker(self) -> int | None:
        for worker in itertools.islice(self._turns, self._num_workers):
            if worker not in self._active:
                continue
            if self._in_order or self._load[worker] < self._max_tasks // len(self._active):
                return worker
        return None

    def _next_data(self) -> Any:
        while self._assigned:
            number, data = self._receive()
            worker = self._assigned.pop(number)
            self._load[worker] -= 1
            if isinstance(data, EndOfData):
                if worker in self._active:
                    self._active.discard(worker)
                    self._dispatch()
                continue
            self._dispatch()
            if isinstance(data, ExceptionWrapper):
                data.reraise()
            return data
        if not self._persistent_workers:
            self._shutdown_workers()
        raise StopIteration

    def _receive(self) -> tuple[int, Any]:
        """The next reply of this epoch: in order of the tasks, or of any worker that has one."""
        if self._in_order:
            # A worker replies in the order of its tasks: the oldest task's worker is the one to
            # ask.
            workers = {next(iter(self._assigned.values()))}
        else:
            workers = set(self._assigned.values())
        while True:
            reply = self._pool.receive(workers, self._timeout or None)
            if reply.epoch == self._epoch:
                return reply.number, reply.data

    def _shutdown_workers(self) -> None:
        """End the workers; a second call does nothing."""
        self._finalizer()


_NO_INDEX = object()
