"""Classifiers of images and text, to their usual accuracy."""

import sys
from pydoc_data.topics import topics

import keras
import numpy as np
from keras import layers

from tests.keras.programs.data import digits


def convolution() -> float:
    (x, y), (x_test, y_test) = digits()
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=4, verbose=0)
    return model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]


def passages(words: int = 40, classes: int = 4):
    """Windows of words of the longest chapters of Python's manual; their chapter."""
    chapters = sorted(topics.values(), key=len)[-classes:]
    vocabulary = {w: i + 2 for i, w in enumerate(sorted({w for c in chapters for w in c.split()}))}
    x, y = [], []
    for label, chapter in enumerate(chapters):
        numbers = [vocabulary[w] for w in chapter.split()]
        for start in range(0, len(numbers) - words, 12):
            x.append(numbers[start : start + words])
            y.append(label)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = np.array(x)[order], np.array(y)[order]
    cut = len(x) * 4 // 5
    return (x[:cut], y[:cut]), (x[cut:], y[cut:]), len(vocabulary) + 2


def _text(body) -> float:
    (x, y), (x_test, y_test), words = passages()
    inputs = keras.Input((x.shape[1],), dtype="int32")
    outputs = layers.Dense(4, activation="softmax")(body(inputs, words))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=6, verbose=0)
    return model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]


def lstm() -> float:
    def body(inputs, words):
        hidden = layers.Embedding(words, 32)(inputs)
        return layers.GlobalMaxPooling1D()(layers.LSTM(32, return_sequences=True)(hidden))

    return _text(body)


class Places(layers.Layer):
    """A learned vector of each place added to a sequence."""

    def __init__(self, length: int, size: int) -> None:
        super().__init__()
        self.places = layers.Embedding(length, size)

    def call(self, x):
        return x + self.places(keras.ops.arange(x.shape[1]))


def transformer() -> float:
    def body(inputs, words):
        hidden = Places(40, 32)(layers.Embedding(words, 32)(inputs))
        seen = layers.MultiHeadAttention(2, 16)(hidden, hidden)
        hidden = layers.LayerNormalization()(hidden + layers.Dropout(0.1)(seen))
        wide = layers.Dense(32)(layers.Dense(64, activation="relu")(hidden))
        hidden = layers.LayerNormalization()(hidden + wide)
        return layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(hidden))

    return _text(body)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    bounds = {"convolution": 0.93, "lstm": 0.9, "transformer": 0.9}
    for name in sys.argv[1:] or bounds:
        accuracy = globals()[name]()
        print(name, round(accuracy, 3))
        assert accuracy > bounds[name], (name, accuracy)
