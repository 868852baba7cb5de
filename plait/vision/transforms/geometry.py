"""Transforms of size, position and orientation, fixed and random, as modules.

The random ones draw from the default generator (`manual_seed`), and as many numbers, in the same
order, as torchvision's do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import functional
from plait.vision.transforms._random import uniform
from plait.vision.transforms.functional import InterpolationMode, interpolation_mode

# Tries of RandomResizedCrop to place a box before it takes the middle of the image.
_TRIES = 10


class Resize(plait.nn.Module):
    """Resizes to (height, width), or so that the shorter edge has the given length."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise error(TypeError, f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise error(ValueError, "If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.interpolation = interpolation_mode(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return functional.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(plait.nn.Module):
    """The middle of the image; a smaller image is padded with zeros."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = functional.pair(size)

    def forward(self, img: Any) -> Any:
        return functional.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(plait.nn.Module):
    """A border around the image; see `functional.pad`."""

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        functional.padding_sides(padding)  # raises for what is no padding
        if padding_mode not in functional.PADDING_MODES:
            raise error(
                ValueError,
                f"Padding mode should be one of {', '.join(functional.PADDING_MODES)}, "
                f"got {padding_mode!r}",
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return functional.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
            f"padding_mode={self.padding_mode})"
        )


class Grayscale(plait.nn.Module):
    """Luminance, in one channel or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return functional.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomHorizontalFlip(plait.nn.Module):
    """Mirrors left to right with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return functional.hflip(img) if plait.rand(1).item() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(plait.nn.Module):
    """Mirrors top to bottom with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return functional.vflip(img) if plait.rand(1).item() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomCrop(plait.nn.Module):
    """A part of the given size at a random place, after padding where asked for.

    Raises ValueError for an image smaller than the crop, unless `pad_if_needed`.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = functional.pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random crop."""
        _, height, width = functional.get_dimensions(img)
        crop_height, crop_width = output_size
        if height < crop_height or width < crop_width:
            raise error(
                ValueError,
                f"Required crop size {(crop_height, crop_width)} is larger than input image size "
                f"{(height, width)}",
            )
        if (height, width) == (crop_height, crop_width):
            return 0, 0, height, width
        top = plait.randint(0, height - crop_height + 1, size=(1,)).item()
        left = plait.randint(0, width - crop_width + 1, size=(1,)).item()
        return int(top), int(left), crop_height, crop_width

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = functional.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            img = self._padded_to_size(img)
        return functional.crop(img, *self.get_params(img, self.size))

    def _padded_to_size(self, img: Any) -> Any:
        """Padded on both sides by what is missing, first in width, then in height."""
        _, height, width = functional.get_dimensions(img)
        if width < self.size[1]:
            img = functional.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if height < self.size[0]:
            img = functional.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop(plait.nn.Module):
    """A random part of random area and shape, resized to `size`.

    `scale` bounds the part's share of the area, `ratio` its width over its height.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        for name, bounds in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(bounds, Sequence):
                raise error(TypeError, f"{name} should be a sequence")
        self.size = functional.pair(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float]
    ) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random part; the middle of the image if none fits."""
        _, height, width = functional.get_dimensions(img)
        for _ in range(_TRIES):
            area = height * width * uniform(scale[0], scale[1])
            shape = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
            part_width, part_height = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if 0 < part_width <= width and 0 < part_height <= height:
                top = plait.randint(0, height - part_height + 1, size=(1,)).item()
                left = plait.randint(0, width - part_width + 1, size=(1,)).item()
                return int(top), int(left), part_height, part_width
        part_height, part_width = height, width
        if width / height < min(ratio):
            part_height = round(width / min(ratio))
        elif width / height > max(ratio):
            part_width = round(height * max(ratio))
        return (height - part_height) // 2, (width - part_width) // 2, part_height, part_width

    def forward(self, img: Any) -> Any:
        box = self.get_params(img, self.scale, self.ratio)
        return functional.resized_crop(img, *box, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale = tuple(round(bound, 4) for bound in self.scale)
        ratio = tuple(round(bound, 4) for bound in self.ratio)
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class RandomRotation(plait.nn.Module):
    """Turned by a random angle: within +-`degrees`, or within the pair `degrees`."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        if isinstance(degrees, (int, float)):
            if degrees < 0:
                raise error(ValueError, "If degrees is a single number, it must be positive.")
            degrees = (-degrees, degrees)
        elif len(degrees) != 2:
            raise error(ValueError, f"degrees should be a sequence of length 2, got {degrees!r}")
        self.degrees = [float(bound) for bound in degrees]
        self.interpolation = interpolation_mode(interpolation)
        self.expand = expand
        self.center = center
        self.fill = fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """A random angle in degrees."""
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        angle = self.get_params(self.degrees)
        return functional.rotate(
            img, angle, self.interpolation, self.expand, self.center, self.fill
        )

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        fill = "" if self.fill is None else f", fill={self.fill}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, "
            f"interpolation={self.interpolation.value}, expand={self.expand}{center}{fill})"
        )
