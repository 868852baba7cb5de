"""A made-up MNIST: digits drawn as pen strokes, in MNIST's own file format.

`write(folder, train, test)` puts the idx files where the listings' calls look for them, under
`data/MNIST/raw` and `MNIST/raw`. Shapes, dtypes and value range are MNIST's: uint8 (N, 28, 28),
ink up to 255. The same counts always give the same files: the digits come from `RandomState`, whose
stream NumPy keeps for ever (NEP 19).
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np

SIZE = 28

#: Each digit as strokes; a stroke is a line through points (x to the right, y down) in a unit box.
_STROKES: tuple[tuple[tuple[tuple[float, float], ...], ...], ...] = (
    (((0.5, 0.0), (0.1, 0.25), (0.1, 0.75), (0.5, 1.0), (0.9, 0.75), (0.9, 0.25), (0.5, 0.0)),),
    (((0.25, 0.2), (0.5, 0.0), (0.5, 1.0)),),
    (((0.1, 0.2), (0.45, 0.0), (0.85, 0.2), (0.75, 0.5), (0.1, 1.0), (0.9, 1.0)),),
    (((0.1, 0.0), (0.85, 0.0), (0.45, 0.4), (0.9, 0.7), (0.5, 1.0), (0.1, 0.85)),),
    (((0.65, 1.0), (0.65, 0.0), (0.05, 0.65), (0.95, 0.65)),),
    (((0.85, 0.0), (0.2, 0.0), (0.15, 0.45), (0.7, 0.4), (0.9, 0.7), (0.55, 1.0), (0.1, 0.9)),),
    (((0.7, 0.0), (0.2, 0.45), (0.15, 0.8), (0.5, 1.0), (0.85, 0.75), (0.5, 0.5), (0.2, 0.65)),),
    (((0.1, 0.0), (0.9, 0.0), (0.4, 1.0)),),
    (
        ((0.5, 0.45), (0.15, 0.2), (0.5, 0.0), (0.85, 0.2), (0.5, 0.45)),
        ((0.5, 0.45), (0.1, 0.75), (0.5, 1.0), (0.9, 0.75), (0.5, 0.45)),
    ),
    (((0.85, 0.3), (0.5, 0.5), (0.15, 0.25), (0.5, 0.0), (0.85, 0.3), (0.75, 1.0)),),
)


def _segments(digit: int) -> np.ndarray:
    """The digit's straight pieces, (pieces, 2 ends, x and y)."""
    pairs = [pair for stroke in _STROKES[digit] for pair in pairwise(stroke)]
    return np.array(pairs)


def _distance(ends: np.ndarray) -> np.ndarray:
    """Each pixel's distance to the nearest piece: (N, pieces, 2, 2) ends -> (N, SIZE, SIZE)."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    pixels = np.stack([columns, rows], axis=-1).astype(float)  # (SIZE, SIZE, 2)
    nearest = np.full((len(ends), SIZE, SIZE), np.inf)
    for piece in range(ends.shape[1]):
        start = ends[:, piece, 0, None, None, :]
        along = ends[:, piece, 1, None, None, :] - start
        offset = pixels - start
        # Where on the piece the pixel's foot lies, from 0 at its start to 1 at its end.
        foot = (offset * along).sum(-1) / (along * along).sum(-1)
        gap = offset - np.clip(foot, 0, 1)[..., None] * along
        np.minimum(nearest, np.sqrt((gap * gap).sum(-1)), out=nearest)
    return nearest


def digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` images, uint8 (count, 28, 28), and their classes, uint8 (count,)."""
    random = np.random.RandomState(seed)
    labels = random.randint(0, 10, count).astype(np.uint8)
    width = random.uniform(9, 13, count)
    height = random.uniform(15, 20, count)
    slant = random.uniform(-0.2, 0.2, count)
    centre = SIZE / 2 - 0.5 + random.uniform(-2, 2, (count, 2))
    pen = random.uniform(0.9, 1.7, count)
    ink = random.uniform(0.7, 1.0, count)
    noise = random.uniform(0, 0.15, (count, SIZE, SIZE))
    images = np.empty((count, SIZE, SIZE))
    for digit in range(10):
        chosen = labels == digit
        unit = _segments(digit) - 0.5  # (pieces, 2, 2) around the origin
        y = unit[None, ..., 1] * height[chosen, None, None]
        x = unit[None, ..., 0] * width[chosen, None, None] - y * slant[chosen, None, None]
        ends = np.stack([x, y], axis=-1) + centre[chosen, None, None, :]
        # Full ink within the pen's radius, fading over one pixel.
        stroke = np.clip(pen[chosen, None, None] + 0.5 - _distance(ends), 0, 1)
        images[chosen] = stroke * ink[chosen, None, None]
    return (np.clip(images + noise, 0, 1) * 255).astype(np.uint8), labels


def _write_idx(path: Path, array: np.ndarray) -> None:
    """One idx file of unsigned bytes (LeCun's format: magic number, extents, data)."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 0x08, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def write(folder: Path, train: int = 2000, test: int = 500) -> None:
    """Put a made-up MNIST of so many training and test digits into a working folder."""
    parts = {"train": digits(train, seed=0), "t10k": digits(test, seed=1)}
    for root in (folder / "data", folder):
        raw = root / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name, (images, labels) in parts.items():
            _write_idx(raw / f"{name}-images-idx3-ubyte", images)
            _write_idx(raw / f"{name}-labels-idx1-ubyte", labels)
