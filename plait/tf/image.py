"""`tf.image`: pictures as (..., height, width, channels)."""

from __future__ import annotations

import math
from typing import Any

import plait
from plait._unbuilt import unbuilt
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.tf import errors
from plait.tf._boxes import draw_bounding_boxes, non_max_suppression, sample_distorted_bounding_box
from plait.tf._convert import convert, inner, ints, require, wrap
from plait.tf._dispatch import op
from plait.tf._dtypes import as_dtype
from plait.tf._ops import random
from plait.tf._similarity import ssim
from plait.tf.io import decode_bmp, decode_image, decode_jpeg, decode_png, encode_jpeg, encode_png


class ResizeMethod:
    """The ways to resize."""

    BILINEAR = "bilinear"
    NEAREST_NEIGHBOR = "nearest"
    BICUBIC = "bicubic"
    AREA = "area"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"
    GAUSSIAN = "gaussian"
    MITCHELLCUBIC = "mitchellcubic"


@op
def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False) -> Any:
    """Pictures in another dtype: floats in [0, 1), integers to their greatest value."""
    held, kind = convert(image), as_dtype(dtype)
    if held.dtype is kind:
        return held
    value = held.inner()
    if held.dtype.is_integer and kind.is_integer:
        wide = int(held.dtype.max)
        scale = (int(kind.max) + 1) / (wide + 1)
        value = value.to(plait.int64)
        if scale < 1:
            value = plait.div(value, round(1 / scale), rounding_mode="floor")
        else:
            value = value * round(scale)
        return wrap(value.to(kind.core))
    if held.dtype.is_floating and kind.is_floating:
        return wrap(value.to(kind.core))
    if held.dtype.is_integer:
        return wrap(value.to(kind.core) * (1.0 / int(held.dtype.max)))
    value = value * (int(kind.max) + 0.5)
    if saturate:
        value = plait.clamp(value, float(kind.min), float(kind.max))
    return wrap(value.to(kind.core))


def _batched(images: Any) -> tuple[Any, bool]:
    """(pictures as (batch, height, width, channels), whether there was one alone)."""
    value = inner(images)
    if value.ndim == 3:
        return value.unsqueeze(0), True
    if value.ndim != 4:
        raise error(ValueError, "'images' must have either 3 or 4 dimensions.")
    return value, False


def _given_back(value: Any, alone: bool) -> Any:
    return wrap(value.squeeze(0) if alone else value)


@op
def resize(
    images: Any,
    size: Any,
    method: Any = ResizeMethod.BILINEAR,
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
) -> Any:
    """Pictures of another size (height, width); float32, but for nearest neighbours."""
    value, alone = _batched(images)
    height, width = ints(size)
    if preserve_aspect_ratio:
        scale = min(height / value.shape[1], width / value.shape[2])
        height, width = round(scale * value.shape[1]), round(scale * value.shape[2])
    kind = str(method).lower()
    planes = value.permute((0, 3, 1, 2))
    if kind == "nearest":
        made = (
            F.interpolate(planes, (height, width), mode="nearest-exact")
            if (planes.dtype.kind == "f")
            else F.interpolate(planes.to(plait.float32), (height, width), mode="nearest-exact").to(
                planes.dtype
            )
        )
    elif kind in ("bilinear", "bicubic", "area"):
        planes = planes.to(plait.float32)
        options: dict[str, Any] = {} if kind == "area" else {"align_corners": False}
        if antialias:
            options["antialias"] = True
        made = F.interpolate(planes, (height, width), mode=kind, **options)
    else:
        from plait._unbuilt import not_built

        raise not_built(f"tf.image.resize with method {method!r}")
    return _given_back(made.permute((0, 2, 3, 1)), alone)


@op
def flip_left_right(image: Any) -> Any:
    """Mirrored from left to right."""
    return wrap(plait.flip(inner(image), (-2,)))


@op
def flip_up_down(image: Any) -> Any:
    """Upside down."""
    return wrap(plait.flip(inner(image), (-3,)))


@op
def transpose(image: Any) -> Any:
    """Height and width exchanged."""
    return wrap(inner(image).transpose(-3, -2))


@op
def rot90(image: Any, k: int = 1) -> Any:
    """Turned by quarters, counter-clockwise."""
    return wrap(plait.rot90(inner(image), int(k), (-3, -2)))


