"""RoIAlign (arXiv:1703.06870): features of boxes, sampled bilinearly.

A sample's weight is a product of one of its row and one of its column, and so is the mean over the
samples of a bin. Hence the result for a box is `rows @ features @ columns.T` with two small
matrices; all boxes of an image are pooled by two matrix products, and so is the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait import nn
from plait.vision.ops._rois import as_array, pair

# Elements of what lies between the two products; more boxes are done in several parts.
_PART = 1 << 24


def roi_align(
    input: Any,
    boxes: Any,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Any:
    """Features (K, C, *output_size) of K boxes on `input` (N, C, H, W).

    Args:
        boxes: (K, 5) of image, x1, y1, x2, y2; or a list of (L, 4), one for each image.
        spatial_scale: from the boxes' coordinates to those of `input`.
        sampling_ratio: samples of a bin along each side; as many as it has pixels if <= 0.
        aligned: pixel centres are at half-integers, as they should be.
    """
    rows_out, columns_out = pair(output_size)
    rois = as_array(boxes)
    _, channels, height, width = input.shape
    parts, order = [], []
    at_once = max(1, _PART // max(1, rows_out * channels * width))
    for image in np.unique(rois[:, 0]).astype(int):
        members = np.flatnonzero(rois[:, 0] == image)
        features = input[int(image)].transpose(0, 1).reshape(height, channels * width)
        for start in range(0, len(members), at_once):
            some = members[start : start + at_once]
            x1, y1, x2, y2 = (rois[some, 1:] * spatial_scale - (0.5 if aligned else 0.0)).T
            least = -np.inf if aligned else 1.0  # boxes without area were once given a pixel
            down = _weights(y1, np.maximum(y2 - y1, least), rows_out, height, sampling_ratio)
            across = _weights(x1, np.maximum(x2 - x1, least), columns_out, width, sampling_ratio)
            down_t = plait.from_numpy(down.reshape(-1, height)).to(input.dtype)
            across_t = plait.from_numpy(across).to(input.dtype)
            pooled = (down_t @ features).view(len(some), rows_out * channels, width)
            pooled = pooled @ across_t.transpose(1, 2)
            parts.append(pooled.view(len(some), rows_out, channels, columns_out).transpose(1, 2))
            order.append(some)
    if not parts:
        return input.new_zeros((0, channels, rows_out, columns_out)) + input.sum() * 0
    result = plait.cat(parts) if len(parts) > 1 else parts[0]
    places = np.argsort(np.concatenate(order), kind="stable")
    if (places[1:] > places[:-1]).all():
        return result.contiguous()
    return result[plait.from_numpy(places)]


def _weights(
    start: np.ndarray, extent: np.ndarray, bins: int, size: int, sampling_ratio: int
) -> np.ndarray:
    """(K, bins, size): the weight of each row (or column) in each bin's mean."""
    weights = np.zeros((len(start), bins, size), start.dtype)
    bin_size = extent / bins
    samples = np.full(len(start), sampling_ratio)
    if sampling_ratio <= 0:
        samples = np.maximum(np.ceil(bin_size), 0).astype(int)
    for number in range(samples.max(initial=0)):
        some = np.flatnonzero(samples > number)
        of = samples[some, None]
        step = bin_size[some, None]
        place = start[some, None] + np.arange(bins, dtype=start.dtype) * step
        place = (place + (number + 0.5) * step / of).astype(start.dtype)
        inside = (place >= -1.0) & (place <= size)
        place = np.clip(place, 0, size - 1)
        low = place.astype(int)
        high = np.minimum(low + 1, size - 1)
        share = inside / of
        at = (some[:, None], np.arange(bins)[None])
        np.add.at(weights, (*at, low), share * (1 - (place - low)))
        np.add.at(weights, (*at, high), share * (place - low))
    return weights


class RoIAlign(nn.Module):
    """`roi_align` as a layer."""

    def __init__(
        self,
        output_size: int | Sequence[int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = False,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Any, rois: Any) -> Any:
        return roi_align(
            input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio}, "
            f"aligned={self.aligned})"
        )
