"""Input pipelines of TensorFlow 1 made of queues: what gives examples, and what batches them."""

from __future__ import annotations

import glob
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._dispatch import state
from plait.tf._ops.creation import convert_to_tensor
from plait.tf._ops.slicing import gather
from plait.tf.compat._queues import (
    FIFOQueue,
    PaddingFIFOQueue,
    QueueBase,
    QueueRunner,
    RandomShuffleQueue,
    add_queue_runner,
    filled_by,
)

#: No queue of a pipeline is ever full: its elements are made when they are asked for.
_CAPACITY = 1 << 62


def _in_a_graph(kind: type[Exception]) -> None:
    """Raise an error of this kind where operations run at once."""
    if state.graph is None:
        raise error(
            kind,
            "Input pipelines based on Queues are not supported when eager execution is enabled. "
            "Please use tf.data to ingest data into your model instead.",
        )


def match_filenames_once(pattern: Any, name: Any = None) -> Any:
    """The names of the files that a pattern, or several, fit."""
    patterns = [pattern] if isinstance(pattern, str) else pattern
    return convert_to_tensor(sorted(f for p in patterns for f in glob.glob(p)))


# -- one after another ----------------------------------------------------------------------------


def _epochs(tensor: Any, num_epochs: int | None, shuffle: bool, seed: Any) -> Callable[..., Any]:
    """A function of a session: the rows of a tensor in the order of its next epoch. It raises
    OutOfRangeError after the last."""
    done: Any = weakref.WeakKeyDictionary()
    draws = np.random.default_rng(seed)

    def rows(session: Any) -> Any:
        count = done.get(session, 0)
        if num_epochs is not None and count >= num_epochs:
            raise error(errors.OutOfRangeError, f"Reached limit of {num_epochs}")
        done[session] = count + 1
        values = session.run(tensor)
        return draws.permutation(values) if shuffle else values

    return rows


def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: Any = None,
    capacity: int = 32,
    shared_name: Any = None,
    summary_name: Any = None,
    name: Any = None,
    cancel_op: Any = None,
) -> QueueBase:
    """A queue of the rows of a tensor, `num_epochs` times (None: for ever), each time shuffled
    anew. Raises ValueError for a scalar, or shapes of rows that are not known."""
    _in_a_graph(RuntimeError)
    tensor = convert_to_tensor(input_tensor)
    if not tensor.shape.rank:
        raise error(ValueError, f"input_producer: expected rows, received shape {tensor.shape}")
    shape = tensor.shape[1:].merge_with(element_shape)
    if not shape.is_fully_defined():
        raise error(
            ValueError,
            "Either `input_tensor` must have a fully defined shape or `element_shape` must be "
            f"specified: received {tensor.shape}",
        )
    queue = FIFOQueue(_CAPACITY, [tensor.dtype], [shape], name=name or "input_producer")
    rows = _epochs(tensor, num_epochs, shuffle, seed)

    def fill(session: Any) -> None:
        for row in rows(session):
            queue.put(session, (row,))

    queue.fillers.append(fill)
    add_queue_runner(QueueRunner(queue))
    return queue


def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: Any = None,
    capacity: int = 32,
    shared_name: Any = None,
    name: Any = None,
    cancel_op: Any = None,
) -> QueueBase:
    """A queue of strings (names of files, mostly). Raises ValueError for none."""
    if not isinstance(string_tensor, str) and not len(string_tensor):
        raise error(ValueError, "string_input_producer requires a non-null input tensor")
    return input_producer(
        convert_to_tensor(string_tensor, dtype="string"),
        [], num_epochs, shuffle, seed, capacity, name=name or "input_producer",
    )  # fmt: skip


def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: Any = None,
    capacity: int = 32,
    shared_name: Any = None,
    name: Any = None,
) -> QueueBase:
    """A queue of the numbers below `limit`."""
    return input_producer(
        np.arange(int(limit), dtype=np.int32), [], num_epochs, shuffle, seed, capacity, name=name
    )


def slice_input_producer(
    tensor_list: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: Any = None,
    capacity: int = 32,
    shared_name: Any = None,
    name: Any = None,
) -> list[Any]:
    """One row of each tensor, the same row of all. Raises ValueError for an empty list."""
    _in_a_graph(RuntimeError)
    tensors = [convert_to_tensor(t) for t in tensor_list]
    if not tensors:
        raise error(ValueError, "Expected at least one tensor in slice_input_producer().")
    limit = tensors[0].shape[0]
    if limit is None:
        raise error(ValueError, "slice_input_producer: the number of rows has to be known")
    index = range_input_producer(limit, num_epochs, shuffle, seed, capacity).dequeue()
    return [gather(t, index) for t in tensors]


# -- batches --------------------------------------------------------------------------------------


