"""Colours of Pillow images."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from plait.vision._pillow import pillow_image


def _enhance() -> ModuleType:
    from PIL import ImageEnhance

    return ImageEnhance


def _ops() -> ModuleType:
    from PIL import ImageOps

    return ImageOps


def brightness(image: Any, factor: float) -> Any:
    return _enhance().Brightness(image).enhance(factor)


def contrast(image: Any, factor: float) -> Any:
    return _enhance().Contrast(image).enhance(factor)


def saturation(image: Any, factor: float) -> Any:
    return _enhance().Color(image).enhance(factor)


def sharpness(image: Any, factor: float) -> Any:
    return _enhance().Sharpness(image).enhance(factor)


def hue(image: Any, factor: float) -> Any:
    """The hue turned by `factor` of a circle, in Pillow's steps of 1/256; grey stays."""
    if image.mode in ("L", "1", "I", "F"):
        return image
    hues, saturations, values = image.convert("HSV").split()
    shift = np.uint8(int(factor * 255) % 256)
    turned = np.asarray(hues, np.uint8) + shift  # wraps around
    hues = pillow_image().fromarray(turned)
    return pillow_image().merge("HSV", (hues, saturations, values)).convert(image.mode)


def gamma(image: Any, exponent: float, gain: float) -> Any:
    mode = image.mode
    table = [int((255 + 1 - 1e-3) * gain * (value / 255.0) ** exponent) for value in range(256)]
    rgb = image.convert("RGB")
    return rgb.point(table * 3).convert(mode)


def autocontrast(image: Any) -> Any:
    return _ops().autocontrast(image)


def equalize(image: Any) -> Any:
    return _ops().equalize(image)


def posterize(image: Any, bits: int) -> Any:
    return _ops().posterize(image, bits)


def solarize(image: Any, threshold: float) -> Any:
    return _ops().solarize(image, threshold)


def invert(image: Any) -> Any:
    return _ops().invert(image)
