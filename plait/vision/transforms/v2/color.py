"""Colour and noise of version 2: images and videos change, masks and boxes pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import color as version1
from plait.vision.transforms import combining
from plait.vision.transforms._random import chance, uniform
from plait.vision.transforms.v2 import functional as F
from plait.vision.transforms.v2._transform import RandomApplyTransform, Transform

_CHANGES = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
}


class Grayscale(Transform):
    """Luminance, in one channel or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.rgb_to_grayscale(inpt, num_output_channels=self.num_output_channels)


class RandomGrayscale(RandomApplyTransform):
    """Grey with probability `p`, in as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        pictures = [i for i in flat_inputs if not isinstance(i, (F.Mask, F.BoundingBoxes))]
        return {"num_output_channels": F.get_num_channels(pictures[0])}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.rgb_to_grayscale(inpt, **params)


class RGB(Transform):
    """Grey images in three equal channels."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.grayscale_to_rgb(inpt)


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed at random; as in version 1."""

    def __init__(
        self,
        brightness: float | Sequence[float] | None = None,
        contrast: float | Sequence[float] | None = None,
        saturation: float | Sequence[float] | None = None,
        hue: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        checked = version1.ColorJitter(brightness or 0, contrast or 0, saturation or 0, hue or 0)
        self.brightness = checked.brightness
        self.contrast = checked.contrast
        self.saturation = checked.saturation
        self.hue = checked.hue

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        drawn = version1.ColorJitter.get_params(
            self.brightness, self.contrast, self.saturation, self.hue
        )
        return {"order": drawn[0].tolist(), **dict(zip(_CHANGES, drawn[1:]))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        names = list(_CHANGES)
        for number in params["order"]:
            factor = params[names[number]]
            if factor is not None:
                inpt = _CHANGES[names[number]](inpt, factor)
        return inpt


class RandomPhotometricDistort(Transform):
    """Colours changed as for SSD (arXiv:1512.02325), each step with probability `p`."""

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.hue = hue
        self.saturation = saturation
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        pictures = [i for i in flat_inputs if not isinstance(i, (F.Mask, F.BoundingBoxes))]
        channels = F.get_num_channels(pictures[0])
        drawn: dict[str, Any] = {
            name: uniform(*getattr(self, name)) if chance(self.p) else None
            for name in ("brightness", "contrast", "saturation", "hue")
        }
        drawn["contrast_first"] = plait.rand(1).item() < 0.5
        drawn["channels"] = plait.randperm(channels).tolist() if chance(self.p) else None
        return drawn

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        order = ["brightness", "saturation", "hue"]
        order.insert(1 if params["contrast_first"] else 3, "contrast")
        for name in order:
            if params[name] is not None:
                inpt = _CHANGES[name](inpt, params[name])
        if params["channels"] is not None:
            inpt = F.permute_channels(inpt, params["channels"])
        return inpt


class RandomChannelPermutation(Transform):
    """The channels in random order."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels = F.get_num_channels(flat_inputs[0])
        return {"permutation": plait.randperm(channels).tolist()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.permute_channels(inpt, params["permutation"])


class RandomInvert(RandomApplyTransform):
    """The negative, with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.invert(inpt)


class RandomAutocontrast(RandomApplyTransform):
    """`functional.autocontrast`, with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.autocontrast(inpt)


class RandomEqualize(RandomApplyTransform):
    """`functional.equalize`, with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.equalize(inpt)


class RandomPosterize(RandomApplyTransform):
    """`functional.posterize` to `bits` bits, with probability `p`."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.posterize(inpt, self.bits)


class RandomSolarize(RandomApplyTransform):
    """`functional.solarize` from `threshold` on, with probability `p`."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.solarize(inpt, self.threshold)


class RandomAdjustSharpness(RandomApplyTransform):
    """`functional.adjust_sharpness` by `sharpness_factor`, with probability `p`."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.adjust_sharpness(inpt, self.sharpness_factor)


class GaussianBlur(Transform):
    """Blurred by a Gaussian of random width within `sigma` (two bounds, or one number)."""

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)
    ) -> None:
        super().__init__()
        checked = version1.GaussianBlur(kernel_size, sigma)
        self.kernel_size = checked.kernel_size
        self.sigma = [float(bound) for bound in checked.sigma]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"sigma": [uniform(self.sigma[0], self.sigma[1])] * 2}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.gaussian_blur(inpt, list(self.kernel_size), **params)


class GaussianNoise(Transform):
    """With noise of N(mean, sigma) added, kept in range if `clip`."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.gaussian_noise(inpt, self.mean, self.sigma, self.clip)


class RandomErasing(RandomApplyTransform):
    """A random box of an image erased, with probability `p`; as in version 1."""

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0.0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p)
        combining.RandomErasing(p, scale, ratio, value)  # raises for what does not fit
        self.scale = scale
        self.ratio = ratio
        if isinstance(value, (int, float)):
            self.value: list[float] | None = [float(value)]
        else:
            self.value = None if isinstance(value, str) else [float(v) for v in value]
        self.inplace = inplace

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels, height, width = F.get_dimensions(flat_inputs[0])
        if self.value is not None and len(self.value) not in (1, channels):
            raise error(
                ValueError,
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of inpt channels)",
            )
        image = plait.empty(channels, height, width)
        *box, content = combining.RandomErasing.get_params(
            image, self.scale, self.ratio, self.value
        )
        return {"box": box, "content": None if content is image else content}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if params["content"] is None:
            return inpt
        return F.erase(inpt, *params["box"], params["content"], inplace=self.inplace)
