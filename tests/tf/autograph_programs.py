"""Control flow in `tf.function`, for both TensorFlows: functions of the module `tf`."""

# ruff: noqa: B007  # the control flow is what is tested, as programs write it

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS[function.__name__] = function
    return function


@program
def if_else(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        if tf.reduce_sum(x) > 0:
            y = x * 2
            z = y + 1
        else:
            y = -x
            z = y
        return y, z

    return [f(tf.constant(v)) for v in ([1.0, 2.0], [-1.0, -3.0], [3.0, 4.0])]


@program
def returns_in_all_branches(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        if x < 0:
            return -x
        if x > 10:
            return x * 100
        x = x + 1
        return x * 2

    return [f(tf.constant(v)) for v in (-3, 5, 11)]


@program
def if_without_else(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        y = x
        if x > 3:
            y = y * 10
        return y

    return [f(tf.constant(v)) for v in (1, 5)]


@program
def elif_chain(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        if x < 0:
            kind = 0
        elif x < 10:
            kind = 1
        elif x < 100:
            kind = 2
        else:
            kind = 3
        return kind

    return [f(tf.constant(v)) for v in (-5, 5, 50, 500)]


@program
def while_with_break_and_continue(tf: Any) -> Any:
    @tf.function
    def f(n: Any) -> Any:
        i, total = 0, 0
        while i < n:
            i += 1
            if i % 2 == 0:
                continue
            if total > 20:
                break
            total += i
        return i, total

    return [f(tf.constant(v)) for v in (0, 4, 50)]


@program
def for_over_a_tensor(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        total, last = tf.zeros([2]), x[0]
        for row in x:
            total = total + row * row
            last = row
        return total, last

    return f(tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))


@program
def for_over_a_range(tf: Any) -> Any:
    @tf.function
    def f(n: Any) -> Any:
        a, b = 0, 1
        for i in tf.range(n):
            a, b = b, a + b
        return a, b

    return [f(tf.constant(v)) for v in (0, 1, 10)], f(5)


@program
def for_over_pythons_range(tf: Any) -> Any:
    @tf.function
    def f(n: Any) -> Any:
        total = 0
        for i in range(n):
            total += i
        return total

    return f(tf.constant(5)), f(tf.constant(3))


@program
def for_with_break(tf: Any) -> Any:
    @tf.function
    def f(x: Any, most: Any) -> Any:
        total = 0.0
        count = 0
        for v in x:
            if total + v > most:
                break
            total += v
            count += 1
        return total, count

    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    return [f(x, tf.constant(m)) for m in (0.5, 3.5, 100.0)]


@program
def for_backwards(tf: Any) -> Any:
    @tf.function
    def f(n: Any) -> Any:
        digits = 0
        for i in tf.range(n, 0, -1):
            digits = digits * 10 + i
        return digits

    return f(tf.constant(4))


@program
def nested_loops(tf: Any) -> Any:
    @tf.function
    def f(n: Any) -> Any:
        total = 0
        i = 0
        while i < n:
            j = 0
            while j < i:
                if (i + j) % 2 == 0:
                    total += i * j
                j += 1
            i += 1
        return total

    return [f(tf.constant(v)) for v in (3, 7)]


@program
def conditions(tf: Any) -> Any:
    @tf.function
    def f(x: Any, y: Any) -> Any:
        made = 0
        if x > 0 and y > 0:
            made += 1
        if x > 0 or y > 0:
            made += 10
        if not x > 0:
            made += 100
        if 0 < x < 5:
            made += 1000
        return made

    return [f(tf.constant(a), tf.constant(b)) for a in (-1, 3, 9) for b in (-2, 2)]


@program
def conditional_expression(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        return x * 2 if x > 0 else tf.zeros([]) - x

    return [f(tf.constant(v)) for v in (2.0, -3.0)]


@program
def lambda_(tf: Any) -> Any:
    f = tf.function(lambda x: x if x > 0 else -x)
    return [f(tf.constant(v)) for v in (2.0, -3.0)]


@program
def called_functions(tf: Any) -> Any:
    def clipped(x: Any) -> Any:
        if x > 1.0:
            return tf.ones([])
        return x

    class Scale:
        def __init__(self, by: float) -> None:
            self.by = by

        def __call__(self, x: Any) -> Any:
            if x < 0:
                x = x * self.by
            return x

    scale = Scale(0.5)

    @tf.function
    def f(x: Any) -> Any:
        def inner(y: Any) -> Any:
            if y > 0.5:
                y = y + 10.0
            return y

        return inner(clipped(scale(x)))

    return [f(tf.constant(v)) for v in (-2.0, 0.25, 0.75, 3.0)]


@program
def methods(tf: Any) -> Any:
    class Base(tf.Module):
        def start(self, x: Any) -> Any:
            return x + 1

    class Walk(Base):
        def __init__(self) -> None:
            super().__init__()
            self.steps = tf.Variable(0)

        def start(self, x: Any) -> Any:
            if x > 3:
                return super().start(x)
            return x

        @tf.function
        def __call__(self, x: Any) -> Any:
            x = self.start(x)
            while x > 1:
                if x % 2 == 0:
                    x = x // 2
                else:
                    x = 3 * x + 1
                self.steps.assign_add(1)
            return x

    walk = Walk()
    return walk(tf.constant(6)), walk.steps.numpy(), walk(tf.constant(1)), walk.steps.numpy()


@program
def variables_in_branches(tf: Any) -> Any:
    v, w = tf.Variable(1.0), tf.Variable([1.0, 2.0])

    @tf.function
    def f(x: Any) -> Any:
        if x > 0:
            v.assign_add(x)
            w.assign(w * v)
        else:
            v.assign(0.0)
        return v + 1.0

    made = []
    for x in (2.0, -1.0, 3.0):
        made += [f(tf.constant(x)), v.numpy(), w.numpy()]
    return made


@program
def variables_in_loops(tf: Any) -> Any:
    v = tf.Variable(0.0)

    @tf.function
    def f(x: Any) -> Any:
        for row in x:
            v.assign_add(row)
        n = 0
        while v > 1.0:
            v.assign(v / 2.0)
            n += 1
        return n

    return f(tf.constant([1.0, 5.0, 3.0])), v.numpy(), f(tf.constant([0.0, 8.0, 0.0])), v.numpy()


@program
def gradients_through_control_flow(tf: Any) -> Any:
    w = tf.Variable(2.0)

    @tf.function
    def f(x: Any) -> Any:
        with tf.GradientTape() as tape:
            y = w * 1.0
            for v in x:
                if v > 0:
                    y = y * w * v
                else:
                    y = y + v
        return y, tape.gradient(y, w)

    return f(tf.constant([1.0, -2.0, 3.0])), f(tf.constant([-1.0, 2.0, 2.0]))


@program
def gradient_through_while(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        y = x
        while y < 100.0:
            y = y * x
        return y

    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = f(x)
    return y, tape.gradient(y, x)


@program
def training_in_a_loop(tf: Any) -> Any:
    w = tf.Variable([0.0, 0.0])

    @tf.function
    def train(x: Any, y: Any, steps: Any) -> Any:
        loss = 0.0
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((tf.linalg.matvec(x, w) - y) ** 2)
            w.assign_sub(0.1 * tape.gradient(loss, w))
        return loss

    x = tf.constant([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    y = tf.constant([1.0, 2.0, 3.0])
    return train(x, y, tf.constant(30)), w.numpy(), train(x, y, 3), w.numpy()


@program
def for_over_a_dataset(tf: Any) -> Any:
    @tf.function
    def total(ds: Any) -> Any:
        made = tf.constant(0, tf.int64)
        for x in ds:
            if x % 2 == 0:
                made += x
        return made

    ds = tf.data.Dataset.range(6)
    return total(ds), total(ds), total(tf.data.Dataset.range(9))


@program
def dataset_with_break(tf: Any) -> Any:
    @tf.function
    def f() -> Any:
        total = tf.constant(0, tf.int64)
        for i, x in tf.data.Dataset.range(100).enumerate():
            total += x * i
            if total > 50:
                break
        return total

    return f(), f()


@program
def tensor_array_in_a_loop(tf: Any) -> Any:
    @tf.function
    def f(x: Any, n: Any) -> Any:
        made = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        for i in tf.range(n):
            x = x * 2
            made = made.write(i, x)
        return made.stack()

    return f(tf.constant([1.0, 2.0]), tf.constant(3)), f(tf.constant([1.0]), 2)


@program
def structures_in_loops(tf: Any) -> Any:
    @tf.function
    def f(n: Any) -> Any:
        state = {"sum": 0, "pair": (1.0, tf.zeros([2]))}
        i = 0
        while i < n:
            a, b = state["pair"]
            state = {"sum": state["sum"] + i, "pair": (a * 2.0, b + a)}
            i += 1
        return state

    return f(tf.constant(3))
