"""Images: colours, resizing, geometric transforms, filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras.src import backend

import plait as torch
import plait.nn.functional as F
from keras_plait.src.core import convert_to_tensor
from keras_plait.src.operands import as_float, name_of
from keras_plait.src.random import normal
from keras_plait.src.sampling import FILL_MODES, sample, weights_of_axis

RESIZE_INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")
AFFINE_TRANSFORM_INTERPOLATIONS = {"nearest": 0, "bilinear": 1}
AFFINE_TRANSFORM_FILL_MODES = FILL_MODES
MAP_COORDINATES_FILL_MODES = FILL_MODES
SCALE_AND_TRANSLATE_METHODS = {
    *("linear", "bilinear", "trilinear", "cubic", "bicubic", "tricubic", "lanczos3", "lanczos5")
}


def _require_rank(images: Any) -> None:
    if len(images.shape) not in (3, 4):
        raise ValueError(
            "Invalid images rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received input with shape: images.shape={tuple(images.shape)}"
        )


def _require_float(images: Any) -> None:
    if not images.dtype.is_floating_point:
        raise ValueError(
            f"Invalid images dtype: expected float dtype. Received: images.dtype={name_of(images)}"
        )


def _require_one_of(name: str, value: Any, known: Any) -> None:
    if value not in known:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected of one {known}. "
            f"Received: {name}={value}"
        )


def _channel_axis(data_format: str | None) -> int:
    return -1 if backend.standardize_data_format(data_format) == "channels_last" else -3


# -- colours ---------------------------------------------------------------------------------------


def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    """Luminance by the weights 0.2989, 0.587, 0.114 (ITU-R BT.601)."""
    images = convert_to_tensor(images)
    axis = _channel_axis(data_format)
    _require_rank(images)
    if images.shape[axis] not in (1, 3):
        raise ValueError(
            "Invalid channel size: expected 3 (RGB) or 1 (Grayscale). "
            f"Received input with shape: images.shape={tuple(images.shape)}"
        )
    if images.shape[axis] == 1:
        return images
    red, green, blue = as_float(images).split(1, axis)
    return (0.2989 * red + 0.5870 * green + 0.1140 * blue).to(images.dtype)


def rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    """Hue, saturation and value, each in 0..1. Source: Smith, Color gamut transform
    pairs (1978)."""
    images = convert_to_tensor(images)
    axis = _channel_axis(data_format)
    _require_rank(images)
    _require_float(images)
    eps = torch.finfo(images.dtype).eps
    red, green, blue = torch.where(torch.abs(images) < eps, 0.0, images).unbind(axis)
    value = torch.maximum(torch.maximum(red, green), blue)
    extent = value - torch.minimum(torch.minimum(red, green), blue)
    unit = 1 / (6 * torch.where(extent > 0, extent, 1.0))
    hue = torch.where(value == green, unit * (blue - red) + 2 / 6, unit * (red - green) + 4 / 6)
    hue = torch.where(value == red, unit * (green - blue), hue)
    hue = torch.where(extent > 0, hue, 0.0) + (hue < 0).to(hue.dtype)
    saturation = torch.where(value > 0, extent / torch.where(value > 0, value, 1.0), 0.0)
    return torch.stack([hue, saturation, value], axis)


def hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    images = convert_to_tensor(images)
    axis = _channel_axis(data_format)
    _require_rank(images)
    _require_float(images)
    hue, saturation, value = images.unbind(axis)
    place = torch.remainder(hue, 1) * 6
    parts = (
        torch.clamp(torch.abs(place - 3) - 1, 0, 1),
        torch.clamp(2 - torch.abs(place - 2), 0, 1),
        torch.clamp(2 - torch.abs(place - 4), 0, 1),
    )
    return torch.stack([value * (1 - saturation + saturation * part) for part in parts], axis)


# -- resizing --------------------------------------------------------------------------------------


def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Images of (height, width) `size`; the aspect is kept by cropping or padding first."""
    axis = _channel_axis(data_format)
    _require_one_of("interpolation", interpolation, RESIZE_INTERPOLATIONS)
    if fill_mode != "constant":
        raise ValueError(
            "Invalid value for argument `fill_mode`. Only `'constant'` is supported. "
            f"Received: fill_mode={fill_mode}"
        )
    if pad_to_aspect_ratio and crop_to_aspect_ratio:
        raise ValueError(
            "Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`."
        )
    if len(size) != 2:
        raise ValueError(
            "Argument `size` must be a tuple of two elements (height, width). "
            f"Received: size={size}"
        )
    images = convert_to_tensor(images)
    _require_rank(images)
    rows = images.ndim - (3 if axis == -1 else 2)
    space = (rows, rows + 1)
    target = (int(size[0]), int(size[1]))
    if crop_to_aspect_ratio or pad_to_aspect_ratio:
        images = _to_aspect(images, space, target, crop_to_aspect_ratio, fill_value)
    dtype = images.dtype
    made = images
    if interpolation == "nearest":
        for a, extent in zip(space, target):
            before = made.shape[a]
            place = (torch.arange(extent, dtype=torch.float32) + 0.5) * (before / extent)
            made = made.index_select(a, torch.floor(place).to(torch.int64).clamp(0, before - 1))
        return made
    made = as_float(made)
    for a, extent in zip(space, target):
        before = made.shape[a]
        if before != extent:
            scale = extent / before
            weights = weights_of_axis(before, extent, scale, 0.0, interpolation, antialias)
            made = _along(made, a, weights)
    if dtype.is_floating_point:
        return made.to(dtype)
    limits = torch.iinfo(dtype)
    return torch.clamp(torch.round(made), limits.min, limits.max).to(dtype)


