"""Regions of interest as arrays, and the argument forms that the pooling functions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width)."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def as_array(boxes: Any) -> np.ndarray:
    """(K, 5) float rows of image, x1, y1, x2, y2: of such a tensor, or of (L, 4) for each image.

    Boxes carry no gradient here, as in torchvision.
    """
    if isinstance(boxes, plait.Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise error(
                ValueError,
                f"The boxes tensor shape is not correct as Tensor[K, 5], got {tuple(boxes.shape)}",
            )
        return _values(boxes)
    rows = [np.zeros((0, 5), np.float32)]
    for number, of_image in enumerate(boxes):
        if of_image.ndim != 2 or of_image.shape[1] != 4:
            raise error(
                ValueError,
                "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]], "
                f"got {tuple(of_image.shape)}",
            )
        values = _values(of_image)
        image = np.full((len(values), 1), number, values.dtype)
        rows.append(np.concatenate([image, values], 1))
    return np.concatenate(rows)


def _values(boxes: Any) -> np.ndarray:
    if boxes.dtype not in (plait.float32, plait.float64):
        boxes = boxes.float()
    return boxes.detach().numpy()
