"""A worker process of the loader: takes indices over its connection, gives batches back.

Messages to a worker: `Task`, `Resume` (the next epoch of persistent workers), or None (end). Each
task of the current epoch gets exactly one `Reply`. A thread of the worker reads the messages, so
that the main process never waits to send one; the same thread notices that the main process has
died.
"""

import os
import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from plait.core.ir.errors import error

from . import transport
from .exceptions import ExceptionWrapper
from .fetch import _DatasetKind

# How long a worker may outlive a main process that was killed.
_PARENT_CHECK_SECONDS = 2.0


class WorkerInfo:
    """What `get_worker_info` gives in a worker: `id`, `num_workers`, `seed`, `dataset`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any

    def __init__(self, **facts: Any) -> None:
        self.__dict__.update(facts)

    def __setattr__(self, name: str, value: Any) -> None:
        raise error(RuntimeError, f"Cannot assign attributes to {type(self).__name__} objects")

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({facts})"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Facts on the worker this code runs in; None in the main process."""
    return _worker_info


class Task(NamedTuple):
    """Fetch `index` and reply with `number`."""

    epoch: int
    number: int
    index: Any


class Resume(NamedTuple):
    """Begin another epoch; tasks of the one before are void."""

    epoch: int


class Reply(NamedTuple):
    """The answer to a task: a batch, an ExceptionWrapper, or END_OF_DATA."""

    epoch: int
    number: int
    data: Any


class EndOfData:
    """This worker's copy of the iterable dataset has no more items."""


@dataclass
class WorkerSetup:
    """All a worker needs. Under fork it is inherited; otherwise it is pickled.

    When it is unpickled, the names that `plait run` gave to Plait are put in place before the
    dataset
    is: its module may say `import torch`.
    """

    dataset_kind: int
    dataset: Any
    auto_collation: bool
    collate_fn: Callable
    drop_last: bool
    base_seed: int
    init_fn: Callable[[int], Any] | None
    worker_id: int
    num_workers: int
    parent_pid: int
    forked: bool
    inherited: list[Connection]

    def __getstate__(self) -> bytes:
        return transport.dumps(self.__dict__)

    def __setstate__(self, state: bytes) -> None:
        from plait.aliasing import install_from_environment

        install_from_environment()
        self.__dict__.update(transport.loads(state))


class _Inbox:
    """Reads messages in a thread; `epoch` and `stopping` run ahead of the queue."""

    def __init__(self, connection: Connection, setup: WorkerSetup) -> None:
        self.connection = connection
        self.setup = setup
        self.messages: queue.SimpleQueue[Task | Resume | None] = queue.SimpleQueue()
        self.epoch = 0
        self.stopping = False
        threading.Thread(target=self._read, name="plait-data-inbox", daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                while not self.connection.poll(_PARENT_CHECK_SECONDS):
                    if not self._parent_lives():
                        # The main thread may be blocked in a send that nobody will ever read.
                        os._exit(1)
                message = transport.recv(self.connection)
                if message is None:
                    break
                if isinstance(message, Resume):
                    self.epoch = message.epoch
                self.messages.put(message)
        except (EOFError, OSError):
            pass  # the main process has closed its end: the same as None
        finally:
            self.stopping = True
            self.messages.put(None)

    def _parent_lives(self) -> bool:
        if self.setup.forked:
            return os.getppid() == self.setup.parent_pid
        parent = parent_process()
        return parent is None or parent.is_alive()


class _Worker:
    """Fetches what it is told to."""

    def __init__(self, setup: WorkerSetup) -> None:
        self.setup = setup
        self.fetcher: Any = None
        self.exhausted = False
        self.failure: ExceptionWrapper | None = None

    def begin(self, init_fn: Callable[[int], Any] | None) -> None:
        """A fresh fetcher; what fails here is the answer to the first task."""
        setup = self.setup
        self.exhausted = False
        try:
            if init_fn is not None:
                init_fn(setup.worker_id)
            self.fetcher = _DatasetKind.create_fetcher(
                setup.dataset_kind,
                setup.dataset,
                setup.auto_collation,
                setup.collate_fn,
                setup.drop_last,
            )
        except Exception:  # user's code: all of it goes to the main process
            self.failure = self._caught()

    def answer(self, index: Any) -> Any:
        """The batch, or what came instead of it."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            return failure
        if self.exhausted:
            return EndOfData()
        try:
            return self.fetcher.fetch(index)
        except StopIteration:
            if self.setup.dataset_kind != _DatasetKind.Iterable:
                return self._caught()
            self.exhausted = True
            return EndOfData()
        except Exception:  # user's code: all of it goes to the main process
            return self._caught()

    def reply(self, connection: Connection, task: Task, data: Any) -> None:
        """Send the answer; what cannot be pickled is an error of its own."""
        try:
            transport.send(connection, Reply(task.epoch, task.number, data))
        except OSError:
            raise
        except Exception:  # a user's class may raise anything while it is pickled
            failure = data if isinstance(data, ExceptionWrapper) else self._caught()
            failure.without_type()
            transport.send(connection, Reply(task.epoch, task.number, failure))

    def _caught(self) -> ExceptionWrapper:
        return ExceptionWrapper(f"in DataLoader worker process {self.setup.worker_id}")


def _seed_all(base_seed: int, worker_id: int) -> int:
    """Seed Python's, Plait's and NumPy's generators as PyTorch's workers do."""
    import plait  # not at the top: the face imports this module

    seed = base_seed + worker_id
    random.seed(seed)
    plait.manual_seed(seed)
    # NumPy's own way to make several words of entropy into a state; gives PyTorch's numbers.
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))
    return seed


def worker_main(connection: Connection, setup: WorkerSetup) -> None:
    """The body of a worker process: answers tasks until told to end."""
    global _worker_info
    import plait  # not at the top: the face imports this module

    for other in setup.inherited:
        other.close()  # while a worker holds the main process's end, its siblings see no EOF
    try:
        plait.set_num_threads(1)
        seed = _seed_all(setup.base_seed, setup.worker_id)
        _worker_info = WorkerInfo(
            id=setup.worker_id,
            num_workers=setup.num_workers,
            seed=seed,
            dataset=setup.dataset,
        )
        inbox = _Inbox(connection, setup)
        worker = _Worker(setup)
        worker.begin(setup.init_fn)
        while (message := inbox.messages.get()) is not None:
            if isinstance(message, Resume):
                worker.begin(None)
            elif message.epoch == inbox.epoch and not inbox.stopping:
                data = worker.answer(message.index)
                if not inbox.stopping:
                    worker.reply(connection, message, data)
                del data  # a batch is not kept while the next one is made
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        pass  # the main process has the same interrupt, or is gone: nobody to tell
