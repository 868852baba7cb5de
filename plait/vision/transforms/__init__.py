"""Transforms of images and image tensors under torchvision's names."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from plait.vision.transforms import functional
from plait.vision.transforms.autoaugment import (
    AugMix,
    AutoAugment,
    AutoAugmentPolicy,
    RandAugment,
    TrivialAugmentWide,
)
from plait.vision.transforms.color import (
    ColorJitter,
    GaussianBlur,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from plait.vision.transforms.combining import (
    FiveCrop,
    LinearTransformation,
    RandomApply,
    RandomChoice,
    RandomErasing,
    RandomOrder,
    TenCrop,
)
from plait.vision.transforms.conversions import (
    Compose,
    ConvertImageDtype,
    Lambda,
    Normalize,
    PILToTensor,
    ToPILImage,
    ToTensor,
)
from plait.vision.transforms.functional import InterpolationMode
from plait.vision.transforms.geometry import (
    CenterCrop,
    Grayscale,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from plait.vision.transforms.warp import ElasticTransform, RandomAffine, RandomPerspective

if TYPE_CHECKING:
    from plait.vision.transforms import transforms, v2


def __getattr__(name: str) -> Any:
    # Imported when they are used: v2 brings in operations on boxes, few name the other.
    if name in ("v2", "transforms"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torchvision.transforms' has no attribute {name!r}")
