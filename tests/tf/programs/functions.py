"""Functions and modules: programs for both TensorFlows."""

from __future__ import annotations

from typing import Any

from tests.tf.programs.registry import program


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