def _along(x: Any, axis: int, weights: Any) -> Any:
    """x with one axis multiplied by weights (before, after)."""
    made = torch.tensordot(x, weights.to(x.dtype), dims=([axis], [0]))
    return made.movedim(-1, axis)


def _to_aspect(
    images: Any, space: tuple[int, int], target: tuple[int, int], crop: bool, fill: float
) -> Any:
    height, width = (images.shape[a] for a in space)
    wanted = (int(width * target[0] / target[1]), int(height * target[1] / target[0]))
    if crop:
        for axis, extent, keep in zip(space, (height, width), wanted):
            keep = max(min(extent, keep), 1)
            images = images.narrow(axis, int((extent - keep) / 2), keep)
        return images
    widths = [(0, 0)] * images.ndim
    for axis, extent, grown in zip(space, (height, width), wanted):
        # The same on both sides, as Keras does.
        before = int((max(extent, grown) - extent) / 2)
        widths[axis] = (before, before)
    flat = [w for pair in reversed(widths) for w in pair]
    return F.pad(images, flat, value=fill)


def scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Any:
    """Images sampled at (place - translation) / scale along the spatial axes."""
    _require_one_of("method", method, SCALE_AND_TRANSLATE_METHODS)
    images = as_float(images)
    scale, translation = convert_to_tensor(scale), convert_to_tensor(translation)
    for number, axis in enumerate(spatial_dims):
        weights = weights_of_axis(
            images.shape[axis],
            output_shape[axis],
            scale[number].to(torch.float32),
            translation[number].to(torch.float32),
            method,
            antialias,
        )
        images = _along(images, axis % images.ndim, weights)
    return images


# -- geometric transforms --------------------------------------------------------------------------


def _batched(images: Any, data_format: str | None, of_each: Callable[[Any], Any]) -> Any:
    """`of_each` of images (batch, channels, height, width), in the layout that came."""
    _require_rank(images)
    x = images if images.ndim == 4 else images[None]
    last = backend.standardize_data_format(data_format) == "channels_last"
    made = of_each(x.movedim(-1, 1) if last else x)
    made = made.movedim(1, -1) if last else made
    return made if images.ndim == 4 else made[0]


