"""Colours of image tensors (..., C, H, W): floats in [0, 1], or integers of their dtype's range."""

from __future__ import annotations

from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import _tensor


def brightest(image: Any) -> int:
    """The largest value of an image of this dtype."""
    return _tensor.largest_value(image.dtype)


def _require_channels(image: Any, permitted: tuple[int, ...]) -> int:
    channels = _tensor.dimensions(image)[0]
    if channels not in permitted:
        raise error(
            TypeError,
            f"Input image tensor permitted channel values are {list(permitted)}, but found "
            f"{channels}",
        )
    return channels


def blend(first: Any, second: Any, ratio: float) -> Any:
    """ratio * first + (1 - ratio) * second, kept in range; `ratio` may lie outside [0, 1]."""
    mixed = ratio * first + (1.0 - ratio) * second
    return mixed.clamp(0, brightest(first)).to(first.dtype)


def brightness(image: Any, factor: float) -> Any:
    _require_channels(image, (1, 3))
    return blend(image, plait.zeros_like(image), factor)


def contrast(image: Any, factor: float) -> Any:
    channels = _require_channels(image, (1, 3))
    grey = _tensor.grayscale(image, 1) if channels == 3 else image
    dtype = image.dtype if image.is_floating_point() else plait.float32
    return blend(image, grey.to(dtype).mean((-3, -2, -1), keepdim=True), factor)


def saturation(image: Any, factor: float) -> Any:
    if _require_channels(image, (1, 3)) == 1:
        return image
    return blend(image, _tensor.grayscale(image, 1), factor)


def hue(image: Any, factor: float) -> Any:
    if _require_channels(image, (1, 3)) == 1:
        return image
    rgb = _tensor.convert_dtype(image, plait.float32)
    turned, saturation, value = _to_hsv(rgb)
    turned = (turned + factor) % 1.0
    return _tensor.convert_dtype(_to_rgb(turned, saturation, value), image.dtype)


def _to_hsv(image: Any) -> tuple[Any, Any, Any]:
    """Hue, saturation and value in [0, 1], as Python's `colorsys` has them."""
    red, green, blue = image.unbind(-3)
    high, low = image.amax(-3), image.amin(-3)
    grey = high == low
    spread = high - low
    one = plait.ones_like(high)
    saturation = spread / plait.where(grey, one, high)
    divisor = plait.where(grey, one, spread)
    from_red, from_green, from_blue = ((high - c) / divisor for c in (red, green, blue))
    sixth = plait.where(
        high == red,
        from_blue - from_green,
        plait.where(high == green, 2.0 + from_red - from_blue, 4.0 + from_green - from_red),
    )
    return plait.fmod(sixth / 6.0 + 1.0, 1.0), saturation, high


def _to_rgb(hue: Any, saturation: Any, value: Any) -> Any:
    sixth = plait.floor(hue * 6.0)
    part = hue * 6.0 - sixth
    sixth = sixth.to(plait.int32) % 6
    low = (value * (1.0 - saturation)).clamp(0.0, 1.0)
    falling = (value * (1.0 - saturation * part)).clamp(0.0, 1.0)
    rising = (value * (1.0 - saturation * (1.0 - part))).clamp(0.0, 1.0)

    def pick(*by_sixth: Any) -> Any:
        result = by_sixth[5]
        for number in range(5):
            result = plait.where(sixth == number, by_sixth[number], result)
        return result

    return plait.stack(
        (
            pick(value, falling, low, low, rising, value),
            pick(rising, value, value, falling, low, low),
            pick(low, low, rising, value, value, falling),
        ),
        dim=-3,
    )


def gamma(image: Any, exponent: float, gain: float) -> Any:
    result = image
    if not image.is_floating_point():
        result = _tensor.convert_dtype(image, plait.float32)
    return _tensor.convert_dtype((gain * result**exponent).clamp(0, 1), image.dtype)


def sharpness(image: Any, factor: float) -> Any:
    _require_channels(image, (1, 3))
    if image.shape[-2] <= 2 or image.shape[-1] <= 2:
        return image
    return blend(image, _smoothed(image), factor)


