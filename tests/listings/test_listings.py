"""Programs from articles (PyTorch, TensorFlow 1 and 2, Keras), kept as they were printed, run under
`plait run`.

Each begins with a comment that names its source and what had to be mended for it to run under
its framework at all. It runs in a fresh process, in a folder that holds digits (made-up ones for
torchvision's files, real ones for Keras'), and the last figure it prints must be on the right side
of its bound. The bounds are loose: training is not seeded, and the framework itself reaches the
figure in the last column.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
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
    original: float  # what the real framework reached
    digits: int = 0  # made-up training digits that the listing reads
    settings: tuple[tuple[str, str], ...] = ()  # of the environment, that the listing reads


LISTINGS = [
    Expected("s000_torch_mlp", r"loss: ([-\d.e]+)", 0, 0.1, 0.024),
    Expected("s001_tf2_mlp", r"loss: ([-\d.e]+)", 0, 0.1, 0.0067),
    Expected("s002_tf1_softmax", r"Loss: ([-\d.e]+)", 0, 0.1, 0.0015),
    Expected("s003_tf1_linreg", r"Loss: ([-\d.e]+)", 0, 0.01, 0.0025),
    Expected("s004_torch_linreg", r"Loss: ([-\d.e]+)", 0, 0.05, 0.006),
    Expected("s005_torch_convnet", r"Loss: ([-\d.e]+)", 0, 0.05, 0.0006),
    Expected("s006_torch_convnet_28", r"Loss: ([-\d.e]+)", 0, 0.05, 0.002),
    Expected("s007_keras_mnist_onehot", r"accuracy: ([-\d.e]+)", 0.9, 1.1, 0.968),
    Expected("s008_torch_linear_784", r"Loss: ([-\d.e]+)", 0, 0.05, 0.002),
    Expected("s009_torch_mnist_cnn", r"images: ([-\d.e]+)%", 95, 100.1, 99.6, digits=8000),
    Expected("s010_keras_mnist", r"accuracy: ([-\d.e]+)", 0.8, 1.1, 0.932),
    Expected("s011_torch_mnist_nll", r"accuracy: ([-\d.e]+)", 0.8, 1.1, 0.93, digits=2000),
    Expected("s012_tf2_linreg", r"\[\[\s*([-\d.e]+)\]\]", 3.5, 5, 3.96),
    Expected("s013_tf2_logreg", r"\[\[\s*([-\d.e]+)\]\]", 0.5, 1.1, 0.99999),
    Expected("s014_keras_cnn", r"Test accuracy: ([-\d.e]+)", 0.9, 1.1, 0.994),
    Expected("s015_keras_lstm", r"\[\[\s*([-\d.e]+)\]\]", 0.2, 0.9, 0.46),
    Expected("s016_keras_attention", r"\[\[\s*([-\d.e]+)\]\]", 0.2, 0.9, 0.56),
    Expected(
        "s017_tf2_gan",
        r"shape=\((\d+), 28, 28\)",
        99,
        101,
        100,
        settings=(("SEED_STEPS", "20"), ("SEED_WIDTH", "256")),
    ),
    Expected("s018_torch_cnn", r"Accuracy: ([-\d.e]+)", 0.9, 1.1, 1.0),
    Expected("s019_torch_cnn_32", r"Accuracy: ([-\d.e]+)", 0.9, 1.1, 1.0),
    Expected("s020_tf2_cnn", r"Test accuracy: ([-\d.e]+)", 0.9, 1.1, 1.0),
]


def real_digits(path: Path) -> None:
    """The digits that ship with Plait as the file that Keras reads."""
    sample = np.load(ROOT / "plait" / "vision" / "datasets" / "samples" / "mnist5k.npz")
    path.parent.mkdir(parents=True)
    parts = {"train": slice(0, 4000), "test": slice(4000, None)}
    arrays = {f"x_{name}": sample["images"][part] for name, part in parts.items()}
    arrays |= {f"y_{name}": sample["labels"][part] for name, part in parts.items()}
    np.savez(path, **arrays)


def test_every_listing_is_in_the_table() -> None:
    assert sorted(path.stem for path in HERE.glob("s[0-9]*.py")) == [e.name for e in LISTINGS]


def test_made_up_digits_are_the_same_each_time() -> None:
    images, labels = fake_mnist.digits(20, seed=3)
    again, _ = fake_mnist.digits(20, seed=3)
    assert images.shape == (20, 28, 28) and images.dtype == labels.dtype == "uint8"
    assert (images == again).all()
    assert images.max() > 150 and set(labels) <= set(range(10))


@pytest.mark.parametrize("expected", LISTINGS, ids=lambda e: e.name)
def test_listing(expected: Expected, tmp_path: Path) -> None:
    if expected.digits:
        fake_mnist.write(tmp_path, expected.digits)
    if "_keras_" in expected.name or "_tf2_" in expected.name:
        if importlib.util.find_spec("keras") is None:
            pytest.skip("tf.keras is the real Keras, an extra")
        real_digits(tmp_path / "keras" / "datasets" / "mnist.npz")
    # Nothing of the caller's environment may stand in for the files: no sample, no aliases.
    hidden = ("PLAIT_ALIASES", "PLAIT_SAMPLE_DATA")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment |= {"KERAS_HOME": str(tmp_path / "keras"), **dict(expected.settings)}
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
