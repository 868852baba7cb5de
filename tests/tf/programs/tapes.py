"""Gradients by tapes: programs for both TensorFlows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.tf.programs.registry import program


@program
def tape_simple(tf: Any) -> Any:
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    return tape.gradient(y, x)


@program
def tape_structures(tf: Any) -> Any:
    w, b = tf.Variable([[1.0], [2.0]]), tf.Variable(0.5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((tf.ones([3, 2]) @ w + b) ** 2)
    return tape.gradient(loss, {"w": w, "rest": [b]})


@program
def tape_unwatched(tf: Any) -> Any:
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        y = x * x
    return [tape.gradient(y, x) is None]


@program
def tape_zero(tf: Any) -> Any:
    x, y = tf.Variable([1.0, 2.0]), tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        z = y * y
    return (
        [tape.gradient(z, x) is None],
        tape.gradient(z, x, unconnected_gradients=tf.UnconnectedGradients.ZERO),
    )


@program
def tape_twice(tf: Any) -> Any:
    x = tf.Variable(1.0)
    with tf.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    return tape.gradient(y, x)


@program
def tape_persistent(tf: Any) -> Any:
    x = tf.Variable(2.0)
    with tf.GradientTape(persistent=True) as tape:
        y = x * x
        z = y * y
    return tape.gradient(z, x), tape.gradient(y, x), tape.gradient(z, y)


@program
def tape_nested(tf: Any) -> Any:
    x = tf.Variable(2.0)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            y = x**3
        first = inner.gradient(y, x)
    return first, outer.gradient(first, x)


@program
def tape_penalty(tf: Any) -> Any:
    w = tf.Variable([[0.5, -1.0], [2.0, 0.25]])
    x = tf.constant([[1.0, 2.0], [3.0, -1.0]])
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.tanh(x @ w)
        g = inner.gradient(y, x)
        loss = tf.reduce_sum(g * g)
    return outer.gradient(loss, w)


@program
def tape_stop_recording(tf: Any) -> Any:
    x = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        y = x * x
        with tape.stop_recording():
            z = y * x
        w = y + z
    return tape.gradient(w, x)


@program
def tape_outside(tf: Any) -> Any:
    x = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        y = x * x
    z = y * 2
    return [tape.gradient(z, x) is None]


@program
def tape_state_between_tapes(tf: Any) -> Any:
    """What one tape recorded is a constant to the next: state carried through steps."""
    w = tf.Variable(1.5)
    state = tf.constant(1.0)
    found = []
    for _ in range(3):
        with tf.GradientTape() as tape:
            state = state * w + 1
        found.append(tape.gradient(state, w))
    return found


@program
def tape_leaf_of_another(tf: Any) -> Any:
    x = tf.constant(3.0)
    with tf.GradientTape() as first:
        first.watch(x)
        y = x * x
    with tf.GradientTape() as second:
        z = x * x
    return first.gradient(y, x), [second.gradient(z, x) is None]


@program
def tape_two_at_once(tf: Any) -> Any:
    a, b = tf.Variable(2.0), tf.Variable(3.0)
    with tf.GradientTape() as one, tf.GradientTape() as two:
        shared = a * b
        left, right = shared * 2, shared * shared
    return one.gradient(left, a), two.gradient(right, b)


@program
def tape_assign_after(tf: Any) -> Any:
    v = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        y = v * v
        v.assign(5.0)
    return tape.gradient(y, v)


@program
def tape_no_automatic_watch(tf: Any) -> Any:
    v, w = tf.Variable(2.0), tf.Variable(3.0)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(w)
        y = v * w
    found = tape.gradient(y, [v, w])
    return [found[0] is None], found[1]


@program
def tape_not_trainable(tf: Any) -> Any:
    v = tf.Variable(2.0, trainable=False)
    with tf.GradientTape() as tape:
        y = v * v
    return [tape.gradient(y, v) is None]


@program
def tape_output_gradients(tf: Any) -> Any:
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = x * x
    return tape.gradient(y, x, output_gradients=tf.constant([1.0, 10.0]))


@program
def tape_several_targets(tf: Any) -> Any:
    x = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        y, z = x * x, 3 * x
    return tape.gradient([y, z], x)


@program
def tape_integers(tf: Any) -> Any:
    x = tf.constant(2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    return [tape.gradient(y, x) is None]


@program
def tape_watched_variables(tf: Any) -> Any:
    a, b = tf.Variable(1.0, name="a"), tf.Variable(2.0, name="b")
    with tf.GradientTape() as tape:
        _ = b * a
    return [v.name for v in tape.watched_variables()]


@program
def tape_jacobian(tf: Any) -> Any:
    x = tf.Variable([1.0, 2.0, 3.0])
    w = tf.Variable([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])
    with tf.GradientTape(persistent=True) as tape:
        y = tf.linalg.matvec(w, x * x)
    return tape.jacobian(y, x), tape.jacobian(y, [w])


@program
def tape_batch_jacobian(tf: Any) -> Any:
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x**2 + tf.reverse(x, [1])
    return tape.batch_jacobian(y, x)


@program
def tape_stop_gradient(tf: Any) -> Any:
    x = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        y = x * tf.stop_gradient(x)
    return tape.gradient(y, x)


@program
def tape_custom_gradient(tf: Any) -> Any:
    @tf.custom_gradient
    def double(x: Any) -> Any:
        return x * 2, lambda dy: dy * 10

    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = double(x) * 3
    return y, tape.gradient(y, x)


@program
def tape_reset(tf: Any) -> Any:
    x = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        y = x * x
        tape.reset()
        y = x * x * x
    return tape.gradient(y, x)


@program
def tape_reenter(tf: Any) -> Any:
    with tf.GradientTape() as tape, tape:
        return 1


@program
def tape_ties(tf: Any) -> Any:
    x = tf.constant([1.0, 2.0, 2.0])
    y = tf.constant([1.0, 3.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, y])
        big, small = tf.maximum(x, y), tf.minimum(x, y)
        top, clipped = tf.reduce_max(x), tf.clip_by_value(x, 1.0, 2.0)
        absolute = tf.abs(x - y)
    return (
        tape.gradient(big, [x, y]), tape.gradient(small, [x, y]), tape.gradient(top, x),
        tape.gradient(clipped, x), tape.gradient(absolute, x),
    )  # fmt: skip


@program
def tape_gathers(tf: Any) -> Any:
    table = tf.Variable(tf.reshape(tf.range(6.0), [3, 2]))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.gather(table, [0, 0, 2]) ** 2)
    return tf.convert_to_tensor(tape.gradient(y, table))


@program
def tape_slices(tf: Any) -> Any:
    x = tf.Variable(tf.reshape(tf.range(6.0), [3, 2]))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(x[1:, 0] * 3) + tf.reduce_sum(tf.concat([x, x], 0)[::-2] ** 2)
    return tape.gradient(y, x)


@program
def tape_layers(tf: Any) -> Any:
    x = tf.reshape(tf.range(50.0), [1, 5, 5, 2]) / 25
    w = tf.Variable(tf.reshape(tf.range(36.0), [3, 3, 2, 2]) / 18 - 1)
    with tf.GradientTape() as tape:
        tape.watch(x)
        h = tf.nn.relu(tf.nn.conv2d(x, w, 2, "SAME"))
        h = tf.nn.max_pool2d(h, 2, 2, "SAME") + tf.nn.avg_pool2d(h, 2, 2, "SAME")
        loss = tf.reduce_mean(tf.nn.log_softmax(h) ** 2)
    return loss, tape.gradient(loss, [x, w])


@program
def tape_losses(tf: Any) -> Any:
    z = tf.Variable([[1.0, -2.0, 0.5], [0.0, 0.0, 3.0]])
    with tf.GradientTape(persistent=True) as tape:
        a = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[2, 0], logits=z)
        b = tf.nn.softmax_cross_entropy_with_logits(labels=[[0.2, 0.3, 0.5], [1.0, 0, 0]], logits=z)
        c = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.ones([2, 3]) * 0.25, logits=z)
    return [tape.gradient(t, z) for t in (a, b, c)]


@program
def descent(tf: Any) -> Any:
    x = np.linspace(-1, 1, 20).astype(np.float32)[:, None]
    w, b = tf.Variable([[0.1]]), tf.Variable([0.0])
    for _ in range(30):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.matmul(x, w) + b - (3 * x + 2)))
        dw, db = tape.gradient(loss, [w, b])
        w.assign_sub(0.3 * dw)
        b.assign_sub(0.3 * db)
    return loss, w.numpy(), b.numpy()
