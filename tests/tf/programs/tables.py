"""Programs for both TensorFlows: tables from keys to values."""

from __future__ import annotations

from typing import Any

from tests.tf.programs.registry import program


@program
def tables_that_change(tf: Any) -> Any:
    made = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    made.insert(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
    made.insert(["c", "a"], [3, 9])
    found = [made.lookup(tf.constant([["a"], ["z"]])), made[tf.constant("b")], made.size()]
    others = made.lookup(tf.constant(["q", "a"]), tf.constant([7, 8], tf.int64))
    made.remove(tf.constant(["b", "q"]))
    keys, values = made.export()
    pairs = sorted(zip(keys.numpy().tolist(), values.numpy().tolist()))

    @tf.function
    def plus(x: Any) -> Any:
        return made.lookup(x) + 1

    before = plus(tf.constant(["a"]))
    made.insert(tf.constant(["a"]), tf.constant([50], tf.int64))
    return found, others, [list(pair) for pair in pairs], before, plus(tf.constant(["a"]))


@program
def tables_of_vectors(tf: Any) -> Any:
    made = tf.lookup.experimental.DenseHashTable(tf.int64, tf.float32, [0.0, 0.0], -1, -2)
    made.insert(tf.constant([5, 6], tf.int64), [[1.0, 2.0], [3.0, 4.0]])
    made.erase(tf.constant([6], tf.int64))
    return made.lookup(tf.constant([5, 6], tf.int64)), made.size()


@program
def a_mark_as_a_key(tf: Any) -> Any:
    made = tf.lookup.experimental.DenseHashTable(tf.int64, tf.float32, 0.0, -1, -2)
    made.insert(tf.constant([-1], tf.int64), [1.0])


@program
def keys_of_another_dtype(tf: Any) -> Any:
    made = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    made.insert(tf.constant([1]), tf.constant([1], tf.int64))


@program
def values_of_another_shape(tf: Any) -> Any:
    made = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    made.insert(tf.constant(["a"]), tf.constant([1, 2], tf.int64))
