"""`tf.image.ssim`: how alike two pictures are."""

from __future__ import annotations

from typing import Any

import plait
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.tf import errors
from plait.tf._convert import convert, inner, wrap
from plait.tf._dispatch import op


@op
def ssim(
    img1: Any,
    img2: Any,
    max_val: Any,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    return_index_map: bool = False,
) -> Any:
    """The structural similarity of pictures (..., height, width, channels), one value for each
    picture; return_index_map: for each place of the window instead.

    max_val: the range of the values. Z. Wang et al., "Image quality assessment: from error
    visibility to structural similarity", 2004. Raises InvalidArgumentError for pictures smaller
    than the window, ValueError for shapes that do not fit.
    """
    first, second = (_as_floats(image) for image in (img1, img2))
    limit = float(inner(max_val)) / (1.0 if convert(img1).dtype.is_floating else _greatest(img1))
    if first.ndim < 3 or first.shape[-3:] != second.shape[-3:]:
        raise error(
            ValueError,
            f"Shapes {tuple(first.shape)} and {tuple(second.shape)} are incompatible: ssim takes "
            "pictures (..., height, width, channels) of one size",
        )
    if min(first.shape[-3:-1]) < filter_size:
        raise error(
            errors.InvalidArgumentError,
            f"ssim: a window of {filter_size} on pictures of {tuple(first.shape[-3:-1])}",
        )
    mean = _window(filter_size, filter_sigma, first.shape[-1])
    bright, contrast = (k1 * limit) ** 2, (k2 * limit) ** 2
    a, b = mean(first), mean(second)
    product, squares = a * b * 2.0, a**2 + b**2
    luminance = (product + bright) / (squares + bright)
    both = mean(first * second) * 2.0 - product
    each = mean(first**2 + second**2) - squares
    values = luminance * (both + contrast) / (each + contrast)
    if not return_index_map:
        values = values.mean((-3, -2))
    return wrap(values.mean(-1))


def _greatest(image: Any) -> int:
    return int(convert(image).dtype.max)


def _as_floats(image: Any) -> Any:
    """A picture in floats; integers by the share of their greatest value."""
    held = inner(image)
    if held.dtype.is_floating_point:
        return held.to(plait.float32)
    return held.to(plait.float32) / _greatest(image)


def _window(size: int, sigma: float, channels: int) -> Any:
    """A function that averages a picture with the weights of a bell of `size` by `size`."""
    places = plait.arange(size, dtype=plait.float32) - (size - 1) / 2
    line = plait.softmax(-(places**2) / (2 * sigma**2), dim=0)
    weights = (line[:, None] * line[None, :]).expand(channels, 1, size, size)

    def mean(x: Any) -> Any:
        flat = x.reshape(-1, *x.shape[-3:]).permute(0, 3, 1, 2)
        made = F.conv2d(flat, weights, groups=channels).permute(0, 2, 3, 1)
        return made.reshape(*x.shape[:-3], *made.shape[1:])

    return mean
