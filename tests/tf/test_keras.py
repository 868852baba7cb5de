"""Keras on Plait under `tf.keras`: both take each other's tensors, variables and data sets."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="Keras is an extra"
)

HEAD = """
import numpy as np
import tensorflow as tf
tf.keras.utils.set_random_seed(0)
rng = np.random.RandomState(0)
protos = rng.randn(10, 20)
y = rng.randint(0, 10, 256)
x = (protos[y] + 0.3 * rng.randn(256, 20)).astype("float32")
cost = tf.nn.sparse_softmax_cross_entropy_with_logits
"""

PROGRAMS = {
    "restored_before_it_is_built": """
import tempfile


class Net(tf.keras.Model):
    def __init__(self):
        super().__init__()
        # Not in the order in which they are built.
        self.last = tf.keras.layers.Dense(10)
        self.first = tf.keras.Sequential(
            [tf.keras.layers.Dense(8, activation="relu"), tf.keras.layers.BatchNormalization()]
        )

    def call(self, x, training=False):
        return self.last(self.first(x, training=training))


def started():
    net, optimizer = Net(), tf.keras.optimizers.Adam(0.01)
    step = tf.Variable(0)
    return net, optimizer, step, tf.train.Checkpoint(net=net, optimizer=optimizer, step=step)


def train(net, optimizer, step, times):
    losses = []
    for _ in range(times):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(cost(labels=y, logits=net(x, training=True)))
        grads = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(grads, net.trainable_variables))
        step.assign_add(1)
        losses.append(float(loss))
    return losses


net, optimizer, step, checkpoint = started()
train(net, optimizer, step, 5)
with tempfile.TemporaryDirectory() as folder:
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
    manager.save()
    expected = train(net, optimizer, step, 3)
    for way in ("loop", "predict", "fit"):
        again, others, count, late = started()
        status = late.restore(manager.latest_checkpoint)
        assert int(count) == 5 and not again.built
        if way == "loop":
            found = train(again, others, count, 3)
            np.testing.assert_allclose(found, expected, rtol=1e-4)
            status.assert_consumed()
        elif way == "predict":
            first, second, _, both = started()
            both.restore(manager.latest_checkpoint)
            first(x[:2])
            np.testing.assert_allclose(
                again.predict(x[:8], verbose=0), first(x[:8]), rtol=1e-5, atol=1e-6
            )
            status.assert_existing_objects_matched()
        else:
            loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            again.compile(others, loss)
            history = again.fit(x, y, batch_size=256, epochs=3, shuffle=False, verbose=0).history
            np.testing.assert_allclose(history["loss"], expected, rtol=1e-4)
            assert int(others.iterations) == 8
    other = tf.keras.Sequential([tf.keras.layers.Dense(3)])
    wrong = tf.train.Checkpoint(net=tf.keras.Sequential([tf.keras.layers.Dense(4)]))
    wrong.net.build((None, 20))
    path = wrong.write(folder + "/wrong")
    tf.train.Checkpoint(net=other).read(path)
    try:
        other(x[:2])
    except ValueError as fault:
        assert "shape" in str(fault)
    else:
        raise AssertionError("a value of another shape was taken")
""",
    "data_sets_in_fit": """
ds = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(256).batch(32).prefetch(tf.data.AUTOTUNE)
layers = [tf.keras.layers.Dense(32, activation="relu"), tf.keras.layers.Dense(10)]
model = tf.keras.Sequential(layers)
loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, metrics=["accuracy"])
model.fit(ds, epochs=10, validation_data=ds, verbose=0)
assert model.evaluate(ds, verbose=0)[1] > 0.9
assert model.predict(ds.map(lambda a, b: a), verbose=0).shape == (256, 10)
part = ds.filter(lambda a, b: True)
model.fit(part, epochs=2, steps_per_epoch=3, verbose=0)
model.fit(ds.repeat(), epochs=2, steps_per_epoch=4, verbose=0)
""",
    "an_order_is_kept": """
ds = tf.data.Dataset.from_tensor_slices(np.arange(10, dtype="float32")[:, None]).batch(4)
model = tf.keras.Sequential([tf.keras.layers.Rescaling(2.0)])
assert model.predict(ds, verbose=0)[:, 0].tolist() == [2.0 * k for k in range(10)]
""",
    "tape_over_a_model": """
