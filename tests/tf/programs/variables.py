"""Variables: programs for both TensorFlows."""

from __future__ import annotations

from typing import Any

from tests.tf.programs.registry import program


@program
def variable_assign(tf: Any) -> Any:
    v = tf.Variable([1.0, 2.0])
    first = v + 1
    v.assign([3, 4])
    v.assign_add([1.0, 1.0])
    v.assign_sub([0.5, 0.5])
    return first, v.read_value(), v.numpy(), v.shape.as_list(), v.dtype.name


@program
def variable_assign_shape(tf: Any) -> Any:
    return tf.Variable([1.0, 2.0]).assign([1.0])


@program
def variable_assign_add_shape(tf: Any) -> Any:
    return tf.Variable([1.0, 2.0]).assign_add(1.0)


@program
def variable_assign_dtype(tf: Any) -> Any:
    return tf.Variable([1.0, 2.0]).assign(tf.constant([1, 2]))


@program
def variable_without_value(tf: Any) -> Any:
    return tf.Variable()


@program
def variable_slices(tf: Any) -> Any:
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    v[0].assign([9.0, 8.0])
    v[:, 1].assign(tf.constant([5.0, 6.0]))
    return v[1], v[0, 0], v.numpy()


@program
def variable_scatter(tf: Any) -> Any:
    v = tf.Variable([1.0, 2.0, 3.0])
    v.scatter_nd_update([[0]], [7.0])
    v.scatter_nd_add([[1], [1]], [1.0, 2.0])
    v.scatter_add(tf.IndexedSlices(tf.constant([1.0]), tf.constant([2])))
    v.scatter_update(tf.IndexedSlices(tf.constant([5.0]), tf.constant([0])))
    return v.numpy(), v.gather_nd([[1]])


@program
def variable_operators(tf: Any) -> Any:
    v = tf.Variable([1.0, 4.0])
    return -v, abs(v), v * 2, 2 - v, v / [2.0, 2.0], v**2, v > 2, v == v, tf.sqrt(v), v[0]


@program
def variable_hash(tf: Any) -> Any:
    return hash(tf.Variable(1.0))


@program
def variable_any_shape(tf: Any) -> Any:
    v = tf.Variable([1.0], shape=tf.TensorShape([None]))
    v.assign([1.0, 2.0, 3.0])
    return v.numpy(), v.shape.as_list()


@program
def variable_callable(tf: Any) -> Any:
    return tf.Variable(lambda: tf.ones([2]), dtype=tf.float32).numpy()


@program
def variable_keeps_old_values(tf: Any) -> Any:
    v = tf.Variable(1.0)
    before = v.read_value()
    v.assign(2.0)
    return before, v.numpy()
