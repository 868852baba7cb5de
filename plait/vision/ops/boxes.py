"""Boxes (x1, y1, x2, y2): overlap, conversion, suppression of duplicates.

Boxes are (N, 4) tensors with x1 <= x2 and y1 <= y2 unless something else is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait._unbuilt import not_built
from plait.core.ir.errors import error

_FORMATS = ("xyxy", "xywh", "cxcywh")
_ROTATED = ("xywhr", "cxcywhr", "xyxyxyxy")


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Indices (int64) of the boxes that overlap no better one by more than `iou_threshold`.

    Best first. Of equal scores the earlier one counts as better.
    """
    _check_nms(boxes, scores)
    kept = _suppress(_array(boxes), _array(scores), iou_threshold)
    return plait.from_numpy(kept)


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """`nms` among the boxes of each class `idxs` (N,); indices, best first."""
    _check_nms(boxes, scores)
    coordinates, values, classes = _array(boxes), _array(scores), _array(idxs)
    kept = []
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        kept.append(members[_suppress(coordinates[members], values[members], iou_threshold)])
    indices = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    return plait.from_numpy(indices[np.argsort(-values[indices], kind="stable")])


def _check_nms(boxes: Any, scores: Any) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise error(RuntimeError, f"nms: boxes should be of shape (N, 4), got {tuple(boxes.shape)}")
    if scores.ndim != 1 or scores.shape[0] != boxes.shape[0]:
        raise error(
            RuntimeError,
            f"nms: boxes and scores should have same number of elements in dimension 0, got "
            f"{tuple(boxes.shape)} and {tuple(scores.shape)}",
        )


def _array(tensor: Any) -> np.ndarray:
    """The values in NumPy; 16-bit floats as float32."""
    if tensor.dtype in (plait.float16, plait.bfloat16):
        tensor = tensor.float()
    return tensor.detach().numpy()


