"""The geometry of image tensors (..., C, H, W): crop, pad, flip, resize, rotate, grey, dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms._interpolation import InterpolationMode

# Luminance of ITU-R Recommendation BT.601, with the digits torchvision uses.
_LUMINANCE = (0.2989, 0.587, 0.114)
_RESIZE_MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")


def dimensions(image: Any) -> list[int]:
    """[channels, height, width]; a (H, W) tensor has one channel."""
    if image.ndim < 2:
        raise error(TypeError, f"Tensor is not a torch image: its shape is {tuple(image.shape)}")
    return [1 if image.ndim == 2 else image.shape[-3], image.shape[-2], image.shape[-1]]


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part of the image; zero where it reaches beyond."""
    _, full_height, full_width = dimensions(image)
    bottom, right = top + height, left + width
    inside = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left >= 0 and top >= 0 and right <= full_width and bottom <= full_height:
        return inside
    missing = [
        max(min(right, 0) - left, 0),
        max(min(bottom, 0) - top, 0),
        max(right - max(full_width, left), 0),
        max(bottom - max(full_height, top), 0),
    ]
    return pad(inside, missing, 0.0, "constant")


def horizontal_flip(image: Any) -> Any:
    return image.flip(-1)


def vertical_flip(image: Any) -> Any:
    return image.flip(-2)


def resize(image: Any, size: Sequence[int], mode: InterpolationMode, antialias: bool) -> Any:
    """Resized to (height, width); integers are rounded, and clamped after bicubic overshoot."""
    if mode.value not in _RESIZE_MODES:
        raise error(
            ValueError,
            f"resize of a tensor: interpolation {mode.value!r} is for Pillow images; "
            f"use one of {', '.join(_RESIZE_MODES)}",
        )
    smooth = mode in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
    batch, restore = as_float_batch(image)
    batch = plait.nn.functional.interpolate(
        batch,
        size=list(size),
        mode=mode.value,
        align_corners=False if smooth else None,
        antialias=antialias and smooth,
    )
    if mode is InterpolationMode.BICUBIC and image.dtype == plait.uint8:
        batch = batch.clamp(min=0, max=255)
    return restore(batch)


def rotate(
    image: Any,
    angle: float,
    mode: InterpolationMode,
    expand: bool,
    center: Sequence[float] | None,
    fill: Any,
) -> Any:
    """Rotated counter-clockwise by `angle` degrees about `center` (x, y); `fill` outside."""
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise error(
            ValueError,
            f"rotate of a tensor: interpolation should be nearest or bilinear, got {mode.value!r}",
        )
    _, height, width = dimensions(image)
    middle_x, middle_y = 0.0, 0.0  # centre of rotation relative to the image's middle
    if center is not None:
        middle_x, middle_y = center[0] - width * 0.5, center[1] - height * 0.5
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    out_height, out_width = height, width
    if expand:
        out_height, out_width = rotated_size(height, width, cosine, sine)
    # Where each output pixel comes from, in pixels relative to the middle: the inverse rotation.
    xs = plait.arange(out_width, dtype=plait.float32) - (out_width - 1) * 0.5 - middle_x
    ys = (plait.arange(out_height, dtype=plait.float32) - (out_height - 1) * 0.5 - middle_y)[
        :, None
    ]
    from_x = xs * cosine - ys * sine + middle_x
    from_y = xs * sine + ys * cosine + middle_y
    grid = plait.stack((from_x / (0.5 * width), from_y / (0.5 * height)), -1)[None]

    batch, restore = as_float_batch(image)
    grid = grid.expand(batch.shape[0], out_height, out_width, 2).to(batch.dtype)
    return restore(sample(batch, grid, mode, fill))


def sample(batch: Any, grid: Any, mode: InterpolationMode, fill: Any) -> Any:
    """`grid_sample` with a colour for what lies outside, faded in at the edge when bilinear."""

    def sample(values: Any) -> Any:
        return plait.nn.functional.grid_sample(
            values, grid, mode=mode.value, padding_mode="zeros", align_corners=False
        )

    sampled = sample(batch)
    if fill is None:
        return sampled
    colour = [float(value) for value in (fill if isinstance(fill, Sequence) else [fill])]
    fill_image = plait.tensor(colour, dtype=batch.dtype).view(1, len(colour), 1, 1)
    inside = sample(plait.ones_like(batch[:, :1]))
    if mode is InterpolationMode.NEAREST:
        return plait.where(inside < 0.5, fill_image.expand_as(sampled), sampled)
    return sampled * inside + (1.0 - inside) * fill_image


