"""Transforms as functions, on Pillow images and on tensors (..., C, H, W), under torchvision's
names.

A Pillow image is converted with `to_tensor`, `pil_to_tensor` and `to_pil_image`; every other
function takes either kind and gives the same kind back.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.vision._pillow import is_pillow_image
from plait.vision.transforms import _image, _tensor
from plait.vision.transforms._conversions import pil_to_tensor, to_pil_image, to_tensor
from plait.vision.transforms._functional_color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    gaussian_blur,
    invert,
    posterize,
    solarize,
)
from plait.vision.transforms._functional_warp import affine, elastic_transform, perspective
from plait.vision.transforms._interpolation import InterpolationMode, interpolation_mode

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def normalize(
    tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> Any:
    """(tensor - mean) / std for each channel of a float tensor (..., C, H, W).

    Raises TypeError for anything but a float tensor, ValueError for fewer than three dimensions or
    a zero in `std`.
    """
    if not isinstance(tensor, plait.Tensor):
        raise error(TypeError, f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise error(TypeError, f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise error(
            ValueError,
            "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
            f"{tensor.size()}",
        )
    if not inplace and not tensor.requires_grad and tensor.dtype in (plait.float32, plait.float64):
        return _normalized_array(tensor, mean, std)
    means = plait.as_tensor(mean, dtype=tensor.dtype).view(-1, 1, 1)
    deviations = plait.as_tensor(std, dtype=tensor.dtype).view(-1, 1, 1)
    if (deviations == 0).any():
        raise _zero_deviation(tensor.dtype)
    if not inplace:
        return (tensor - means) / deviations
    return tensor.sub_(means).div_(deviations)


def convert_image_dtype(image: Any, dtype: Any = None) -> Any:
    """A tensor image in another dtype (default float32), values scaled to that dtype's range.

    Raises TypeError for anything but a tensor, RuntimeError for a cast that would overflow.
    """
    if not isinstance(image, plait.Tensor):
        raise error(TypeError, "Input img should be Tensor Image")
    return _tensor.convert_dtype(image, plait.float32 if dtype is None else dtype)


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width] of an image of either kind."""
    return _backend(img).dimensions(img)


def get_image_size(img: Any) -> list[int]:
    """[width, height] of an image of either kind."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """Number of channels of an image of either kind."""
    return get_dimensions(img)[0]


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image in `size`: (height, width), or the length of the shorter edge.

    `max_size` bounds the longer edge where `size` is one number. `antialias` counts for tensors in
    the modes bilinear and bicubic; Pillow always smooths.
    """
    mode = interpolation_mode(interpolation)
    _, height, width = get_dimensions(img)
    target = resized_size((height, width), size, max_size)
    if target == (height, width):
        return img
    if is_pillow_image(img):
        return _image.resize(img, target, mode)
    return _tensor.resize(img, target, mode, bool(antialias))


