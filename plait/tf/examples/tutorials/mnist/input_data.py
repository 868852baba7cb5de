"""`read_data_sets`: the MNIST digits from files that are there. Nothing is downloaded."""

from __future__ import annotations

import gzip
import os
import struct
from typing import Any, NamedTuple

import numpy as np

from plait.core.ir.errors import error

_FILES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)  # fmt: skip


class DataSet:
    """Images and labels, given out in batches."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: Any = None) -> None:
        self._images, self._labels = images, labels
        self._engine = np.random.RandomState(seed)
        self._place = 0
        self.epochs_completed = 0

    images = property(lambda self: self._images)
    labels = property(lambda self: self._labels)

    @property
    def num_examples(self) -> int:
        return len(self._images)

    def next_batch(
        self, batch_size: int, fake_data: bool = False, shuffle: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The next images and labels; in another order in each pass."""
        if self._place == 0 and self.epochs_completed == 0 and shuffle:
            self._reorder()
        first = self._place
        if first + batch_size <= self.num_examples:
            self._place += batch_size
            return self._images[first : self._place], self._labels[first : self._place]
        rest = self._images[first:], self._labels[first:]
        self.epochs_completed += 1
        if shuffle:
            self._reorder()
        self._place = batch_size - len(rest[0])
        return (
            np.concatenate((rest[0], self._images[: self._place])),
            np.concatenate((rest[1], self._labels[: self._place])),
        )

    def _reorder(self) -> None:
        order = self._engine.permutation(self.num_examples)
        self._images, self._labels = self._images[order], self._labels[order]


class Datasets(NamedTuple):
    """The digits for training, validation and testing."""

    train: DataSet
    validation: DataSet
    test: DataSet


def _array(folder: str, name: str) -> np.ndarray:
    """The array in an IDX file. Raises FileNotFoundError where there is none."""
    path = os.path.join(folder, name)
    if os.path.exists(path + ".gz"):
        with gzip.open(path + ".gz", "rb") as file:
            data = file.read()
    elif os.path.exists(path):
        with open(path, "rb") as file:
            data = file.read()
    else:
        raise error(
            FileNotFoundError,
            f"{path}(.gz) is not there, and Plait downloads nothing: put the four MNIST files "
            f"({', '.join(_FILES)}, or those with .gz) into {folder}",
        )
    axes = data[3]
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_data_sets(
    train_dir: str,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = None,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: Any = None,
    source_url: str = "",
) -> Datasets:
    """The digits in a folder: images (n, 784) in [0, 1], or (n, 28, 28, 1) without `reshape`.

    Raises FileNotFoundError, ValueError for a validation set that is greater than all.
    """
    images, labels, test_images, test_labels = (_array(train_dir, name) for name in _FILES)
    if not 0 <= validation_size <= len(images):
        raise error(
            ValueError,
            f"Validation size should be between 0 and {len(images)}. Received: {validation_size}.",
        )

    def pixels(array: np.ndarray) -> np.ndarray:
        form = (len(array), -1) if reshape else (*array.shape, 1)
        return array.reshape(form).astype(np.float32) / 255

    def targets(array: np.ndarray) -> np.ndarray:
        return np.eye(10)[array] if one_hot else array

    images, labels = pixels(images), targets(labels)
    cut = validation_size
    return Datasets(
        DataSet(images[cut:], labels[cut:], seed),
        DataSet(images[:cut], labels[:cut], seed),
        DataSet(pixels(test_images), targets(test_labels), seed),
    )