@op
def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Any:
    """A part of pictures. Raises ValueError where it is not inside."""
    value = inner(image)
    y, x, h, w = (int(v) for v in (offset_height, offset_width, target_height, target_width))
    if y < 0 or x < 0 or y + h > value.shape[-3] or x + w > value.shape[-2]:
        raise error(
            ValueError,
            f"the box ({y}, {x}, {h}, {w}) is not inside an image of "
            f"{value.shape[-3]} x {value.shape[-2]}",
        )
    return wrap(value.narrow(-3, y, h).narrow(-2, x, w).clone())


@op
def pad_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Any:
    """Zeros put around pictures. Raises ValueError where they do not fit."""
    value = inner(image)
    y, x, h, w = (int(v) for v in (offset_height, offset_width, target_height, target_width))
    below, right = h - y - value.shape[-3], w - x - value.shape[-2]
    if min(y, x, below, right) < 0:
        raise error(
            ValueError,
            "the image does not fit in the box: height and width must be <= target - offset",
        )
    return wrap(F.pad(value, (0, 0, x, right, y, below)))


@op
def central_crop(image: Any, central_fraction: float) -> Any:
    """The middle of pictures."""
    value = inner(image)
    if not 0 < central_fraction <= 1:
        raise error(ValueError, "central_fraction must be within (0, 1]")
    for axis in (-3, -2):
        extent = value.shape[axis]
        start = int((extent - extent * central_fraction) / 2)
        value = value.narrow(axis, start, extent - 2 * start)
    return wrap(value.clone())


