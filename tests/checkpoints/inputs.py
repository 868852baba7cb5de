"""What the models of these tests are given, and weights by a formula. NumPy alone."""

from __future__ import annotations

import zlib

import numpy as np

#: Words of two sentences, and where they are: the second is filled up with zeros.
TINY_IDS = np.array([[2, 7, 19, 33, 4, 39, 11, 3], [2, 21, 8, 30, 3, 0, 0, 0]])
TINY_MASK = (np.arange(8) < np.array([[8], [5]])).astype(np.int64)


def images(count: int, side: int) -> np.ndarray:
    """(count, 3, side, side) float32, normal. RandomState's stream is frozen (NEP 19)."""
    return np.random.RandomState(3).standard_normal((count, 3, side, side)).astype(np.float32)


def formula_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Weights that follow from their names and shapes; activations neither grow nor vanish.

    Matrices and convolutions are normal with variance 2 / fan-in, scales and running variances in
    [0.5, 1.5), other vectors normal with deviation 0.1; int64 for what counts batches.
    """
    made = {}
    for name, shape in shapes.items():
        draw = np.random.RandomState(zlib.crc32(name.encode()))
        if name.endswith("num_batches_tracked"):
            made[name] = np.array(7)
        elif len(shape) > 1:
            fan_in = int(np.prod(shape[1:]))
            made[name] = (draw.standard_normal(shape) * (2 / fan_in) ** 0.5).astype(np.float32)
        elif name.endswith("running_var") or (".bn" in f".{name}" and name.endswith("weight")):
            made[name] = draw.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            made[name] = (draw.standard_normal(shape) * 0.1).astype(np.float32)
    return made