def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Each pixel (x, y) from (a0 x + a1 y + a2, b0 x + b1 y + b2); transform (..., 8)."""
    _require_one_of("interpolation", interpolation, AFFINE_TRANSFORM_INTERPOLATIONS)
    _require_one_of("fill_mode", fill_mode, AFFINE_TRANSFORM_FILL_MODES)
    images, transform = convert_to_tensor(images), convert_to_tensor(transform)
    if transform.ndim not in (1, 2):
        raise ValueError(
            "Invalid transform rank: expected rank 1 (single transform) or rank 2 (batch of "
            f"transforms). Received input with shape: transform.shape={tuple(transform.shape)}"
        )
    matrix = as_float(transform if transform.ndim == 2 else transform[None]).to(torch.float32)
    a0, a1, a2, b0, b1, b2 = (matrix[:, i, None, None] for i in range(6))

    def moved(x: Any) -> Any:
        columns = torch.arange(x.shape[3], dtype=torch.float32)[None, None, :]
        rows = torch.arange(x.shape[2], dtype=torch.float32)[None, :, None]
        place = (b0 * columns + b1 * rows + b2, a0 * columns + a1 * rows + a2)
        return _sampled(x, place, interpolation, fill_mode, fill_value)

    return _batched(images, data_format, moved)


def _sampled(x: Any, place: Any, interpolation: str, fill_mode: str, fill: float) -> Any:
    """Pixels at places, which are float32, in the images' dtype."""
    order = AFFINE_TRANSFORM_INTERPOLATIONS[interpolation]
    return sample(x, place, order, fill_mode, fill, lead=2).to(x.dtype)


