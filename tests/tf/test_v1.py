"""What TensorFlow 1 had and TensorFlow beside Keras 3 has no more: layers and cells; and old
programs that find their names at the top of `tensorflow`."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plait.tf.compat.v1 as tf

ROOT = Path(__file__).resolve().parents[2]
X = np.linspace(-1, 1, 24).astype(np.float32).reshape(8, 3)


def session() -> Any:
    """A graph and a session in force for a `with`."""
    return tf.Session(graph=tf.Graph())


def started(sess: Any, *fetches: Any, **options: Any) -> Any:
    sess.run(tf.global_variables_initializer())
    return sess.run(list(fetches), **options)


def test_dense() -> None:
    with session() as sess:
        x = tf.placeholder(tf.float32, [None, 3])
        one = tf.initializers.constant(0.5)
        h = tf.layers.dense(x, 4, tf.nn.relu, kernel_initializer=one, name="first")
        y = tf.layers.dense(h, 2, use_bias=False, kernel_initializer=one)
        again = tf.layers.dense(x, 4, kernel_initializer=one, name="first", reuse=True)
        names = [v.name for v in tf.trainable_variables()]
        values = started(sess, h, y, again, feed_dict={x: X})
    want = X @ np.full((3, 4), 0.5, np.float32)
    np.testing.assert_allclose(values[0], np.maximum(want, 0), rtol=1e-6)
    np.testing.assert_allclose(values[1], np.maximum(want, 0) @ np.full((4, 2), 0.5), rtol=1e-6)
    np.testing.assert_allclose(values[2], want, rtol=1e-6)
    assert names == ["first/kernel:0", "first/bias:0", "dense/kernel:0"]


def test_dense_over_more_axes() -> None:
    with session() as sess:
        x = tf.placeholder(tf.float32, [None, 2, 3])
        y = tf.layers.dense(x, 4, kernel_initializer=tf.ones_initializer())
        assert y.shape.as_list() == [None, 2, 4]
        (value,) = started(sess, y, feed_dict={x: X.reshape(4, 2, 3)})
    want = np.repeat(X.reshape(4, 2, 3).sum(-1, keepdims=True), 4, axis=-1)
    np.testing.assert_allclose(value, want, rtol=1e-6, atol=1e-7)


def test_unknown_channels_are_refused() -> None:
    with session(), pytest.raises(ValueError, match="should be defined"):
        tf.layers.dense(tf.placeholder(tf.float32, [None, None]), 4)


def test_convolutions_and_pooling() -> None:
    with session() as sess:
        x = tf.placeholder(tf.float32, [None, 6, 6, 2])
        a = tf.layers.conv2d(x, 3, 3, activation=tf.nn.relu)
        b = tf.layers.conv2d(x, 3, [2, 3], strides=2, padding="same")
        c = tf.layers.max_pooling2d(x, 2, 2)
        d = tf.layers.flatten(c)
        e = tf.layers.conv2d_transpose(c, 5, 3, strides=2, padding="same")
        shapes = [t.shape.as_list() for t in (a, b, c, d, e)]
        values = started(sess, a, b, c, d, e, feed_dict={x: np.ones((2, 6, 6, 2))})
        weights = [v.shape.as_list() for v in tf.trainable_variables()]
    assert shapes == [
        [None, 4, 4, 3],
        [None, 3, 3, 3],
        [None, 3, 3, 2],
        [None, 18],
        [None, 6, 6, 5],
    ]
    assert [list(v.shape[1:]) for v in values] == [s[1:] for s in shapes]
    assert weights == [[3, 3, 2, 3], [3], [2, 3, 2, 3], [3], [3, 3, 5, 2], [5]]


def test_batch_normalization() -> None:
    with session() as sess:
        x = tf.placeholder(tf.float32, [None, 3])
        training = tf.placeholder(tf.bool, [])
        y = tf.layers.batch_normalization(x, training=training, momentum=0.9)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        sess.run(tf.global_variables_initializer())
        first = sess.run(y, {x: X, training: True})
        sess.run(updates, {x: X, training: True})
        second = sess.run(y, {x: X, training: False})
    mean, variance = X.mean(0), X.var(0)
    np.testing.assert_allclose(first, (X - mean) / np.sqrt(variance + 1e-3), rtol=1e-5, atol=1e-6)
    moved = 0.1 * mean, 0.9 + 0.1 * variance
    want = (X - moved[0]) / np.sqrt(moved[1] + 1e-3)
    np.testing.assert_allclose(second, want, rtol=1e-5, atol=1e-6)


def test_dropout_only_in_training() -> None:
    with session() as sess:
        x = tf.ones([200])
        on, off = tf.layers.dropout(x, 0.25, training=True), tf.layers.dropout(x, 0.25)
        a, b = sess.run([on, off])
    assert set(np.round(a, 4)) == {0.0, np.round(np.float32(4 / 3), 4)}
    assert 100 < np.count_nonzero(a) < 190
    assert (b == 1).all()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm(x: np.ndarray, w: float, units: int) -> np.ndarray:
    """The outputs of an LSTM with one weight everywhere and forget bias 1."""
    h = c = np.zeros((len(x), units))
    outputs = []
    for t in range(x.shape[1]):
        z = np.concatenate([x[:, t], h], 1).sum(1, keepdims=True) * w
        c = sigmoid(z + 1) * c + sigmoid(z) * np.tanh(z)
        h = sigmoid(z) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, 1)


@pytest.mark.parametrize("name", ["BasicLSTMCell", "LSTMCell"])
def test_lstm(name: str) -> None:
    data = np.arange(12.0, dtype=np.float32).reshape(2, 3, 2) / 10
    with session() as sess:
        with tf.variable_scope("net", initializer=tf.initializers.constant(0.1)):
            cell = getattr(tf.nn.rnn_cell, name)(3)
            y, state = tf.nn.dynamic_rnn(cell, tf.constant(data), dtype=tf.float32)
        values, last = started(sess, y, state.h)
        names = [v.name for v in tf.trainable_variables()]
    np.testing.assert_allclose(values, lstm(data, 0.1, 3), rtol=1e-5)
    np.testing.assert_array_equal(last, values[:, -1])
    word = {"BasicLSTMCell": "basic_lstm_cell", "LSTMCell": "lstm_cell"}[name]
    assert names == [f"net/rnn/{word}/kernel:0", f"net/rnn/{word}/bias:0"]


def test_lengths_end_a_sequence() -> None:
    with session() as sess:
        cell = tf.nn.rnn_cell.BasicRNNCell(3)
        y, state = tf.nn.dynamic_rnn(
            cell, tf.ones([2, 4, 2]), dtype=tf.float32, sequence_length=[4, 2]
        )
        values, last = started(sess, y, state)
    assert (values[1, 2:] == 0).all()
    np.testing.assert_array_equal(last[1], values[1, 1])
    np.testing.assert_array_equal(last[0], values[0, 3])


def test_cells_upon_another_and_both_ways() -> None:
    with session() as sess:
        cells = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.GRUCell(3) for _ in range(2)])
        y, state = tf.nn.dynamic_rnn(cells, tf.ones([2, 4, 5]), dtype=tf.float32)
        with tf.variable_scope("other"):
            (f, b), _ = tf.nn.bidirectional_dynamic_rnn(
                tf.nn.rnn_cell.GRUCell(3),
                tf.nn.rnn_cell.GRUCell(2),
                tf.ones([2, 4, 5]),
                dtype=tf.float32,
            )
        values = started(sess, y, f, b, *state)
    assert [v.shape for v in values] == [(2, 4, 3), (2, 4, 3), (2, 4, 2), (2, 3), (2, 3)]


def test_layers_that_pool_and_those_of_two_steps() -> None:
    image = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype(np.float32)
    deep, flat = np.full((3, 3, 2, 1), 0.5, np.float32), np.full((1, 1, 2, 4), 0.25, np.float32)
    with session() as sess:
        x = tf.constant(image)
        separable = tf.layers.separable_conv2d(
            x, 4, 3, depthwise_initializer=tf.constant_initializer(0.5),
            pointwise_initializer=tf.constant_initializer(0.25),
        )  # fmt: skip
        by_hand = tf.nn.conv2d(
            tf.nn.depthwise_conv2d(x, tf.constant(deep), [1, 1, 1, 1], "VALID"),
            tf.constant(flat), [1, 1, 1, 1], "VALID",
        )  # fmt: skip
        volume = tf.reshape(x, [2, 2, 3, 6, 2])
        up = tf.layers.conv3d_transpose(volume, 3, 2, strides=2)
        largest, mean = tf.layers.max_pooling2d(x, 2, 2), tf.layers.AveragePooling2D(3, 3)(x)
        row = tf.layers.max_pooling1d(tf.reshape(x, [2, 36, 2]), 36, 36)
        values = started(sess, separable, by_hand, largest, mean, row, up)
        names = [v.name for v in tf.trainable_variables()]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-6)
    np.testing.assert_array_equal(values[2], image.reshape(2, 3, 2, 3, 2, 2).max((2, 4)))
    want = image.reshape(2, 2, 3, 2, 3, 2).mean((2, 4))
    np.testing.assert_allclose(values[3], want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(values[4][:, 0], image.max((1, 2)))
    assert values[5].shape == (2, 4, 6, 12, 3)
    assert names[:3] == [
        "separable_conv2d/depthwise_kernel:0", "separable_conv2d/pointwise_kernel:0",
        "separable_conv2d/bias:0",
    ]  # fmt: skip


def test_layers_as_objects_share_their_variables() -> None:
    with session() as sess:
        dense = tf.layers.Dense(2, kernel_initializer=tf.ones_initializer(), name="d")
        one, two = started(sess, dense(tf.ones([1, 3])), dense(tf.zeros([1, 3])))
        assert [v.name for v in dense.trainable_variables] == ["d/kernel:0", "d/bias:0"]
    assert one.tolist() == [[3.0, 3.0]] and two.tolist() == [[0.0, 0.0]]


def test_penalties_of_layers_and_scopes() -> None:
    def half_square(w: Any) -> Any:
        return 0.5 * tf.reduce_sum(w * w)

    with session() as sess:
        with tf.variable_scope("a", regularizer=half_square, initializer=tf.ones_initializer()):
            tf.get_variable("w", [3])
            tf.layers.dense(tf.ones([1, 2]), 2, kernel_regularizer=half_square)
        penalties = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
        assert len(penalties) == 3  # of the weight, the kernel and, by the scope, the bias
        (total,) = started(sess, tf.losses.get_regularization_loss())
    assert total == 3.5


def test_a_step_on_a_data_set_is_one_program() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3)).astype(np.float32)
    y = (x @ [[1.0], [-2.0], [0.5]]).astype(np.float32)
    with session() as sess:
        images, targets = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32)
        data = tf.data.Dataset.from_tensor_slices((images, targets)).repeat().batch(16)
        iterator = tf.data.make_initializable_iterator(data)
        a, b = iterator.get_next()
        assert a.shape.as_list() == [None, 3]
        loss = tf.losses.mean_squared_error(tf.reshape(b, [-1, 1]), tf.layers.dense(a, 1))
        op = tf.train.AdamOptimizer(0.1).minimize(loss)
        with pytest.raises(tf.errors.FailedPreconditionError, match="has not been initialized"):
            sess.run(a)
        sess.run([tf.global_variables_initializer(), iterator.initializer], {images: x, targets: y})
        losses = [sess.run([op, loss])[1] for _ in range(200)]
        program = list(sess._programs.values())[-1]
        assert [len(kind.steps) for kind in program.compiled._kinds.values()] == [1]
    assert losses[-1] < 1e-3 < losses[0]


def test_a_scope_entered_again_gives_the_same_names() -> None:
    def network(x: Any, reuse: bool) -> Any:
        with tf.variable_scope("net", reuse=reuse):
            return tf.layers.dense(tf.layers.dense(x, 4), 2)

    with session() as sess:
        x = tf.ones([3, 5])
        one, two = network(x, False), network(x, True)
        a, b = started(sess, one, two)
        assert [v.name for v in tf.trainable_variables()] == [
            "net/dense/kernel:0", "net/dense/bias:0", "net/dense_1/kernel:0", "net/dense_1/bias:0",
        ]  # fmt: skip
    np.testing.assert_array_equal(a, b)


def test_variable_from_another() -> None:
    with session() as sess:
        v = tf.Variable(tf.random_normal([3]))
        w = tf.Variable(v.initialized_value() * 2)
        one, two = started(sess, v, w)
    np.testing.assert_array_equal(one * 2, two)


def test_sessions_have_values_of_their_own() -> None:
    graph = tf.Graph()
    with graph.as_default():
        v = tf.Variable(1.0)
        add, init = tf.assign_add(v, 1.0), tf.global_variables_initializer()
    first, second = tf.Session(graph=graph), tf.Session(graph=graph)
    first.run(init)
    second.run(init)
    first.run(add)
    assert (first.run(v), second.run(v)) == (2.0, 1.0)


def test_fetches_become_one_program() -> None:
    with session() as sess:
        x = tf.placeholder(tf.float32, [None])
        w = tf.Variable(1.0)
        loss = tf.reduce_mean(tf.square(x * w - 3 * x))
        op = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        sess.run(tf.global_variables_initializer())
        for _ in range(30):
            sess.run([op, loss], {x: [1.0, 2.0]})
        program = list(sess._programs.values())[-1]
        assert [len(kind.steps) for kind in program.compiled._kinds.values()] == [1]
        assert sess.run(w) == pytest.approx(3.0, abs=1e-4)


def test_closed_session() -> None:
    with session() as sess:
        c = tf.constant(1)
    with pytest.raises(RuntimeError, match="closed Session"):
        sess.run(c)


def test_summaries(tmp_path: Path) -> None:
    with session() as sess:
        tf.summary.scalar("loss", tf.constant(0.5))
        tf.summary.histogram("w", tf.constant([1.0, 2.0]))
        merged = tf.summary.merge_all()
        writer = tf.summary.FileWriter(str(tmp_path))
        writer.add_summary(sess.run(merged), 3)
        writer.close()
    (path,) = tmp_path.iterdir()
    assert b"loss" in path.read_bytes()


OLD = """
import tensorflow as tf
import numpy as np
W = tf.Variable(tf.random_normal([3, 1], seed=1))
x = tf.placeholder(tf.float32, [None, 3])
y = tf.placeholder("float", [None, 1])
loss = tf.reduce_mean(tf.square(tf.matmul(x, W) - y), reduction_indices=[0, 1])
step = tf.train.GradientDescentOptimizer(0.3).minimize(loss)
kept = tf.nn.dropout(x, 1.0)
tf.summary.scalar("loss", loss)
merged = tf.summary.merge_all()
init = tf.global_variables_initializer()
data = np.random.RandomState(0).randn(32, 3)
with tf.Session() as sess:
    sess.run(init)
    for i in range(60):
        sess.run(step, feed_dict={x: data, y: data.sum(1, keepdims=True)})
    print(round(float(sess.run(loss, {x: data, y: data.sum(1, keepdims=True)})), 4))
    text = sess.run(merged, {x: data, y: data[:, :1]})
    print(sess.run(kept, {x: [[1, 2, 3]]}).tolist(), type(text))
    print(isinstance(tf.contrib.layers.flatten(x), tf.Tensor), tf.train.Saver is not None)
