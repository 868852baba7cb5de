"""The 5,000 real MNIST digits that ship with Plait (see samples/README.md)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

# Set to 1, this lets `MNIST(download=True)` take the sample in place of a download.
ENVIRONMENT = "PLAIT_SAMPLE_DATA"
TRAIN_DIGITS = 4000
_FILE = Path(__file__).parent / "samples" / "mnist5k.npz"


def mnist_sample(train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) and labels (N,), both uint8: 4,000 to train on or 1,000 held out."""
    with np.load(_FILE) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    part = slice(0, TRAIN_DIGITS) if train else slice(TRAIN_DIGITS, None)
    return images[part].copy(), labels[part].copy()


def sample_wanted() -> bool:
    """Whether the environment asks for the sample."""
    return os.environ.get(ENVIRONMENT, "") == "1"