class _Form:
    """Tensors as a list, and the way back to a dict."""

    def __init__(self, tensors: Any) -> None:
        self.keys = sorted(tensors) if isinstance(tensors, dict) else None
        if self.keys is not None:
            tensors = [tensors[key] for key in self.keys]
        several = isinstance(tensors, (list, tuple))
        self.tensors = [convert_to_tensor(t) for t in (tensors if several else [tensors])]

    def back(self, made: Any) -> Any:
        """What a queue gave (one tensor, or a list) in the form of the tensors put in."""
        if self.keys is None:
            return made
        return dict(zip(self.keys, made if isinstance(made, list) else [made]))

    def element_shapes(self, many: bool, shapes: Any) -> list[Any]:
        found = [t.shape[1:] if many else t.shape for t in self.tensors]
        if shapes is None:
            return found
        if len(found) == 1 and all(isinstance(n, int) for n in shapes):
            shapes = [shapes]
        return [a.merge_with(b) for a, b in zip(found, shapes)]


def _batched(
    form: _Form, queue: QueueBase, batch_size: Any, enqueue_many: bool, smaller: bool
) -> Any:
    _in_a_graph(ValueError)
    filled_by(queue, form.tensors, enqueue_many)
    take = queue.dequeue_up_to if smaller else queue.dequeue_many
    return form.back(take(batch_size))


def batch(
    tensors: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: Any = None,
    name: Any = None,
) -> Any:
    """Batches of tensors that give one example after another, in the structure of `tensors`.

    enqueue_many: the tensors give several examples at a time. dynamic_pad: extents that are not
    known are padded to the largest of a batch. In a session the batches end with OutOfRangeError.
    Raises ValueError for shapes that are not known.
    """
    form = _Form(tensors)
    kind = PaddingFIFOQueue if dynamic_pad else FIFOQueue
    shapes = form.element_shapes(enqueue_many, shapes)
    queue = kind(_CAPACITY, [t.dtype for t in form.tensors], shapes, name=name or "batch")
    return _batched(form, queue, batch_size, enqueue_many, allow_smaller_final_batch)


def shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    num_threads: int = 1,
    seed: Any = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: Any = None,
    name: Any = None,
) -> Any:
    """Batches of examples drawn at random from those of which `min_after_dequeue` stay behind."""
    form = _Form(tensors)
    shapes = form.element_shapes(enqueue_many, shapes)
    queue = RandomShuffleQueue(
        _CAPACITY, min_after_dequeue, [t.dtype for t in form.tensors], shapes, seed=seed,
        name=name or "shuffle_batch",
    )  # fmt: skip
    return _batched(form, queue, batch_size, enqueue_many, allow_smaller_final_batch)


def batch_join(tensors_list: Any, batch_size: Any, **options: Any) -> Any:
    """Batches of what several lists of tensors give in turns. Arguments as `batch` has them."""
    return _joined(batch, tensors_list, batch_size, options)


def shuffle_batch_join(
    tensors_list: Any, batch_size: Any, capacity: int, min_after_dequeue: int, **options: Any
) -> Any:
    """As `batch_join`, drawn at random as by `shuffle_batch`."""
    options.update(capacity=capacity, min_after_dequeue=min_after_dequeue)
    return _joined(shuffle_batch, tensors_list, batch_size, options)


def _joined(
    function: Callable[..., Any], tensors_list: Any, batch_size: Any, options: dict[str, Any]
) -> Any:
    first, *others = tensors_list
    made = function(first, batch_size, **options)
    parts = list(made.values()) if isinstance(made, dict) else made
    queue = (parts[0] if isinstance(parts, list) else parts).op.args[0]
    for tensors in others:
        filled_by(queue, _Form(tensors).tensors, bool(options.get("enqueue_many")))
    return made


def limit_epochs(tensor: Any, num_epochs: int | None = None, name: Any = None) -> Any:
    """The tensor, which a session may ask for `num_epochs` times. Raises ValueError for fewer than
    one."""
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise error(ValueError, f"num_epochs must be > 0 not {num_epochs}.")
    given = convert_to_tensor(tensor)
    queue = FIFOQueue(_CAPACITY, [given.dtype], [given.shape], name=name or "limit_epochs")
    done: Any = weakref.WeakKeyDictionary()

    def fill(session: Any) -> None:
        done[session] = done.get(session, 0) + 1
        if done[session] > num_epochs:
            raise error(errors.OutOfRangeError, f"Reached limit of {num_epochs}")
        queue.put(session, (session.run(given),))

    queue.fillers.append(fill)
    return queue.dequeue()


__all__ = [
    "batch", "batch_join", "input_producer", "limit_epochs", "match_filenames_once",
    "range_input_producer", "shuffle_batch", "shuffle_batch_join", "slice_input_producer",
    "string_input_producer",
]  # fmt: skip
