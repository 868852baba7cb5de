"""`tf.image` of boxes: [y_min, x_min, y_max, x_max], in shares of a picture's height and width."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dispatch import op
from plait.tf._ops.random import _engine
from plait.tf._shape import TensorSpec
from plait.tf._tensor import of_array


def _invalid(message: str) -> Exception:
    return error(errors.InvalidArgumentError, message)


# -- one of several that overlap ------------------------------------------------------------------


@op
def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
) -> Any:
    """The numbers (int32) of the boxes (N, 4) that score best and overlap no better one by more
    than `iou_threshold` of their union, best first; at most `max_output_size`, and only with scores
    above `score_threshold`. Raises InvalidArgumentError for shapes that do not fit."""
    held = np.asarray(convert(boxes).numpy(), np.float32)
    marks = np.asarray(convert(scores).numpy(), np.float32)
    if held.ndim != 2 or held.shape[1] != 4 or marks.shape != held.shape[:1]:
        raise _invalid(
            f"non_max_suppression: expected boxes (N, 4) and scores (N,), received {held.shape} "
            f"and {marks.shape}"
        )
    most, share = int(max_output_size), float(iou_threshold)
    if not 0 <= share <= 1:
        raise _invalid(f"iou_threshold must be in [0, 1], received {share}")
    kept: list[int] = []
    for number in np.argsort(-marks, kind="stable"):
        if len(kept) >= most or not marks[number] > float(score_threshold):
            break
        if not kept or (_overlaps(held[number], held[kept]) <= share).all():
            kept.append(int(number))
    return of_array(np.array(kept, np.int32))


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which share of their union a box and each of others have in common; 0 for empty ones."""
    low, high = np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])
    lows = np.minimum(others[:, :2], others[:, 2:])
    highs = np.maximum(others[:, :2], others[:, 2:])
    area, areas = (high - low).prod(), (highs - lows).prod(1)
    common = np.maximum(np.minimum(high, highs) - np.maximum(low, lows), 0).prod(1)
    empty = (areas <= 0) | (area <= 0)
    return np.where(empty, 0, common / np.where(empty, 1, area + areas - common))


# -- frames ---------------------------------------------------------------------------------------

#: The colours of boxes where none are given, by turns: red, green, blue, opaqueness.
_COLORS = (
    *((1, 1, 0, 1), (0, 0, 1, 1), (1, 0, 0, 1), (0, 1, 0, 1), (0.5, 0, 0.5, 1)),
    *((0.5, 0.5, 0, 1), (0.5, 0, 0, 1), (0, 0, 0.5, 1), (0, 1, 1, 1), (1, 0, 1, 1)),
)


@op
def draw_bounding_boxes(images: Any, boxes: Any, colors: Any = None) -> Any:
    """Pictures (batch, height, width, channels), in floats, with frames around boxes (batch, N, 4),
    one pixel wide. Raises InvalidArgumentError for shapes that do not fit."""
    held = convert(images)
    made = np.array(held.numpy(), None if held.dtype.is_floating else np.float32)
    frames = np.asarray(convert(boxes).numpy(), np.float32)
    if made.ndim != 4 or frames.ndim != 3 or frames.shape[2] != 4 or len(frames) != len(made):
        raise _invalid(
            "draw_bounding_boxes: expected images (batch, height, width, channels) and boxes "
            f"(batch, N, 4), received {made.shape} and {frames.shape}"
        )
    depth = made.shape[3]
    table = _COLORS if colors is None or not len(colors) else np.asarray(convert(colors).numpy())
    rows = np.array(table, made.dtype)[:, :depth]
    if depth == 1 and (colors is None or not len(colors)):
        rows = np.ones_like(rows)
    for image, held_boxes in zip(made, frames):
        for number, box in enumerate(held_boxes):
            _draw(image, box, rows[number % len(rows)])
    return of_array(made)


def _draw(image: np.ndarray, box: np.ndarray, color: np.ndarray) -> None:
    """One frame; the sides that lie outside of the picture are left out."""
    extents = np.array(image.shape[:2])
    low, high = (box.reshape(2, 2) * (extents - 1).astype(np.float32)).astype(np.int64)
    if (low > high).any() or (low >= extents).any() or (high < 0).any():
        return
    top, left = np.maximum(low, 0)
    bottom, right = np.minimum(high, extents - 1)
    for axis, edge in ((0, low[0]), (0, high[0]), (1, low[1]), (1, high[1])):
        if 0 <= edge < extents[axis]:
            if axis == 0:
                image[edge, left : right + 1] = color
            else:
                image[top : bottom + 1, edge] = color


# -- cut-outs -------------------------------------------------------------------------------------


class _CutOut(NamedTuple):
    """begin, size: for `tf.slice` of the picture; bboxes (1, 1, 4): for drawing it."""

    begin: Any
    size: Any
    bboxes: Any


