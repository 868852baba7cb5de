"""Image tensors (..., C, H, W) sampled at places that a map gives: affine, perspective, elastic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import _tensor
from plait.vision.transforms._interpolation import InterpolationMode

_MODES = (InterpolationMode.NEAREST, InterpolationMode.BILINEAR)


def require_mode(mode: InterpolationMode) -> None:
    """ValueError unless `grid_sample` has it."""
    if mode not in _MODES:
        raise error(
            ValueError,
            f"interpolation of a tensor should be nearest or bilinear here, got {mode.value!r}",
        )


def affine(image: Any, matrix: Sequence[float], mode: InterpolationMode, fill: Any) -> Any:
    """Each pixel taken from where `matrix` (6 numbers, about the image's middle) takes it."""
    require_mode(mode)
    _, height, width = _tensor.dimensions(image)
    a, b, c, d, e, f = matrix
    xs = plait.arange(width, dtype=plait.float32) - (width - 1) * 0.5
    ys = (plait.arange(height, dtype=plait.float32) - (height - 1) * 0.5)[:, None]
    from_x = (xs * a + ys * b + c) / (0.5 * width)
    from_y = (xs * d + ys * e + f) / (0.5 * height)
    return _sampled(image, plait.stack((from_x, from_y), -1)[None], mode, fill)


def perspective(image: Any, coefficients: Sequence[float], mode: InterpolationMode, fill: Any):
    """Each pixel taken from ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1))."""
    require_mode(mode)
    _, height, width = _tensor.dimensions(image)
    a, b, c, d, e, f, g, h = coefficients
    xs = plait.arange(width, dtype=plait.float32) + 0.5
    ys = (plait.arange(height, dtype=plait.float32) + 0.5)[:, None]
    divisor = xs * g + ys * h + 1.0
    from_x = (xs * a + ys * b + c) / (0.5 * width) / divisor - 1.0
    from_y = (xs * d + ys * e + f) / (0.5 * height) / divisor - 1.0
    return _sampled(image, plait.stack((from_x, from_y), -1)[None], mode, fill)


def elastic(image: Any, displacement: Any, mode: InterpolationMode, fill: Any) -> Any:
    """Each pixel taken from beside it: `displacement` (1, H, W, 2) in half-images, x first."""
    require_mode(mode)
    _, height, width = _tensor.dimensions(image)
    xs = plait.linspace((1 - width) / width, (width - 1) / width, width)
    ys = plait.linspace((1 - height) / height, (height - 1) / height, height)
    here = plait.stack((xs.expand(height, width), ys[:, None].expand(height, width)), -1)[None]
    return _sampled(image, here + displacement.to(here.dtype), mode, fill)


def _sampled(image: Any, grid: Any, mode: InterpolationMode, fill: Any) -> Any:
    batch, restore = _tensor.as_float_batch(image)
    grid = grid.expand(batch.shape[0], *grid.shape[1:]).to(batch.dtype)
    return restore(_tensor.sample(batch, grid, mode, fill))