from tensorflow.keras import layers
model = tf.keras.Sequential([layers.Dense(10)])
optimizer = tf.optimizers.SGD(0.5)
for _ in range(30):
    with tf.GradientTape() as tape:
        logits = model(tf.constant(x))
        loss = tf.reduce_mean(cost(labels=y, logits=logits))
    grads = tape.gradient(loss, model.trainable_variables)
    assert all(isinstance(g, tf.Tensor) for g in grads)
    optimizer.apply_gradients(zip(grads, model.trainable_variables))
assert float(loss) < 0.5
""",
    "tf_variables_and_functions_in_a_layer": """
class Scale(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable(tf.ones([20]))
        self.fixed = tf.Variable(2.0, trainable=False)
        self.out = tf.keras.layers.Dense(10)
    def call(self, x):
        return self.out(tf.tanh(tf.reshape(x * self.w, (-1, 20))) * self.fixed)
model = Scale()
model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x, y, epochs=3, verbose=0)
assert len(model.trainable_variables) == 3 and len(model.non_trainable_variables) == 1
assert abs(model.w.numpy() - 1).max() > 1e-3
assert float(model.fixed) == 2.0
""",
    "a_training_step_without_call": """
class Pair(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.a, self.b = tf.keras.layers.Dense(4), tf.keras.layers.Dense(20)
        self.seen = tf.keras.metrics.Mean(name="loss")
    @property
    def metrics(self):
        return [self.seen]
    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, spread = tf.split(self.a(data), 2, axis=1)
            z = mean + tf.random.normal(tf.shape(mean)) * tf.exp(spread) * 0.01
            loss = tf.reduce_mean(tf.square(self.b(z) - data))
        grads = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        self.seen.update_state(loss)
        return {"loss": self.seen.result()}
model = Pair()
model.compile("adam")
history = model.fit(x, epochs=8, verbose=0).history["loss"]
assert history[-1] < history[0]
""",
    "a_step_that_builds_the_model_is_one_program": """
layers = [tf.keras.layers.Dense(32, activation="relu"), tf.keras.layers.Dense(10)]
model = tf.keras.Sequential(layers)
loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = tf.keras.optimizers.Adam(0.01)
seen, right = tf.keras.metrics.Mean(), tf.keras.metrics.SparseCategoricalAccuracy()
@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        made = model(x, training=True)
        loss = loss_of(y, made)
    grads = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(grads, model.trainable_variables))
    seen(loss)
    right(y, made)
for _ in range(40):
    train_step(x, y)
assert [len(kind.steps) for kind in train_step._program._kinds.values()] == [1]
first = float(seen.result())
seen.reset_state(), right.reset_state()
train_step(x, y)
assert float(seen.result()) < first and float(right.result()) > 0.9
assert int(optimizer.iterations) == 41
""",
    "words_in_layers": """
layers = tf.keras.layers
words = layers.TextVectorization(max_tokens=10, output_sequence_length=4)
texts = ["hello cat", "Hello dog, hello!"]
words.adapt(texts)
assert words.get_vocabulary() == ["", "[UNK]", "hello", "dog", "cat"]
assert words(["hello cat bird"]).numpy().tolist() == [[2, 4, 1, 0]]
data = tf.data.Dataset.from_tensor_slices((texts, [0.0, 1.0])).batch(2)
assert next(iter(data.map(lambda text, y: words(text))))[1].numpy().tolist() == [2, 3, 2, 0]
expected = {
    "multi_hot": [[0, 1, 0, 0, 1], [1, 0, 0, 0, 0]],
    "count": [[0, 2, 0, 0, 2], [1, 0, 0, 0, 0]],
    "tf_idf": [[0, 1.8326, 0, 0, 1.8326], [0.8605, 0, 0, 0, 0]],
}
for mode, rows in expected.items():
    coded = layers.TextVectorization(output_mode=mode)
    coded.adapt(tf.data.Dataset.from_tensor_slices(["a cat", "dog hello hello", "dog"]).batch(2))
    found = coded(["hello cat cat hello", "bird"]).numpy()
    order = [coded.get_vocabulary().index(w) for w in ("[UNK]", "hello", "dog", "a", "cat")]
    np.testing.assert_allclose(found[:, order], rows, atol=1e-4)
names = layers.StringLookup()
names.adapt(["b", "a", "b"])
back = layers.StringLookup(vocabulary=names.get_vocabulary(), invert=True)
assert back(names(tf.constant(["a", "?"]))).numpy().tolist() == [b"a", b"[UNK]"]
inputs = tf.keras.Input((1,), dtype="string")
hidden = layers.GlobalAveragePooling1D()(layers.Embedding(10, 4)(words(inputs)))
model = tf.keras.Model(inputs, layers.Dense(1)(hidden))
before = model(tf.constant([[t] for t in texts])).numpy()
model.save("words.keras")
again = tf.keras.models.load_model("words.keras")
np.testing.assert_allclose(again(tf.constant([[t] for t in texts])).numpy(), before, rtol=1e-6)
""",
    "losses_that_layers_add_and_keep": """
