"""Random changes of colour, as modules; the draws are torchvision's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import functional
from plait.vision.transforms._random import RandomlyApplied, chance, uniform

Bounds = tuple[float, float] | None


class ColorJitter(plait.nn.Module):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    A number x means factors from [max(0, 1 - x), 1 + x], for hue turns from [-x, x]; a pair gives
    the bounds.
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        super().__init__()
        self.brightness = _bounds("brightness", brightness)
        self.contrast = _bounds("contrast", contrast)
        self.saturation = _bounds("saturation", saturation)
        self.hue = _bounds("hue", hue, center=0.0, limits=(-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Bounds, contrast: Bounds, saturation: Bounds, hue: Bounds
    ) -> tuple[Any, float | None, float | None, float | None, float | None]:
        """The order of the four changes, and the factor of each (None: left out)."""
        order = plait.randperm(4)
        b, c, s, h = (
            None if bounds is None else uniform(bounds[0], bounds[1])
            for bounds in (brightness, contrast, saturation, hue)
        )
        return order, b, c, s, h

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (
            functional.adjust_brightness,
            functional.adjust_contrast,
            functional.adjust_saturation,
            functional.adjust_hue,
        )
        for number in order.tolist():
            if factors[number] is not None:
                img = changes[number](img, factors[number])
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


def _bounds(
    name: str,
    value: float | Sequence[float],
    center: float = 1.0,
    limits: tuple[float, float] = (0.0, float("inf")),
) -> Bounds:
    """The bounds that a number or a pair means; None where nothing would change."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise error(ValueError, f"If {name} is a single number, it must be non negative.")
        low, high = center - float(value), center + float(value)
        if limits[0] == 0.0:
            low = max(low, 0.0)
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise error(TypeError, f"{name} should be a single number or a list/tuple with length 2.")
    if not limits[0] <= low <= high <= limits[1]:
        raise error(ValueError, f"{name} values should be between {limits}, but got {[low, high]}.")
    return None if low == high == center else (low, high)


class RandomGrayscale(plait.nn.Module):
    """Grey with probability `p`, in as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        channels = functional.get_dimensions(img)[0]
        if chance(self.p):
            return functional.rgb_to_grayscale(img, num_output_channels=channels)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomInvert(RandomlyApplied):
    """The negative, with probability `p`."""

    def change(self, img: Any) -> Any:
        return functional.invert(img)


class RandomAutocontrast(RandomlyApplied):
    """`functional.autocontrast`, with probability `p`."""

    def change(self, img: Any) -> Any:
        return functional.autocontrast(img)


class RandomEqualize(RandomlyApplied):
    """`functional.equalize`, with probability `p`."""

    def change(self, img: Any) -> Any:
        return functional.equalize(img)


class RandomPosterize(RandomlyApplied):
    """`functional.posterize` to `bits` bits, with probability `p`."""

    shown = "bits"

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def change(self, img: Any) -> Any:
        return functional.posterize(img, self.bits)


class RandomSolarize(RandomlyApplied):
    """`functional.solarize` from `threshold` on, with probability `p`."""

    shown = "threshold"

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        return functional.solarize(img, self.threshold)


class RandomAdjustSharpness(RandomlyApplied):
    """`functional.adjust_sharpness` by `sharpness_factor`, with probability `p`."""

    shown = "sharpness_factor"

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        return functional.adjust_sharpness(img, self.sharpness_factor)


class GaussianBlur(plait.nn.Module):
    """Blurred by a Gaussian of random width within `sigma` (two bounds, or one number)."""

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)
    ) -> None:
        super().__init__()
        sizes = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(sizes) not in (1, 2):
            raise error(ValueError, "Kernel size should be a tuple/list of two integers")
        self.kernel_size = sizes * 2 if len(sizes) == 1 else sizes
        for size in self.kernel_size:
            if size <= 0 or size % 2 == 0:
                raise error(ValueError, "Kernel size value should be an odd and positive number.")
        if isinstance(sigma, (int, float)):
            if sigma <= 0:
                raise error(ValueError, "If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif len(sigma) != 2 or not 0.0 < sigma[0] <= sigma[1]:
            raise error(ValueError, "sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A random width."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return functional.gaussian_blur(img, list(self.kernel_size), [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"
