"""What `compile` and `fit` take: losses, metrics, outputs, frozen layers, policies, callbacks."""

import importlib.util
import pathlib
import sys
import tempfile

import keras
import numpy as np
from keras import layers, ops

from tests.keras.programs.data import digits


def dense(outputs: int = 10) -> keras.Model:
    return keras.Sequential(
        [keras.Input((784,)), layers.Dense(64, activation="relu"), layers.Dense(outputs)]
    )


LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class WithinTwo(keras.metrics.Metric):
    """The share of labels among the two likeliest classes."""

    def __init__(self, name: str = "within_two", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.seen = self.add_weight(name="seen", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        found = ops.in_top_k(ops.reshape(y_true, (-1,)), y_pred, 2)
        self.hits.assign_add(ops.sum(ops.cast(found, "float32")))
        self.seen.assign_add(ops.cast(ops.shape(y_pred)[0], "float32"))

    def result(self):
        return self.hits / self.seen


def focal(y_true, y_pred):
    """A loss that minds what is hard."""
    chance = ops.softmax(y_pred)
    own = ops.take_along_axis(chance, ops.reshape(y_true, (-1, 1)), axis=1)[:, 0]
    return -((1 - own) ** 2) * ops.log(own + 1e-7)


def loss_and_metric() -> None:
    (x, y), (x_test, y_test) = digits(flat=True)
    model = dense()
    model.compile("adam", focal, metrics=[WithinTwo()])
    model.fit(x, y, batch_size=64, epochs=5, verbose=0)
    found = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    assert found["within_two"] > 0.93, found


def several_outputs() -> None:
    (x, y), (x_test, y_test) = digits(flat=True)
    inputs = keras.Input((784,))
    hidden = layers.Dense(64, activation="relu")(inputs)
    digit = layers.Dense(10, activation="softmax", name="digit")(hidden)
    odd = layers.Dense(1, activation="sigmoid", name="odd")(hidden)
    model = keras.Model(inputs, {"digit": digit, "odd": odd})
    model.compile(
        "adam",
        {"digit": "sparse_categorical_crossentropy", "odd": "binary_crossentropy"},
        metrics={"digit": ["accuracy"], "odd": ["accuracy"]},
        loss_weights={"digit": 1.0, "odd": 0.5},
    )
    truth = {"digit": y, "odd": (y % 2).astype("float32")[:, None]}
    model.fit(x, truth, batch_size=64, epochs=6, verbose=0, validation_split=0.1)
    test = {"digit": y_test, "odd": (y_test % 2).astype("float32")[:, None]}
    found = model.evaluate(x_test, test, verbose=0, return_dict=True)
    assert found["digit_accuracy"] > 0.88 and found["odd_accuracy"] > 0.9, found


def transfer() -> None:
    (x, y), (x_test, y_test) = digits(flat=True)
    body = keras.Sequential([keras.Input((784,)), layers.Dense(64, activation="relu", name="body")])
    small, large = y < 5, y >= 5
    first = keras.Sequential([body, layers.Dense(5)])
    first.compile("adam", LOGITS)
    first.fit(x[small], y[small], batch_size=64, epochs=3, verbose=0)
    body.trainable = False
    before = body.layers[0].kernel.numpy()
    second = keras.Sequential([body, layers.Dense(5)])
    second.compile("adam", LOGITS, metrics=["accuracy"])
    assert len(second.trainable_weights) == 2
    second.fit(x[large], y[large] - 5, batch_size=64, epochs=30, verbose=0)
    np.testing.assert_array_equal(before, body.layers[0].kernel.numpy())
    chosen = y_test >= 5
    found = second.evaluate(x_test[chosen], y_test[chosen] - 5, verbose=0, return_dict=True)
    assert found["accuracy"] > 0.75, found


def mixed_precision() -> None:
    (x, y), (x_test, y_test) = digits(flat=True)
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = dense()
        model.compile("adam", LOGITS, metrics=["accuracy"])
        model.fit(x, y, batch_size=64, epochs=5, verbose=0)
        assert model.layers[0].compute_dtype == "bfloat16"
        assert model.layers[0].kernel.dtype == "float32"
        found = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert found["accuracy"] > 0.88, found


def callbacks() -> None:
    (x, y), _ = digits(flat=True)
    with tempfile.TemporaryDirectory() as folder:
        best, log = pathlib.Path(folder) / "best.keras", pathlib.Path(folder) / "log.csv"
        model = dense()
        model.compile(keras.optimizers.Adam(0.01), LOGITS, metrics=["accuracy"])
        history = model.fit(
            x,
            y,
            batch_size=64,
            epochs=30,
            verbose=0,
            validation_split=0.2,
            callbacks=[
                keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True),
                keras.callbacks.ModelCheckpoint(best, save_best_only=True),
                keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.3),
                keras.callbacks.LearningRateScheduler(lambda epoch, rate: float(rate)),
                keras.callbacks.CSVLogger(log),
                keras.callbacks.TerminateOnNaN(),
            ],
        ).history
        epochs = len(history["loss"])
        assert epochs < 30 and len(log.read_text().splitlines()) == epochs + 1
        assert history["learning_rate"][-1] < 0.01
        again = keras.models.load_model(best)
        np.testing.assert_allclose(
            again.predict(x[:50], verbose=0), model.predict(x[:50], verbose=0), atol=1e-4
        )