@op
def resize_with_crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Any:
    """Pictures cut, or zeros put around, about their middle."""
    value = inner(image)
    flat = [0, 0]
    for axis, target in ((-2, int(target_width)), (-3, int(target_height))):
        extent = value.shape[axis]
        if extent > target:
            value = value.narrow(axis, (extent - target) // 2, target)
        before = max(target - extent, 0) // 2
        flat += [before, max(target - extent, 0) - before]
    return wrap(F.pad(value, flat))


@op
def resize_with_pad(
    image: Any,
    target_height: Any,
    target_width: Any,
    method: Any = "bilinear",
    antialias: bool = False,
) -> Any:
    """Pictures resized with their own proportions, and zeros around."""
    height, width = convert(image).shape[-3], convert(image).shape[-2]
    ratio = max(width / int(target_width), height / int(target_height))
    h, w = int(height / ratio), int(width / ratio)
    made = resize(image, (h, w), method, antialias=antialias)
    return pad_to_bounding_box(
        made,
        (int(target_height) - h) // 2,
        (int(target_width) - w) // 2,
        target_height,
        target_width,
    )


def _as_float(image: Any, change: Any) -> Any:
    """A change of floats in [0, 1], with integer pictures scaled there and back."""
    held = convert(image)
    if held.dtype.is_floating:
        return wrap(change(held.inner()))
    floats = convert_image_dtype(held, "float32")
    return convert_image_dtype(wrap(change(floats.inner())), held.dtype, True)


@op
def adjust_brightness(image: Any, delta: Any) -> Any:
    """delta added (to values in [0, 1])."""
    return _as_float(image, lambda x: x + float(delta))


@op
def adjust_contrast(images: Any, contrast_factor: Any) -> Any:
    """Differences from each channel's mean scaled."""
    held = convert(images)
    x = held.inner().to(plait.float32) if held.dtype.is_integer else held.inner()
    mean = x.mean(dim=(-3, -2), keepdim=True)
    made = (x - mean) * float(contrast_factor) + mean
    if held.dtype.is_integer:
        made = plait.clamp(plait.round(made), float(held.dtype.min), float(held.dtype.max))
    return wrap(made.to(held.dtype.core))


@op
def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Any:
    """gain * x ^ gamma of values in [0, 1]."""
    return _as_float(image, lambda x: x ** float(gamma) * float(gain))


@op
def rgb_to_grayscale(images: Any) -> Any:
    """The luminance of colours."""
    weights = [0.2989, 0.587, 0.114]
    return _as_float(
        images,
        lambda x: (x * plait.tensor(weights, dtype=x.dtype)).sum(dim=-1, keepdim=True),
    )


@op
def grayscale_to_rgb(images: Any) -> Any:
    """One channel three times."""
    value = inner(images)
    return wrap(value.broadcast_to((*value.shape[:-1], 3)).clone())


@op
def rgb_to_hsv(images: Any) -> Any:
    """Hue, saturation and value of colours, all in [0, 1]."""
    return wrap(_hsv(require("RGBToHSV", images, "f")))


def _hsv(x: Any) -> Any:
    r, g, b = x[..., 0], x[..., 1], x[..., 2]
    most, least = x.amax(dim=-1), x.amin(dim=-1)
    spread = most - least
    there = spread > 0
    safe = plait.where(there, spread, plait.ones_like(spread))
    hue = (
        plait.where(
            most == r,
            (g - b) / safe,
            plait.where(most == g, (b - r) / safe + 2, (r - g) / safe + 4),
        )
        / 6
    )
    hue = plait.where(there, plait.where(hue < 0, hue + 1, hue), plait.zeros_like(hue))
    full = plait.where(most > 0, most, plait.ones_like(most))
    saturation = plait.where(most > 0, spread / full, plait.zeros_like(most))
    return plait.stack((hue, saturation, most), dim=-1)


@op
def hsv_to_rgb(images: Any) -> Any:
    """Colours from hue, saturation and value."""
    return wrap(_rgb(require("HSVToRGB", images, "f")))


def _rgb(x: Any) -> Any:
    h, s, v = x[..., 0], x[..., 1], x[..., 2]
    parts = [
        plait.clamp(plait.abs(h * 6 - c) * w + o, 0.0, 1.0)
        for c, w, o in ((3, 1, -1), (2, -1, 2), (4, -1, 2))
    ]
    return plait.stack([((1 - s) + s * p) * v for p in parts], dim=-1)


@op
def adjust_saturation(image: Any, saturation_factor: Any) -> Any:
    """Saturation scaled."""

    def change(x: Any) -> Any:
        hsv = _hsv(x)
        s = plait.clamp(hsv[..., 1] * float(saturation_factor), 0.0, 1.0)
        return _rgb(plait.stack((hsv[..., 0], s, hsv[..., 2]), dim=-1))

    return _as_float(image, change)


@op
def adjust_hue(image: Any, delta: Any) -> Any:
    """Hue turned by a share of the circle."""

    def change(x: Any) -> Any:
        hsv = _hsv(x)
        h = plait.remainder(hsv[..., 0] + float(delta), 1.0)
        return _rgb(plait.stack((h, hsv[..., 1], hsv[..., 2]), dim=-1))

    return _as_float(image, change)


@op
def per_image_standardization(image: Any) -> Any:
    """Each picture with mean 0 and deviation 1, float32."""
    held = convert(image)
    x = held.inner() if held.dtype.is_floating else held.inner().to(plait.float32)
    axes = (-3, -2, -1)
    mean = x.mean(dim=axes, keepdim=True)
    spread = plait.sqrt(((x - mean) ** 2).mean(dim=axes, keepdim=True))
    least = 1 / math.sqrt(math.prod(x.shape[-3:]))
    return wrap((x - mean) / plait.clamp(spread, min=least))


@op
def total_variation(images: Any) -> Any:
    """The sum of absolute differences between neighbours."""
    x = inner(images)
    down = plait.abs(x.narrow(-3, 1, x.shape[-3] - 1) - x.narrow(-3, 0, x.shape[-3] - 1))
    right = plait.abs(x.narrow(-2, 1, x.shape[-2] - 1) - x.narrow(-2, 0, x.shape[-2] - 1))
    return wrap(down.sum(dim=(-3, -2, -1)) + right.sum(dim=(-3, -2, -1)))


@op
def psnr(a: Any, b: Any, max_val: Any) -> Any:
    """The peak ratio of signal to noise, in decibels."""
    x, y = (convert_image_dtype(v, "float32").inner() for v in (a, b))
    most = float(max_val)
    if convert(a).dtype.is_integer:
        most /= int(convert(a).dtype.max)
    error_ = ((x - y) ** 2).mean(dim=(-3, -2, -1))
    return wrap(20 * math.log10(most) - 10 / math.log(10) * plait.log(error_))


# -- chance ---------------------------------------------------------------------------------------


def _number(low: float, high: float, seed: Any) -> float:
    return float(random.uniform((), low, high, seed=seed))


@op
def random_flip_left_right(image: Any, seed: Any = None) -> Any:
    """Each picture mirrored with probability one half."""
    return _flipped(image, -2, seed)


@op
def random_flip_up_down(image: Any, seed: Any = None) -> Any:
    """Each picture upside down with probability one half."""
    return _flipped(image, -3, seed)


def _flipped(image: Any, axis: int, seed: Any) -> Any:
    value, alone = _batched(image)
    drawn = random.uniform((value.shape[0], 1, 1, 1), seed=seed).inner()
    return _given_back(plait.where(drawn < 0.5, plait.flip(value, (axis,)), value), alone)


@op
def random_brightness(image: Any, max_delta: float, seed: Any = None) -> Any:
    """Brightness changed by chance."""
    if max_delta < 0:
        raise error(ValueError, "max_delta must be non-negative.")
    return adjust_brightness(image, _number(-max_delta, max_delta, seed))


@op
def random_contrast(image: Any, lower: float, upper: float, seed: Any = None) -> Any:
    """Contrast changed by chance."""
    if upper <= lower:
        raise error(ValueError, "upper must be > lower.")
    return adjust_contrast(image, _number(lower, upper, seed))


@op
def random_saturation(image: Any, lower: float, upper: float, seed: Any = None) -> Any:
    """Saturation changed by chance."""
    if upper <= lower:
        raise error(ValueError, "upper must be > lower.")
    return adjust_saturation(image, _number(lower, upper, seed))


@op
def random_hue(image: Any, max_delta: float, seed: Any = None) -> Any:
    """Hue changed by chance."""
    if not 0 <= max_delta <= 0.5:
        raise error(ValueError, "max_delta must be <= 0.5 and non-negative.")
    return adjust_hue(image, _number(-max_delta, max_delta, seed))


@op
def random_crop(value: Any, size: Any, seed: Any = None) -> Any:
    """A block of given extents from a place drawn by chance."""
    held, extents = inner(value), ints(size)
    if any(e > s for e, s in zip(extents, held.shape)):
        raise error(
            errors.InvalidArgumentError,
            f"Need value.shape >= size, got {list(held.shape)} {list(extents)}",
        )
    for axis, extent in enumerate(extents):
        room = held.shape[axis] - extent
        start = int(random.uniform((), 0, room + 1, "int32", seed)) if room else 0
        held = held.narrow(axis, start, extent)
    return wrap(held.clone())


def _seeded(draw: Any, image: Any, seed: Any, *bounds: Any) -> Any:
    """A change by a number that a seed of two integers gives."""
    low, high = bounds
    return draw(image, float(random.stateless_uniform((), seed, low, high)))


def stateless_random_brightness(image: Any, max_delta: float, seed: Any) -> Any:
    """Brightness changed by chance, the same for the same seed."""
    return _seeded(adjust_brightness, image, seed, -max_delta, max_delta)


def stateless_random_contrast(image: Any, lower: float, upper: float, seed: Any) -> Any:
    """Contrast changed by chance, the same for the same seed."""
    return _seeded(adjust_contrast, image, seed, lower, upper)


def stateless_random_saturation(image: Any, lower: float, upper: float, seed: Any = None) -> Any:
    """Saturation changed by chance, the same for the same seed."""
    return _seeded(adjust_saturation, image, seed, lower, upper)


def stateless_random_hue(image: Any, max_delta: float, seed: Any) -> Any:
    """Hue changed by chance, the same for the same seed."""
    return _seeded(adjust_hue, image, seed, -max_delta, max_delta)


def stateless_random_flip_left_right(image: Any, seed: Any) -> Any:
    """Mirrored with probability one half, the same for the same seed."""
    return _flipped_by(image, -2, seed)


def stateless_random_flip_up_down(image: Any, seed: Any) -> Any:
    """Upside down with probability one half, the same for the same seed."""
    return _flipped_by(image, -3, seed)


@op
def _flipped_by(image: Any, axis: int, seed: Any) -> Any:
    value, alone = _batched(image)
    drawn = random.stateless_uniform((value.shape[0], 1, 1, 1), seed).inner()
    return _given_back(plait.where(drawn < 0.5, plait.flip(value, (axis,)), value), alone)


@op
def stateless_random_crop(value: Any, size: Any, seed: Any) -> Any:
    """A block of given extents from a place drawn by chance, the same for the same seed."""
    held, extents = inner(value), ints(size)
    for axis, extent in enumerate(extents):
        room = held.shape[axis] - extent
        if room < 0:
            raise error(
                errors.InvalidArgumentError,
                f"Need value.shape >= size, got {list(held.shape)} {list(extents)}",
            )
        own = random.fold_in(seed, axis)
        start = int(random.stateless_uniform((), own, 0, room + 1, "int32")) if room else 0
        held = held.narrow(axis, start, extent)
    return wrap(held.clone())


@op
def extract_patches(images: Any, sizes: Any, strides: Any, rates: Any, padding: str) -> Any:
    """The windows of pictures as channels: rows, then columns, then the pictures' channels."""
    from plait.tf._ops.windows import pads

    value = inner(images)
    window, steps, spread = (ints(v)[1:3] for v in (sizes, strides, rates))
    planes = value.permute((0, 3, 1, 2))
    around = pads(padding, planes.shape[2:], window, steps, spread)
    planes = F.pad(planes, [n for p in reversed(around) for n in p])
    columns = F.unfold(
        planes.to(plait.float32) if planes.dtype.kind != "f" else planes, window, spread, 0, steps
    )
    places = [
        (extent - (k - 1) * d - 1) // s + 1
        for extent, k, s, d in zip(planes.shape[2:], window, steps, spread)
    ]
    n, c = planes.shape[:2]
    made = columns.reshape((n, c, window[0] * window[1], *places)).permute((0, 3, 4, 2, 1))
    return wrap(made.reshape((n, *places, window[0] * window[1] * c)).to(value.dtype))


@op
def sobel_edges(image: Any) -> Any:
    """The slopes of pictures (batch, height, width, channels) downwards and to the right."""
    value = inner(image)
    planes = value.permute((0, 3, 1, 2))
    n, c, h, w = planes.shape
    kernel = plait.tensor([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]]).to(value.dtype)
    both = plait.stack((kernel, kernel.transpose(0, 1))).unsqueeze(1)
    padded = F.pad(planes.reshape((n * c, 1, h, w)), (1, 1, 1, 1), mode="reflect")
    made = F.conv2d(padded, both).reshape((n, c, 2, h, w))
    return wrap(made.permute((0, 3, 4, 1, 2)))


