"""Sparse tensors, for both TensorFlows: functions of the module `tf`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS[function.__name__] = function
    return function


def parts(sp: Any) -> Any:
    return sp.indices, sp.values, sp.dense_shape, sp.shape.as_list(), sp.dtype.name


def first(tf: Any) -> Any:
    return tf.SparseTensor([[0, 1], [1, 0], [1, 3]], [1.0, -2.0, 3.5], [3, 4])


@program
def there_and_back(tf: Any) -> Any:
    dense = tf.constant([[0, 2, 0], [3, 0, -4]])
    sp = tf.sparse.from_dense(dense)
    words = tf.sparse.from_dense([["a", ""], ["", "b"]])
    return parts(sp), tf.sparse.to_dense(sp), tf.sparse.to_dense(sp, 9), tf.sparse.to_dense(words)


@program
def nothing_in_it(tf: Any) -> Any:
    sp = tf.sparse.from_dense(tf.zeros([2, 3]))
    return parts(sp), tf.sparse.to_dense(sp), tf.sparse.reduce_sum(sp, 0)


@program
def out_of_order(tf: Any) -> Any:
    sp = tf.SparseTensor([[1, 0], [0, 1]], [1, 2], [2, 2])
    return parts(tf.sparse.reorder(sp)), tf.sparse.to_dense(sp, validate_indices=False)


@program
def out_of_order_is_refused(tf: Any) -> Any:
    return tf.sparse.to_dense(tf.SparseTensor([[1, 0], [0, 1]], [1, 2], [2, 2]))


@program
def repeated_is_refused(tf: Any) -> Any:
    return tf.sparse.to_dense(tf.SparseTensor([[0, 1], [0, 1]], [1, 2], [2, 2]))


@program
def out_of_bounds_is_refused(tf: Any) -> Any:
    return tf.sparse.to_dense(tf.SparseTensor([[0, 5]], [1], [2, 2]))


@program
def shapes_that_do_not_fit(tf: Any) -> Any:
    return tf.SparseTensor([[0, 1]], [1.0, 2.0], [2, 2])


@program
def products(tf: Any) -> Any:
    sp = first(tf)
    b, c = tf.ones([4, 2]) * [[1.0, 2.0]], tf.constant([[1.0, 2.0, 3.0]])
    return (
        tf.sparse.sparse_dense_matmul(sp, b),
        tf.sparse.sparse_dense_matmul(sp, c, adjoint_a=True, adjoint_b=True),
        tf.sparse.sparse_dense_matmul(c, sp),
    )


@program
def product_of_other_extents(tf: Any) -> Any:
    return tf.sparse.sparse_dense_matmul(first(tf), tf.ones([3, 2]))


@program
def gradients(tf: Any) -> Any:
    w, v = tf.Variable(tf.ones([4, 2])), tf.Variable([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        sp = tf.SparseTensor([[0, 1], [1, 0], [1, 3]], v, [3, 4])
        loss = tf.reduce_sum(tf.sparse.sparse_dense_matmul(sp, w) ** 2)
    return tape.gradient(loss, [w, v])


@program
def sums(tf: Any) -> Any:
    a, b = first(tf), tf.SparseTensor([[0, 1], [2, 2]], [10.0, 20.0], [3, 4])
    return (
        parts(tf.sparse.add(a, b)),
        tf.sparse.add(a, tf.ones([3, 4])),
        parts(tf.sparse.add(a, b, threshold=5.0)),
        tf.sparse.reduce_sum(a),
        tf.sparse.reduce_sum(a, 1),
        tf.sparse.reduce_sum(a, 0, keepdims=True),
        tf.sparse.reduce_max(a, 1),
    )


@program
def sums_of_other_shapes(tf: Any) -> Any:
    return tf.sparse.add(first(tf), tf.SparseTensor([[0, 0]], [1.0], [2, 2]))


@program
def pieces(tf: Any) -> Any:
    sp = first(tf)
    return (
        parts(tf.sparse.slice(sp, [1, 0], [2, 3])),
        parts(tf.sparse.concat(0, [sp, sp])),
        parts(tf.sparse.concat(1, [sp, sp])),
        parts(tf.sparse.transpose(sp)),
        parts(tf.sparse.retain(sp, [True, False, True])),
        parts(tf.sparse.reshape(sp, [2, -1])),
        parts(tf.sparse.map_values(tf.square, sp)),
        parts(tf.sparse.eye(2, 3)),
    )


@program
def softmax(tf: Any) -> Any:
    return parts(tf.sparse.softmax(first(tf)))


@program
def dense_where_sparse_is_meant(tf: Any) -> Any:
    return tf.sparse.to_dense(tf.ones([2]))


@program
def features_of_any_number(tf: Any) -> Any:
    def example(numbers: Any, words: Any) -> Any:
        return tf.train.Example(
            features=tf.train.Features(
                feature={
                    "n": tf.train.Feature(int64_list=tf.train.Int64List(value=numbers)),
                    "w": tf.train.Feature(bytes_list=tf.train.BytesList(value=words)),
                }
            )
        ).SerializeToString()

    spec = {"n": tf.io.VarLenFeature(tf.int64), "w": tf.io.VarLenFeature(tf.string)}
    one = tf.io.parse_single_example(example([1, 2, 3], [b"a"]), spec)
    two = tf.io.parse_example([example([1, 2], []), example([5], [b"x", b"y"])], spec)
    return parts(one["n"]), parts(one["w"]), parts(two["n"]), parts(two["w"])
