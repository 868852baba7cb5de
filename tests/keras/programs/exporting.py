"""Models exported as folders, and read without their code."""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

import plait.tf as tf


def loaded(write, name: str = "model"):
    """What is read of what a function writes."""
    with tempfile.TemporaryDirectory() as folder:
        write(str(Path(folder) / name))
        return tf.saved_model.load(str(Path(folder) / name))


def a_convolutional_model() -> None:
    x = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(5) % 3, verbose=0)
    again = loaded(lambda path: model.export(path, verbose=False))
    for rows in (1, 5):
        np.testing.assert_allclose(again.serve(x[:rows]), model(x[:rows]), rtol=1e-5, atol=1e-6)
    served = again.signatures["serving_default"](tf.constant(x))
    np.testing.assert_allclose(served["output_0"], model(x), rtol=1e-5, atol=1e-6)
    assert len(again.trainable_variables) == len(model.trainable_weights)


def models_of_several_inputs() -> None:
    a, b = keras.Input((3,), name="a"), keras.Input((4,), name="b")
    total = layers.Dense(2)(ops.concatenate([a, b], axis=-1))
    x = {"a": np.ones((2, 3), "float32"), "b": np.full((2, 4), 2.0, "float32")}
    for inputs, given in (({"a": a, "b": b}, x), ([a, b], [x["a"], x["b"]])):
        model = keras.Model(inputs, {"sum": total, "double": total * 2})
        again = loaded(lambda path, m=model: m.export(path, verbose=False))
        want = model(given)
        for found in (again.serve(given), again.serve(x["a"], x["b"])):
            np.testing.assert_allclose(found["sum"], want["sum"], rtol=1e-6)
            np.testing.assert_allclose(found["double"], want["double"], rtol=1e-6)


class Own(keras.Model):
    """A model by its class."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(3)

    def call(self, x, training=False):
        return ops.tanh(self.inner(x)) + (1.0 if training else 0.0)


def endpoints_of_ones_own() -> None:
    model = Own()
    x = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)
    model(x)

    def write(path) -> None:
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = [keras.InputSpec(shape=(None, 3), dtype="float32")]
        archive.add_endpoint("serve", model.call, signature)
        archive.add_endpoint("train", lambda x: model.call(x, training=True), signature)
        archive.add_variable_collection("kernels", [model.inner.kernel])
        with pytest.raises(ValueError, match="already taken"):
            archive.add_endpoint("serve", model.call, signature)
        archive.write_out(path, verbose=False)

    again = loaded(write)
    np.testing.assert_allclose(again.serve(x), model(x), rtol=1e-6)
    np.testing.assert_allclose(again.train(x), model(x) + 1.0, rtol=1e-6)
    np.testing.assert_allclose(again.kernels[0], model.inner.kernel)
    whole = loaded(lambda path: model.export(path, verbose=False))
    np.testing.assert_allclose(whole.serve(x), model(x), rtol=1e-6)


def what_is_not_built() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    with tempfile.TemporaryDirectory() as folder:
        for kind, fault in (
            ("onnx", (NotImplementedError, ValueError)),
            ("litert", (ImportError, NotImplementedError, ValueError)),
            ("torch", ValueError),
            ("other", ValueError),
        ):
            with pytest.raises(fault):
                model.export(str(Path(folder) / kind), format=kind)
            assert not any(Path(folder).iterdir()), kind
    unbuilt = keras.Sequential([layers.Dense(1)])
    with pytest.raises(ValueError, match="not yet been built"):
        unbuilt.export("nowhere")
    lengths = keras.Sequential([keras.Input((None,), dtype="int32"), layers.Embedding(5, 2)])
    with pytest.raises(ValueError, match="more open than the first extent"):
        lengths.export("nowhere", verbose=False)
    archive = keras.export.ExportArchive()
    with pytest.raises(ValueError, match="No endpoints"):
        archive.write_out("nowhere")


NAMES = (
    "a_convolutional_model", "models_of_several_inputs", "endpoints_of_ones_own",
    "what_is_not_built",
)  # fmt: skip

if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    for name in sys.argv[1:] or NAMES:
        globals()[name]()
        print(name, "ok")