@op
def crop_and_resize(
    image: Any,
    boxes: Any,
    box_indices: Any,
    crop_size: Any,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
) -> Any:
    """Boxes (y1, x1, y2, x2, as shares of the picture) cut out of pictures and resized."""
    value = inner(image)
    frames = inner(boxes).to(plait.float32)
    chosen = plait.index_select(value, 0, inner(box_indices).to(plait.int64)).to(plait.float32)
    height, width = ints(crop_size)
    h, w = value.shape[1:3]

    def places(first: Any, last: Any, extent: int, count: int) -> Any:
        if count == 1:
            return ((first + last) * 0.5 * (extent - 1)).unsqueeze(1)
        steps = plait.arange(count, dtype=plait.float32) / (count - 1)
        return (first.unsqueeze(1) + (last - first).unsqueeze(1) * steps) * (extent - 1)

    y = places(frames[:, 0], frames[:, 2], h, height)
    x = places(frames[:, 1], frames[:, 3], w, width)
    grid_y = (2 * y / max(h - 1, 1) - 1).unsqueeze(2).broadcast_to((*y.shape, width))
    grid_x = (2 * x / max(w - 1, 1) - 1).unsqueeze(1).broadcast_to((y.shape[0], height, width))
    grid = plait.stack((grid_x, grid_y), dim=-1)
    made = F.grid_sample(
        chosen.permute((0, 3, 1, 2)), grid, mode=method, align_corners=True, padding_mode="border"
    ).permute((0, 2, 3, 1))
    inside = ((y >= 0) & (y <= h - 1)).unsqueeze(2) & ((x >= 0) & (x <= w - 1)).unsqueeze(1)
    outside = plait.full_like(made, extrapolation_value)
    return wrap(plait.where(inside.unsqueeze(3), made, outside))


__getattr__ = unbuilt(
    "tf.image",
    (
        "decode_gif",
        "combined_non_max_suppression",
    ),
)
