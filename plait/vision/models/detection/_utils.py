"""Boxes as offsets from anchors, matching of anchors and true boxes, sampling of the matched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.vision.ops.misc import FrozenBatchNorm2d


class BoxCoder:
    """Boxes as four numbers relative to other boxes (arXiv:1311.2524, appendix C).

    Offsets of the centres over the sides, and logarithms of the ratios of the sides, times
    `weights`. `bbox_xform_clip` bounds the latter when they are decoded.
    """

    def __init__(
        self,
        weights: Sequence[float],
        bbox_xform_clip: float = math.log(1000.0 / 16),
    ) -> None:
        self.weights = tuple(weights)
        self.bbox_xform_clip = bbox_xform_clip

    def encode(self, reference_boxes: Sequence[Any], proposals: Sequence[Any]) -> list[Any]:
        """The codes (L, 4) of `reference_boxes` relative to `proposals`, image by image."""
        codes = self.encode_single(plait.cat(list(reference_boxes)), plait.cat(list(proposals)))
        return list(codes.split([len(boxes) for boxes in reference_boxes]))

    def encode_single(self, reference_boxes: Any, proposals: Any) -> Any:
        """The codes (L, 4) of boxes (L, 4) relative to boxes (L, 4)."""
        x, y, width, height = _centres(reference_boxes)
        from_x, from_y, from_width, from_height = _centres(proposals)
        wx, wy, ww, wh = self.weights
        return plait.stack(
            (
                wx * (x - from_x) / from_width,
                wy * (y - from_y) / from_height,
                ww * (width / from_width).log(),
                wh * (height / from_height).log(),
            ),
            1,
        )

    def decode(self, rel_codes: Any, boxes: Sequence[Any]) -> Any:
        """Boxes (L, classes, 4) of codes (L, classes * 4), relative to those of all images."""
        together = plait.cat(list(boxes))
        count = together.shape[0]
        rel_codes = rel_codes.reshape(count, -1) if count > 0 else rel_codes
        decoded = self.decode_single(rel_codes, together)
        return decoded.reshape(count, -1, 4) if count > 0 else decoded

    def decode_single(self, rel_codes: Any, boxes: Any) -> Any:
        """Boxes (L, classes * 4) of codes (L, classes * 4), relative to boxes (L, 4)."""
        boxes = boxes.to(rel_codes.dtype)
        x, y, width, height = (part[:, None] for part in _centres(boxes))
        wx, wy, ww, wh = self.weights
        centre_x = rel_codes[:, 0::4] / wx * width + x
        centre_y = rel_codes[:, 1::4] / wy * height + y
        half_width = 0.5 * (rel_codes[:, 2::4] / ww).clamp(max=self.bbox_xform_clip).exp() * width
        half_height = 0.5 * (rel_codes[:, 3::4] / wh).clamp(max=self.bbox_xform_clip).exp() * height
        return plait.stack(
            (
                centre_x - half_width,
                centre_y - half_height,
                centre_x + half_width,
                centre_y + half_height,
            ),
            2,
        ).flatten(1)


def _centres(boxes: Any) -> tuple[Any, Any, Any, Any]:
    """Centre x, centre y, width, height."""
    x1, y1, x2, y2 = boxes.unbind(1)
    width, height = x2 - x1, y2 - y1
    return x1 + 0.5 * width, y1 + 0.5 * height, width, height


class Matcher:
    """For each predicted box the true one that it overlaps most, if well enough.

    From `high_threshold` on it is that one's number, below `low_threshold`
    `BELOW_LOW_THRESHOLD`, else `BETWEEN_THRESHOLDS`. With `allow_low_quality_matches` the boxes
    that overlap a true one best are its own, however little.
    """

    BELOW_LOW_THRESHOLD = -1
    BETWEEN_THRESHOLDS = -2

    def __init__(
        self, high_threshold: float, low_threshold: float, allow_low_quality_matches: bool = False
    ) -> None:
        if low_threshold > high_threshold:
            raise error(ValueError, "low_threshold should be <= high_threshold")
        self.high_threshold = high_threshold
        self.low_threshold = low_threshold
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Any) -> Any:
        """Numbers (predicted,), int64, for overlaps (true, predicted)."""
        overlaps = match_quality_matrix.detach().numpy()
        if overlaps.size == 0:
            what = "ground-truth" if overlaps.shape[0] == 0 else "proposal"
            raise error(
                ValueError,
                f"No {what} boxes available for one of the images during training",
            )
        best = overlaps.argmax(0).astype(np.int64)
        value = overlaps.max(0)
        matches = best.copy()
        matches[value < self.high_threshold] = self.BETWEEN_THRESHOLDS
        matches[value < self.low_threshold] = self.BELOW_LOW_THRESHOLD
        if self.allow_low_quality_matches:
            self.keep_best(overlaps, best, matches)
        return plait.from_numpy(matches)

    def keep_best(self, overlaps: np.ndarray, best: np.ndarray, matches: np.ndarray) -> None:
        """Give each true box the predicted ones (ties count) that overlap it best."""
        members = (overlaps == overlaps.max(1, keepdims=True)).any(0)
        matches[members] = best[members]


class SSDMatcher(Matcher):
    """One threshold; each true box gets the predicted one that overlaps it best."""

    def __init__(self, threshold: float) -> None:
        super().__init__(threshold, threshold, allow_low_quality_matches=True)

    def keep_best(self, overlaps: np.ndarray, best: np.ndarray, matches: np.ndarray) -> None:
        matches[overlaps.argmax(1)] = np.arange(len(overlaps))


class BalancedPositiveNegativeSampler:
    """Of each image at most `batch_size_per_image` boxes, of which a fraction is positive.

    Takes labels (L,): positive from 1 on, negative 0, ignored below. Gives masks (L,), uint8, of
    the chosen positive and negative ones, image by image.
    """

    def __init__(self, batch_size_per_image: int, positive_fraction: float) -> None:
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction

    def __call__(self, matched_idxs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        chosen: tuple[list[Any], list[Any]] = ([], [])
        for labels in matched_idxs:
            values = labels.detach().numpy()
            positive, negative = np.flatnonzero(values >= 1), np.flatnonzero(values == 0)
            wanted = min(int(self.batch_size_per_image * self.positive_fraction), len(positive))
            others = min(self.batch_size_per_image - wanted, len(negative))
            for masks, members, count in (
                (chosen[0], positive, wanted),
                (chosen[1], negative, others),
            ):
                drawn = plait.randperm(len(members)).numpy()[:count]
                mask = np.zeros(len(values), np.uint8)
                mask[members[drawn]] = 1
                masks.append(plait.from_numpy(mask))
        return chosen


def overwrite_eps(model: nn.Module, eps: float) -> None:
    """Set the epsilon of all frozen norms: the first published detectors were trained with 0."""
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps


def indices_of(mask: Any) -> Any:
    """Where a mask (L,) is not zero, int64."""
    return plait.from_numpy(np.flatnonzero(mask.detach().numpy()))
