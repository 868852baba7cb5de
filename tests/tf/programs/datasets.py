"""Data sets: programs for both TensorFlows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.tf.programs.registry import program


def rows(dataset: Any) -> Any:
    return list(dataset.as_numpy_iterator())


@program
def data_slices(tf: Any) -> Any:
    d = tf.data.Dataset
    return (
        rows(d.from_tensor_slices([1, 2, 3])),
        rows(d.from_tensor_slices({"a": [1, 2], "b": [[1.0], [2.0]]})),
        rows(d.from_tensor_slices(([1, 2], ["x", "y"]))),
        rows(d.from_tensors([1, 2])),
    )


@program
def data_mismatch(tf: Any) -> Any:
    return rows(tf.data.Dataset.from_tensor_slices(([1, 2], [1, 2, 3])))


@program
def data_chain(tf: Any) -> Any:
    d = tf.data.Dataset.range(10)
    return (
        rows(d.map(lambda x: x * x).filter(lambda x: x % 2 == 0)),
        rows(d.batch(4)), rows(d.batch(4, drop_remainder=True)), rows(d.take(3).repeat(2)),
        rows(d.skip(7)), rows(d.shard(3, 1)), rows(d.enumerate(5).take(2)),
        rows(d.concatenate(d.take(2))), rows(d.batch(3).unbatch()),
        rows(d.take_while(lambda x: x < 4)), d.reduce(np.int64(0), lambda s, x: s + x),
    )  # fmt: skip


@program
def data_zip(tf: Any) -> Any:
    a, b = tf.data.Dataset.range(3), tf.data.Dataset.range(10, 15)
    return rows(tf.data.Dataset.zip((a, b))), rows(tf.data.Dataset.zip(a, b))


@program
def data_map_structures(tf: Any) -> Any:
    d = tf.data.Dataset.from_tensor_slices(([1.0, 2.0], [0, 1]))
    return (
        rows(d.map(lambda x, y: {"x": x + 1, "y": tf.one_hot(y, 2)})),
        rows(d.map(lambda x, y: (x, (y, [y, y])))),
        rows(d.map(lambda x, y: x, num_parallel_calls=tf.data.AUTOTUNE)),
    )


@program
def data_specs(tf: Any) -> Any:
    d = tf.data.Dataset.from_tensor_slices((np.zeros([5, 3], np.float32), np.arange(5)))
    made = d.map(lambda x, y: (tf.reduce_sum(x), tf.cast(y, tf.int32))).batch(2)
    return (
        [(s.shape.as_list(), s.dtype.name) for s in d.element_spec],
        [(s.shape.as_list(), s.dtype.name) for s in made.element_spec],
        len(made), made.repeat().cardinality(), d.filter(lambda x, y: True).cardinality(),
    )  # fmt: skip


@program
def data_len_unknown(tf: Any) -> Any:
    return len(tf.data.Dataset.range(3).filter(lambda x: True))


@program
def data_len_infinite(tf: Any) -> Any:
    return len(tf.data.Dataset.range(3).repeat())


@program
def data_generator(tf: Any) -> Any:
    def numbers(n: int) -> Any:
        for i in range(n):
            yield i, [float(i)] * i

    spec = (tf.TensorSpec([], tf.int32), tf.TensorSpec([None], tf.float32))
    d = tf.data.Dataset.from_generator(numbers, output_signature=spec, args=[3])
    old = tf.data.Dataset.from_generator(lambda: iter([1, 2]), output_types=tf.int64)
    return rows(d), rows(d.padded_batch(2)), rows(old)


@program
def data_padded(tf: Any) -> Any:
    d = tf.data.Dataset.range(1, 4).map(lambda x: tf.fill([x], x))
    return (
        rows(d.padded_batch(2)), rows(d.padded_batch(3, padded_shapes=[5])),
        rows(d.padded_batch(2, padding_values=np.int64(-1))),
    )  # fmt: skip


@program
def data_batch_of_odd_shapes(tf: Any) -> Any:
    return rows(tf.data.Dataset.range(1, 4).map(lambda x: tf.fill([x], x)).batch(2))


@program
def data_interleave(tf: Any) -> Any:
    d = tf.data.Dataset.range(1, 6)
    return (
        rows(d.interleave(lambda x: tf.data.Dataset.from_tensors(x).repeat(6), cycle_length=2,
                          block_length=4)),
        rows(d.interleave(lambda x: tf.data.Dataset.range(x), cycle_length=3)),
        rows(d.flat_map(lambda x: tf.data.Dataset.range(x))),
    )  # fmt: skip


@program
def data_window(tf: Any) -> Any:
    d = tf.data.Dataset.range(7)
    found = []
    for options in ((3,), (3, 1), (2, 3), (3, 2, 2), (4, 2, 1, True)):
        found.append([rows(w) for w in d.window(*options)])
    return found, rows(d.window(3, 1, drop_remainder=True).flat_map(lambda w: w.batch(3)))


@program
def data_shuffle_keeps_all(tf: Any) -> Any:
    d = tf.data.Dataset.range(20).shuffle(5, seed=1)
    return sorted(rows(d)), len(d)


@program
def data_shuffle_once(tf: Any) -> Any:
    d = tf.data.Dataset.range(50).shuffle(50, reshuffle_each_iteration=False)
    return [rows(d) == rows(d)]


@program
def data_cache(tf: Any) -> Any:
    calls = []

    def note(x: Any) -> Any:
        calls.append(1)
        return x

    d = tf.data.Dataset.range(3).map(lambda x: tf.py_function(note, [x], tf.int64)).cache()
    first, second = rows(d), rows(d)
    return first, second, len(calls)


@program
def data_group(tf: Any) -> Any:
    d = tf.data.Dataset.range(10).group_by_window(
        key_func=lambda x: x % 2, reduce_func=lambda k, w: w.batch(3), window_size=3
    )
    return rows(d)


@program
def data_scan(tf: Any) -> Any:
    return rows(tf.data.Dataset.range(5).scan(np.int64(0), lambda s, x: (s + x, s * 10)))


@program
def data_iterator(tf: Any) -> Any:
    it = iter(tf.data.Dataset.range(2))
    return next(it), it.get_next(), [next(it, None) is None]


@program
def data_iterator_end(tf: Any) -> Any:
    it = iter(tf.data.Dataset.range(1))
    it.get_next()
    return it.get_next()


@program
def data_single(tf: Any) -> Any:
    return tf.data.Dataset.from_tensors([1, 2]).get_single_element()


@program
def data_bad_batch(tf: Any) -> Any:
    return rows(tf.data.Dataset.range(3).batch(0))


@program
def data_counter(tf: Any) -> Any:
    return rows(tf.data.experimental.Counter(2, 3).take(3))