"""


def run(program: str, folder: Path) -> list[str]:
    """What a program prints under `plait run`."""
    path = folder / "program.py"
    path.write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", "plait", "run", str(path)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_not_built_says_so() -> None:
    for name in ("write_graph", "import_meta_graph", "SyncReplicasOptimizer"):
        with pytest.raises(NotImplementedError, match=f"tf.train.{name} is not built"):
            getattr(tf.train, name)
        assert not hasattr(tf.train, name)


def test_an_old_program_may_begin_with_its_queues(tmp_path: Path) -> None:
    program = """
import numpy as np
import tensorflow as tf

row, = tf.train.slice_input_producer([np.arange(6.0).reshape(3, 2)], shuffle=False)
total = tf.reduce_sum(tf.train.batch([row], batch_size=2))
with tf.Session() as sess:
    threads = tf.train.start_queue_runners()
    print([float(sess.run(total)) for _ in range(3)], threads)
"""
    assert run(program, tmp_path) == ["[6.0, 10.0, 14.0] []"]


def test_old_names_of_pictures_at_the_top(tmp_path: Path) -> None:
    program = """
import numpy as np
import tensorflow as tf

image = tf.placeholder(tf.float32, [None, None, 3])
begin, size, _box = tf.image.sample_distorted_bounding_box(
    tf.shape(image), bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]), area_range=[0.5, 1.0]
)
small = tf.image.resize_images(tf.slice(image, begin, size), [4, 5])
with tf.Session() as sess:
    print(sess.run(small, {image: np.ones((9, 12, 3))}).shape)
