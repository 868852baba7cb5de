"""The geometry of Pillow images: crop, pad, flip, resize, rotate, grey. Sizes are (height,
width)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.vision._pillow import pillow_image
from plait.vision.transforms._interpolation import InterpolationMode, pillow_filter

# Names that NumPy's pad has for torchvision's padding modes.
_NUMPY_PADDING = {"edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def dimensions(image: Any) -> list[int]:
    """[channels, height, width]."""
    width, height = image.size
    return [len(image.getbands()), height, width]


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part of the image; zero where it reaches beyond."""
    return image.crop((left, top, left + width, top + height))


def horizontal_flip(image: Any) -> Any:
    return image.transpose(pillow_image().Transpose.FLIP_LEFT_RIGHT)


def vertical_flip(image: Any) -> Any:
    return image.transpose(pillow_image().Transpose.FLIP_TOP_BOTTOM)


def resize(image: Any, size: Sequence[int], mode: InterpolationMode) -> Any:
    height, width = size
    return image.resize((width, height), pillow_filter(mode))


def rotate(
    image: Any,
    angle: float,
    mode: InterpolationMode,
    expand: bool,
    center: Sequence[float] | None,
    fill: Any,
) -> Any:
    """Rotated counter-clockwise by `angle` degrees about `center` (x, y)."""
    return image.rotate(
        angle,
        pillow_filter(mode),
        expand=expand,
        center=None if center is None else tuple(center),
        fillcolor=_fill_for(image, fill),
    )


def affine(image: Any, matrix: Sequence[float], mode: InterpolationMode, fill: Any) -> Any:
    """Each pixel taken from where `matrix`, six numbers, takes it."""
    transform = pillow_image().Transform.AFFINE
    fill = _fill_for(image, fill)
    return image.transform(image.size, transform, matrix, pillow_filter(mode), fillcolor=fill)


def perspective(
    image: Any, coefficients: Sequence[float], mode: InterpolationMode, fill: Any
) -> Any:
    """Each pixel taken from where the projective map of eight numbers takes it."""
    transform = pillow_image().Transform.PERSPECTIVE
    fill = _fill_for(image, fill)
    return image.transform(image.size, transform, coefficients, pillow_filter(mode), fillcolor=fill)


def grayscale(image: Any, channels: int) -> Any:
    """Luminance, in one channel or three equal ones."""
    grey = image.convert("L")
    return grey if channels == 1 else pillow_image().merge("RGB", (grey, grey, grey))


def pad(image: Any, padding: Sequence[int], fill: Any, padding_mode: str) -> Any:
    """Padded by (left, top, right, bottom); negative amounts cut off."""
    left, top, right, bottom = padding
    _, height, width = dimensions(image)
    if padding_mode == "constant":
        size = (width + left + right, height + top + bottom)
        palette = image.getpalette() if image.mode == "P" else None
        padded = pillow_image().new(image.mode, size, _fill_for(image, fill))
        if palette is not None:
            padded.putpalette(palette)
        padded.paste(image, (left, top))
        return padded
    image = image.crop(
        (max(-left, 0), max(-top, 0), width - max(-right, 0), height - max(-bottom, 0))
    )
    amounts = [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))]
    palette = image.getpalette() if image.mode == "P" else None
    pixels = np.asarray(image)
    if pixels.ndim == 3:
        amounts.append((0, 0))
    mode: Any = _NUMPY_PADDING[padding_mode]
    padded = pillow_image().fromarray(np.pad(pixels, amounts, mode=mode))
    if palette is not None:
        padded.putpalette(palette)
    return padded


def _fill_for(image: Any, fill: Any) -> Any:
    """A colour for the image's mode: a number stands for every channel, integers for bytes."""
    bands = len(image.getbands())
    values = list(fill) if isinstance(fill, (list, tuple)) else [0 if fill is None else fill]
    if image.mode != "F":
        values = [int(value) for value in values]
    if len(values) == 1:
        return tuple(values) * bands if bands > 1 else values[0]
    if len(values) != bands:
        raise error(
            ValueError,
            f"The number of elements in 'fill' does not match the number of channels of the image "
            f"({len(values)} != {bands})",
        )
    return tuple(values)
