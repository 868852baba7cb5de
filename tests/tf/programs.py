"""Longer programs for both TensorFlows: functions of the module `tf`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS[function.__name__] = function
    return function


# -- variables ------------------------------------------------------------------------------------


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


# -- tapes ----------------------------------------------------------------------------------------


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


# -- functions ------------------------------------------------------------------------------------


@program
def function_traces(tf: Any) -> Any:
    seen = []

    @tf.function
    def f(x: Any) -> Any:
        seen.append(1)
        return x * 2

    results = [f(tf.constant(1)), f(tf.constant(2)), f(tf.constant([1.0])), f(3), f(3), f(4)]
    return results, len(seen)


@program
def function_trains(tf: Any) -> Any:
    v = tf.Variable(1.0)

    @tf.function
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = (v * x - 4.0) ** 2
        v.assign_sub(0.05 * tape.gradient(loss, v))
        return loss

    return [step(tf.constant(2.0)) for _ in range(6)], v.numpy()


@program
def function_signature(tf: Any) -> Any:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x: Any) -> Any:
        return tf.reduce_sum(x)

    return f([1.0, 2.0]), f(tf.constant([1.0]))


@program
def function_signature_mismatch(tf: Any) -> Any:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x: Any) -> Any:
        return tf.reduce_sum(x)

    return f(tf.constant([[1.0]]))


@program
def function_arguments(tf: Any) -> Any:
    @tf.function
    def f(x: Any, scale: float = 2.0, *, shift: float = 0.0) -> Any:
        return {"y": x * scale + shift, "pair": (x, [x + 1])}

    return f(tf.constant(1.0)), f(tf.constant(1.0), shift=1.0), f(x=tf.constant(2.0), scale=3.0)


@program
def function_branches(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        if tf.reduce_sum(x) > 0:
            y = x * 2
        else:
            y = -x
        while tf.reduce_sum(y) < 100.0:
            y = y * 3
        return y

    return f(tf.constant([1.0, 2.0])), f(tf.constant([-1.0, -2.0]))


@program
def function_loops(tf: Any) -> Any:
    @tf.function
    def f(n: Any) -> Any:
        total = tf.constant(0)
        for i in tf.range(n):
            if i % 2 == 0:
                continue
            total += i
        return total

    return f(tf.constant(10)), f(tf.constant(4))


@program
def function_methods(tf: Any) -> Any:
    class Net(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(2.0)

        @tf.function
        def __call__(self, x: Any) -> Any:
            return self.w * x

    one, two = Net(), Net()
    two.w.assign(5.0)
    return one(tf.constant(3.0)), two(tf.constant(3.0)), one(tf.constant(4.0))


@program
def function_gradient_through(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        return x**3

    x = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        y = f(x)
    return tape.gradient(y, x)


@program
def function_arrays(tf: Any) -> Any:
    @tf.function
    def write(n: int) -> Any:
        out = tf.TensorArray(tf.float32, size=n)
        for i in range(n):
            out = out.write(i, tf.cast(i, tf.float32) ** 2)
        return out.stack()

    return write(4)


# -- modules --------------------------------------------------------------------------------------


@program
def module_variables(tf: Any) -> Any:
    class Dense(tf.Module):
        def __init__(self, n: int, name: Any = None) -> None:
            super().__init__(name=name)
            self.w = tf.Variable(tf.ones([n, 2]), name="w")
            self.b = tf.Variable(tf.zeros([2]), name="b", trainable=False)

    class Net(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [Dense(2), Dense(3, name="last")]
            self.scale = tf.Variable(1.0)

    net = Net()
    return (
        net.name, [tuple(v.shape) for v in net.variables],
        [tuple(v.shape) for v in net.trainable_variables], len(net.submodules),
        net.layers[1].name,
    )  # fmt: skip


@program
def tensor_array(tf: Any) -> Any:
    out = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
    for i in range(3):
        out = out.write(i, i * 2)
    return out.stack(), out.size(), out.read(1), out.gather([2, 0])


@program
def tensor_array_bounds(tf: Any) -> Any:
    return tf.TensorArray(tf.int32, size=1).write(3, 1)


# -- data sets ------------------------------------------------------------------------------------


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
