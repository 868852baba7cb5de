"""AutoGraph: what is one program, what runs as Python does, and what rewritten code looks like."""

# the control flow is what is tested, as programs write it

# ruff: noqa: B007  # loops whose numbers nobody asks for are tested too

from __future__ import annotations

import traceback
from typing import Any

import numpy as np
import pytest

import plait.tf as tf
from tests.tf.test_functions import programs

pytestmark = pytest.mark.plain  # programs are counted


def test_control_flow_is_one_program() -> None:
    v = tf.Variable(0.0)

    @tf.function
    def f(x: Any) -> Any:
        total = 0.0
        for row in x:
            if row > 0:
                total += row
                v.assign_add(1.0)
            elif row < -5:
                break
        while total > 10:
            total = total / 2
        return total

    for rows in ([1.0, -2.0, 30.0], [4.0, 1.0, 1.0], [-9.0, 5.0, 5.0]):
        f(tf.constant(rows))
    assert programs(f) == [(None, 1)]
    assert f.experimental_get_tracing_count() == 1
    assert v.numpy() == 5.0
    assert f(tf.constant([1.0, -2.0, 30.0])) == 7.75


def test_a_loop_over_rows_that_draws_is_one_program() -> None:
    def turn(s: Any, x: Any) -> Any:
        return tf.nn.dropout(s + x, 0.5) + tf.random.uniform((4,))

    @tf.function
    def f(xs: Any) -> Any:
        s = tf.zeros((4,))
        for x in xs:
            s = turn(s, x)
        return s

    xs = tf.constant(np.arange(24, dtype=np.float32).reshape(6, 4))
    tf.random.set_seed(1)
    found = [f(xs).numpy() for _ in range(3)]
    assert programs(f) == [(None, 1)]
    tf.random.set_seed(1)
    for result in found:
        s = tf.zeros((4,))
        for row in range(6):
            s = turn(s, xs[row])
        np.testing.assert_allclose(result, s.numpy(), rtol=1e-6)


def test_a_loop_up_to_a_tensor_is_one_program_for_all_lengths() -> None:
    @tf.function
    def f(n: Any) -> Any:
        total = 0
        for i in tf.range(n):
            total += i
        return total

    assert [int(f(tf.constant(n))) for n in (0, 3, 1000)] == [0, 3, 499500]
    assert programs(f) == [(None, 1)]


def test_a_body_is_recorded_and_not_unrolled() -> None:
    seen = []

    @tf.function
    def f(x: Any) -> Any:
        for i in tf.range(50):
            seen.append(1)
            x = x * 1.01
        return x

    np.testing.assert_allclose(f(tf.constant(1.0)), 1.01**50, rtol=1e-5)
    assert len(seen) < 5
    assert programs(f) == [(None, 1)]


def test_jumps_that_tensorflow_does_not_take() -> None:
    @tf.function
    def returns(x: Any) -> Any:
        if x < 0:
            return -x
        if x > 10:
            if x > 100:
                return x * 100
            x = x + 1
        return x * 2

    @tf.function
    def out_of_a_loop(x: Any) -> Any:
        with tf.name_scope("part"):
            while x < 100:
                x = x * 2
                if x % 3 == 1:
                    return x
                x = x + 1
            else:
                x = x + 1
        return -x

    @tf.function
    def endless(x: Any) -> Any:
        y = 0
        while True:
            x = x + 1
            if x > 3:
                y = 5
                break
        return x + y

    assert [int(returns(tf.constant(v))) for v in (-3, 5, 11, 200)] == [3, 10, 24, 20000]
    assert [int(out_of_a_loop(tf.constant(v))) for v in (1, 2, 5, 120)] == [-128, 4, 10, -121]
    assert [int(endless(tf.constant(v))) for v in (0, 7)] == [9, 13]
    for function in (returns, out_of_a_loop, endless):
        assert programs(function) == [(None, 1)]


def test_what_cannot_be_recorded_runs_as_python() -> None:
    class Counter:
        value = 0

    counter = Counter()

    @tf.function
    def f(x: Any) -> Any:
        if x > 0:
            counter.value += 1
        return x

    for x in (1.0, -1.0, 2.0):
        f(tf.constant(x))
    assert counter.value == 2
    ((reason, count),) = programs(f)
    assert count == 0 and reason is not None and "writes to attributes" in reason


