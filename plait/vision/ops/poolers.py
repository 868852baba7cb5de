"""RoIAlign on a pyramid of features: each box from the level that fits its size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.vision.ops._rois import pair
from plait.vision.ops.roi_align import roi_align


class MultiScaleRoIAlign(nn.Module):
    """Features (K, C, *output_size) of the boxes of all images, image after image.

    Args:
        featmap_names: the levels used, finest first.
        sampling_ratio: see `roi_align`.
        canonical_scale, canonical_level: a box of this side belongs to this level
            (arXiv:1612.03144, equation 1).
    """

    def __init__(
        self,
        featmap_names: Sequence[str],
        output_size: int | Sequence[int],
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.featmap_names = list(featmap_names)
        self.sampling_ratio = sampling_ratio
        self.output_size = pair(output_size)
        self.canonical_scale = canonical_scale
        self.canonical_level = canonical_level

    def forward(
        self, x: Mapping[str, Any], boxes: Sequence[Any], image_shapes: Sequence[Sequence[int]]
    ) -> Any:
        """`x` by level (N, C, H, W); `boxes` (L, 4) of each image, of sizes `image_shapes`."""
        features = [x[name] for name in x if name in self.featmap_names]
        if not features or not image_shapes:
            raise error(ValueError, "MultiScaleRoIAlign: needs features and sizes of images")
        whole = [max(shape[axis] for shape in image_shapes) for axis in (0, 1)]
        scales = [2.0 ** round(math.log2(f.shape[-2] / whole[0])) for f in features]
        rois = plait.cat(
            [
                plait.cat([of.new_full((of.shape[0], 1), float(number)), of], 1)
                for number, of in enumerate(boxes)
            ]
        ).detach()
        if len(features) == 1:
            return self._aligned(features[0], rois, scales[0])
        levels = self._levels(rois.numpy()[:, 1:], scales)
        parts, places = [], []
        for number, (feature, scale) in enumerate(zip(features, scales)):
            members = np.flatnonzero(levels == number)
            if members.size:
                parts.append(self._aligned(feature, rois[plait.from_numpy(members)], scale))
                places.append(members)
        if not parts:
            return self._aligned(features[0], rois, scales[0])
        order = np.argsort(np.concatenate(places), kind="stable")
        return plait.cat(parts)[plait.from_numpy(order)]

    def _aligned(self, feature: Any, rois: Any, scale: float) -> Any:
        return roi_align(feature, rois, self.output_size, scale, self.sampling_ratio)

    def _levels(self, boxes: np.ndarray, scales: list[float]) -> np.ndarray:
        lowest, highest = -math.log2(scales[0]), -math.log2(scales[-1])
        side = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        with np.errstate(divide="ignore"):
            level = np.floor(self.canonical_level + np.log2(side / self.canonical_scale) + 1e-6)
        return (np.clip(level, lowest, highest) - lowest).astype(np.int64)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(featmap_names={self.featmap_names}, "
            f"output_size={self.output_size}, sampling_ratio={self.sampling_ratio})"
        )