def rotated_size(height: int, width: int, cosine: float, sine: float) -> tuple[int, int]:
    """Size of the box of whole pixels around the rotated image, the old image's corner at (0, 0).

    A hair over a whole pixel, which is what the cosine of 90 degrees is, does not count.
    """

    def pixels_across(size: int, extent: float) -> int:
        first, last = round((size - extent) / 2, 4), round((size + extent) / 2, 4)
        return math.ceil(last) - math.floor(first)

    across = abs(width * cosine) + abs(height * sine)
    down = abs(width * sine) + abs(height * cosine)
    return pixels_across(height, down), pixels_across(width, across)


def grayscale(image: Any, channels: int) -> Any:
    """Luminance of an RGB or grey tensor, in one channel or three equal ones."""
    if image.ndim < 3 or image.shape[-3] not in (1, 3):
        raise error(
            TypeError,
            f"Input image tensor should have 1 or 3 channels (..., C, H, W), got shape "
            f"{tuple(image.shape)}",
        )
    if image.shape[-3] == 3:
        red, green, blue = image.unbind(dim=-3)
        weighted = _LUMINANCE[0] * red + _LUMINANCE[1] * green + _LUMINANCE[2] * blue
        grey = weighted.to(image.dtype).unsqueeze(-3)
    else:
        grey = image.clone()
    return grey if channels == 1 else grey.expand(*image.shape[:-3], 3, *image.shape[-2:])


def pad(image: Any, padding: Sequence[int], fill: Any, padding_mode: str) -> Any:
    """Padded by (left, top, right, bottom); negative amounts cut off."""
    left, top, right, bottom = padding
    if padding_mode == "constant":
        if isinstance(fill, Sequence):
            if len(fill) != 1:
                raise error(
                    ValueError,
                    f"pad of a tensor: fill should be one number, got {tuple(fill)}; "
                    "a colour is for Pillow images",
                )
            fill = fill[0]
        amounts = [left, right, top, bottom]
        return plait.nn.functional.pad(image, amounts, value=float(fill or 0))
    # Each of the other modes only repeats rows and columns that are there.
    rows = _source_indices(image.shape[-2], top, bottom, padding_mode)
    columns = _source_indices(image.shape[-1], left, right, padding_mode)
    return image.index_select(-2, plait.tensor(rows)).index_select(-1, plait.tensor(columns))


def _source_indices(size: int, before: int, after: int, padding_mode: str) -> list[int]:
    """Which of `size` rows each row of the padded image repeats."""
    if padding_mode == "reflect" and max(before, after) >= size:
        raise error(
            RuntimeError,
            f"pad: reflect padding ({before}, {after}) should be less than the image's size {size}",
        )
    indices = []
    for position in range(-before, size + after):
        if padding_mode == "edge":
            indices.append(min(max(position, 0), size - 1))
        elif padding_mode == "symmetric":
            folded = position % (2 * size)
            indices.append(min(folded, 2 * size - 1 - folded))
        else:
            indices.append((size - 1) - abs((size - 1) - abs(position)))
    return indices


def convert_dtype(image: Any, dtype: Any) -> Any:
    """The image in another dtype, its values scaled from the old dtype's range to the new one's."""
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        unsafe = (plait.int64,) if image.dtype == plait.float64 else (plait.int32, plait.int64)
        if dtype in unsafe and image.dtype in (plait.float32, plait.float64):
            raise error(
                RuntimeError, f"The cast from {image.dtype} to {dtype} cannot be performed safely."
            )
        # Just under one step more than the largest value: each value gets an equal share of [0, 1].
        return image.mul(largest_value(dtype) + 1.0 - 1e-3).to(dtype)
    largest_in = largest_value(image.dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / largest_in
    largest_out = largest_value(dtype)
    if largest_in > largest_out:
        factor = (largest_in + 1) // (largest_out + 1)
        return plait.div(image, factor, rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((largest_out + 1) // (largest_in + 1))


def largest_value(dtype: Any) -> int:
    """Largest value of an image in `dtype`."""
    return 1 if dtype.is_floating_point or dtype == plait.bool else int(plait.iinfo(dtype).max)


def as_float_batch(image: Any) -> tuple[Any, Any]:
    """The image as a float (N, C, H, W) tensor, and a function that takes such a one back."""
    dtype = image.dtype
    leading = image.shape[:-3]
    batch = image.reshape(-1, *image.shape[-3:]) if image.ndim != 2 else image[None, None]
    if dtype not in (plait.float32, plait.float64):
        batch = batch.to(plait.float32)

    def restore(result: Any) -> Any:
        if not dtype.is_floating_point:
            result = result.round()
        result = result.to(dtype)
        if image.ndim == 2:
            return result[0, 0]
        return result.reshape(*leading, *result.shape[-3:])

    return batch, restore