@tf.keras.utils.register_keras_serializable()
class Sparse(tf.keras.layers.Layer):
    def call(self, x):
        self.add_loss(0.5 * tf.reduce_mean(tf.abs(x)))
        return tf.nn.relu(x)


inputs = tf.keras.Input((20,))
model = tf.keras.Model(inputs, tf.keras.layers.Dense(10)(Sparse()(inputs)))
model(x)
assert abs(float(model.losses[0]) - 0.5 * np.abs(x).mean()) < 1e-5
model.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
plain = float(tf.reduce_mean(cost(labels=y, logits=model(x))))
total = model.fit(x, y, batch_size=256, epochs=1, verbose=0).history["loss"][0]
assert abs(total - plain - 0.5 * np.abs(x).mean()) < 1e-4
model.save("sparse.keras")
again = tf.keras.models.load_model("sparse.keras")
np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
""",
    "a_step_that_asks_for_a_value": """
class Model(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.last, self.seen = tf.keras.layers.Dense(10), []

    def call(self, x):
        return self.last(x)

    def test_step(self, data):
        logits = self(data[0])
        self.seen.append(float(tf.reduce_mean(cost(labels=data[1], logits=logits))))
        return {"loss": self.seen[-1]}


class Size(tf.keras.metrics.Metric):
    def __init__(self):
        super().__init__(name="size")
        self.n = self.add_weight(name="n", initializer="zeros")

    def update_state(self, y, p, sample_weight=None):
        self.n.assign_add(tf.cast(tf.size(p), tf.float32))  # known without its value

    def result(self):
        return self.n


model = Model()
model.compile("sgd")
model.evaluate(x, y, batch_size=64, verbose=0)
assert len(model.seen) == 4 and len(set(model.seen)) == 4
counted = tf.keras.Sequential([tf.keras.layers.Dense(10)])
counted.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(True), metrics=[Size()])
assert counted.evaluate(x, y, verbose=0)[1] == 2560
""",
    "true_logits": """
import warnings
model = tf.keras.Sequential([tf.keras.layers.Dense(10, activation="softmax")])
logits = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
plain = tf.keras.losses.SparseCategoricalCrossentropy()
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    one = logits(y, model(x))
assert any("from_logits=True" in str(w.message) for w in seen)
assert abs(float(one) - float(plain(y, model(x)))) < 1e-5
""",
    "optimizers_and_metrics_of_keras_on_tf_variables": """
w, b = tf.Variable(tf.zeros([20, 10])), tf.Variable(tf.zeros([10]))
optimizer = tf.keras.optimizers.Adam(0.05)
for _ in range(40):
    with tf.GradientTape() as tape:
        logits = x @ w + b
        loss = tf.reduce_mean(cost(labels=y, logits=logits))
    optimizer.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b]))
metric = tf.keras.metrics.SparseCategoricalAccuracy()
metric.update_state(y, logits)
assert metric.result() > 0.9
""",
    "modules_are_one": """
import keras
import tensorflow.keras.layers
from tensorflow.keras.datasets import mnist
assert tensorflow.keras is tf.keras and tensorflow.keras.layers is tf.keras.layers
assert tf.keras.layers.Dense is keras.layers.Dense and mnist.load_data is not None
""",
}  # fmt: skip


def run(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = folder / "program.py"
    path.write_text(program)
    search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "plait", "run", str(path)],
        cwd=folder, env={**os.environ, "PYTHONPATH": search, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@needs_keras
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, tmp_path: Path) -> None:
    done = run(HEAD + PROGRAMS[name], tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


def test_another_backend_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text("class config:\n    backend = staticmethod(lambda: 'jax')\n")
    done = run("import keras\nimport tensorflow as tf\ntf.keras\n", tmp_path)
    assert done.returncode == 1
    assert "tf.keras: Keras runs on the backend 'jax'" in done.stderr


@pytest.mark.skipif(importlib.util.find_spec("keras") is not None, reason="Keras is there")
def test_without_keras() -> None:
    import plait.tf as tf

    with pytest.raises(ImportError, match=r"pip install 'plait\[keras\]'"):
        _ = tf.keras
