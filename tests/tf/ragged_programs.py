"""Ragged tensors, for both TensorFlows: functions of the module `tf`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS[function.__name__] = function
    return function


def parts(rt: Any) -> Any:
    return (
        rt.to_list(), rt.flat_values, list(rt.nested_row_splits), rt.shape.as_list(),
        rt.dtype.name, rt.ragged_rank,
    )  # fmt: skip


def first(tf: Any) -> Any:
    return tf.ragged.constant([[1.0, 2.0, 3.0], [], [4.0], [5.0, 6.0]])


@program
def counted_in_rows(tf: Any) -> Any:
    rows = tf.ragged.constant([[1, 1, 2], [], [0]])
    return (
        tf.math.bincount(rows, axis=-1),
        tf.math.bincount(rows, axis=-1, minlength=5, binary_output=True, dtype=tf.float32),
        tf.math.bincount(rows, weights=tf.ragged.constant([[0.5, 1.0, 2.0], [], [3.0]]), axis=-1),
        tf.math.bincount(rows),
    )


@program
def means_of_rows(tf: Any) -> Any:
    rows = tf.ragged.constant([[1.0, 2.0], [], [3.0]])
    return (
        tf.reduce_mean(rows, axis=1),
        tf.reduce_mean(tf.ragged.constant([[1, 2], [], [4]]), axis=1),
        tf.reduce_mean(rows),
    )


@program
def mapped_to_rows(tf: Any) -> Any:
    rows = tf.ragged.constant([[1, 1, 2], [], [0]])
    counts = tf.RaggedTensorSpec([None], tf.int32)
    return (
        parts(tf.map_fn(lambda row: tf.unique(row)[0], rows)),
        tf.map_fn(tf.reduce_sum, rows, fn_output_signature=tf.int32),
        parts(tf.map_fn(tf.range, tf.constant([2, 0, 1]), fn_output_signature=counts)),
    )


@program
def made_in_all_ways(tf: Any) -> Any:
    values, rt = [3, 1, 4, 1, 5, 9], tf.RaggedTensor
    return [
        parts(made)
        for made in (
            rt.from_row_splits(values, [0, 4, 4, 6]), rt.from_row_lengths(values, [4, 0, 2]),
            rt.from_value_rowids(values, [0, 0, 2, 2, 2, 4], nrows=6),
            rt.from_row_starts(values, [0, 2, 2]), rt.from_row_limits(values, [1, 1, 6]),
            rt.from_row_splits(values, [0, 2, 6]),
            rt.from_nested_row_splits(values, [[0, 1, 3], [0, 2, 2, 6]]),
            rt.from_nested_row_lengths([[1.0, 2.0], [3.0, 4.0]], [[1, 1], [0, 2]]),
        )
    ]  # fmt: skip


@program
def splits_that_fall(tf: Any) -> Any:
    return tf.RaggedTensor.from_row_splits([1, 2, 3], [0, 2, 1, 3])


@program
def splits_that_do_not_end(tf: Any) -> Any:
    return tf.RaggedTensor.from_row_splits([1, 2, 3], [0, 2])


@program
def constants(tf: Any) -> Any:
    c = tf.ragged.constant
    return [
        parts(made)
        for made in (
            c([[1, 2], [3]]), c([["a"], [], ["b", "c"]]), c([[[1], [2, 3]], [], [[4]]]),
            c([[1, 2], []], dtype=tf.float64), c([[[1, 2]], [[3, 4], [5, 6]]], ragged_rank=1),
        )
    ], c([1, 2])  # fmt: skip


@program
def a_constant_of_both_depths(tf: Any) -> Any:
    return tf.ragged.constant([[1], 2])


@program
def lengths_and_bounds(tf: Any) -> Any:
    rt = first(tf)
    deep = tf.ragged.constant([[[1], [2, 3]], [], [[4, 5, 6]]])
    return (
        rt.row_lengths(), rt.nrows(), rt.row_starts(), rt.row_limits(), rt.value_rowids(),
        rt.bounding_shape(), deep.bounding_shape(), deep.row_lengths(),
        deep.row_lengths(axis=2).to_list(),
    )  # fmt: skip


@program
def to_tensors(tf: Any) -> Any:
    rt, words = first(tf), tf.ragged.constant([["a"], ["b", "c"]])
    deep = tf.ragged.constant([[[1], [2, 3]], [], [[4, 5, 6]]])
    return (
        rt.to_tensor(), rt.to_tensor(-1.0), rt.to_tensor(shape=[None, 2]),
        rt.to_tensor(shape=[6, 4]),
        words.to_tensor(), words.to_tensor("?"), deep.to_tensor(),
        tf.RaggedTensor.from_row_lengths([[1, 2], [3, 4], [5, 6]], [1, 2]).to_tensor(),
    )  # fmt: skip


@program
def from_tensors(tf: Any) -> Any:
    x = [[1, 2, 0], [0, 0, 0], [3, 0, 4]]
    make = tf.RaggedTensor.from_tensor
    return make(x).to_list(), make(x, lengths=[1, 0, 3]).to_list(), make(x, padding=0).to_list()


@program
def picked(tf: Any) -> Any:
    rt = first(tf)
    deep = tf.ragged.constant([[[1], [2, 3]], [], [[4, 5, 6]]])
    return (
        rt[0], rt[1], rt[-1], rt[1:3].to_list(), rt[::2].to_list(), rt[:, :1].to_list(),
        rt[:, -2:].to_list(), rt[0, 1], rt[0][1:], deep[0].to_list(), deep[0, 1], deep[2, 0, 1],
        [row.numpy().tolist() for row in rt],
    )  # fmt: skip


@program
def picked_out_of_bounds(tf: Any) -> Any:
    return first(tf)[4]


@program
def arithmetic(tf: Any) -> Any:
    rt = first(tf)
    return [
        made.to_list()
        for made in (
            rt + 1.0, 2.0 * rt, rt - rt, rt / 2.0, -rt, rt**2, rt > 2.0, abs(-rt),
            tf.square(rt), tf.cast(rt, tf.int32), tf.exp(rt * 0.0), tf.maximum(rt, 3.0),
            tf.ragged.map_flat_values(tf.sqrt, rt), tf.nn.relu(rt - 3.0),
        )
    ]  # fmt: skip


@program
def arithmetic_of_other_rows(tf: Any) -> Any:
    a, b = tf.ragged.constant([[1.0], [2.0, 3.0]]), tf.ragged.constant([[1.0, 2.0], [3.0]])
    return tf.ragged.map_flat_values(tf.add, a, b)


@program
def reductions(tf: Any) -> Any:
    rt = first(tf)
    return (
        tf.reduce_sum(rt, axis=1), tf.reduce_mean(rt, axis=1)[0], tf.reduce_max(rt[2:], axis=1),
        tf.reduce_min(rt[2:], axis=1), tf.reduce_prod(rt, axis=1), tf.reduce_sum(rt),
        tf.reduce_max(rt), tf.size(rt), tf.rank(rt),
        tf.reduce_sum(tf.ragged.constant([[[1, 2], [3]], [[4]]]), axis=2).to_list(),
    )  # fmt: skip


@program
def joined(tf: Any) -> Any:
    a, b = tf.ragged.constant([[1], [2, 3]]), tf.ragged.constant([[4, 5], []])
    return (
        tf.concat([a, b], axis=0).to_list(), tf.concat([a, b], axis=1).to_list(),
        tf.ragged.stack([tf.constant([1, 2]), tf.constant([3])]).to_list(),
        tf.ragged.range([3, 0, 2]).to_list(), tf.ragged.range([1, 4], [3, 9], [1, 2]).to_list(),
        tf.ragged.boolean_mask([[1, 2], [3, 4]], [[True, False], [True, True]]).to_list(),
    )  # fmt: skip


@program
def gradients(tf: Any) -> Any:
    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        rt = tf.RaggedTensor.from_row_lengths(x, [3, 1])
        total = tf.reduce_sum(tf.reduce_sum(rt * rt, axis=1) * [1.0, 10.0])
        total += tf.reduce_sum(rt.to_tensor()[:, 0])
    return tape.gradient(total, x)


@program
def words(tf: Any) -> Any:
    lines = tf.constant(["a b  c", "", "d"])
    return (
        tf.strings.split(lines).to_list(), tf.strings.split(["a,b", "c"], ",").to_list(),
        tf.strings.split("x y"), tf.strings.bytes_split(["ab", "c"]).to_list(),
        tf.strings.split(lines).to_tensor("-"), tf.strings.split(lines).row_lengths(),
    )  # fmt: skip


@program
def data_sets(tf: Any) -> Any:
    d = tf.data.Dataset.range(1, 6).map(lambda x: (tf.range(x), x))
    made = d.apply(tf.data.experimental.dense_to_ragged_batch(2))
    rows = tf.data.Dataset.from_tensor_slices((tf.ragged.constant([[1, 2], [], [3]]), [7, 8, 9]))
    seen = [(a.to_list(), b) for a, b in made]
    again = [(a.to_list(), b) for a, b in d.ragged_batch(3, drop_remainder=True)]
    totals = [tf.reduce_sum(a, axis=1) for a, _ in made]
    return seen, again, totals, [(a, b) for a, b in rows]


@program
def as_arrays(tf: Any) -> Any:
    made = tf.RaggedTensor.from_row_lengths(np.arange(6), [2, 4])
    even = tf.RaggedTensor.from_row_lengths(np.arange(4), [2, 2])
    return [row.tolist() for row in made.numpy()], even.numpy().tolist(), made.values
