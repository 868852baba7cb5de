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
from plait.vision.transforms.transforms import *  # noqa: F403  # its `__all__` is the list

if TYPE_CHECKING:
    from plait.vision.transforms import v2


def __getattr__(name: str) -> Any:
    if name == "v2":  # imported when it is used: it brings in operations on boxes
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torchvision.transforms' has no attribute {name!r}")
