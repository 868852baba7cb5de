"""Random maps of an image's pixels, as modules: affine, perspective, elastic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import functional
from plait.vision.transforms._random import chance, integer, uniform
from plait.vision.transforms.functional import InterpolationMode, interpolation_mode


def angles(value: float | Sequence[float], name: str, lengths: tuple[int, ...]) -> list[float]:
    """Bounds in degrees: +-value, or a sequence of one of the lengths."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise error(ValueError, f"If {name} is a single number, it must be positive.")
        return [-float(value), float(value)]
    if not isinstance(value, Sequence):
        raise error(TypeError, f"{name} should be a number or a sequence, got {type(value)}")
    if len(value) not in lengths:
        wanted = " or ".join(map(str, lengths))
        raise error(ValueError, f"{name} should be a sequence of length {wanted}.")
    return [float(item) for item in value]


def _check_fill(fill: Any) -> Any:
    if fill is None:
        return 0
    if not isinstance(fill, (int, float, Sequence)):
        raise error(TypeError, "Fill should be either a sequence or a number.")
    return fill


class RandomAffine(plait.nn.Module):
    """Turned, moved, scaled and sheared at random about the middle, or `center`.

    Args:
        degrees: bounds of the angle, or +-degrees.
        translate: greatest moves as shares of (width, height).
        scale: bounds of the scale.
        shear: bounds of the shear along x in degrees, or +-shear; four numbers for (x, y).
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = angles(degrees, "degrees", (2,))
        if translate is not None:
            if len(translate) != 2:
                raise error(ValueError, "translate should be a sequence of length 2.")
            if any(not 0.0 <= share <= 1.0 for share in translate):
                raise error(ValueError, "translation values should be between 0 and 1")
        self.translate = translate
        if scale is not None:
            if len(scale) != 2:
                raise error(ValueError, "scale should be a sequence of length 2.")
            if any(factor <= 0 for factor in scale):
                raise error(ValueError, "scale values should be positive")
        self.scale = scale
        self.shear = None if shear is None else angles(shear, "shear", (2, 4))
        self.fill = _check_fill(fill)
        self.fillcolor = self.fill
        if center is not None and len(center) != 2:
            raise error(ValueError, "center should be a sequence of length 2.")
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, move, scale and shears for an image of `img_size` (width, height)."""
        angle = uniform(degrees[0], degrees[1])
        move = (0, 0)
        if translate is not None:
            across, down = (float(t * size) for t, size in zip(translate, img_size))
            move = (round(uniform(-across, across)), round(uniform(-down, down)))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = uniform(shears[0], shears[1])
            if len(shears) == 4:
                shear_y = uniform(shears[2], shears[3])
        return angle, move, scale, (shear_x, shear_y)

    def forward(self, img: Any) -> Any:
        _, height, width = functional.get_dimensions(img)
        drawn = self.get_params(
            self.degrees, self.translate, self.scale, self.shear, [width, height]
        )
        return functional.affine(
            img, *drawn, interpolation=self.interpolation, fill=self.fill, center=self.center
        )

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                parts.append(f"{name}={getattr(self, name)}")
        if self.interpolation is not InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(parts)})"


class RandomPerspective(plait.nn.Module):
    """Seen from elsewhere, with probability `p`; `distortion_scale` 0 to 1 says how far."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.p = p
        self.interpolation = interpolation_mode(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = _check_fill(fill)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The four corners (x, y), and where they go, clockwise from the upper left."""
        across = int(distortion_scale * (width // 2)) + 1
        down = int(distortion_scale * (height // 2)) + 1
        x_near, x_far = (0, across), (width - across, width)
        y_near, y_far = (0, down), (height - down, height)
        corners = ((x_near, y_near), (x_far, y_near), (x_far, y_far), (x_near, y_far))
        end = [[integer(*x), integer(*y)] for x, y in corners]
        start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return start, end

    def forward(self, img: Any) -> Any:
        _, height, width = functional.get_dimensions(img)
        if not chance(self.p):
            return img
        start, end = self.get_params(width, height, self.distortion_scale)
        return functional.perspective(img, start, end, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class ElasticTransform(plait.nn.Module):
    """Each pixel moved by a random, smooth field.

    `alpha` is the size of the moves, `sigma` the width of their smoothing: numbers or (x, y).
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha = _two(alpha, "alpha")
        self.sigma = _two(sigma, "sigma")
        self.interpolation = interpolation_mode(interpolation)
        self.fill = [float(fill)] if isinstance(fill, (int, float)) else list(fill)

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Any:
        """The moves (1, H, W, 2), x first, for an image of `size` (height, width)."""
        fields = []
        for strength, width, extent in zip(alpha, sigma, reversed(size)):
            field = plait.rand([1, 1, *size]) * 2 - 1
            if width > 0.0:
                kernel = int(8 * width + 1) | 1  # the next odd number
                field = functional.gaussian_blur(field, [kernel, kernel], list(sigma))
            fields.append(field * strength / extent)
        return plait.cat(fields, 1).permute(0, 2, 3, 1)

    def forward(self, tensor: Any) -> Any:
        _, height, width = functional.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return functional.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


def _two(value: float | Sequence[float], name: str) -> list[float]:
    if isinstance(value, (int, float)):
        return [float(value)] * 2
    if not isinstance(value, (list, tuple)):
        raise error(TypeError, f"{name} should be float or a sequence of floats. Got {type(value)}")
    if len(value) not in (1, 2):
        raise error(
            ValueError, f"If {name} is a sequence its length should be 1 or 2. Got {len(value)}"
        )
    return [float(value[0]), float(value[-1])]
