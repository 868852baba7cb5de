"""Queues of TensorFlow 1: operations that put elements in and take them out.

Each session has its own elements. Where a program has told by a `QueueRunner` what fills a queue,
its operations run when an element is asked for and none is there: the same elements in the same
order as by a thread that fills it ahead, without the thread.
"""

from __future__ import annotations

import collections
import random
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dispatch import op
from plait.tf._dtypes import as_dtype
from plait.tf._graph import Symbol
from plait.tf._ops.creation import convert_to_tensor
from plait.tf._session import _stack
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf.compat._scopes import GraphKeys, default_graph


class _Elements:
    """What is in a queue in one session: tuples of arrays."""

    def __init__(self) -> None:
        self.waiting: collections.deque[tuple[Any, ...]] = collections.deque()
        self.closed = False
        self.change = threading.Condition()


class QueueBase:
    """Elements of one or several tensors each, by operations of a graph."""

    def __init__(
        self, capacity: int, dtypes: Any, shapes: Any, names: Any = None, name: str = "queue"
    ) -> None:
        self.dtypes = [
            as_dtype(d) for d in (dtypes if isinstance(dtypes, (list, tuple)) else [dtypes])
        ]
        self.shapes = _shapes(shapes, len(self.dtypes))
        self.names = [names] if isinstance(names, str) else names
        self.capacity = capacity
        self.name = default_graph().unique_name(name)
        #: What fills the queue: functions of a session that put at least one element in, or raise
        #: OutOfRangeError.
        self.fillers: list[Callable[[Any], None]] = []
        self._by_session: Any = weakref.WeakKeyDictionary()

    # -- operations ---------------------------------------------------------------------------

    def enqueue(self, vals: Any, name: Any = None) -> Any:
        """An operation that puts one element in. It raises CancelledError for a closed queue."""
        return _enqueue(self, self._parts(vals), False, name=name or f"{self.name}_enqueue")

    def enqueue_many(self, vals: Any, name: Any = None) -> Any:
        """An operation that puts in one element for each of the tensors' first axis."""
        return _enqueue(self, self._parts(vals), True, name=name or f"{self.name}_enqueue")

    def dequeue(self, name: Any = None) -> Any:
        """The next element: a tensor, or a list (a dict, with `names`) of them."""
        return self._shown(_dequeue(self, None, True, name=name or f"{self.name}_Dequeue"))

    def dequeue_many(self, n: Any, name: Any = None) -> Any:
        """The next `n` elements, stacked. In a session it raises OutOfRangeError where the queue is
        closed and fewer are left."""
        return self._shown(_dequeue(self, n, True, name=name or f"{self.name}_DequeueMany"))

    def dequeue_up_to(self, n: Any, name: Any = None) -> Any:
        """As `dequeue_many`, but fewer where the queue is closed and fewer are left."""
        return self._shown(_dequeue(self, n, False, name=name or f"{self.name}_DequeueUpTo"))

    def size(self, name: Any = None) -> Any:
        """How many elements are there."""
        return _size(self, name=name or f"{self.name}_Size")

    def is_closed(self, name: Any = None) -> Any:
        return _is_closed(self, name=name or f"{self.name}_is_closed")

    def close(self, cancel_pending_enqueues: bool = False, name: Any = None) -> Any:
        """An operation after which nothing can be put in."""
        return _close(self, name=name or f"{self.name}_Close")

    # -- in a session -------------------------------------------------------------------------

    def elements(self, session: Any) -> _Elements:
        found = self._by_session.get(session)
        if found is None:
            found = self._by_session[session] = _Elements()
        return found

    def put(self, session: Any, element: tuple[Any, ...]) -> None:
        """Put one element in, as soon as there is room. Raises CancelledError, and
        DeadlineExceededError where no other thread could make room."""
        held = self.elements(session)
        with held.change:
            while not held.closed and len(held.waiting) >= self.capacity:
                _wait(held.change, f"the queue {self.name!r} is full ({self.capacity} elements)")
            if held.closed:
                raise error(errors.CancelledError, f"Queue '{self.name}' is closed.")
            held.waiting.append(element)
            held.change.notify_all()

    def take(self, session: Any, count: int, all_of_them: bool) -> list[tuple[Any, ...]]:
        """The next elements. Raises OutOfRangeError."""
        held = self.elements(session)
        while True:
            with held.change:
                if len(held.waiting) >= count + self._spare(held):
                    return self._taken(held, count)
                if held.closed:
                    if (all_of_them and len(held.waiting) < count) or not held.waiting:
                        raise error(
                            errors.OutOfRangeError,
                            f"Queue '{self.name}' is closed and has insufficient elements "
                            f"(requested {count}, current size {len(held.waiting)})",
                        )
                    return self._taken(held, min(count, len(held.waiting)))
                if not self.fillers:
                    _wait(held.change, f"the queue {self.name!r} has {len(held.waiting)} elements")
                    continue
            self._fill(session, held)

    def _fill(self, session: Any, held: _Elements) -> None:
        """Let what fills the queue do so once; the queue is closed when all have come to an end."""
        ended = 0
        for filler in self.fillers:
            try:
                filler(session)
            except (errors.OutOfRangeError, errors.CancelledError):
                ended += 1
        if ended == len(self.fillers):
            with held.change:
                held.closed = True
                held.change.notify_all()

    def _spare(self, held: _Elements) -> int:
        """How many elements have to stay behind."""
        return 0

    def _taken(self, held: _Elements, count: int) -> list[tuple[Any, ...]]:
        held.change.notify_all()
        return [held.waiting.popleft() for _ in range(count)]

    # -- arguments ----------------------------------------------------------------------------

    def _parts(self, vals: Any) -> list[Any]:
        if isinstance(vals, dict):
            vals = [vals[name] for name in self.names or ()]
        elif len(self.dtypes) == 1 and not (isinstance(vals, (list, tuple)) and len(vals) == 1):
            vals = [vals]
        if len(vals) != len(self.dtypes):
            raise error(
                ValueError,
                f"{self.name}: an element has {len(self.dtypes)} tensors, received {len(vals)}",
            )
        return [convert_to_tensor(v, dtype=d) for v, d in zip(vals, self.dtypes)]

    def _shown(self, parts: Any) -> Any:
        if self.names:
            return dict(zip(self.names, parts))
        return parts[0] if len(parts) == 1 else list(parts)

    def need_shapes(self) -> None:
        """Raise InvalidArgumentError where elements cannot be stacked."""
        if not all(shape.is_fully_defined() for shape in self.shapes):
            raise error(
                errors.InvalidArgumentError,
                f"{self.name}: to take several elements at once their shapes have to be known, "
                f"received {self.shapes}; give them to the queue, or use dequeue()",
            )

    def stacked(self, parts: list[np.ndarray]) -> np.ndarray:
        """Elements of one position as one array."""
        return np.stack(parts)


