"""What geometry does to boxes: (N, 4) tensors in a format, on a canvas (height, width)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import functional as F
from plait.vision.transforms._functional_warp import _inverse_affine, _perspective_coefficients
from plait.vision.transforms._tensor import rotated_size
from plait.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, wrap

XYXY, XYWH = BoundingBoxFormat.XYXY, BoundingBoxFormat.XYWH


def plain(boxes: Any) -> Any:
    """The numbers alone."""
    return boxes.as_subclass(plait.Tensor)


def corners(boxes: BoundingBoxes) -> Any:
    """The boxes as two corners; integers stay integers."""
    return _converted(plain(boxes), boxes.format, XYXY)


def _converted(values: Any, old: BoundingBoxFormat, new: BoundingBoxFormat) -> Any:
    if old is new:
        return values.clone()
    a, b, c, d = values.unbind(-1)
    whole = not values.is_floating_point()
    if old is XYWH:
        a, b, c, d = a, b, a + c, b + d
    elif old is BoundingBoxFormat.CXCYWH:
        # Of an odd width the half pixel goes to the right, as in torchvision.
        half_c, half_d = (_halved(c, whole), _halved(d, whole))
        a, b = a - half_c, b - half_d
        c, d = a + c, b + d
    if new is XYWH:
        a, b, c, d = a, b, c - a, d - b
    elif new is BoundingBoxFormat.CXCYWH:
        width, height = c - a, d - b
        a, b = _middle(a, c, whole), _middle(b, d, whole)
        c, d = width, height
    return plait.stack((a, b, c, d), -1)


def _halved(size: Any, whole: bool) -> Any:
    return plait.div(size, 2, rounding_mode="floor") if whole else size * 0.5


def _middle(low: Any, high: Any, whole: bool) -> Any:
    return plait.div(low + high, 2, rounding_mode="floor") if whole else (low + high) * 0.5


def convert(boxes: BoundingBoxes, new: BoundingBoxFormat) -> Any:
    """In another format."""
    return wrap(_converted(plain(boxes), boxes.format, new), like=boxes, format=new)


def from_corners(values: Any, like: BoundingBoxes, canvas: Sequence[int] | None = None) -> Any:
    """Corners in the format and dtype of `like`, kept within the canvas, if that is its way."""
    size = tuple(canvas or like.canvas_size)
    if like.clamping_mode is not None:
        values = _clamped(values, size)
    if values.is_floating_point() and not like.is_floating_point():
        values = values.round()
    values = _converted(values.to(like.dtype), XYXY, like.format)
    return wrap(values, like=like, canvas_size=size)


def _clamped(values: Any, canvas: Sequence[int]) -> Any:
    height, width = canvas
    x, y = values[..., 0::2].clamp(0, width), values[..., 1::2].clamp(0, height)
    return plait.stack((x[..., 0], y[..., 0], x[..., 1], y[..., 1]), -1)


def clamp(boxes: BoundingBoxes) -> Any:
    """Within the canvas."""
    return wrap(
        _converted(_clamped(corners(boxes), boxes.canvas_size), XYXY, boxes.format), like=boxes
    )


def horizontal_flip(boxes: BoundingBoxes) -> Any:
    a, b, c, d = plain(boxes).unbind(-1)
    width = boxes.canvas_size[1]
    if boxes.format is XYXY:
        a, c = width - c, width - a
    else:
        a = width - (a + c) if boxes.format is XYWH else width - a
    return wrap(plait.stack((a, b, c, d), -1), like=boxes)


def vertical_flip(boxes: BoundingBoxes) -> Any:
    a, b, c, d = plain(boxes).unbind(-1)
    height = boxes.canvas_size[0]
    if boxes.format is XYXY:
        b, d = height - d, height - b
    else:
        b = height - (b + d) if boxes.format is XYWH else height - b
    return wrap(plait.stack((a, b, c, d), -1), like=boxes)


def resize(boxes: BoundingBoxes, size: Any, max_size: int | None = None) -> Any:
    height, width = boxes.canvas_size
    new_height, new_width = F.resized_size((height, width), size, max_size)
    if (new_height, new_width) == (height, width):
        return boxes
    ratios = plait.tensor([new_width / width, new_height / height] * 2)
    values = (plain(boxes) * ratios).to(boxes.dtype)
    return wrap(values, like=boxes, canvas_size=(new_height, new_width))


def crop(boxes: BoundingBoxes, top: int, left: int, height: int, width: int) -> Any:
    shift = plait.tensor([left, top, left, top], dtype=boxes.dtype)
    return from_corners(corners(boxes) - shift, boxes, (height, width))


def pad(boxes: BoundingBoxes, padding: Any, padding_mode: str = "constant") -> Any:
    if padding_mode != "constant":
        raise error(
            ValueError, f"Padding mode '{padding_mode}' is not supported with bounding boxes"
        )
    left, top, right, bottom = F.padding_sides(padding)
    shift = plait.tensor([left, top, left, top], dtype=boxes.dtype)
    height, width = boxes.canvas_size
    canvas = (height + top + bottom, width + left + right)
    return from_corners(corners(boxes) + shift, boxes, canvas)


def _moved(boxes: BoundingBoxes, function: Any) -> np.ndarray:
    """The boxes around the four corners after `function` of (points, 2), in float64."""
    x1, y1, x2, y2 = corners(boxes).double().numpy().T
    points = np.stack([x1, y1, x2, y1, x2, y2, x1, y2], -1).reshape(-1, 2)
    points = function(points).reshape(-1, 4, 2)
    return np.concatenate([points.min(1), points.max(1)], 1)


def _back(values: np.ndarray, like: BoundingBoxes, canvas: Sequence[int] | None = None) -> Any:
    dtype = np.float64 if like.dtype == plait.float64 else np.float32
    found = plait.from_numpy(values.astype(dtype))
    size = tuple(canvas or like.canvas_size)
    if like.clamping_mode is not None:
        found = _clamped(found, size)
    found = _converted(found, XYXY, like.format).to(like.dtype)  # cut off, as in torchvision
    return wrap(found, like=like, canvas_size=size)


def affine(
    boxes: BoundingBoxes,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    center: Sequence[float] | None = None,
    expand: bool = False,
) -> Any:
    """As `functional.affine`; with `expand`, on the canvas that holds the whole turned image."""
    height, width = boxes.canvas_size
    about = [width * 0.5, height * 0.5] if center is None else center
    inverse = np.array([*_inverse_affine(about, angle, translate, scale, shear), 0, 0, 1])
    matrix = np.linalg.inv(inverse.reshape(3, 3))[:2]

    def move(points: np.ndarray) -> np.ndarray:
        return points @ matrix[:, :2].T + matrix[:, 2]

    values = _moved(boxes, move)
    if not expand:
        return _back(values, boxes)
    whole = move(np.array([[0.0, 0], [width, 0], [width, height], [0, height]]))
    values -= np.tile(whole.min(0), 2)
    return _back(values, boxes, rotated_size(height, width, matrix[0, 0], matrix[1, 0]))


def perspective(boxes: BoundingBoxes, startpoints: Any, endpoints: Any) -> Any:
    a, b, c, d, e, f, g, h = _perspective_coefficients(endpoints, startpoints)

    def move(points: np.ndarray) -> np.ndarray:
        x, y = points.T
        divisor = g * x + h * y + 1
        return np.stack([(a * x + b * y + c) / divisor, (d * x + e * y + f) / divisor], -1)

    return _back(_moved(boxes, move), boxes)
