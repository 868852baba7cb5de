"""`fit` of small Keras models on each backend, in turns.

    python -m bench.keras_fit --python torch=ENV/bin/python --python tensorflow=ENV/bin/python

Each round runs every backend in a fresh process on the same data from the same start. The table
gives seconds (median over rounds) of an epoch after the first (the least of a round's epochs), of
the first epoch, which includes tracing and compilation, and of all five; the shares are Plait's of
each backend's. Plait runs twice a round: with no kernels on disk, and ("warm") with those it then
has. Bytecode of all packages is kept between runs, as an installation makes it. Losses of the last
epoch that differ are told, and the command fails.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

WORKLOADS = ("mlp", "cnn", "lstm", "transformer")
BACKENDS = ("plait", "jax", "tensorflow", "torch")
EPOCHS = 5
#: How far the last losses may lie apart. A softmax that saturates is clipped at 1e-7, and on which
#: side of it a chance falls hangs on last bits: TensorFlow and PyTorch differ on the mlp
#: by 0.001 after four epochs, and by 0.04 after five.
LOSSES = 6e-2


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
    print("| workload | backend | an epoch | the first | all | Plait's share of an epoch, of all |")
    print("|---|---|---|---|---|---|")
    agree = True
    for workload in options.workloads.split(","):
        runs: dict[str, list[dict]] = {}
        for number in range(options.rounds + 1):
            for name, made in _round(options.backends.split(","), interpreters, workload):
                # The first round fills the folders of bytecode, and the system's file cache.
                if number:
                    runs.setdefault(name, []).append(made)
        agree = _table(workload, runs) and agree
    if not agree:
        raise SystemExit("the losses differ")


def _table(workload: str, runs: dict[str, list[dict]]) -> bool:
    """Print a workload's rows; whether the losses agree."""
    cold = runs.get("plait")
    for name, found in runs.items():
        shares = ""
        if cold is not None:
            shares = f"{_epoch(cold) / _epoch(found):.2f}, {_all(cold) / _all(found):.2f}"
        first = statistics.median(run["seconds"][0] for run in found)
        print(
            f"| {workload} | {name} | {_epoch(found):.3f} | {first:.2f} | {_all(found):.2f} "
            f"| {shares} |",
            flush=True,
        )
    losses = [found[-1]["loss"] for found in runs.values()]
    if max(losses) - min(losses) <= LOSSES * max(1.0, abs(losses[0])):
        return True
    print(f"{workload}: {dict(zip(runs, losses))}", file=sys.stderr)
    return False


def _epoch(runs: list[dict]) -> float:
    return statistics.median(min(run["seconds"][1:]) for run in runs)


def _all(runs: list[dict]) -> float:
    return statistics.median(sum(run["seconds"]) for run in runs)


def _round(
    backends: list[str], interpreters: dict[str, str], workload: str
) -> Iterator[tuple[str, dict]]:
    """One run of each backend, in turns."""
    for name in backends:
        python = interpreters.get(name, sys.executable)
        with tempfile.TemporaryDirectory() as folder:
            for kernels in ("", " (warm)") if name == "plait" else ("",):
                made = _run(python, name, workload, folder)
                if made is not None:
                    yield name + kernels, made


def _run(interpreter: str, backend: str, workload: str, folder: str) -> dict | None:
    environment = {
        **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PLAIT_CACHE_DIR": folder,
    }
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