def _shapes(shapes: Any, count: int) -> list[TensorShape]:
    if shapes is None:
        return [TensorShape(None)] * count
    if isinstance(shapes, TensorShape) or all(isinstance(n, int) for n in shapes):
        shapes = [shapes]
    return [TensorShape(shape) for shape in shapes]


def _wait(change: threading.Condition, state: str) -> None:
    """Wait for another thread. Raises DeadlineExceededError where there is none."""
    if threading.active_count() == 1:
        raise error(
            errors.DeadlineExceededError,
            f"{state}, and no thread and no QueueRunner is there to change that",
        )
    change.wait(0.2)


class FIFOQueue(QueueBase):
    """A queue that gives its elements in the order in which they came."""

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: Any = None,
        name: str = "fifo_queue",
    ) -> None:
        super().__init__(capacity, dtypes, shapes, names, name)


class RandomShuffleQueue(QueueBase):
    """A queue that gives elements drawn at random, and keeps `min_after_dequeue` behind to draw
    from until it is closed."""

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: Any = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        super().__init__(capacity, dtypes, shapes, names, name)
        self._least = min_after_dequeue
        self._draws = random.Random(seed)

    def _spare(self, held: _Elements) -> int:
        return self._least

    def _taken(self, held: _Elements, count: int) -> list[tuple[Any, ...]]:
        taken = []
        for _ in range(count):
            held.waiting.rotate(-self._draws.randrange(len(held.waiting)))
            taken.append(held.waiting.popleft())
        held.change.notify_all()
        return taken


class PaddingFIFOQueue(FIFOQueue):
    """A queue whose elements may differ in extents that are None; stacked, they are padded."""

    def need_shapes(self) -> None:
        if any(shape.rank is None for shape in self.shapes):
            raise error(
                errors.InvalidArgumentError,
                f"{self.name}: to pad elements their ranks have to be known",
            )

    def stacked(self, parts: list[np.ndarray]) -> np.ndarray:
        extents = tuple(max(sizes) for sizes in zip(*(part.shape for part in parts)))
        empty = b"" if parts[0].dtype == object else 0
        made = np.full((len(parts), *extents), empty, parts[0].dtype)
        for row, part in zip(made, parts):
            row[tuple(slice(n) for n in part.shape)] = part
        return made


