"""Masks of detections: small ones, by class, in the pixels of boxes; and pasted into images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait.nn import functional as F
from plait.vision.ops.roi_align import roi_align


def maskrcnn_loss(
    mask_logits: Any,
    proposals: Sequence[Any],
    gt_masks: Sequence[Any],
    gt_labels: Sequence[Any],
    mask_matched_idxs: Sequence[Any],
) -> Any:
    """Binary cross entropy of the masks of the right classes (arXiv:1703.06870).

    Args:
        mask_logits: (K, classes, M, M) of all proposals.
        proposals, mask_matched_idxs: by image, boxes (L, 4) and the numbers of their true ones.
        gt_masks, gt_labels: by image, masks (true, H, W) and classes (true,).
    """
    side = mask_logits.shape[-1]
    labels = plait.cat([of[numbers] for of, numbers in zip(gt_labels, mask_matched_idxs)])
    targets = plait.cat(
        [
            _within_boxes(masks, boxes, numbers, side)
            for masks, boxes, numbers in zip(gt_masks, proposals, mask_matched_idxs)
        ]
    )
    if targets.numel() == 0:
        return mask_logits.sum() * 0  # nothing to learn, but a gradient for every parameter
    logits = mask_logits[plait.arange(labels.shape[0]), labels]
    return F.binary_cross_entropy_with_logits(logits, targets)


def _within_boxes(masks: Any, boxes: Any, numbers: Any, side: int) -> Any:
    """(L, side, side): the part of mask `numbers[i]` that is in box i."""
    rois = plait.cat([numbers[:, None].to(boxes.dtype), boxes], 1)
    return roi_align(masks[:, None].to(boxes.dtype), rois, side, 1.0)[:, 0]


def maskrcnn_inference(mask_logits: Any, labels: Sequence[Any]) -> list[Any]:
    """The probabilities (L, 1, M, M) of each image's detections, of the class that was found."""
    together = plait.cat(list(labels))
    chosen = plait.sigmoid(mask_logits)[plait.arange(together.shape[0]), together]
    return list(chosen[:, None].split([label.shape[0] for label in labels]))


def paste_masks_in_image(masks: Any, boxes: Any, img_shape: Sequence[int]) -> Any:
    """Masks (L, 1, M, M) of boxes (L, 4) as masks (L, 1, height, width) of the image.

    They get a border of a pixel first, so that they end smoothly at the boxes' edges.
    """
    height, width = img_shape
    side = masks.shape[-1]
    padded = F.pad(masks, (1, 1, 1, 1))
    corners = boxes.detach().numpy()
    half = (corners[:, 2:] - corners[:, :2]) * 0.5 * np.float32((side + 2) / side)
    middle = (corners[:, 2:] + corners[:, :2]) * 0.5
    whole = np.concatenate([middle - half, middle + half], 1).astype(np.int64)  # cut off
    result = np.zeros((len(corners), 1, height, width), np.float32)
    for number, (x1, y1, x2, y2) in enumerate(whole.tolist()):
        size = (max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1))
        mask = (
            F.interpolate(
                padded[number : number + 1], size=size, mode="bilinear", align_corners=False
            )[0, 0]
            .detach()
            .numpy()
        )
        left, right = max(x1, 0), min(x2 + 1, width)
        top, bottom = max(y1, 0), min(y2 + 1, height)
        if left < right and top < bottom:
            part = mask[top - y1 : bottom - y1, left - x1 : right - x1]
            result[number, 0, top:bottom, left:right] = part
    return plait.from_numpy(result).to(masks.dtype)
