"""Programs of TensorFlow 1 for both: functions of the module `tensorflow.compat.v1`.

Each runs in a graph of its own and gives what a session gave.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(tf: Any) -> Any:
        with tf.Graph().as_default(), tf.Session() as sess:
            return function(tf, sess)  # type: ignore[call-arg]  # the program's second argument

    PROGRAMS[function.__name__] = run
    return function


def start(tf: Any, sess: Any) -> None:
    sess.run(tf.global_variables_initializer())


X = np.linspace(-1, 1, 24).astype(np.float32).reshape(8, 3)
Y = (X @ np.array([[1.0], [-2.0], [0.5]]) + 0.25).astype(np.float32)
LABELS = np.array([0, 1, 2, 1, 0, 2, 1, 0])


@program
def arithmetic(tf: Any, sess: Any) -> Any:
    a, b = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    return sess.run([a + b, a * b, tf.square(a)], {a: [1, 2], b: 3.0})


@program
def structures(tf: Any, sess: Any) -> Any:
    a = tf.constant(2)
    return sess.run({"x": a, "y": (a + 1, [a * 2])})


@program
def shapes(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [None, 784])
    w = tf.zeros([784, 10])
    y = tf.matmul(x, w)
    img = tf.reshape(x, [-1, 28, 28, 1])
    pooled = tf.nn.max_pool(img, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    made = [y, img, pooled, tf.reduce_mean(y), tf.reduce_sum(y, 1), tf.argmax(y, 1), tf.shape(x),
            tf.concat([x, x], 1), tf.expand_dims(x, 0), x[0], x[:, 1:3], tf.where(x > 0),
            tf.one_hot(tf.argmax(y, 1), 10), tf.boolean_mask(x, x[:, 0] > 0),
            tf.transpose(x), tf.stack([x, x])]  # fmt: skip
    return [t.get_shape().as_list() for t in made], [t.dtype.name for t in made]


@program
def shapes_of_shapes(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [None, 784])
    n = tf.shape(x)[0]
    made = [tf.zeros([n, 64]), tf.zeros(tf.stack([n, 3])), tf.reshape(x, [n, 28, 28]),
            tf.fill([n * 2], 1.0), tf.tile(tf.ones([1, 5]), [n, 1]), tf.range(n)]  # fmt: skip
    values = sess.run(made, {x: np.zeros([3, 784])})
    return [t.get_shape().as_list() for t in made], [v.shape for v in values]


@program
def names(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, name="x")
    y = tf.placeholder(tf.float32, name="x")
    with tf.name_scope("scope"):
        v = tf.Variable(1.0, name="v")
        c = tf.constant(1.0, name="c")
    with tf.name_scope("scope"):
        w = tf.Variable(1.0)
    return x.name, y.name, v.name, c.name, w.name, x.op.name


@program
def feed_shape(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [None, 3])
    return sess.run(x, {x: np.zeros([2, 2])})


@program
def feed_missing(tf: Any, sess: Any) -> Any:
    return sess.run(tf.placeholder(tf.float32) * 2)


@program
def feed_not_a_tensor(tf: Any, sess: Any) -> Any:
    return sess.run(tf.constant(1), {"nothing:0": 1})


@program
def fetch_not_a_tensor(tf: Any, sess: Any) -> Any:
    tf.constant(1)
    return sess.run(3)


@program
def feed_any_tensor(tf: Any, sess: Any) -> Any:
    a = tf.constant(2.0)
    b = a * 3
    return sess.run(b + 1, {b: 10.0})


@program
def incompatible(tf: Any, sess: Any) -> Any:
    return tf.matmul(tf.zeros([2, 3]), tf.zeros([2, 3]))


@program
def uninitialized(tf: Any, sess: Any) -> Any:
    return sess.run(tf.Variable(1.0, use_resource=False) + 1)


@program
def variables(tf: Any, sess: Any) -> Any:
    v = tf.Variable([1.0, 2.0])
    add = tf.assign_add(v, [1.0, 1.0])
    start(tf, sess)
    first = sess.run(add)
    sess.run(v.assign([5.0, 6.0]))
    return (
        first,
        sess.run(v),
        v.eval(),
        len(tf.global_variables()),
        tf.trainable_variables()[0].name,
    )


@program
def scopes(tf: Any, sess: Any) -> Any:
    with tf.variable_scope("a"):
        u = tf.get_variable("w", [2], initializer=tf.ones_initializer())
        with tf.variable_scope("b"):
            v = tf.get_variable("w", [2], initializer=tf.zeros_initializer())
    with tf.variable_scope("a", reuse=True):
        again = tf.get_variable("w", [2])
    with tf.variable_scope("c", reuse=tf.AUTO_REUSE):
        one, two = tf.get_variable("z", [1]), tf.get_variable("z", [1])
    return u.name, v.name, [again is u], [one is two], [x.name for x in tf.global_variables()]


@program
def scope_taken(tf: Any, sess: Any) -> Any:
    tf.get_variable("w", [2])
    return tf.get_variable("w", [2])


@program
def scope_missing(tf: Any, sess: Any) -> Any:
    with tf.variable_scope("a", reuse=True):
        return tf.get_variable("w", [2])


@program
def scope_other_shape(tf: Any, sess: Any) -> Any:
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE):
        tf.get_variable("w", [2])
        return tf.get_variable("w", [3])


@program
def gradients(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [3])
    w = tf.Variable([1.0, 2.0, 3.0])
    unused = tf.Variable(1.0)
    y = tf.reduce_sum(x * x * w)
    dx, dw, du = tf.gradients(y, [x, w, unused])
    second = tf.gradients(dx, x)[0]
    start(tf, sess)
    return sess.run([dx, dw, second], {x: [1.0, 2.0, 3.0]}), [du is None], dx.shape.as_list()


def train(tf: Any, sess: Any, optimizer: Any, steps: int = 8) -> Any:
    x, y = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32, [None, 1])
    w = tf.Variable([[0.1], [0.2], [-0.3]])
    b = tf.Variable([0.0])
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w) + b - y))
    step = tf.Variable(0, trainable=False)
    op = optimizer.minimize(loss, global_step=step)
    start(tf, sess)
    losses = [sess.run([op, loss], {x: X, y: Y})[1] for _ in range(steps)]
    return losses, sess.run([w, b, step])


@program
def sgd(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.GradientDescentOptimizer(0.1))


@program
def momentum(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.MomentumOptimizer(0.1, 0.9))


@program
def nesterov(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True))


@program
def adam(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.AdamOptimizer(0.05))


@program
def adagrad(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.AdagradOptimizer(0.3))


@program
def adadelta(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.AdadeltaOptimizer(1.0))


@program
def rmsprop(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.RMSPropOptimizer(0.05, momentum=0.5))


@program
def rmsprop_centered(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.RMSPropOptimizer(0.05, centered=True))


@program
def learning_rates(tf: Any, sess: Any) -> Any:
    step = tf.placeholder(tf.int32, [])
    rates = [
        tf.train.exponential_decay(0.1, step, 4, 0.5),
        tf.train.exponential_decay(0.1, step, 4, 0.5, staircase=True),
        tf.train.piecewise_constant(step, [2, 5], [1.0, 0.5, 0.1]),
        tf.train.polynomial_decay(0.1, step, 10, 0.01),
    ]
    return [sess.run(rates, {step: k}) for k in (0, 2, 3, 5, 6, 12)]


@program
def decayed_training(tf: Any, sess: Any) -> Any:
    w = tf.Variable(4.0)
    step = tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(0.3, step, 2, 0.5)
    op = tf.train.GradientDescentOptimizer(rate).minimize(w * w, global_step=step)
    start(tf, sess)
    for _ in range(6):
        sess.run(op)
    return sess.run([w, step, rate])


@program
def clipped_gradients(tf: Any, sess: Any) -> Any:
    w = tf.Variable([3.0, 4.0])
    opt = tf.train.GradientDescentOptimizer(1.0)
    pairs = opt.compute_gradients(tf.reduce_sum(w * w))
    clipped = [(tf.clip_by_norm(g, 1.0), v) for g, v in pairs]
    op = opt.apply_gradients(clipped)
    start(tf, sess)
    sess.run(op)
    return sess.run(w)


@program
def no_gradients(tf: Any, sess: Any) -> Any:
    tf.Variable(1.0)
    return tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0))


@program
def control(tf: Any, sess: Any) -> Any:
    v = tf.Variable(1.0)
    with tf.control_dependencies([tf.assign(v, 5.0)]):
        after = tf.identity(v) + 1
    start(tf, sess)
    return sess.run(after), sess.run(v)


@program
def conditions(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [])
    y = tf.cond(x > 1, lambda: x * 2, lambda: x - 1)
    i, total = tf.while_loop(
        lambda i, t: i < 5, lambda i, t: (i + 1, t + x), (tf.constant(0), tf.constant(0.0))
    )
    return [sess.run([y, i, total], {x: k}) for k in (0.5, 3.0)]


@program
def collections(tf: Any, sess: Any) -> Any:
    tf.add_to_collection("things", tf.constant(1))
    tf.add_to_collection("things", tf.constant(2))
    return sess.run(tf.get_collection("things")), len(tf.get_collection("none"))


@program
def losses(tf: Any, sess: Any) -> Any:
    logits, labels = tf.constant(X), tf.constant(LABELS)
    hot = tf.one_hot(labels, 3)
    made = [
        tf.losses.sparse_softmax_cross_entropy(labels, logits),
        tf.losses.softmax_cross_entropy(hot, logits, label_smoothing=0.1),
        tf.losses.sigmoid_cross_entropy(hot, logits),
        tf.losses.mean_squared_error(hot, logits),
        tf.losses.mean_squared_error(hot, logits, weights=tf.constant([[1.0], [0.0]] * 4)),
        tf.losses.absolute_difference(hot, logits, reduction=tf.losses.Reduction.SUM),
        tf.losses.huber_loss(hot, logits),
        tf.losses.log_loss(hot, tf.nn.softmax(logits)),
        tf.losses.hinge_loss(hot, logits),
    ]
    return sess.run(made), len(tf.losses.get_losses()), sess.run(tf.losses.get_total_loss())


@program
def metrics(tf: Any, sess: Any) -> Any:
    labels, given = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.int64, [None])
    value, update = tf.metrics.accuracy(labels, given)
    sess.run(tf.local_variables_initializer())
    first = sess.run(update, {labels: [1, 2], given: [1, 0]})
    second = sess.run(update, {labels: [1, 2], given: [1, 2]})
    return first, second, sess.run(value)


@program
def classifier(tf: Any, sess: Any) -> Any:
    x, y = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32, [None, 3])
    one = tf.initializers.constant([[0.1, -0.2, 0.3], [0.2, 0.1, -0.1], [0.0, 0.3, 0.1]])
    w = tf.get_variable("w", [3, 3], initializer=one)
    logits = tf.matmul(x, w)
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=logits))
    right = tf.equal(tf.argmax(logits, 1), tf.argmax(y, 1))
    accuracy = tf.reduce_mean(tf.cast(right, tf.float32))
    op = tf.train.AdamOptimizer(0.1).minimize(loss)
    start(tf, sess)
    feed = {x: X, y: np.eye(3)[LABELS]}
    found = [sess.run([op, loss, accuracy], feed)[1:] for _ in range(6)]
    return found, accuracy.eval(feed)


@program
def saver(tf: Any, sess: Any) -> Any:
    v, w = tf.Variable([1.0, 2.0], name="v"), tf.Variable(3, name="w")
    keep = tf.train.Saver()
    start(tf, sess)
    with tempfile.TemporaryDirectory() as folder:
        path = keep.save(sess, os.path.join(folder, "model"), global_step=7)
        sess.run([v.assign([0.0, 0.0]), w.assign(0)])
        keep.restore(sess, tf.train.latest_checkpoint(folder))
        return os.path.basename(path), sess.run([v, w])


@program
def saver_of_nothing(tf: Any, sess: Any) -> Any:
    v = tf.Variable(1.0)
    return tf.train.Saver([v]).restore(sess, "/nowhere/model")


@program
def old_names(tf: Any, sess: Any) -> Any:
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    return sess.run([
        tf.log(x), tf.to_int32(x), tf.div(7, 2), tf.div(x, 2.0), tf.matrix_inverse(x),
        tf.reduce_sum(x, reduction_indices=1, keep_dims=True), tf.argmax(x, dimension=0),
        tf.squeeze(tf.expand_dims(x, dim=0), squeeze_dims=[0]), tf.mod(7, 3), tf.diag([1.0, 2.0]),
        tf.where([True, False], x, -x), tf.rsqrt(x), tf.global_norm([x]),
        tf.nn.dropout(x, keep_prob=1.0), tf.confusion_matrix([0, 1], [1, 1]),
    ])  # fmt: skip


@program
def strings(tf: Any, sess: Any) -> Any:
    return sess.run([tf.constant("hello"), tf.string_join(["a", "b"])])


@program
def python_functions(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [2])
    y = tf.py_func(lambda a: a * 2, [x], tf.float32)
    return sess.run(y, {x: [1.0, 2.0]})


@program
def not_a_bool(tf: Any, sess: Any) -> Any:
    return bool(tf.placeholder(tf.float32, []) > 1)


@program
def lookup(tf: Any, sess: Any) -> Any:
    a = tf.constant(3.0, name="three")
    graph = tf.get_default_graph()
    return (
        sess.run("three:0"),
        [graph.get_tensor_by_name("three:0") is a],
        graph.get_tensor_by_name("no:0"),
    )


@program
def embeddings(tf: Any, sess: Any) -> Any:
    table = tf.Variable(tf.reshape(tf.range(8.0), [4, 2]))
    ids = tf.placeholder(tf.int32, [None])
    rows = tf.nn.embedding_lookup(table, ids)
    op = tf.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum(rows**2))
    start(tf, sess)
    for _ in range(4):
        sess.run(op, {ids: [1, 1, 3]})
    return sess.run([table, rows], {ids: [0, 1]}), rows.shape.as_list()


@program
def partial_random(tf: Any, sess: Any) -> Any:
    x = tf.random_normal([3])
    v = tf.Variable(tf.random_uniform([2, 2], -1.0, 1.0))
    start(tf, sess)
    a, b = sess.run([x, x])
    c = sess.run(x)
    w = sess.run(v)
    return [bool((a == b).all())], [bool((a == c).all())], [bool((abs(w) <= 1).all())]
