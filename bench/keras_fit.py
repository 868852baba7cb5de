"""`fit` of small Keras models on each backend, in turns.

    python -m bench.keras_fit --python torch=ENV/bin/python --python tensorflow=ENV/bin/python

Each round runs every backend in a fresh process on the same data from the same start. The table
gives seconds per epoch after the first (the least of a round's epochs, median over rounds), and of
the first epoch, which includes tracing and compilation; the losses of the last epoch are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

WORKLOADS = ("mlp", "cnn", "lstm", "transformer")
BACKENDS = ("plait", "jax", "tensorflow", "torch")
EPOCHS = 5


def _data(workload: str):
    import numpy as np

    rng = np.random.default_rng(0)
    if workload in ("mlp", "cnn"):
        y = rng.integers(0, 10, 4096)
        x = rng.normal(size=(4096, 28, 28, 1)).astype("float32") + y[:, None, None, None] / 5
        return (x.reshape(4096, 784) if workload == "mlp" else x), y
    y = rng.integers(0, 2, 1024)
    x = rng.integers(0, 500, (1024, 64)) + 500 * y[:, None]
    return x, y


def _model(workload: str):
    import keras
    from keras import layers

    if workload == "mlp":
        return keras.Sequential(
            [
                keras.Input((784,)),
                layers.Dense(256, activation="relu"),
                layers.Dense(128, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )
    if workload == "cnn":
        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(32, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(64, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(10, activation="softmax"),
            ]
        )
    inputs = keras.Input((64,), dtype="int32")
    hidden = layers.Embedding(1000, 64)(inputs)
    if workload == "lstm":
        hidden = layers.LSTM(64)(hidden)
    else:
        hidden = _with_places(hidden)
        seen = layers.MultiHeadAttention(4, 16)(hidden, hidden)
        hidden = layers.LayerNormalization()(hidden + seen)
        wide = layers.Dense(64)(layers.Dense(128, activation="gelu")(hidden))
        hidden = layers.LayerNormalization()(hidden + wide)
        hidden = layers.GlobalAveragePooling1D()(hidden)
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(hidden))


def _with_places(hidden):
    """`hidden` (batch, 64, 64) with a learned vector of each place added."""
    import keras

    class Places(keras.layers.Layer):
        def build(self, shape):
            self.places = keras.layers.Embedding(*shape[1:])
            self.places.build((shape[1],))

        def call(self, x):
            return x + self.places(keras.ops.arange(x.shape[1]))

    return Places()(hidden)


def work(workload: str) -> None:
    """One backend's run: seconds of each epoch and the last loss, as a line of JSON."""
    import keras

    keras.utils.set_random_seed(1)
    x, y = _data(workload)
    model = _model(workload)
    rng_weights = iter(range(10_000))
    import numpy as np

    for weight in model.weights:  # the same start on every backend
        drawn = np.random.default_rng(next(rng_weights)).normal(size=weight.shape)
        if "seed" not in weight.path and weight.ndim > 1:
            weight.assign((drawn / np.sqrt(np.prod(weight.shape[:-1]))).astype("float32"))
    model.compile("adam", "sparse_categorical_crossentropy")
    seconds, loss = [], 0.0
    for _ in range(EPOCHS):
        start = time.perf_counter()
        loss = model.fit(x, y, batch_size=64, epochs=1, shuffle=False, verbose=0).history["loss"][0]
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "loss": float(loss)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument("--python", action="append", default=[], help="backend=interpreter")
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    interpreters = dict(pair.split("=", 1) for pair in options.python)
    print("| workload | backend | s/epoch | Plait's share | first epoch s | loss |")
    print("|---|---|---|---|---|---|")
    for workload in options.workloads.split(","):
        runs: dict[str, list[dict]] = {name: [] for name in options.backends.split(",")}
        for _ in range(options.rounds):
            for name, found in runs.items():
                made = _run(interpreters.get(name, sys.executable), name, workload)
                if made is not None:
                    found.append(made)
        own = _epoch(runs.get("plait", []))
        for name, found in runs.items():
            if not found:
                print(f"| {workload} | {name} | not run | | | |")
                continue
            first = statistics.median(run["seconds"][0] for run in found)
            print(
                f"| {workload} | {name} | {_epoch(found):.3f} | {own / _epoch(found):.2f} "
                f"| {first:.2f} | {found[-1]['loss']:.4f} |",
                flush=True,
            )


def _epoch(runs: list[dict]) -> float:
    return statistics.median(min(run["seconds"][1:]) for run in runs) if runs else float("nan")


def _run(interpreter: str, backend: str, workload: str) -> dict | None:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    out = subprocess.run(
        [interpreter, "-m", "bench.keras_fit", "--work", workload],
        env=environment,
        capture_output=True,
        text=True,
    )
    if out.returncode:
        print(f"{backend} {workload}: {out.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(out.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
