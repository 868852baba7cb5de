"""The functions of `transforms.v2`: on images, videos, masks, boxes and Pillow pictures.

A plain tensor counts as an image. Colours change in images and videos only; masks are sampled at
the nearest pixel; boxes move with the pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import plait
from plait._unbuilt import not_built, unbuilt
from plait.core.ir.errors import error
from plait.vision._pillow import is_pillow_image
from plait.vision.transforms import functional as F
from plait.vision.transforms._functional_warp import _checked_affine
from plait.vision.transforms._interpolation import InterpolationMode, interpolation_mode
from plait.vision.transforms.functional import pil_to_tensor, to_pil_image
from plait.vision.transforms.v2 import _boxes
from plait.vision.tv_tensors import BoundingBoxes, Image, Mask, TVTensor, Video, box_format, wrap

NEAREST = InterpolationMode.NEAREST

__getattr__ = unbuilt(
    "torchvision.transforms.v2.functional",
    ("jpeg", "register_kernel", "sanitize_keypoints", "clamp_keypoints"),
)


def is_pure_tensor(inpt: Any) -> bool:
    """Whether it is a tensor of no kind."""
    return isinstance(inpt, plait.Tensor) and not isinstance(inpt, TVTensor)


def mode_of(value: Any) -> InterpolationMode:
    """An interpolation mode from its name, Pillow's number, or itself."""
    return InterpolationMode(value) if isinstance(value, str) else interpolation_mode(value)


def _require(inpt: Any) -> None:
    if not (isinstance(inpt, plait.Tensor) or is_pillow_image(inpt)):
        raise error(
            TypeError,
            f"transforms.v2 take Pillow images, tensors and tv_tensors, got {type(inpt).__name__}",
        )


def _on_pixels(inpt: Any, function: Callable[[Any], Any]) -> Any:
    """`function` of the picture or plain tensor, and its kind again."""
    if isinstance(inpt, TVTensor):
        return wrap(function(inpt.as_subclass(plait.Tensor)), like=inpt)
    return function(inpt)