"""
    assert run(program, tmp_path) == ["(4, 5, 3)"]


def test_a_queue_that_nobody_fills_says_so() -> None:
    with session() as sess:
        item = tf.FIFOQueue(2, "int32", shapes=[[]]).dequeue()
        with pytest.raises(tf.errors.DeadlineExceededError, match="no QueueRunner"):
            sess.run(item)


def test_queues_at_once() -> None:
    queue = tf.queue.FIFOQueue(3, [tf.int32], shapes=[[]])
    queue.enqueue_many([[1, 2, 3]])
    assert queue.dequeue().numpy() == 1
    assert queue.dequeue_many(2).numpy().tolist() == [2, 3]
    assert queue.size().numpy() == 0
    with pytest.raises(ValueError, match="Queues are not supported when eager"):
        tf.train.batch([1], 2)


def test_names_at_the_top(tmp_path: Path) -> None:
    lines = run(OLD, tmp_path)
    assert float(lines[0]) < 0.01
    assert lines[1:] == ["[[1.0, 2.0, 3.0]] <class 'bytes'>", "True True"]


def test_eager_programs_of_that_time(tmp_path: Path) -> None:
    program = (
        "import tensorflow as tf\nimport tensorflow.contrib.eager as tfe\n"
        "tf.enable_eager_execution()\nprint((tf.random_normal([2]) * 0 + 1).numpy().tolist())\n"
    )
    assert run(program, tmp_path) == ["[1.0, 1.0]"]


def test_mnist_of_the_tutorials(tmp_path: Path) -> None:
    rng = np.random.RandomState(0)
    for name, count in (("train", 20), ("t10k", 10)):
        images, labels = rng.randint(0, 256, (count, 28, 28)), rng.randint(0, 10, count)
        head = struct.pack(">4I", 2051, count, 28, 28) + images.astype(np.uint8).tobytes()
        with gzip.open(tmp_path / f"{name}-images-idx3-ubyte.gz", "wb") as file:
            file.write(head)
        data = struct.pack(">2I", 2049, count) + labels.astype(np.uint8).tobytes()
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(data)
    from plait.tf.examples.tutorials.mnist import input_data

    sets = input_data.read_data_sets(str(tmp_path), one_hot=True, validation_size=4)
    assert (sets.train.num_examples, sets.validation.num_examples) == (16, 4)
    x, y = sets.train.next_batch(10)
    assert x.shape == (10, 784) and y.shape == (10, 10) and 0.9 < x.max() <= 1
    rest, _ = sets.train.next_batch(10)
    assert len(rest) == 10 and sets.train.epochs_completed == 1
    with pytest.raises(FileNotFoundError, match="downloads nothing"):
        input_data.read_data_sets(str(tmp_path / "none"))
