"""RoI pooling (arXiv:1504.08083): the maximum of each bin of a box, on whole pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait import nn
from plait.vision.ops._rois import as_array, pair


def roi_pool(
    input: Any, boxes: Any, output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> Any:
    """Maxima (K, C, *output_size) of K boxes on `input` (N, C, H, W); 0 for empty bins.

    `boxes` and `spatial_scale` are as in `roi_align`.
    """
    rows, columns = pair(output_size)
    rois = as_array(boxes)
    _, channels, height, width = input.shape
    if not len(rois):
        return input.new_zeros((0, channels, rows, columns))
    values = input.detach().numpy()
    # Where each maximum lies in its image; the gather below is what carries the gradient.
    places = np.zeros((len(rois), channels, rows, columns), np.int64)
    filled = np.zeros((len(rois), 1, rows, columns), bool)
    for number, roi in enumerate(rois):
        # Halves are rounded away from zero, as C's `round` does.
        corners = roi[1:] * spatial_scale
        x1, y1, x2, y2 = (np.sign(corners) * np.floor(np.abs(corners) + 0.5)).astype(int)
        down = _bins(y1, max(y2 - y1 + 1, 1), rows, height)
        across = _bins(x1, max(x2 - x1 + 1, 1), columns, width)
        image = values[int(roi[0])]
        for row, (top, bottom) in enumerate(down):
            for column, (left, right) in enumerate(across):
                if top >= bottom or left >= right:
                    continue
                best = image[:, top:bottom, left:right].reshape(channels, -1).argmax(1)
                in_row, in_column = np.divmod(best, right - left)
                places[number, :, row, column] = (top + in_row) * width + left + in_column
                filled[number, 0, row, column] = True
    images = plait.from_numpy(rois[:, 0].astype(np.int64))
    flat = input.flatten(2)[images]
    pooled = flat.gather(2, plait.from_numpy(places).flatten(2)).view(places.shape)
    return pooled * plait.from_numpy(filled).to(input.dtype)


def _bins(start: int, extent: int, bins: int, size: int) -> list[tuple[int, int]]:
    """First and last (exclusive) row of each bin, within the image."""
    step = np.float32(extent) / np.float32(bins)
    bounds = []
    for number in range(bins):
        low = int(np.floor(np.float32(number) * step)) + start
        high = int(np.ceil(np.float32(number + 1) * step)) + start
        bounds.append((min(max(low, 0), size), min(max(high, 0), size)))
    return bounds


class RoIPool(nn.Module):
    """`roi_pool` as a layer."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Any, rois: Any) -> Any:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale})"
        )