def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Images with the corners at `start_points` moved to `end_points`, (..., 4, 2) as (x, y)."""
    _require_one_of("interpolation", interpolation, AFFINE_TRANSFORM_INTERPOLATIONS)
    images = convert_to_tensor(images)
    start, end = convert_to_tensor(start_points), convert_to_tensor(end_points)
    _require_rank(images)
    for name, points in (("start_points", start), ("end_points", end)):
        if tuple(points.shape[-2:]) != (4, 2) or points.ndim not in (2, 3):
            raise ValueError(
                f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. "
                f"Received shape: {tuple(points.shape)}"
            )
    if start.shape != end.shape:
        raise ValueError(
            "start_points and end_points must have the same shape. Received start_points.shape="
            f"{tuple(start.shape)}, end_points.shape={tuple(end.shape)}"
        )
    if start.ndim == 2:
        start, end = start[None], end[None]
    matrix = compute_homography_matrix(start.to(torch.float32), end.to(torch.float32))
    a, b, c, d, e, f, g, h = (matrix[:, i, None, None] for i in range(8))

    def moved(x: Any) -> Any:
        columns = torch.arange(x.shape[3], dtype=torch.float32)[None, None, :]
        rows = torch.arange(x.shape[2], dtype=torch.float32)[None, :, None]
        depth = g * columns + h * rows + 1
        place = ((d * columns + e * rows + f) / depth, (a * columns + b * rows + c) / depth)
        return _sampled(x, place, interpolation, "constant", fill_value)

    return _batched(images, data_format, moved)


def compute_homography_matrix(start_points: Any, end_points: Any) -> Any:
    """The eight numbers (batch, 8) of the projection of `end_points` onto `start_points`."""
    start, end = convert_to_tensor(start_points), convert_to_tensor(end_points)
    start_x, start_y = start[..., 0], start[..., 1]
    x, y = end[..., 0], end[..., 1]
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    of_x = torch.stack([x, y, one, zero, zero, zero, -start_x * x, -start_x * y], -1)
    of_y = torch.stack([zero, zero, zero, x, y, one, -start_y * x, -start_y * y], -1)
    matrix = torch.cat([of_x, of_y], -2)
    return torch.linalg.solve(matrix, torch.cat([start_x, start_y], -1)[..., None])[..., 0]


def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0.0
) -> Any:
    """`inputs` at `coordinates` (axes, ...), by the nearest (order 0) or linearly (order 1)."""
    inputs, coordinates = convert_to_tensor(inputs), convert_to_tensor(coordinates)
    if coordinates.shape[0] != inputs.ndim:
        raise ValueError(
            "First dim of `coordinates` must be the same as the rank of `inputs`. Received inputs "
            f"with shape: {tuple(inputs.shape)} and coordinate leading dim of "
            f"{coordinates.shape[0]}"
        )
    if coordinates.ndim < 2:
        raise ValueError(
            "Invalid coordinates rank: expected at least rank 2. Received input with shape: "
            f"{tuple(coordinates.shape)}"
        )
    _require_one_of("fill_mode", fill_mode, MAP_COORDINATES_FILL_MODES)
    if order not in (0, 1):
        raise ValueError(
            f"Invalid value for argument `order`. Expected one of [0, 1]. Received: order={order}"
        )
    return sample(inputs, coordinates.unbind(0), order, fill_mode, fill_value, lead=0)


# -- filters ---------------------------------------------------------------------------------------


def _filtered(images: Any, kernel: Any, data_format: str | None) -> Any:
    """Each channel convolved with kernel (height, width)."""

    def of_each(x: Any) -> Any:
        channels = x.shape[1]
        weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
        return F.conv2d(x, weight, padding="same", groups=channels)

    return _batched(images, data_format, of_each)


def gaussian_blur(
    images: Any,
    kernel_size: Any = (3, 3),
    sigma: Any = (1.0, 1.0),
    data_format: str | None = None,
) -> Any:
    images = convert_to_tensor(images)
    _require_rank(images)
    sigma = convert_to_tensor(sigma).to(images.dtype)

    def bell(size: int, width: Any) -> Any:
        place = torch.arange(size, dtype=images.dtype) - (size - 1) / 2
        made = torch.exp(-0.5 * (place / width) ** 2)
        return made / torch.sum(made)

    across, down = bell(kernel_size[0], sigma[0]), bell(kernel_size[1], sigma[1])
    return _filtered(images, torch.outer(down, across), data_format or "channels_first")


def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """Slopes (..., 2) down and across."""
    images = convert_to_tensor(images)
    slope = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    across = _filtered(images, slope, data_format)
    down = _filtered(images, slope.mT, data_format)
    return torch.stack([down, across], -1)


def elastic_transform(
    images: Any,
    alpha: Any = 20.0,
    sigma: Any = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Images moved by smooth random offsets. Source: Simard, Steinkraus, Platt, Best practices for
    convolutional neural networks (2003)."""
    _require_one_of("interpolation", interpolation, AFFINE_TRANSFORM_INTERPOLATIONS)
    _require_one_of("fill_mode", fill_mode, AFFINE_TRANSFORM_FILL_MODES)
    images = convert_to_tensor(images)
    alpha, width = float(alpha), float(sigma)
    size = int(6 * width) | 1

    def moved(x: Any) -> Any:
        batch, _, height, across = x.shape
        drawn = normal((2, batch, 1, height, across), stddev=width, dtype="float32", seed=seed)
        offsets = [
            gaussian_blur(part, (size, size), (width, width), "channels_first")[:, 0]
            for part in drawn.unbind(0)
        ]
        columns = torch.arange(across, dtype=torch.float32)[None, None, :]
        rows = torch.arange(height, dtype=torch.float32)[None, :, None]
        place = (rows + alpha * offsets[1], columns + alpha * offsets[0])
        return _sampled(x, place, interpolation, fill_mode, fill_value)

    return _batched(images, data_format, moved).to(images.dtype)
