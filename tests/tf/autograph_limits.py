"""Functions with control flow that TensorFlow refuses, and what their tracing does and leaves: for
both TensorFlows, functions of the module `tf`."""

# ruff: noqa: RET503  # the control flow is what is tested, as programs write it

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS[function.__name__] = function
    return function


@program
def name_that_only_a_loop_binds(tf: Any) -> Any:
    @tf.function
    def f(n: Any) -> Any:
        i = 0
        while i < n:
            last = i * 10
            i += 1
        return last

    return f(tf.constant(3))


@program
def undefined_in_a_branch(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        if x > 0:
            y = x
        return y  # which is the point

    return f(tf.constant(1.0))


@program
def return_in_one_branch(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        if x > 0:
            return x

    return f(tf.constant(1.0))


@program
def dtypes_differ(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        if x > 0:
            y = x
        else:
            y = 1
        return y

    return f(tf.constant(1.0))


@program
def none_in_a_branch(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        y = None
        if x > 0:
            y = x
        return y

    return f(tf.constant(1.0))


@program
def shape_changes_in_a_loop(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        for _ in tf.range(3):
            x = tf.concat([x, x], 0)
        return x

    return f(tf.constant([1.0]))


@program
def shape_changes_as_stated(tf: Any) -> Any:
    @tf.function
    def f(n: Any) -> Any:
        x = tf.constant([1.0])
        for _ in tf.range(n):
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(x, tf.TensorShape([None]))]
            )
            x = tf.concat([x, x], 0)
        return x

    return f(tf.constant(2)), f(tf.constant(3))


@program
def dtype_changes_in_a_loop(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        y = 1
        while x > 0:
            y = tf.cast(y, tf.float32) * 2.0
            x = x - 1.0
        return y

    return f(tf.constant(2.0))


@program
def variables_of_the_first_call_only(tf: Any) -> Any:
    kept = []

    @tf.function
    def f(x: Any) -> Any:
        if not kept:
            kept.append(tf.Variable(1.0))
        kept[0].assign_add(x)
        return kept[0] + 0.0

    return f(tf.constant(1.0)), f(tf.constant(2.0))


@program
def variables_of_every_call(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        return tf.Variable(1.0) + x

    return f(tf.constant(1.0))


@program
def effects_once_per_trace(tf: Any) -> Any:
    seen = []

    @tf.function
    def f(x: Any, flag: bool) -> Any:
        seen.append(flag)
        if flag:
            return x + 1
        if x > 0:
            return x
        return -x

    for flag in (True, False, True):
        for x in (1, -2):
            f(tf.constant(x), flag)
    return seen, f.experimental_get_tracing_count()


@program
def retracing(tf: Any) -> Any:
    @tf.function
    def f(x: Any, n: int = 2) -> Any:
        return x * n

    for args in ((1,), (1,), (2,), (tf.constant(1),), (tf.constant(2),), (tf.constant([1]),)):
        f(*args)
    f(1, n=3)
    f(np.float32(1))
    f(tf.constant(5.0))
    return f.experimental_get_tracing_count()


@program
def left_alone(tf: Any) -> Any:
    @tf.autograph.experimental.do_not_convert
    def double(x: Any) -> Any:
        return x * 2

    @tf.function
    def f(x: Any) -> Any:
        if x > 0:
            x = double(x)
        return x

    return f(tf.constant(2)), f(tf.constant(-2))


@program
def converted_by_hand(tf: Any) -> Any:
    def f(x: Any) -> Any:
        if x > 0:
            return x
        return -x

    made = tf.function(tf.autograph.to_graph(f), autograph=False)
    return made(tf.constant(-3)), isinstance(tf.autograph.to_code(f), str)


@program
def functions_of_control_flow(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        y = tf.cond(x > 0, lambda: x * 2, lambda: -x)
        i, z = tf.while_loop(lambda i, z: i < 5, lambda i, z: (i + 1, z + y), [0, x])
        k = tf.case([(x > 10, lambda: 1), (x > 5, lambda: 2)], default=lambda: 3)
        return y, i, z, k

    return [f(tf.constant(v)) for v in (3, -3, 7, 20)]


@program
def control_flow_in_map(tf: Any) -> Any:
    def odd(x: Any) -> Any:
        if x % 2 == 1:
            return x * 10
        return x

    ds = tf.data.Dataset.range(5).map(odd).filter(lambda x: x > 0 and x != 4)
    return list(ds.as_numpy_iterator())


@program
def with_and_try(tf: Any) -> Any:
    @tf.function
    def f(x: Any) -> Any:
        with tf.name_scope("part"):
            if x > 0:
                x = x * 3
            x = x - 1
        try:
            if x < -10:
                x = tf.zeros_like(x)
        finally:
            x = x + 0
        return x

    return [f(tf.constant(v)) for v in (2, -3, -40)]


@program
def recursion(tf: Any) -> Any:
    def power(x: Any, n: int) -> Any:
        if n == 0:
            return tf.ones_like(x)
        half = power(x, n // 2)
        return half * half * (x if n % 2 else tf.ones_like(x))

    f = tf.function(power)
    return f(tf.constant(3), 5), f(tf.constant(2), 10)