def _smoothed(image: Any) -> Any:
    """A 3x3 mean with the middle counted five times; the border stays as it is."""
    dtype = image.dtype if image.is_floating_point() else plait.float32
    kernel = plait.ones(3, 3, dtype=dtype)
    kernel[1, 1] = 5.0
    kernel = kernel / kernel.sum()
    batch = image.reshape(-1, 1, *image.shape[-2:]).to(dtype)
    inner = plait.nn.functional.conv2d(batch, kernel[None, None])
    if not image.is_floating_point():
        inner = inner.round()
    result = image.clone()
    result[..., 1:-1, 1:-1] = inner.to(image.dtype).reshape(*image.shape[:-2], *inner.shape[-2:])
    return result


def autocontrast(image: Any) -> Any:
    _require_channels(image, (1, 3))
    bound = brightest(image)
    dtype = image.dtype if image.is_floating_point() else plait.float32
    low = image.amin((-2, -1), keepdim=True).to(dtype)
    high = image.amax((-2, -1), keepdim=True).to(dtype)
    flat = low == high  # a channel of one value stays as it is
    low = plait.where(flat, plait.zeros_like(low), low)
    # PyTorch divides a number by a tensor in these two steps; a byte may depend on it.
    factor = plait.where(flat, plait.ones_like(low), bound * (high - low).reciprocal())
    return ((image - low) * factor).clamp(0, bound).to(image.dtype)


def equalize(image: Any) -> Any:
    _require_bytes(image, "equalize")
    _require_channels(image, (1, 3))
    planes = image.numpy().reshape(-1, *image.shape[-2:])
    result = np.stack([_equalized(plane) for plane in planes]) if len(planes) else planes
    return plait.from_numpy(result.reshape(tuple(image.shape)))


def _equalized(plane: np.ndarray) -> np.ndarray:
    """The values spread so that about equally many pixels have each, as Pillow does it."""
    counts = np.bincount(plane.ravel(), minlength=256)
    present = counts[counts > 0]
    step = int(present[:-1].sum()) // 255
    if step == 0:
        return plane
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    # torchvision rounds each entry before it shifts the table by one: the first stays 0.
    table = np.where(np.arange(256) == 0, 0, (below + step // 2) // step)
    return table.clip(0, 255).astype(np.uint8)[plane]


def posterize(image: Any, bits: int) -> Any:
    _require_bytes(image, "posterize")
    _require_channels(image, (1, 3))
    return image & (256 - 2 ** (8 - bits))


def _require_bytes(image: Any, what: str) -> None:
    if image.dtype != plait.uint8:
        raise error(
            TypeError,
            f"{what}: only torch.uint8 image tensors are supported, but found {image.dtype}",
        )


def solarize(image: Any, threshold: float) -> Any:
    _require_channels(image, (1, 3))
    if threshold > brightest(image):
        raise error(TypeError, "Threshold should be less than bound of img.")
    return plait.where(image >= threshold, invert(image), image)


def invert(image: Any) -> Any:
    return brightest(image) - image


def gaussian_blur(image: Any, kernel_size: list[int], sigma: list[float]) -> Any:
    """Convolved with a Gaussian of width `sigma` (x, y), cut off at `kernel_size` (x, y)."""
    dtype = image.dtype if image.is_floating_point() else plait.float32
    across, down = (_gaussian(k, s, dtype) for k, s in zip(kernel_size, sigma))
    kernel = down[:, None] * across[None, :]
    batch = image.reshape(-1, 1, *image.shape[-2:]).to(dtype)
    sides = [kernel_size[0] // 2] * 2 + [kernel_size[1] // 2] * 2
    batch = plait.nn.functional.pad(batch, sides, mode="reflect")
    result = plait.nn.functional.conv2d(batch, kernel[None, None])
    if not image.is_floating_point():
        result = result.round()
    return result.to(image.dtype).reshape(image.shape)


def _gaussian(size: int, sigma: float, dtype: Any) -> Any:
    half = (size - 1) * 0.5
    x = plait.linspace(-half, half, size, dtype=dtype)
    weights = plait.exp(-0.5 * (x / sigma) ** 2)
    return weights / weights.sum()