# -- the operations -------------------------------------------------------------------------------


class _Outside:
    """Stands for a session where operations run at once."""


_outside = _Outside()


def running_session() -> Any:
    """Whose elements an operation means: those of the session that runs it."""
    return _stack.running[-1] if _stack.running else _outside


@op
def _enqueue(queue: QueueBase, parts: Any, many: bool) -> None:
    arrays = [np.asarray(part.numpy(), _kind(part.dtype)) for part in parts]
    for element in zip(*arrays) if many else [tuple(arrays)]:
        queue.put(running_session(), tuple(element))


def _kind(dtype: Any) -> Any:
    return None if dtype.name != "string" else object


@op
def _dequeue(queue: QueueBase, count: Any, all_of_them: bool) -> Any:
    if count is not None:
        queue.need_shapes()
    number = 1 if count is None else int(count)
    elements = queue.take(running_session(), number, all_of_them)
    if count is None:
        return [convert(part, dtype) for part, dtype in zip(elements[0], queue.dtypes)]
    parts = [[np.asarray(p, _kind(d)) for p in ps] for ps, d in zip(zip(*elements), queue.dtypes)]
    return [convert(queue.stacked(ps), d) for ps, d in zip(parts, queue.dtypes)]


def _specs(queue: QueueBase, count: Any, all_of_them: bool) -> list[TensorSpec]:
    known = count if isinstance(count, int) and all_of_them else None
    first = [] if count is None else [known]
    return [
        TensorSpec(None if s.rank is None else [*first, *s.as_list()], d)
        for s, d in zip(queue.shapes, queue.dtypes)
    ]


@op
def _size(queue: QueueBase) -> Any:
    return convert(np.int32(len(queue.elements(running_session()).waiting)))


@op
def _is_closed(queue: QueueBase) -> Any:
    return convert(np.bool_(queue.elements(running_session()).closed))


@op
def _close(queue: QueueBase) -> None:
    held = queue.elements(running_session())
    with held.change:
        held.closed = True
        held.change.notify_all()


_enqueue.__dict__.update(host=True, infer=lambda *args, **kwargs: None)
_close.__dict__.update(host=True, infer=lambda *args, **kwargs: None)
_dequeue.__dict__.update(source=True, host=True, infer=_specs)
_size.__dict__.update(host=True, infer=lambda queue: TensorSpec([], "int32"))
_is_closed.__dict__.update(host=True, infer=lambda queue: TensorSpec([], "bool"))


# -- what fills them ------------------------------------------------------------------------------


class QueueRunner:
    """Which operations fill a queue.

    queue: the queue. enqueue_ops: operations, each of which puts in an element or several.
    """

    def __init__(
        self,
        queue: QueueBase,
        enqueue_ops: Any = (),
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: Any = None,
    ) -> None:
        self.queue, self.enqueue_ops = queue, list(enqueue_ops)
        self.name = queue.name
        for operation in dict.fromkeys(self.enqueue_ops):
            queue.fillers.append(_runner(operation))

    def create_threads(
        self, sess: Any, coord: Any = None, daemon: bool = False, start: bool = False
    ) -> list[Any]:
        """No threads: the operations run when elements are asked for."""
        return []


def _runner(operation: Any) -> Callable[[Any], None]:
    return lambda session: session.run(operation)


def filled_by(queue: QueueBase, tensors: list[Any], many: bool) -> None:
    """Fill a queue with the values of tensors, asked for in one run after another."""

    def fill(session: Any) -> None:
        arrays = session.run(tensors)
        rows = zip(*arrays) if many else [tuple(arrays)]
        for row in rows:
            queue.put(session, tuple(row))

    queue.fillers.append(fill)
    add_queue_runner(QueueRunner(queue))


def add_queue_runner(qr: QueueRunner, collection: Any = GraphKeys.QUEUE_RUNNERS) -> None:
    """Enter a runner into a collection of the graph."""
    default_graph().add_to_collection(collection, qr)


def start_queue_runners(
    sess: Any = None,
    coord: Any = None,
    daemon: bool = True,
    start: bool = True,
    collection: Any = GraphKeys.QUEUE_RUNNERS,
) -> list[Any]:
    """The threads that fill queues: none, see the top of this file. Raises ValueError without a
    session."""
    from plait.tf._session import default_session

    if sess is None:
        default_session()
    return []
