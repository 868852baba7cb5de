"""The functions of `functional` that move pixels by a map: affine, perspective, elastic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.vision._pillow import is_pillow_image
from plait.vision.transforms import _image, _tensor, _warp_tensor
from plait.vision.transforms._conversions import pil_to_tensor, to_pil_image
from plait.vision.transforms._interpolation import InterpolationMode, interpolation_mode


def _inverse_affine(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> list[float]:
    """The six numbers of the map from the result's pixels to the image's.

    The image is sheared, turned by `angle` degrees, scaled about `center`, and then moved. The
    shear is a shear along x after one along y, each keeping the other axis' length.
    """
    turn = math.radians(angle)
    shear_x, shear_y = (math.radians(value) for value in shear)
    # The turn and the shears as one matrix ((a, b), (c, d)) of determinant 1.
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    b = -a * math.tan(shear_x) - math.sin(turn)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    d = -c * math.tan(shear_x) + math.cos(turn)
    inverse = [d / scale, -b / scale, -c / scale, a / scale]
    moved_x, moved_y = center[0] + translate[0], center[1] + translate[1]
    return [
        inverse[0],
        inverse[1],
        center[0] - inverse[0] * moved_x - inverse[1] * moved_y,
        inverse[2],
        inverse[3],
        center[1] - inverse[2] * moved_x - inverse[3] * moved_y,
    ]


def affine(
    img: Any,
    angle: float,
    translate: Sequence[int],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The image sheared, turned clockwise, scaled and moved.

    Args:
        angle: in degrees.
        translate: pixels to the right and down, after the turn.
        scale: positive.
        shear: degrees along x, or along (x, y).
        fill: the colour outside.
        center: (x, y) from the upper left corner; the middle if None.
    """
    mode = interpolation_mode(interpolation)
    shears = _checked_affine(angle, translate, scale, shear)
    if center is not None and len(center) != 2:
        raise error(ValueError, f"center should be a pair (x, y), got {center!r}")
    if is_pillow_image(img):
        width, height = img.size
        about = [width * 0.5, height * 0.5] if center is None else center
        matrix = _inverse_affine(about, angle, translate, scale, shears)
        return _image.affine(img, matrix, mode, fill)
    _, height, width = _dimensions(img)
    about = [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]
    matrix = _inverse_affine(about, angle, translate, scale, shears)
    return _warp_tensor.affine(img, matrix, mode, fill)


def _checked_affine(
    angle: Any, translate: Any, scale: float, shear: float | Sequence[float]
) -> list[float]:
    """The two shears; TypeError or ValueError for what is no affine map."""
    if not isinstance(angle, (int, float)):
        raise error(TypeError, "Argument angle should be int or float")
    if not isinstance(translate, (list, tuple)):
        raise error(TypeError, "Argument translate should be a sequence")
    if len(translate) != 2:
        raise error(ValueError, "Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise error(ValueError, "Argument scale should be positive")
    if isinstance(shear, (int, float)):
        return [float(shear), 0.0]
    if not isinstance(shear, (list, tuple)):
        raise error(TypeError, "Shear should be either a single value or a sequence of two values")
    if len(shear) == 1:
        return [shear[0], shear[0]]
    if len(shear) != 2:
        raise error(ValueError, f"Shear should be a sequence containing two values. Got {shear}")
    return [float(value) for value in shear]


def _dimensions(img: Any) -> list[int]:
    if not isinstance(img, plait.Tensor):
        raise error(TypeError, f"img should be PIL Image or Tensor Image. Got {type(img)}")
    return _tensor.dimensions(img)


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The image as seen from elsewhere: its four corners `startpoints` at `endpoints`, (x, y)."""
    mode = interpolation_mode(interpolation)
    coefficients = _perspective_coefficients(startpoints, endpoints)
    if is_pillow_image(img):
        return _image.perspective(img, coefficients, mode, fill)
    _dimensions(img)
    return _warp_tensor.perspective(img, coefficients, mode, fill)


def _perspective_coefficients(
    startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]
) -> list[float]:
    """The eight numbers of the map that takes the end points to the start points."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise error(
            ValueError,
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and "
            f"{len(endpoints)} endpoints.",
        )
    rows, values = [], []
    for (to_x, to_y), (x, y) in zip(startpoints, endpoints):
        rows.append([x, y, 1, 0, 0, 0, -to_x * x, -to_x * y])
        rows.append([0, 0, 0, x, y, 1, -to_y * x, -to_y * y])
        values += [to_x, to_y]
    solution = np.linalg.lstsq(np.array(rows, float), np.array(values, float), rcond=None)[0]
    return solution.astype(np.float32).tolist()


def elastic_transform(
    img: Any,
    displacement: Any,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """Each pixel moved by `displacement` (1, H, W, 2), x first, in halves of the image's size."""
    mode = interpolation_mode(interpolation)
    if not isinstance(displacement, plait.Tensor):
        raise error(TypeError, "Argument displacement should be a Tensor")
    tensor = pil_to_tensor(img) if is_pillow_image(img) else img
    _, height, width = _dimensions(tensor)
    if tuple(displacement.shape) != (1, height, width, 2):
        raise error(
            ValueError,
            f"Argument displacement shape should be {(1, height, width, 2)}, but given "
            f"{tuple(displacement.shape)}",
        )
    result = _warp_tensor.elastic(tensor, displacement, mode, fill)
    return to_pil_image(result, mode=img.mode) if is_pillow_image(img) else result