@op
def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: Any = 0,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: Any = None,
    use_image_if_no_bounding_boxes: Any = None,
) -> Any:
    """A part of a picture drawn at random, of `aspect_ratio_range` (width by height, 0.75 to 1.33)
    and `area_range` (shares of the picture, 0.05 to 1), that covers one of the boxes (batch, N, 4)
    by `min_object_covered` at least: begin, size, and the part as a box. The whole picture where
    `max_attempts` (100) draws find none. Raises InvalidArgumentError."""
    sizes = np.asarray(convert(image_size).numpy())
    frames = np.asarray(convert(bounding_boxes).numpy(), np.float32)
    least = float(min_object_covered)
    ratios = (0.75, 1.33) if aspect_ratio_range is None else tuple(map(float, aspect_ratio_range))
    areas = (0.05, 1.0) if area_range is None else tuple(map(float, area_range))
    attempts = 100 if max_attempts is None else int(max_attempts)
    _check(sizes, frames, least, ratios, areas, attempts)
    height, width = int(sizes[0]), int(sizes[1])
    extents = np.array([height, width, height, width], np.float32)
    corners = (frames.reshape(-1, 4) * extents).astype(np.int64)
    if not len(corners):
        if not use_image_if_no_bounding_boxes:
            raise _invalid(
                "No bounding boxes provided as input. One must enable "
                "use_image_if_no_bounding_boxes if you wish to not provide any bounding boxes."
            )
        corners = np.array([[0, 0, height, width]])
    engine = _engine(seed or None)
    chosen = (0, 0, height, width)
    for _ in range(attempts):
        found = _drawn(engine, height, width, ratios, areas)
        if found is not None and _covers(found, corners, least):
            chosen = found
            break
    y, x, y_end, x_end = chosen
    begin = np.array([y, x, 0], sizes.dtype)
    size = np.array([y_end - y, x_end - x, -1], sizes.dtype)
    box = np.array([[[y / height, x / width, y_end / height, x_end / width]]], np.float32)
    return _CutOut(of_array(begin), of_array(size), of_array(box))


def _check(
    sizes: np.ndarray, frames: np.ndarray, least: float, ratios: Any, areas: Any, attempts: int
) -> None:
    if sizes.shape != (3,):
        raise _invalid(f"image_size must contain 3 elements, received {sizes.shape}")
    if frames.ndim != 3 or frames.shape[2] != 4:
        raise _invalid(
            f"input boxes must be 3-dimensional [batch, num_boxes, coords]: {frames.shape}"
        )
    if not ((frames >= 0) & (frames <= 1)).all():
        raise _invalid("All bounding box coordinates must be in [0.0, 1.0]")
    if least < 0:
        raise _invalid(f"Min object covered must be non-negative: {least}")
    if min(ratios) <= 0:
        raise _invalid(f"Aspect ratio range must be positive: {ratios}")
    if min(areas) <= 0 or max(areas) > 1:
        raise _invalid(f"Area range must be positive, and less then or equal to 1.0: {areas}")
    if attempts <= 0:
        raise _invalid(f"Max attempts must be positive: {attempts}")


def _drawn(
    engine: np.random.Generator, height: int, width: int, ratios: Any, areas: Any
) -> tuple[int, int, int, int] | None:
    """A rectangle with an aspect and an area in the ranges; None where the draw does not fit."""
    aspect = ratios[0] + engine.random() * (ratios[1] - ratios[0])
    least, most = (share * height * width for share in areas)
    lowest = max(1, math.ceil(math.sqrt(least / aspect) - 0.5))
    highest = min(height, int(math.sqrt(most / aspect) + 0.5), int((width + 0.5) / aspect))
    tall = int(engine.integers(lowest, highest + 1)) if highest > lowest else lowest
    wide = round(tall * aspect)
    if not (least <= tall * wide <= most and 0 < tall <= height and 0 < wide <= width):
        return None
    y, x = int(engine.integers(0, height - tall + 1)), int(engine.integers(0, width - wide + 1))
    return y, x, y + tall, x + wide


def _covers(found: tuple[int, int, int, int], corners: np.ndarray, least: float) -> bool:
    """Whether one of the boxes is covered by the share asked for."""
    area = (corners[:, 2:] - corners[:, :2]).prod(1)
    low = np.maximum(corners[:, :2], found[:2])
    high = np.minimum(corners[:, 2:], found[2:])
    common = np.maximum(high - low, 0).prod(1)
    return bool(((area > 0) & (common >= least * area)).any())


def _cut_out_specs(image_size: Any, *_args: Any, **_options: Any) -> Any:
    dtype = convert(image_size).dtype
    return _CutOut(TensorSpec([3], dtype), TensorSpec([3], dtype), TensorSpec([1, 1, 4], "float32"))


def _frame_specs(images: Any) -> TensorSpec:
    return TensorSpec(images.shape, images.dtype if images.dtype.is_floating else "float32")


non_max_suppression.__dict__.update(
    host=True, infer=lambda *args, **kwargs: TensorSpec([None], "int32")
)
draw_bounding_boxes.__dict__.update(
    host=True, infer=lambda images, *args, **kwargs: _frame_specs(convert(images))
)
sample_distorted_bounding_box.__dict__.update(host=True, infer=_cut_out_specs)