def _colour(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of version 1 on images and videos; masks and boxes pass."""

    def apply(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        _require(inpt)
        if isinstance(inpt, (Mask, BoundingBoxes)):
            return inpt
        return _on_pixels(inpt, lambda x: function(x, *args, **kwargs))

    apply.__name__ = apply.__qualname__ = function.__name__
    apply.__doc__ = function.__doc__
    return apply


adjust_brightness = _colour(F.adjust_brightness)
adjust_contrast = _colour(F.adjust_contrast)
adjust_saturation = _colour(F.adjust_saturation)
adjust_hue = _colour(F.adjust_hue)
adjust_gamma = _colour(F.adjust_gamma)
adjust_sharpness = _colour(F.adjust_sharpness)
autocontrast = _colour(F.autocontrast)
equalize = _colour(F.equalize)
posterize = _colour(F.posterize)
solarize = _colour(F.solarize)
invert = _colour(F.invert)
gaussian_blur = _colour(F.gaussian_blur)
rgb_to_grayscale = _colour(F.rgb_to_grayscale)
to_grayscale = rgb_to_grayscale
erase = _colour(F.erase)


def get_size(inpt: Any) -> list[int]:
    """[height, width]."""
    _require(inpt)
    if isinstance(inpt, BoundingBoxes):
        return list(inpt.canvas_size)
    return F.get_dimensions(inpt)[1:]


def get_dimensions(inpt: Any) -> list[int]:
    """[channels, height, width]."""
    return F.get_dimensions(inpt)


def get_num_channels(inpt: Any) -> int:
    """The number of channels."""
    return F.get_dimensions(inpt)[0]


get_image_num_channels = get_num_channels
get_image_size = F.get_image_size


def resize(
    inpt: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """To `size` (height, width), or the shorter edge; see `transforms.functional.resize`.

    With `size=None`, the longer edge becomes `max_size`.
    """
    _require(inpt)
    if size is None:
        if not isinstance(max_size, int):
            raise error(
                ValueError, f"max_size must be an integer when size is None, got {max_size}"
            )
        height, width = get_size(inpt)
        longer = max(height, width)
        size = [int(max_size * height / longer), int(max_size * width / longer)]
        max_size = None
    if isinstance(inpt, BoundingBoxes):
        return _boxes.resize(inpt, size, max_size)
    if isinstance(inpt, Mask):
        return _on_pixels(inpt, lambda x: F.resize(x, size, NEAREST, max_size))
    mode = mode_of(interpolation)
    return _on_pixels(inpt, lambda x: F.resize(x, size, mode, max_size, antialias))


def horizontal_flip(inpt: Any) -> Any:
    """Mirrored left to right."""
    _require(inpt)
    if isinstance(inpt, BoundingBoxes):
        return _boxes.horizontal_flip(inpt)
    return _on_pixels(inpt, F.hflip)


def vertical_flip(inpt: Any) -> Any:
    """Mirrored top to bottom."""
    _require(inpt)
    if isinstance(inpt, BoundingBoxes):
        return _boxes.vertical_flip(inpt)
    return _on_pixels(inpt, F.vflip)


hflip, vflip = horizontal_flip, vertical_flip


def crop(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part with the upper left corner (top, left)."""
    _require(inpt)
    if isinstance(inpt, BoundingBoxes):
        return _boxes.crop(inpt, top, left, height, width)
    return _on_pixels(inpt, lambda x: F.crop(x, top, left, height, width))


def center_crop(inpt: Any, output_size: Any) -> Any:
    """The middle; smaller images are padded with zeros."""
    _require(inpt)
    if not isinstance(inpt, BoundingBoxes):
        return _on_pixels(inpt, lambda x: F.center_crop(x, output_size))
    crop_height, crop_width = F.pair(output_size)
    height, width = inpt.canvas_size
    top, left = round((height - crop_height) / 2.0), round((width - crop_width) / 2.0)
    return _boxes.crop(inpt, top, left, crop_height, crop_width)


def resized_crop(
    inpt: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`crop`, then `resize`."""
    part = crop(inpt, top, left, height, width)
    return resize(part, size, interpolation, antialias=antialias)


def pad(inpt: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    """With a border; see `transforms.functional.pad`."""
    _require(inpt)
    if isinstance(inpt, BoundingBoxes):
        return _boxes.pad(inpt, padding, padding_mode)
    colour = 0 if fill is None else fill
    return _on_pixels(inpt, lambda x: F.pad(x, padding, colour, padding_mode))


def rotate(
    inpt: Any,
    angle: float,
    interpolation: Any = NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """Turned counter-clockwise by `angle` degrees."""
    _require(inpt)
    if isinstance(inpt, BoundingBoxes):
        middle = None if expand else center
        return _boxes.affine(inpt, -angle, [0, 0], 1.0, [0.0, 0.0], middle, expand)
    mode = NEAREST if isinstance(inpt, Mask) else mode_of(interpolation)
    return _on_pixels(inpt, lambda x: F.rotate(x, angle, mode, expand, center, fill))


def affine(
    inpt: Any,
    angle: float,
    translate: Sequence[int],
    scale: float,
    shear: Any,
    interpolation: Any = NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """Sheared, turned, scaled and moved; see `transforms.functional.affine`."""
    _require(inpt)
    if isinstance(inpt, BoundingBoxes):
        shears = _checked_affine(angle, translate, scale, shear)
        return _boxes.affine(inpt, angle, translate, scale, shears, center)
    mode = NEAREST if isinstance(inpt, Mask) else mode_of(interpolation)
    return _on_pixels(
        inpt, lambda x: F.affine(x, angle, translate, scale, shear, mode, fill, center)
    )


def perspective(
    inpt: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """As seen from elsewhere; see `transforms.functional.perspective`."""
    _require(inpt)
    if isinstance(inpt, BoundingBoxes):
        return _boxes.perspective(inpt, startpoints, endpoints)
    mode = NEAREST if isinstance(inpt, Mask) else mode_of(interpolation)
    return _on_pixels(inpt, lambda x: F.perspective(x, startpoints, endpoints, mode, fill))


def elastic(
    inpt: Any, displacement: Any, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """Each pixel moved; see `transforms.functional.elastic_transform`. Boxes are not built."""
    _require(inpt)
    if isinstance(inpt, BoundingBoxes):
        raise not_built("the elastic transform of boxes")
    mode = NEAREST if isinstance(inpt, Mask) else mode_of(interpolation)
    return _on_pixels(inpt, lambda x: F.elastic_transform(x, displacement, mode, fill))


elastic_transform = elastic


def five_crop(inpt: Any, size: Any) -> tuple[Any, ...]:
    """The four corners and the middle of an image."""
    if not isinstance(inpt, TVTensor):
        return F.five_crop(inpt, size)
    parts = F.five_crop(inpt.as_subclass(plait.Tensor), size)
    return tuple(wrap(part, like=inpt) for part in parts)


def ten_crop(inpt: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the image and of its mirror image."""
    mirrored = vflip(inpt) if vertical_flip else hflip(inpt)
    return five_crop(inpt, size) + five_crop(mirrored, size)


def normalize(inpt: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """(image - mean) / std for each channel; masks and boxes pass."""
    if is_pillow_image(inpt):
        raise error(TypeError, "normalize does not take Pillow images; use ToImage, ToDtype first")
    if isinstance(inpt, (Mask, BoundingBoxes)):
        return inpt
    return _on_pixels(inpt, lambda x: F.normalize(x, mean, std, inplace))


def to_dtype(inpt: Any, dtype: Any = None, scale: bool = False) -> Any:
    """In another dtype (default float32); `scale`: images and videos from range to range."""
    wanted = plait.float32 if dtype is None else dtype
    if not scale or isinstance(inpt, (Mask, BoundingBoxes)):
        return inpt.to(wanted)
    return _on_pixels(inpt, lambda x: _scaled(x, wanted))


def _scaled(image: Any, dtype: Any) -> Any:
    if dtype.is_floating_point and not image.is_floating_point() and image.dtype != plait.bool:
        # torchvision multiplies here, and divides in version 1.
        return image.to(dtype) * (1.0 / plait.iinfo(image.dtype).max)
    return F.convert_image_dtype(image, dtype)


def convert_image_dtype(image: Any, dtype: Any = None) -> Any:
    """`to_dtype` with scaling."""
    return to_dtype(image, dtype, scale=True)


def to_image(inpt: Any) -> Any:
    """A Pillow image, array (H, W[, C]) or tensor (..., C, H, W) as `Image`."""
    if isinstance(inpt, np.ndarray):
        planes = inpt[:, :, None] if inpt.ndim == 2 else inpt
        return Image(plait.from_numpy(np.ascontiguousarray(planes.transpose(2, 0, 1))))
    if is_pillow_image(inpt) or isinstance(inpt, plait.Tensor):
        return Image(inpt)
    raise error(
        TypeError,
        f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} "
        "instead.",
    )


to_tensor = F.to_tensor


def gaussian_noise(inpt: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    """A float image, or bytes, with noise of N(mean, sigma) added, kept in range if `clip`."""
    if is_pillow_image(inpt) or not isinstance(inpt, plait.Tensor):
        raise error(ValueError, "Gaussian Noise is not implemented for PIL images.")
    if isinstance(inpt, (Mask, BoundingBoxes)):
        return inpt
    if sigma < 0:
        raise error(ValueError, f"sigma shouldn't be negative. Got {sigma}")
    if not (inpt.is_floating_point() or inpt.dtype == plait.uint8):
        raise error(
            ValueError,
            f"Input tensor is expected to be in float or uint8 dtype, got dtype={inpt.dtype}",
        )

    def noisy(image: Any) -> Any:
        if image.is_floating_point():
            result = image + mean + plait.randn_like(image) * sigma
            return result.clamp(0, 1) if clip else result
        noise = mean * 255 + plait.randn_like(image, dtype=plait.float32) * sigma * 255
        result = image.to(plait.int16) + noise.to(plait.int16)
        return (result.clamp(0, 255) if clip else result).to(plait.uint8)

    return _on_pixels(inpt, noisy)


def permute_channels(inpt: Any, permutation: Sequence[int]) -> Any:
    """The channels in another order."""
    if isinstance(inpt, (Mask, BoundingBoxes)):
        return inpt
    if is_pillow_image(inpt):
        return to_pil_image(pil_to_tensor(inpt)[list(permutation)])
    return _on_pixels(inpt, lambda x: x[..., list(permutation), :, :])


def grayscale_to_rgb(inpt: Any) -> Any:
    """A grey image in three equal channels; an RGB one as it is."""
    if isinstance(inpt, (Mask, BoundingBoxes)):
        return inpt
    if is_pillow_image(inpt):
        return inpt if inpt.mode == "RGB" else inpt.convert("RGB")
    if inpt.shape[-3] >= 3:
        return inpt
    return _on_pixels(inpt, lambda x: F.rgb_to_grayscale(x, num_output_channels=3))


def convert_bounding_box_format(
    inpt: Any, old_format: Any = None, new_format: Any = None, inplace: bool = False
) -> Any:
    """Boxes in `new_format`; of a plain tensor, `old_format` has to be given."""
    if new_format is None:
        raise error(
            TypeError, "convert_bounding_box_format() missing 1 required argument: 'new_format'"
        )
    if isinstance(inpt, BoundingBoxes):
        if old_format is not None:
            raise error(
                ValueError, "For bounding box tv_tensor inputs, `old_format` must not be set."
            )
        return _boxes.convert(inpt, box_format(new_format))
    if old_format is None:
        raise error(ValueError, "For pure tensor inputs, `old_format` has to be passed.")
    boxes = BoundingBoxes(inpt, format=old_format, canvas_size=(0, 0))
    return _boxes.plain(_boxes.convert(boxes, box_format(new_format)))


def clamp_bounding_boxes(
    inpt: Any, format: Any = None, canvas_size: Any = None, clamping_mode: Any = "auto"
) -> Any:
    """Boxes kept within the canvas; of a plain tensor, format and canvas have to be given."""
    if isinstance(inpt, BoundingBoxes):
        mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
        return inpt if mode is None else _boxes.clamp(inpt)
    if format is None or canvas_size is None:
        raise error(
            ValueError, "For pure tensor inputs, `format` and `canvas_size` have to be passed."
        )
    boxes = BoundingBoxes(inpt, format=format, canvas_size=canvas_size)
    return _boxes.plain(_boxes.clamp(boxes))


def sanitize_bounding_boxes(
    bounding_boxes: Any,
    format: Any = None,
    canvas_size: Any = None,
    min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Any, Any]:
    """The boxes that lie within the canvas and are large enough, and a mask of which these are."""
    if isinstance(bounding_boxes, BoundingBoxes):
        boxes = bounding_boxes
    else:
        boxes = BoundingBoxes(bounding_boxes, format=format, canvas_size=canvas_size)
    x1, y1, x2, y2 = _boxes.corners(boxes).unbind(-1)
    height, width = boxes.canvas_size
    across, down = x2 - x1, y2 - y1
    valid = (across >= min_size) & (down >= min_size) & (across * down >= min_area)
    valid = valid & (x1 >= 0) & (y1 >= 0) & (x2 <= width) & (y2 <= height)
    kept = _boxes.plain(boxes)[valid]
    if isinstance(bounding_boxes, BoundingBoxes):
        return wrap(kept, like=bounding_boxes), valid
    return kept, valid


def uniform_temporal_subsample(inpt: Any, num_samples: int) -> Any:
    """`num_samples` frames of a video at equal distances."""
    frames = inpt.shape[-4]
    places = plait.linspace(0, frames - 1, num_samples).long()
    return _on_pixels(inpt, lambda x: x.index_select(-4, places))


def get_num_frames(inpt: Any) -> int:
    """The number of frames of a video."""
    if not isinstance(inpt, Video) and not is_pure_tensor(inpt):
        raise error(TypeError, f"The video should be a tensor. Got {type(inpt)}")
    return inpt.shape[-4]
