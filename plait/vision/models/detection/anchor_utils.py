"""Anchors: boxes at every pixel of the features, of several sizes and shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.vision.models.detection.image_list import ImageList


class AnchorGenerator(nn.Module):
    """Anchors (all levels' pixels, 4) for each image, in the batch's pixels.

    Args:
        sizes: for each level the sides of the anchors (numbers: all for one level each).
        aspect_ratios: for each level the heights over the widths.
    """

    def __init__(
        self,
        sizes: Sequence[Any] = ((128, 256, 512),),
        aspect_ratios: Sequence[Any] = ((0.5, 1.0, 2.0),),
    ) -> None:
        super().__init__()
        if not isinstance(sizes[0], (list, tuple)):
            sizes = tuple((size,) for size in sizes)
        if not isinstance(aspect_ratios[0], (list, tuple)):
            aspect_ratios = (tuple(aspect_ratios),) * len(sizes)
        self.sizes = sizes
        self.aspect_ratios = aspect_ratios
        self.cell_anchors = [
            self.generate_anchors(size, ratio) for size, ratio in zip(sizes, aspect_ratios)
        ]

    def generate_anchors(
        self, scales: Sequence[int], aspect_ratios: Sequence[float], dtype: Any = None
    ) -> Any:
        """(ratios * scales, 4) boxes around (0, 0), on whole pixels."""
        heights = np.sqrt(np.asarray(aspect_ratios, np.float32))
        sides = np.asarray(scales, np.float32)
        width = ((1 / heights)[:, None] * sides).ravel()
        height = (heights[:, None] * sides).ravel()
        base = np.round(np.stack([-width, -height, width, height], 1) / 2)
        return plait.from_numpy(base).to(plait.float32 if dtype is None else dtype)

    def num_anchors_per_location(self) -> list[int]:
        """The number of anchors at a pixel, by level."""
        return [len(s) * len(a) for s, a in zip(self.sizes, self.aspect_ratios)]

    def forward(self, image_list: ImageList, feature_maps: Sequence[Any]) -> list[Any]:
        if len(feature_maps) != len(self.cell_anchors):
            raise error(
                ValueError,
                f"AnchorGenerator: {len(feature_maps)} feature maps, but sizes and ratios of "
                f"anchors for {len(self.cell_anchors)}",
            )
        height, width = image_list.tensors.shape[-2:]
        parts = []
        for feature, base in zip(feature_maps, self.cell_anchors):
            rows, columns = feature.shape[-2:]
            y = np.arange(rows, dtype=np.int32) * (height // rows)
            x = np.arange(columns, dtype=np.int32) * (width // columns)
            y, x = (part.ravel() for part in np.meshgrid(y, x, indexing="ij"))
            shifts = np.stack([x, y, x, y], 1).astype(np.float32)
            parts.append((shifts[:, None] + base.numpy()[None]).reshape(-1, 4))
        anchors = plait.from_numpy(np.concatenate(parts)).to(feature_maps[0].dtype)
        return [anchors] * len(image_list.image_sizes)


class DefaultBoxGenerator(nn.Module):
    """SSD's default boxes (arXiv:1512.02325, section 2.2), for each image, in its pixels.

    Args:
        aspect_ratios: for each level, besides 1; each stands for its inverse too.
        min_ratio, max_ratio: sides of the first and last level's boxes over the image's, in which
            case the others lie between; or `scales`, one more than levels.
        steps: pixels between boxes, by level; from the features' sizes if None.
        clip: keep the boxes within the image.
    """

    def __init__(
        self,
        aspect_ratios: Sequence[Sequence[int]],
        min_ratio: float = 0.15,
        max_ratio: float = 0.9,
        scales: Sequence[float] | None = None,
        steps: Sequence[int] | None = None,
        clip: bool = True,
    ) -> None:
        super().__init__()
        if steps is not None and len(aspect_ratios) != len(steps):
            raise error(ValueError, "aspect_ratios and steps should have the same length")
        self.aspect_ratios = aspect_ratios
        self.steps = steps
        self.clip = clip
        levels = len(aspect_ratios)
        if scales is not None:
            self.scales = list(scales)
        elif levels > 1:
            step = (max_ratio - min_ratio) / (levels - 1)
            self.scales = [min_ratio + step * level for level in range(levels)] + [1.0]
        else:
            self.scales = [min_ratio, max_ratio]
        self._wh_pairs = [self._sides(level) for level in range(levels)]

    def _sides(self, level: int) -> np.ndarray:
        """(boxes, 2) widths and heights over the image's."""
        scale = self.scales[level]
        between = math.sqrt(scale * self.scales[level + 1])
        sides = [[scale, scale], [between, between]]
        for ratio in self.aspect_ratios[level]:
            width, height = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            sides += [[width, height], [height, width]]
        return np.array(sides, np.float32)

    def num_anchors_per_location(self) -> list[int]:
        """The number of boxes at a pixel, by level."""
        return [2 + 2 * len(ratios) for ratios in self.aspect_ratios]

    def forward(self, image_list: ImageList, feature_maps: Sequence[Any]) -> list[Any]:
        height, width = image_list.tensors.shape[-2:]
        boxes = []
        for level, feature in enumerate(feature_maps):
            rows, columns = feature.shape[-2:]
            if self.steps is not None:
                rows_of, columns_of = height / self.steps[level], width / self.steps[level]
            else:
                rows_of, columns_of = rows, columns
            y = ((np.arange(rows) + 0.5) / rows_of).astype(np.float32)
            x = ((np.arange(columns) + 0.5) / columns_of).astype(np.float32)
            y, x = (part.ravel() for part in np.meshgrid(y, x, indexing="ij"))
            sides = self._wh_pairs[level]
            sides = np.clip(sides, 0, 1) if self.clip else sides
            centres = np.repeat(np.stack([x, y], 1), len(sides), 0)
            boxes.append(np.concatenate([centres, np.tile(sides, (rows * columns, 1))], 1))
        relative = np.concatenate(boxes)
        half = 0.5 * relative[:, 2:]
        corners = np.concatenate([relative[:, :2] - half, relative[:, :2] + half], 1)
        corners *= np.array([width, height, width, height], np.float32)
        found = plait.from_numpy(corners).to(feature_maps[0].dtype)
        return [found] * len(image_list.image_sizes)
