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
from plait.vision._pillow import is_pillow_image, pillow_image
from plait.vision.transforms import _image, _tensor
from plait.vision.transforms._interpolation import InterpolationMode, interpolation_mode

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")
# Pillow modes whose pixels are not bytes, and what they are read as.
_PIXEL_DTYPES = {"I": np.int32, "I;16": np.int16, "F": np.float32}
# (channels, dtype) -> Pillow mode when the caller names none.
_DEFAULT_MODES = {
    (1, "uint8"): "L",
    (1, "int16"): "I;16",
    (1, "int32"): "I",
    (1, "float32"): "F",
    (2, "uint8"): "LA",
    (3, "uint8"): "RGB",
    (4, "uint8"): "RGBA",
}
_MODES_BY_CHANNELS = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}


def to_tensor(pic: Any) -> Any:
    """A Pillow image or an array (H, W) or (H, W, C) as a tensor (C, H, W).

    uint8 becomes the default dtype, scaled to [0, 1]; other dtypes are kept as they are. Raises
    TypeError for anything else, ValueError for an array of other rank.
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise error(ValueError, f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        return _scaled(pic)
    if is_pillow_image(pic):
        return _scaled(_pixels(pic))
    raise error(TypeError, f"pic should be PIL Image or ndarray. Got {type(pic)}")


def pil_to_tensor(pic: Any) -> Any:
    """A Pillow image as a tensor (C, H, W) of the same values."""
    if not is_pillow_image(pic):
        raise error(TypeError, f"pic should be PIL Image. Got {type(pic)}")
    return plait.from_numpy(_channels_first(_pixels(pic)).copy())


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as a Pillow image.

    Floating-point tensors are taken to lie in [0, 1] and become bytes, except with mode "F".
    Raises TypeError, or ValueError for shapes and modes that do not fit.
    """
    pixels = _pixels_of(pic, mode)
    channels, dtype = pixels.shape[-1], str(pixels.dtype)
    default = _DEFAULT_MODES.get((channels, dtype))
    if channels == 1:
        if mode is not None and mode != default:
            raise error(
                ValueError,
                f"Incorrect mode ({mode}) supplied for input type {dtype}. Should be {default}",
            )
        pixels = pixels[:, :, 0]
    elif mode is not None and mode not in _MODES_BY_CHANNELS[channels]:
        allowed = ", ".join(_MODES_BY_CHANNELS[channels])
        raise error(ValueError, f"Only modes {allowed} are supported for {channels} channel inputs")
    if default is None:
        raise error(TypeError, f"Input type {dtype} with {channels} channels is not supported")
    mode = mode or default
    image = pillow_image()
    size = (pixels.shape[1], pixels.shape[0])
    return image.frombytes(mode, size, np.ascontiguousarray(pixels).tobytes())


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


def _pixels(image: Any) -> np.ndarray:
    """Pixels of a Pillow image as (H, W) or (H, W, C); bilevel images as 0 and 255."""
    if image.mode == "1":
        return 255 * np.asarray(image, np.uint8)
    return np.asarray(image, _PIXEL_DTYPES.get(image.mode, np.uint8))


def _channels_first(pixels: np.ndarray) -> np.ndarray:
    """(C, H, W) from (H, W) or (H, W, C)."""
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _scaled(pixels: np.ndarray) -> Any:
    """Tensor (C, H, W) of pixels (H, W[, C]), bytes scaled to [0, 1] in the default dtype.

    Done in NumPy, in one pass over the few hundred pixels that one image has: the same division in
    the same dtype as `tensor.to(dtype).div(255)`.
    """
    planes = _channels_first(pixels)
    if planes.dtype != np.uint8:
        return plait.from_numpy(np.array(planes, order="C"))
    default = plait.get_default_dtype()
    if default not in (plait.float32, plait.float64):
        return plait.from_numpy(np.array(planes, order="C")).to(default).div(255)
    scalar = np.float32 if default == plait.float32 else np.float64
    scaled = np.divide(planes, scalar(255), dtype=scalar, order="C")
    return plait.from_numpy(scaled)


def _pixels_of(pic: Any, mode: str | None) -> np.ndarray:
    """Pixels (H, W, C) of a tensor or array, checked."""
    if isinstance(pic, plait.Tensor):
        if pic.ndim not in (2, 3):
            raise error(ValueError, f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        planes = pic.unsqueeze(0) if pic.ndim == 2 else pic
        if planes.is_floating_point() and mode != "F":
            planes = planes.mul(255).to(plait.uint8)
        pixels = planes.detach().cpu().numpy().transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise error(ValueError, f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        pixels = pic[:, :, None] if pic.ndim == 2 else pic
    else:
        raise error(TypeError, f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if not 1 <= pixels.shape[-1] <= 4:
        raise error(
            ValueError, f"pic should not have > 4 channels. Got {pixels.shape[-1]} channels."
        )
    return pixels


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
