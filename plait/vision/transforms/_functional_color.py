"""The functions of colour in `functional`, on Pillow images and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision._pillow import is_pillow_image
from plait.vision.transforms import _color_image, _color_tensor
from plait.vision.transforms._conversions import pil_to_tensor, to_pil_image


def _backend(img: Any) -> ModuleType:
    if is_pillow_image(img):
        return _color_image
    if isinstance(img, plait.Tensor):
        return _color_tensor
    raise error(TypeError, f"img should be PIL Image or Tensor Image. Got {type(img)}")


def _require_not_negative(name: str, value: float) -> None:
    if value < 0:
        raise error(ValueError, f"{name} ({value}) is not non-negative.")


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """The image times `brightness_factor`: 0 is black, 1 the image, 2 twice as bright."""
    if is_pillow_image(img):
        return _color_image.brightness(img, brightness_factor)
    _require_not_negative("brightness_factor", brightness_factor)
    return _backend(img).brightness(img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Mixed with its mean luminance: 0 is grey, 1 the image, 2 twice the contrast."""
    if is_pillow_image(img):
        return _color_image.contrast(img, contrast_factor)
    _require_not_negative("contrast_factor", contrast_factor)
    return _backend(img).contrast(img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Mixed with its grey version: 0 is grey, 1 the image, 2 twice the saturation."""
    if is_pillow_image(img):
        return _color_image.saturation(img, saturation_factor)
    _require_not_negative("saturation_factor", saturation_factor)
    return _backend(img).saturation(img, saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The hue turned by `hue_factor` of a circle, in [-0.5, 0.5]; else ValueError."""
    if not -0.5 <= hue_factor <= 0.5:
        raise error(ValueError, f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return _backend(img).hue(img, hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """gain * image ** gamma, for values in [0, 1]."""
    if gamma < 0:
        raise error(ValueError, "Gamma should be a non-negative real number")
    return _backend(img).gamma(img, gamma, gain)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Mixed with a smoothed version: 0 is that, 1 the image, 2 twice as sharp."""
    if is_pillow_image(img):
        return _color_image.sharpness(img, sharpness_factor)
    _require_not_negative("sharpness_factor", sharpness_factor)
    return _backend(img).sharpness(img, sharpness_factor)


def autocontrast(img: Any) -> Any:
    """Each channel stretched to the whole range."""
    return _backend(img).autocontrast(img)


def equalize(img: Any) -> Any:
    """Each channel's histogram made flat; tensors have to be uint8."""
    return _backend(img).equalize(img)


def posterize(img: Any, bits: int) -> Any:
    """Each byte with its first `bits` bits only; tensors have to be uint8."""
    if not 0 <= bits <= 8:
        raise error(ValueError, f"The number if bits should be between 0 and 8. Got {bits}")
    return _backend(img).posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """Values from `threshold` on inverted."""
    return _backend(img).solarize(img, threshold)


def invert(img: Any) -> Any:
    """The negative."""
    return _backend(img).invert(img)


def gaussian_blur(
    img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Any:
    """Blurred by a Gaussian.

    Args:
        kernel_size: odd, or (x, y).
        sigma: its width, or (x, y); 0.15 * kernel_size + 0.35 if None.
    """
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) == 1:
        sizes = sizes * 2
    if len(sizes) != 2:
        raise error(
            ValueError, f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}"
        )
    for size in sizes:
        if size % 2 == 0 or size < 0:
            raise error(
                ValueError, f"kernel_size should have odd and positive integers. Got {sizes}"
            )
    widths = _widths(sizes, sigma)
    if is_pillow_image(img):
        blurred = _color_tensor.gaussian_blur(pil_to_tensor(img), sizes, widths)
        return to_pil_image(blurred, mode=img.mode)
    if not isinstance(img, plait.Tensor):
        raise error(TypeError, f"img should be PIL Image or Tensor. Got {type(img)}")
    return _color_tensor.gaussian_blur(img, sizes, widths)


def _widths(sizes: list[int], sigma: float | Sequence[float] | None) -> list[float]:
    if sigma is None:
        return [size * 0.15 + 0.35 for size in sizes]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise error(
            TypeError, f"sigma should be either float or sequence of floats. Got {type(sigma)}"
        )
    widths = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else [float(s) for s in sigma]
    if len(widths) == 1:
        widths = widths * 2
    if len(widths) != 2:
        raise error(
            ValueError, f"If sigma is a sequence, its length should be 2. Got {len(widths)}"
        )
    if any(width <= 0.0 for width in widths):
        raise error(ValueError, f"sigma should have positive values. Got {widths}")
    return widths
