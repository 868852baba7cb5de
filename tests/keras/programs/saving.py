"""Models saved on Plait and read back on another backend: `saving.py write|read|refuse FOLDER`.

`refuse`: what a file could run is not run unless it is asked for (`safe_mode`)."""

import pathlib
import sys

import keras
import numpy as np
from keras import layers


def model() -> keras.Model:
    inputs = keras.Input((8, 3))
    hidden = layers.LSTM(5, return_sequences=True)(inputs)
    hidden = layers.GRU(4)(layers.Conv1D(6, 3, padding="same", activation="relu")(hidden))
    return keras.Model(inputs, layers.Dense(2)(layers.BatchNormalization()(hidden)))


if __name__ == "__main__":
    action, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    x = np.random.default_rng(0).normal(size=(16, 8, 3)).astype("float32")
    if action == "write":
        keras.utils.set_random_seed(0)
        made = model()
        made.compile("adam", "mse")
        made.fit(x, x[:, 0, :2], epochs=3, verbose=0)
        made.save(folder / "model.keras")
        # Keras compiles what it loads only where nobody has made `compile` his own.
        loaded = keras.models.load_model(folder / "model.keras")
        assert loaded.compiled and int(loaded.optimizer.iterations) == int(
            made.optimizer.iterations
        )
        assert keras.models.clone_model(made).compiled
        made.save_weights(folder / "model.weights.h5")
        np.save(folder / "expected.npy", made.predict(x, verbose=0))
        code = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x * 2)])
        code.save(folder / "lambda.keras")
    elif action == "refuse":
        try:
            keras.models.load_model(folder / "lambda.keras")
        except ValueError as refusal:
            assert "safe_mode" in str(refusal), refusal
        else:
            raise AssertionError("the code of a lambda was run")
        made = keras.models.load_model(folder / "lambda.keras", safe_mode=False)
        np.testing.assert_array_equal(made(np.ones((1, 3))), np.full((1, 3), 2.0))
    else:
        expected = np.load(folder / "expected.npy")
        again = keras.models.load_model(folder / "model.keras")
        np.testing.assert_allclose(again.predict(x, verbose=0), expected, atol=1e-5)
        other = model()
        other.load_weights(folder / "model.weights.h5")
        np.testing.assert_allclose(other.predict(x, verbose=0), expected, atol=1e-5)
    print(action, "ok")
