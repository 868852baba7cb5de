"""Programs from articles, kept as they were printed, run under `plait run`: nine of PyTorch, seven
of TensorFlow 1 and 2, five of Keras.

Each begins with a comment that names its source and what had to be mended for it to run under
PyTorch or TensorFlow at all. It runs in a fresh process, in a folder that holds a made-up MNIST,
and the last figure it prints must be on the right side of its bound. The bounds are loose: training
is not seeded, and the framework itself reaches the figure in the column after them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.listings import fake_mnist

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Expected(NamedTuple):
    """A listing, the figure to look for (its last match counts), and where it must lie."""

    name: str
    figure: str
    above: float
    below: float
    reached: float  # what PyTorch or TensorFlow reached
    digits: int = 0  # made-up training digits that the listing reads
    keras: bool = False  # whether it needs Keras
    settings: str = ""  # the environment's variables that make it shorter


LISTINGS = [
    Expected("s000_torch_mlp", r"loss: ([-\d.e]+)", 0, 0.1, 0.024),
    Expected("s004_torch_linreg", r"Loss: ([-\d.e]+)", 0, 0.05, 0.006),
    Expected("s005_torch_convnet", r"Loss: ([-\d.e]+)", 0, 0.05, 0.0006),
    Expected("s006_torch_convnet_28", r"Loss: ([-\d.e]+)", 0, 0.05, 0.002),
    Expected("s008_torch_linear_784", r"Loss: ([-\d.e]+)", 0, 0.05, 0.002),
    Expected("s009_torch_mnist_cnn", r"images: ([-\d.e]+)%", 95, 100.1, 99.6, digits=8000),
    Expected("s011_torch_mnist_nll", r"accuracy: ([-\d.e]+)", 0.8, 1.1, 0.93, digits=2000),
    Expected("s001_tf2_mlp", r"loss: ([-\d.e]+)", 0, 0.1, 0.0067, keras=True),
    Expected("s002_tf1_softmax", r"Loss: ([-\d.e]+)", 0, 0.1, 0.0015),
    Expected("s003_tf1_linreg", r"Loss: ([-\d.e]+)", 0, 0.01, 0.0025),
    Expected("s007_keras_mnist_onehot", r"accuracy: ([-\d.e]+)", 0.9, 1.1, 0.968, 2000, True),
    Expected("s010_keras_mnist", r"accuracy: ([-\d.e]+)", 0.8, 1.1, 0.932, 2000, True),
    Expected("s012_tf2_linreg", r"\[\[\s*([-\d.e]+)\]\]", 3.5, 9, 3.96, keras=True),
    Expected("s013_tf2_logreg", r"\[\[\s*([-\d.e]+)\]\]", 0.5, 1.1, 0.99999, keras=True),
    Expected("s014_keras_cnn", r"Test accuracy: ([-\d.e]+)", 0.9, 1.1, 0.994, 2000, True),
    Expected("s015_keras_lstm", r"\[\[\s*([-\d.e]+)\]\]", 0.2, 9, 0.46, keras=True),
    Expected("s016_keras_attention", r"\[\[\s*([-\d.e]+)\]\]", 0.2, 9, 0.56, keras=True),
    Expected(
        "s017_tf2_gan",
        r"shape=\((\d+), 28, 28\)",
        100,
        101,
        100,
        keras=True,
        settings="SEED_STEPS=20 SEED_WIDTH=256",
    ),
    Expected("s020_tf2_cnn", r"Test accuracy: ([-\d.e]+)", 0.9, 1.1, 1.0, keras=True),
    Expected("s018_torch_cnn", r"Accuracy: ([-\d.e]+)", 0.9, 1.1, 1.0),
    Expected("s019_torch_cnn_32", r"Accuracy: ([-\d.e]+)", 0.9, 1.1, 1.0),
]


def test_every_listing_is_in_the_table() -> None:
    names = sorted(path.stem for path in HERE.glob("s[0-9]*.py"))
    assert names == sorted(e.name for e in LISTINGS)


def test_made_up_digits_are_the_same_each_time() -> None:
    images, labels = fake_mnist.digits(20, seed=3)
    again, _ = fake_mnist.digits(20, seed=3)
    assert images.shape == (20, 28, 28) and images.dtype == labels.dtype == "uint8"
    assert (images == again).all()
    assert images.max() > 150 and set(labels) <= set(range(10))


@pytest.mark.parametrize("expected", LISTINGS, ids=lambda e: e.name)
def test_listing(expected: Expected, tmp_path: Path) -> None:
    if expected.keras and importlib.util.find_spec("keras") is None:
        pytest.skip("needs Keras")
    if expected.digits:
        fake_mnist.write(tmp_path, expected.digits)
    # Nothing of the caller's environment may stand in for the files: no sample, no aliases.
    hidden = ("PLAIT_ALIASES", "PLAIT_SAMPLE_DATA")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment |= {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "KERAS_HOME": str(tmp_path)}
    environment |= dict(pair.split("=") for pair in expected.settings.split())
    done = subprocess.run(
        [sys.executable, "-m", "plait", "run", str(HERE / f"{expected.name}.py")],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures = re.findall(expected.figure, done.stdout)
    assert figures, done.stdout[-3000:]
    assert expected.above <= float(figures[-1]) < expected.below