def half_precision() -> None:
    """float16 with a scaled loss: a step with infinite gradients halves the scale and changes no
    weight."""
    (x, y), (x_test, y_test) = digits(flat=True)
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = dense()
        model.compile("adam", LOGITS, metrics=["accuracy"])
        model.train_on_batch(x[:64], y[:64])
        scale = float(model.optimizer.dynamic_scale)
        model.train_on_batch(x[:64] * 1e6, y[:64])
        assert float(model.optimizer.dynamic_scale) == scale / 2
        before = model.get_weights()
        model.train_on_batch(x[:64] * 1e6, y[:64])
        for a, b in zip(before, model.get_weights()):
            np.testing.assert_array_equal(a, b)
        model.fit(x, y, batch_size=64, epochs=5, verbose=0)
        found = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert found["accuracy"] > 0.88, found


def event_files() -> None:
    """The callback for TensorBoard, without TensorFlow; TensorBoard reads the files."""
    (x, y), _ = digits(flat=True)
    with tempfile.TemporaryDirectory() as folder:
        model = dense()
        model.compile("adam", LOGITS, metrics=["accuracy"])
        watch = keras.callbacks.TensorBoard(folder, histogram_freq=1, write_images=True)
        history = model.fit(x, y, epochs=3, verbose=0, validation_split=0.2, callbacks=[watch])
        assert "tensorflow" not in sys.modules
        for part, prefix in (("train", ""), ("validation", "val_")):
            files = list((pathlib.Path(folder) / part).glob("events.out.tfevents.*"))
            assert len(files) == 1 and files[0].stat().st_size > 500
            if importlib.util.find_spec("tensorboard") is None:
                continue
            from tensorboard.backend.event_processing import event_accumulator

            read = event_accumulator.EventAccumulator(str(files[0]))
            read.Reload()
            losses = read.Scalars("epoch_loss")
            assert [event.step for event in losses] == [0, 1, 2]
            np.testing.assert_allclose(
                [event.value for event in losses], history.history[prefix + "loss"], rtol=1e-6
            )
            if part == "train":
                assert "sequential" in read.Tensors("keras")[0].tensor_proto.string_val[0].decode()
                assert len(read.Tags()["histograms"]) == 4, read.Tags()


def weights_of_samples() -> None:
    (x, y), _ = digits(flat=True)
    model = dense()
    model.compile("sgd", LOGITS, weighted_metrics=["accuracy"], steps_per_execution=4)
    model.fit(x, y, batch_size=100, epochs=3, verbose=0, class_weight={i: i < 5 for i in range(10)})
    guessed = model.predict(x, verbose=0).argmax(1)
    assert (guessed < 5).mean() > 0.95


def generators() -> None:
    (x, y), _ = digits(flat=True)

    def batches():
        while True:
            for start in range(0, 4000, 100):
                yield x[start : start + 100], y[start : start + 100]

    import plait as torch
    from plait.utils.data import DataLoader, TensorDataset

    model = dense()
    model.compile("adam", LOGITS, metrics=["accuracy"])
    model.fit(batches(), steps_per_epoch=40, epochs=2, verbose=0)
    loader = DataLoader(TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=80)
    history = model.fit(loader, epochs=2, verbose=0).history
    assert history["accuracy"][-1] > 0.9, history


def eagerly() -> None:
    """The same numbers whether the step is compiled or not."""
    (x, y), _ = digits(flat=True)
    found = []
    for eager in (False, True):
        keras.utils.set_random_seed(3)
        model = dense()
        model.compile("adam", LOGITS, run_eagerly=eager)
        found.append(model.fit(x, y, batch_size=100, epochs=2, shuffle=False, verbose=0).history)
    np.testing.assert_allclose(found[0]["loss"], found[1]["loss"], rtol=1e-4)


KINDS = (
    *("eagerly", "loss_and_metric", "several_outputs", "transfer", "mixed_precision"),
    *("callbacks", "weights_of_samples", "generators", "half_precision", "event_files"),
)

if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    for name in sys.argv[1:] or KINDS:
        globals()[name]()
        print(name, "ok")