def _suppress(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Greedy suppression: the best box takes out all that overlap it, then the next best."""
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    waiting = np.argsort(-scores, kind="stable")
    kept = []
    while waiting.size:
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[waiting]) - np.maximum(x1[best], x1[waiting])
        height = np.minimum(y2[best], y2[waiting]) - np.maximum(y1[best], y1[waiting])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        # Boxes without area overlap by 0 / 0: not more than any threshold.
        with np.errstate(divide="ignore", invalid="ignore"):
            overlap = shared / (areas[best] + areas[waiting] - shared)
        waiting = waiting[~(overlap > threshold)]
    return np.array(kept, np.int64)


def remove_small_boxes(boxes: Any, min_size: float) -> Any:
    """Indices of the boxes of which both sides are at least `min_size`."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return plait.where((width >= min_size) & (height >= min_size))[0]


def clip_boxes_to_image(boxes: Any, size: Sequence[int]) -> Any:
    """Boxes (..., 4) moved into an image of `size` (height, width)."""
    height, width = size
    x = boxes[..., 0::2].clamp(min=0, max=width)
    y = boxes[..., 1::2].clamp(min=0, max=height)
    return plait.stack((x, y), dim=boxes.ndim).reshape(boxes.shape)


def box_convert(boxes: Any, in_fmt: str, out_fmt: str) -> Any:
    """Boxes (..., 4) in another format.

    "xyxy": two corners; "xywh": a corner, width and height; "cxcywh": centre, width and height.
    Raises ValueError for others.
    """
    if in_fmt in _ROTATED or out_fmt in _ROTATED:
        raise not_built("box_convert of rotated boxes")
    if in_fmt not in _FORMATS or out_fmt not in _FORMATS:
        raise error(ValueError, "Unsupported Bounding Box Conversions for given in_fmt and out_fmt")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        a, b, c, d = a, b, c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return plait.stack((a, b, c, d), dim=-1)


def _wide(values: Any) -> Any:
    """In a dtype in which products of coordinates do not overflow."""
    if values.is_floating_point():
        return values if values.dtype in (plait.float32, plait.float64) else values.float()
    return values if values.dtype in (plait.int32, plait.int64) else values.int()


def box_area(boxes: Any) -> Any:
    """Areas (...) of boxes (..., 4)."""
    boxes = _wide(boxes)
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _shared_and_union(boxes1: Any, boxes2: Any) -> tuple[Any, Any]:
    """Areas of the intersections and unions of all pairs, (N, M)."""
    low = plait.max(boxes1[..., :, None, :2], boxes2[..., None, :, :2])
    high = plait.min(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    sides = _wide(high - low).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    union = box_area(boxes1)[..., :, None] + box_area(boxes2)[..., None, :] - shared
    return shared, union


def _hull(boxes1: Any, boxes2: Any) -> tuple[Any, Any]:
    """Corners (N, M, 2) of the smallest boxes around all pairs."""
    low = plait.min(boxes1[..., :, None, :2], boxes2[..., None, :, :2])
    high = plait.max(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    return low, high


def box_iou(boxes1: Any, boxes2: Any, fmt: str = "xyxy") -> Any:
    """Intersection over union of all pairs, (N, M), of boxes in the format `fmt`."""
    if fmt != "xyxy":
        boxes1, boxes2 = box_convert(boxes1, fmt, "xyxy"), box_convert(boxes2, fmt, "xyxy")
    shared, union = _shared_and_union(boxes1, boxes2)
    return shared / union


#: torchvision's name, which evaluation code imports.
_box_inter_union = _shared_and_union


def generalized_box_iou(boxes1: Any, boxes2: Any) -> Any:
    """IoU less the hull's share outside both (arXiv:1902.09630), of all pairs, (N, M)."""
    shared, union = _shared_and_union(boxes1, boxes2)
    low, high = _hull(boxes1, boxes2)
    sides = _wide(high - low).clamp(min=0)
    hull = sides[..., 0] * sides[..., 1]
    return shared / union - (hull - union) / hull


def distance_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """IoU less the centres' distance over the hull's diagonal, squared (arXiv:1911.08287)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    low, high = _hull(boxes1, boxes2)
    sides = _wide(high - low).clamp(min=0)
    diagonal = (sides**2).sum(-1) + eps
    centres1 = (boxes1[..., :2] + boxes1[..., 2:]) / 2
    centres2 = (boxes2[..., :2] + boxes2[..., 2:]) / 2
    distance = (_wide(centres1[..., :, None, :] - centres2[..., None, :, :]) ** 2).sum(-1)
    return box_iou(boxes1, boxes2) - distance / diagonal


def complete_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """`distance_box_iou` less a penalty for another ratio of sides (arXiv:1911.08287)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    distance_iou = distance_box_iou(boxes1, boxes2, eps)
    iou = box_iou(boxes1, boxes2)
    ratio1 = _slope(boxes1)[..., :, None]
    ratio2 = _slope(boxes2)[..., None, :]
    penalty = (4 / np.pi**2) * (ratio1 - ratio2) ** 2
    with plait.no_grad():
        share = penalty / (1 - iou + penalty + eps)
    return distance_iou - share * penalty


def _slope(boxes: Any) -> Any:
    """The angle of a box's diagonal."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return plait.atan(sides[..., 0] / sides[..., 1])


def masks_to_boxes(masks: Any) -> Any:
    """The smallest boxes (N, 4), float32, around what is not zero in masks (N, H, W)."""
    if masks.numel() == 0:
        return plait.zeros((0, 4), dtype=plait.float32)
    present = masks.detach().numpy() != 0
    boxes = np.zeros((len(present), 4), np.float32)
    for number, mask in enumerate(present):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not rows.size:
            raise error(ValueError, f"masks_to_boxes: mask {number} is empty")
        boxes[number] = columns[0], rows[0], columns[-1], rows[-1]
    return plait.from_numpy(boxes)
