"""`tf.function`: one program for each signature; what is captured, and what runs as Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait
import plait.tf as tf

pytestmark = pytest.mark.plain  # programs are counted


def programs(function: Any) -> list[tuple[str | None, int]]:
    """(why not, or None; number of programs) of each kind of call."""
    return [(k.plain, len(k.steps)) for k in function._program._kinds.values()]


def test_a_training_step_is_one_program() -> None:
    w = tf.Variable([[1.0], [2.0]])
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])

    @tf.function
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(x @ w - 1.0))
        w.assign_sub(0.01 * tape.gradient(loss, w))
        return loss

    losses = [float(step(x)) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert programs(step) == [(None, 1)]
    assert step.experimental_get_tracing_count() == 1


def test_shapes_are_constants_of_a_program() -> None:
    @tf.function
    def f(x: Any) -> Any:
        n = tf.shape(x)[0]
        return tf.concat([tf.reshape(x, [n, -1]), tf.zeros(tf.stack([n, 2]))], 1), tf.range(n * 2)

    for scale in (1.0, 2.0, 3.0):
        y, r = f(tf.ones([2, 2, 2]) * scale)
        assert y.numpy().tolist() == [[scale] * 4 + [0.0, 0.0]] * 2
        assert r.numpy().tolist() == [0, 1, 2, 3]
    assert programs(f) == [(None, 1)]


def test_random_numbers_are_new_in_each_call() -> None:
    @tf.function
    def f() -> Any:
        return tf.random.normal([4]), tf.random.uniform([4])

    a, b, c = f(), f(), f()
    for k in (0, 1):
        assert len({tuple(t[k].numpy()) for t in (a, b, c)}) == 3
    assert programs(f) == [(None, 1)]


def test_values_decide_as_in_python() -> None:
    @tf.function
    def f(x: Any) -> Any:
        return x * float(tf.reduce_sum(x).numpy())

    assert [float(f(tf.constant(v))) for v in (1.0, -1.0, 2.0, -3.0)] == [1.0, 1.0, 4.0, 9.0]
    ((reason, count),) = programs(f)
    assert count == 0
    assert reason is not None and "a value is needed" in reason


def test_what_was_read_when_traced_stays() -> None:
    scale = [2.0]

    @tf.function
    def f(x: Any) -> Any:
        return x * scale[0]

    assert float(f(tf.constant(3.0))) == 6.0
    scale[0] = 5.0
    assert float(f(tf.constant(3.0))) == 6.0
    assert float(f(tf.constant([3.0]))[0]) == 15.0  # another signature is traced anew


def test_run_eagerly() -> None:
    seen = []

    @tf.function
    def f(x: Any) -> Any:
        seen.append(1)
        return x

    tf.config.run_functions_eagerly(True)
    try:
        f(tf.constant(1.0))
        f(tf.constant(1.0))
    finally:
        tf.config.run_functions_eagerly(False)
    assert len(seen) == 2


def test_concrete_functions() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x: Any) -> Any:
        return x + 1

    made = f.get_concrete_function()
    assert made.inputs == [tf.TensorSpec([None], tf.float32)]
    assert made(tf.constant([1.0])).numpy().tolist() == [2.0]
    with pytest.raises(TypeError, match="Can not cast"):
        made(tf.constant([[1.0]]))


def test_arguments_that_do_not_fit() -> None:
    @tf.function
    def f(x: Any) -> Any:
        return x

    with pytest.raises(TypeError):
        f(tf.constant(1.0), y=2)
    with pytest.raises(TypeError):
        f()


def test_errors_leave_variables_as_they_were() -> None:
    v = tf.Variable([1.0, 2.0])

    @tf.function
    def f(i: Any) -> Any:
        v.assign_add([1.0, 1.0])
        return tf.gather(v, i)

    f(tf.constant(0))
    f(tf.constant(1))
    with pytest.raises((tf.errors.InvalidArgumentError, IndexError)):
        f(tf.constant(7)).numpy()
    assert v.numpy().tolist() == [3.0, 4.0]


def test_errors_name_the_line() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"test_functions\.py:\d+"):
        tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"test_functions\.py:\d+"):
        tf.ones([2]) + tf.ones([3])


def test_tensors_of_both_faces_are_of_one_graph() -> None:
    layer = plait.nn.Linear(3, 2)
    x = tf.constant([[1.0, 2.0, 3.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        hidden = layer(x._as_core_tensor())
        loss = tf.reduce_sum(tf.square(hidden))
    dx, dw = tape.gradient(loss, [x, layer.weight])
    y = layer.weight.detach().numpy() @ [1.0, 2.0, 3.0] + layer.bias.detach().numpy()
    np.testing.assert_allclose(dx.numpy()[0], 2 * y @ layer.weight.detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(dw.numpy(), 2 * np.outer(y, [1.0, 2.0, 3.0]), rtol=1e-5)


def test_a_tensor_does_not_change_with_what_it_was_made_of() -> None:
    array, other = np.array([1.0, 2.0]), plait.tensor([1.0, 2.0])
    made = tf.constant(array), tf.convert_to_tensor(other)
    array[0] = 9
    other[0] = 9
    assert [t.numpy().tolist() for t in made] == [[1.0, 2.0]] * 2
    value = made[0].numpy()
    value[0] = 7
    assert made[0].numpy().tolist() == [1.0, 2.0]


def test_seeds() -> None:
    def draws() -> list[float]:
        tf.random.set_seed(3)
        one = [tf.random.normal([2]), tf.random.uniform([2], seed=1)]
        two = [tf.random.uniform([2], seed=1), tf.random.truncated_normal([2])]
        parts = [*one, *two, tf.random.shuffle(tf.range(5))]
        return [float(v) for part in parts for v in part]

    first = draws()
    assert first == draws()
    assert first[2:4] != first[4:6]
    one = tf.random.stateless_normal([3], seed=[1, 2]).numpy()
    assert (one == tf.random.stateless_normal([3], seed=[1, 2]).numpy()).all()
    assert (one != tf.random.stateless_normal([3], seed=[1, 3]).numpy()).any()


def test_distributions() -> None:
    tf.random.set_seed(0)
    n = 20000
    normal = tf.random.normal([n], 2.0, 3.0).numpy()
    assert abs(normal.mean() - 2) < 0.1 and abs(normal.std() - 3) < 0.1
    cut = tf.random.truncated_normal([n]).numpy()
    assert abs(cut).max() <= 2 and abs(cut.std() - 0.8796) < 0.02
    whole = tf.random.uniform([n], 2, 7, tf.int32).numpy()
    assert set(whole) == {2, 3, 4, 5, 6}
    classes = tf.random.categorical(tf.math.log([[0.2, 0.8]]), n).numpy()
    assert classes.shape == (1, n) and abs(classes.mean() - 0.8) < 0.02
    gamma = tf.random.gamma([n], 2.0, 4.0).numpy()
    assert abs(gamma.mean() - 0.5) < 0.02
    assert abs(tf.random.poisson([n], 3.0).numpy().mean() - 3) < 0.1
    kept = tf.nn.dropout(tf.ones([n]), 0.25).numpy()
    assert abs((kept > 0).mean() - 0.75) < 0.02 and kept.max() == pytest.approx(4 / 3)


def test_initializers() -> None:
    tf.random.set_seed(0)
    glorot = tf.initializers.GlorotUniform()((300, 200)).numpy()
    assert abs(glorot).max() <= np.sqrt(6 / 500) and abs(glorot.std() - np.sqrt(2 / 500)) < 1e-3
    he = tf.initializers.HeNormal()((300, 200)).numpy()
    assert abs(he.std() - np.sqrt(2 / 300)) < 2e-3
    square = tf.initializers.Orthogonal()((20, 20)).numpy()
    np.testing.assert_allclose(square @ square.T, np.eye(20), atol=1e-5)
    assert tf.initializers.Identity(2.0)((2, 2)).numpy().tolist() == [[2.0, 0.0], [0.0, 2.0]]
    with pytest.raises(ValueError, match="2D matrices"):
        tf.initializers.Identity()((2,))


def test_text(capsys: Any) -> None:
    assert str(tf.constant([1.5])) == "tf.Tensor([1.5], shape=(1,), dtype=float32)"
    assert repr(tf.constant(2)) == "<tf.Tensor: shape=(), dtype=int32, numpy=2>"
    assert repr(tf.Variable(1.0, name="w")) == (
        "<tf.Variable 'w:0' shape=() dtype=float32, numpy=1.0>"
    )
    assert f"{tf.constant(1.5):.2f}" == "1.50"
    assert "%d" % tf.constant(3) == "3"  # noqa: UP031  # as programs of the time have it
    tf.print("x:", tf.range(10), tf.constant(0.5), tf.constant(["a"]))
    assert capsys.readouterr().err == 'x: [0 1 2 ... 7 8 9] 0.5 ["a"]\n'


def test_unbuilt_names_say_so() -> None:
    for name in ("xla", "raw_ops", "lite"):
        with pytest.raises(NotImplementedError, match=f"tf.{name} is not built in Plait"):
            getattr(tf, name)
        assert not hasattr(tf, name)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = tf.nonsense