def resized_size(
    image_size: tuple[int, int], size: int | Sequence[int], max_size: int | None = None
) -> tuple[int, int]:
    """(height, width) that `resize` gives an image of `image_size` (height, width)."""
    sizes = [size] if isinstance(size, int) else list(size)
    if len(sizes) not in (1, 2):
        raise error(ValueError, f"Size must be an int or a 1 or 2 element sequence, got {size!r}")
    if len(sizes) == 2:
        if max_size is not None:
            raise error(
                ValueError,
                "max_size should only be passed if size specifies the length of the smaller edge, "
                "i.e. size should be an int or a sequence of length 1",
            )
        return int(sizes[0]), int(sizes[1])
    height, width = image_size
    shorter, longer = min(height, width), max(height, width)
    new_shorter, new_longer = int(sizes[0]), int(sizes[0] * longer / shorter)
    if max_size is not None:
        if max_size <= new_shorter:
            raise error(
                ValueError,
                f"max_size = {max_size} must be strictly greater than the requested size for the "
                f"smaller edge size = {size}",
            )
        if new_longer > max_size:
            new_shorter, new_longer = int(max_size * new_shorter / new_longer), max_size
    return (new_longer, new_shorter) if width <= height else (new_shorter, new_longer)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part of the image whose upper left corner is (top, left); zero beyond the image."""
    return _backend(img).crop(img, top, left, height, width)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of the image; an image that is smaller is padded with zeros."""
    crop_height, crop_width = pair(output_size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        spare_width, spare_height = max(crop_width - width, 0), max(crop_height - height, 0)
        before = [spare_width // 2, spare_height // 2]
        after = [(spare_width + 1) // 2, (spare_height + 1) // 2]
        img = pad(img, before + after, fill=0)
        _, height, width = get_dimensions(img)
        if (crop_height, crop_width) == (height, width):
            return img
    top, left = round((height - crop_height) / 2.0), round((width - crop_width) / 2.0)
    return crop(img, top, left, crop_height, crop_width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`crop`, then `resize`."""
    part = crop(img, top, left, height, width)
    return resize(part, size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """The image mirrored left to right."""
    return _backend(img).horizontal_flip(img)


def vflip(img: Any) -> Any:
    """The image mirrored top to bottom."""
    return _backend(img).vertical_flip(img)


def pad(
    img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
) -> Any:
    """The image with a border.

    Args:
        padding: one number for all sides, (left and right, top and bottom), or (left, top, right,
            bottom); negative numbers cut off.
        fill: value of a constant border: a number, or a colour for Pillow images.
        padding_mode: "constant", "edge", "reflect" or "symmetric".
    """
    if padding_mode not in PADDING_MODES:
        raise error(
            ValueError,
            f"Padding mode should be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}",
        )
    return _backend(img).pad(img, padding_sides(padding), fill, padding_mode)


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """The image turned counter-clockwise by `angle` degrees about `center` (x, y).

    With `expand` the result holds the whole turned image; `fill` is the colour outside.
    """
    if not isinstance(angle, (int, float)):
        raise error(TypeError, f"Argument angle should be int or float, got {type(angle)}")
    if center is not None and len(center) != 2:
        raise error(ValueError, f"center should be a pair (x, y), got {center!r}")
    mode = interpolation_mode(interpolation)
    return _backend(img).rotate(img, angle, mode, expand, center, fill)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Luminance of the image, in one channel or three equal ones."""
    if num_output_channels not in (1, 3):
        raise error(
            ValueError, f"num_output_channels should be either 1 or 3, got {num_output_channels}"
        )
    return _backend(img).grayscale(img, num_output_channels)


to_grayscale = rgb_to_grayscale


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """The four corners (upper left, upper right, lower left, lower right) and the middle."""
    crop_height, crop_width = pair(size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        raise error(
            ValueError,
            f"Requested crop size {size} is bigger than input size {(height, width)}",
        )
    bottom, right = height - crop_height, width - crop_width
    corners = ((0, 0), (0, right), (bottom, 0), (bottom, right))
    a, b, c, d = (crop(img, top, left, crop_height, crop_width) for top, left in corners)
    return a, b, c, d, center_crop(img, (crop_height, crop_width))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the image and of its mirror image (upside down if `vertical_flip`)."""
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """A tensor image with `v` in the part whose upper left corner is (i, j)."""
    if not isinstance(img, plait.Tensor):
        raise error(TypeError, f"img should be Tensor Image. Got {type(img)}")
    result = img if inplace else img.clone()
    result[..., i : i + h, j : j + w] = v
    return result


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) from one number, a sequence of one, or a sequence of two."""
    if isinstance(size, int):
        return size, size
    if len(size) not in (1, 2):
        raise error(ValueError, f"Please provide only two dimensions (h, w) for size. Got {size!r}")
    return int(size[0]), int(size[-1])


def padding_sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) from one number or a sequence of one, two or four."""
    if isinstance(padding, int):
        return padding, padding, padding, padding
    if not isinstance(padding, Sequence):
        raise error(TypeError, f"Got inappropriate padding arg: {padding!r}")
    if len(padding) not in (1, 2, 4):
        raise error(
            ValueError,
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element "
            "tuple",
        )
    left, top = padding[0], padding[1 % len(padding)]
    right, bottom = padding[2 % len(padding)], padding[3 % len(padding)]
    return left, top, right, bottom


def _backend(img: Any) -> ModuleType:
    """The module whose functions handle this kind of image."""
    if is_pillow_image(img):
        return _image
    if isinstance(img, plait.Tensor):
        return _tensor
    raise error(TypeError, f"img should be PIL Image or Tensor Image. Got {type(img)}")


def _normalized_array(tensor: Any, mean: Sequence[float], std: Sequence[float]) -> Any:
    """`normalize` in NumPy: the same two operations in the same dtype, without tensors between."""
    array = tensor.numpy()
    means, deviations = _per_channel(mean, array.dtype), _per_channel(std, array.dtype)
    if not deviations.all():
        raise _zero_deviation(tensor.dtype)
    centred = np.subtract(array, means)
    return plait.from_numpy(np.divide(centred, deviations, out=centred))


def _per_channel(values: Any, dtype: np.dtype) -> np.ndarray:
    """Numbers of the channels, shaped (C, 1, 1)."""
    if isinstance(values, plait.Tensor):
        values = values.detach().numpy()
    return np.asarray(values, dtype).reshape(-1, 1, 1)


def _zero_deviation(dtype: Any) -> ValueError:
    return ValueError(
        f"std evaluated to zero after conversion to {dtype}, leading to division by zero."
    )