def test_a_tape_in_a_long_loop_is_compiled_turn_by_turn() -> None:
    w = tf.Variable(0.0)
    turns = []

    @tf.function
    def train(n: Any) -> Any:
        loss = 0.0
        for i in tf.range(40):
            turns.append(1)
            with tf.GradientTape() as tape:
                loss = tf.square(w - 3.0)
            w.assign_sub(0.1 * tape.gradient(loss, w))
        return loss

    train(tf.constant(1))
    np.testing.assert_allclose(w.numpy(), 3.0 * (1 - 0.8**40), rtol=1e-5)
    assert len(turns) < 10


def test_a_data_set_is_read_anew_in_each_call() -> None:
    rows = [1.0, 2.0, 3.0, 4.0]
    ds = tf.data.Dataset.from_generator(
        lambda: iter(rows), output_signature=tf.TensorSpec([], tf.float32)
    )

    @tf.function
    def total() -> Any:
        made = 0.0
        for x in ds:
            made += x
        return made

    @tf.function
    def first() -> Any:
        return next(iter(ds)) * 2.0

    assert (float(total()), float(first())) == (10.0, 2.0)
    rows[:] = [5.0]
    assert (float(total()), float(first())) == (5.0, 10.0)


def test_a_tensor_that_leaves_its_loop_is_named() -> None:
    @tf.function
    def f(x: Any) -> Any:
        kept = []
        for row in x:
            kept.append(row)
        return kept

    with pytest.raises(ValueError, match="out of scope"):
        f(tf.constant([1.0, 2.0]))


def test_errors_are_at_the_programs_lines() -> None:
    @tf.function
    def f(x: Any) -> Any:
        if x > 0:
            y = x
        return y  # line of the error

    with pytest.raises(ValueError, match="'y' must also be initialized in the else branch") as info:
        f(tf.constant(1.0))
    assert "line of the error" in "".join(traceback.format_tb(info.tb))


def test_python_names_without_a_value() -> None:
    @tf.function
    def f(x: Any, flag: bool) -> Any:
        if flag:
            y = x
        return y

    assert f(tf.constant(1.0), True) == 1.0
    with pytest.raises(UnboundLocalError, match="'y'"):
        f(tf.constant(1.0), False)


def test_code_without_source_runs_as_python() -> None:
    scope: dict[str, Any] = {}
    exec("def f(x):\n    if x > 0:\n        return x\n    return -x", scope)
    made = tf.function(scope["f"])
    assert [float(made(tf.constant(v))) for v in (2.0, -3.0)] == [2.0, 3.0]
    with pytest.raises(ValueError, match="source code is not available"):
        tf.autograph.to_code(scope["f"])


def test_closures_globals_and_defaults_are_the_functions_own() -> None:
    count = 0

    def f(x: Any, *rest: Any, by: float = 2.0, **more: Any) -> Any:
        """Its docstring."""
        nonlocal count
        count += 1
        for value in rest:
            x = x + value
        return x * by if more else x

    made = tf.autograph.to_graph(f)
    assert made.__kwdefaults__ == {"by": 2.0}
    assert made(1.0, 2.0, 3.0, a=1) == 12.0 and made(1.0) == 1.0
    assert count == 2


def test_rewritten_code() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            y = x
        else:
            y = -x
        return y

    text = tf.autograph.to_code(f)
    assert "ag__.if_stmt(x > 0, ag__then1, ag__else1" in text
    assert "('y',), True)" in text


def test_autograph_can_be_turned_off() -> None:
    @tf.function(autograph=False)
    def f(x: Any) -> Any:
        return x if x > 0 else -x

    assert [float(f(tf.constant(v))) for v in (2.0, -3.0)] == [2.0, 3.0]
    ((reason, count),) = programs(f)
    assert count == 0 and reason is not None and "a value is needed" in reason


def test_random_numbers_in_a_branch() -> None:
    @tf.function
    def f(x: Any) -> Any:
        if x > 0:
            x = x + tf.random.uniform([])
        return x

    assert len({float(f(tf.constant(1.0))) for _ in range(4)}) == 4
    assert f(tf.constant(-1.0)) == -1.0
