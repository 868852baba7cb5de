"""What trained models expect of their inputs: `weights.transforms()` makes one of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plait
from plait.vision.transforms import functional as F
from plait.vision.transforms._interpolation import InterpolationMode

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


def _as_float(img: Any) -> Any:
    """A picture or a tensor of bytes as a float32 tensor in [0, 1]."""
    if not isinstance(img, plait.Tensor):
        img = F.pil_to_tensor(img)
    return F.convert_image_dtype(img, plait.float32)


class ObjectDetection(plait.nn.Module):
    """Only the conversion to a float tensor: detectors resize and normalise by themselves."""

    def forward(self, img: Any) -> Any:
        return _as_float(img)


class ImageClassification(plait.nn.Module):
    """Shorter edge to `resize_size`, the middle `crop_size`, float, normalised."""

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: Sequence[float] = _IMAGENET_MEAN,
        std: Sequence[float] = _IMAGENET_STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        img = F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        return F.normalize(_as_float(img), self.mean, self.std)

    def extra_repr(self) -> str:
        return (
            f"crop_size={self.crop_size}, resize_size={self.resize_size}, mean={self.mean}, "
            f"std={self.std}, interpolation={self.interpolation}"
        )


class SemanticSegmentation(plait.nn.Module):
    """Shorter edge to `resize_size` (None: as it is), float, normalised."""

    def __init__(
        self,
        *,
        resize_size: int | None,
        mean: Sequence[float] = _IMAGENET_MEAN,
        std: Sequence[float] = _IMAGENET_STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.resize_size = None if resize_size is None else [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        if self.resize_size is not None:
            img = F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        return F.normalize(_as_float(img), self.mean, self.std)

    def extra_repr(self) -> str:
        return (
            f"resize_size={self.resize_size}, mean={self.mean}, std={self.std}, "
            f"interpolation={self.interpolation}"
        )
