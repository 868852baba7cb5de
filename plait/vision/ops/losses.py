"""Losses of detection: focal loss, and losses of overlap between boxes that belong together."""

from __future__ import annotations

import math
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.nn import functional as F


def _reduced(loss: Any, reduction: str) -> Any:
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    if reduction == "mean":
        # The mean of no boxes is 0, and has a gradient.
        return loss.mean() if loss.numel() > 0 else 0.0 * loss.sum()
    raise error(
        ValueError,
        f"Invalid Value for arg 'reduction': '{reduction}\n Supported reduction modes: 'none', "
        "'mean', 'sum'",
    )


def sigmoid_focal_loss(
    inputs: Any, targets: Any, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Any:
    """Cross entropy of logits that counts easy examples less (arXiv:1708.02002).

    `targets` of the inputs' shape are 0 or 1; `alpha` weighs the ones against the zeros, unless
    negative. Raises ValueError for another `alpha` outside [0, 1].
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise error(ValueError, f"Invalid alpha value: {alpha}. alpha must be in [0,1] or -1.")
    probability = plait.sigmoid(inputs)
    entropy = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    right = probability * targets + (1 - probability) * (1 - targets)
    loss = entropy * (1 - right) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return _reduced(loss, reduction)


def _corners(boxes1: Any, boxes2: Any) -> tuple[Any, ...]:
    """Both boxes' corners, in float32 at least."""
    wide = [b if b.dtype in (plait.float32, plait.float64) else b.float() for b in (boxes1, boxes2)]
    return (*wide[0].unbind(-1), *wide[1].unbind(-1))


def _shared_and_union(corners: tuple[Any, ...]) -> tuple[Any, Any]:
    x1, y1, x2, y2, u1, v1, u2, v2 = corners
    width = plait.min(x2, u2) - plait.max(x1, u1)
    height = plait.min(y2, v2) - plait.max(y1, v1)
    shared = plait.where((width > 0) & (height > 0), width * height, plait.zeros_like(width))
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared
    return shared, union


def _hull(corners: tuple[Any, ...]) -> tuple[Any, Any]:
    """Width and height of the boxes around both."""
    x1, y1, x2, y2, u1, v1, u2, v2 = corners
    return plait.max(x2, u2) - plait.min(x1, u1), plait.max(y2, v2) - plait.min(y1, v1)


def generalized_box_iou_loss(
    boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7
) -> Any:
    """1 - generalized IoU (arXiv:1902.09630) of boxes (..., 4), row by row."""
    corners = _corners(boxes1, boxes2)
    shared, union = _shared_and_union(corners)
    width, height = _hull(corners)
    hull = width * height
    iou = shared / (union + eps)
    return _reduced(1 - (iou - (hull - union) / (hull + eps)), reduction)


def _distance_loss(corners: tuple[Any, ...], eps: float) -> tuple[Any, Any]:
    """The distance-IoU loss and the IoU."""
    shared, union = _shared_and_union(corners)
    iou = shared / (union + eps)
    width, height = _hull(corners)
    diagonal = width**2 + height**2 + eps
    x1, y1, x2, y2, u1, v1, u2, v2 = corners
    distance = ((x2 + x1) / 2 - (u1 + u2) / 2) ** 2 + ((y2 + y1) / 2 - (v1 + v2) / 2) ** 2
    return 1 - iou + distance / diagonal, iou


def distance_box_iou_loss(
    boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7
) -> Any:
    """1 - distance IoU (arXiv:1911.08287) of boxes (..., 4), row by row."""
    loss, _ = _distance_loss(_corners(boxes1, boxes2), eps)
    return _reduced(loss, reduction)


def complete_box_iou_loss(
    boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7
) -> Any:
    """1 - complete IoU (arXiv:1911.08287) of boxes (..., 4), row by row."""
    corners = _corners(boxes1, boxes2)
    loss, iou = _distance_loss(corners, eps)
    x1, y1, x2, y2, u1, v1, u2, v2 = corners
    slopes = plait.atan((u2 - u1) / (v2 - v1)) - plait.atan((x2 - x1) / (y2 - y1))
    penalty = (4 / math.pi**2) * slopes**2
    with plait.no_grad():
        share = penalty / (1 - iou + penalty + eps)
    return _reduced(loss + share * penalty, reduction)
