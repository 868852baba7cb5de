"""Size, position and orientation, fixed and random, of version 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import functional as F1
from plait.vision.transforms import geometry as version1
from plait.vision.transforms import warp
from plait.vision.transforms._interpolation import InterpolationMode
from plait.vision.transforms._random import integer, uniform
from plait.vision.transforms.v2 import functional as F
from plait.vision.transforms.v2._transform import (
    RandomApplyTransform,
    Transform,
    fill_for,
    size_of,
)

BILINEAR, NEAREST = InterpolationMode.BILINEAR, InterpolationMode.NEAREST


class Resize(Transform):
    """To `size` (height, width), or the shorter edge; None: the longer edge to `max_size`."""

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: Any = BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif isinstance(size, Sequence) and len(size) in (1, 2):
            size = list(size)
        elif size is not None or not isinstance(max_size, int):
            raise error(
                ValueError,
                "size can be an integer, a sequence of one or two integers, or None with an "
                f"integer max_size, but got {size}",
            )
        self.size = size
        self.interpolation = F.mode_of(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.resize(inpt, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle; smaller images are padded with zeros."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = F1.pair(size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.center_crop(inpt, self.size)


class Pad(Transform):
    """With a border; `fill` may be a dict by kind of input."""

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        F1.padding_sides(padding)  # raises for what is no padding
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.pad(inpt, self.padding, fill_for(self.fill, inpt), self.padding_mode)


class RandomHorizontalFlip(RandomApplyTransform):
    """Mirrored left to right with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.horizontal_flip(inpt)


class RandomVerticalFlip(RandomApplyTransform):
    """Mirrored top to bottom with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.vertical_flip(inpt)


class RandomCrop(Transform):
    """A part of the given size at a random place, after padding where asked for."""

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = F1.pair(size)
        self.padding = None if padding is None else list(F1.padding_sides(padding))
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = size_of(flat_inputs)
        left, top, right, bottom = self.padding or (0, 0, 0, 0)
        crop_height, crop_width = self.size
        if self.pad_if_needed:
            missing = max(crop_height - (height + top + bottom), 0)
            top, bottom = top + missing, bottom + missing
            missing = max(crop_width - (width + left + right), 0)
            left, right = left + missing, right + missing
        height, width = height + top + bottom, width + left + right
        if height < crop_height or width < crop_width:
            raise error(
                ValueError,
                f"Required crop size {(crop_height, crop_width)} is larger than padded input "
                f"image size {(height, width)}.",
            )
        spare_down, spare_across = height - crop_height, width - crop_width
        return {
            "padding": [left, top, right, bottom],
            "top": integer(0, spare_down + 1) if spare_down else 0,
            "left": integer(0, spare_across + 1) if spare_across else 0,
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if any(params["padding"]):
            fill = fill_for(self.fill, inpt)
            inpt = F.pad(inpt, params["padding"], fill, self.padding_mode)
        height, width = self.size
        return F.crop(inpt, params["top"], params["left"], height, width)


class RandomResizedCrop(Transform):
    """A random part of random area and shape, resized to `size`; as in version 1."""

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        for name, bounds in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(bounds, Sequence):
                raise error(TypeError, f"{name} should be a sequence")
        self.size = F1.pair(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = F.mode_of(interpolation)
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        image = plait.empty(1, *size_of(flat_inputs))
        box = version1.RandomResizedCrop.get_params(image, self.scale, self.ratio)
        return dict(zip(("top", "left", "height", "width"), box))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.resized_crop(
            inpt,
            **params,
            size=self.size,
            interpolation=self.interpolation,
            antialias=self.antialias,
        )


class RandomRotation(Transform):
    """Turned by a random angle: within +-`degrees`, or within the pair `degrees`."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Any = NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = warp.angles(degrees, "degrees", (2,))
        self.interpolation = F.mode_of(interpolation)
        self.expand = expand
        self.fill = fill
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"angle": uniform(self.degrees[0], self.degrees[1])}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        fill = fill_for(self.fill, inpt)
        return F.rotate(inpt, params["angle"], self.interpolation, self.expand, self.center, fill)


class RandomAffine(Transform):
    """Turned, moved, scaled and sheared at random; the arguments are version 1's."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Any = NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        mode = F.mode_of(interpolation)
        checked = warp.RandomAffine(degrees, translate, scale, shear, mode, 0, center)
        self.degrees = checked.degrees
        self.translate = translate
        self.scale = scale
        self.shear = checked.shear
        self.interpolation = mode
        self.fill = fill
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = size_of(flat_inputs)
        drawn = warp.RandomAffine.get_params(
            self.degrees, self.translate, self.scale, self.shear, [width, height]
        )
        return dict(zip(("angle", "translate", "scale", "shear"), drawn))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        fill = fill_for(self.fill, inpt)
        return F.affine(
            inpt, **params, interpolation=self.interpolation, fill=fill, center=self.center
        )


class RandomPerspective(RandomApplyTransform):
    """Seen from elsewhere, with probability `p`."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__(p)
        if not 0 <= distortion_scale <= 1:
            raise error(ValueError, "Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale = distortion_scale
        self.interpolation = F.mode_of(interpolation)
        self.fill = fill

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = size_of(flat_inputs)
        start, end = warp.RandomPerspective.get_params(width, height, self.distortion_scale)
        return {"startpoints": start, "endpoints": end}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        fill = fill_for(self.fill, inpt)
        return F.perspective(inpt, **params, interpolation=self.interpolation, fill=fill)


class ElasticTransform(Transform):
    """Each pixel moved by a random, smooth field; as in version 1. Boxes are not built."""

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: Any = BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        checked = warp.ElasticTransform(alpha, sigma)
        self.alpha = checked.alpha
        self.sigma = checked.sigma
        self.interpolation = F.mode_of(interpolation)
        self.fill = fill

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = list(size_of(flat_inputs))
        return {"displacement": warp.ElasticTransform.get_params(self.alpha, self.sigma, size)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        fill = fill_for(self.fill, inpt)
        return F.elastic(inpt, params["displacement"], self.interpolation, fill)


class _Crops(Transform):
    """Base of those that give several images for one."""

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if any(isinstance(item, (F.Mask, F.BoundingBoxes)) for item in flat_inputs):
            raise error(
                TypeError,
                f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()",
            )


class FiveCrop(_Crops):
    """A tuple of the four corners and the middle."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = F1.pair(size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.five_crop(inpt, self.size)


class TenCrop(_Crops):
    """A tuple of the five crops of the image and of its mirror image."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = F1.pair(size)
        self.vertical_flip = vertical_flip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.ten_crop(inpt, self.size, self.vertical_flip)
