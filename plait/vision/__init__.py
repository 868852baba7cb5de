"""Images: models, data sets, transforms and picture grids under torchvision's names.

Pillow is imported when an image is made or read; without it, data sets still give tensors through
`ToTensor`. Models and what they are made of are imported when they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from plait.version import VISION_INTERFACE
from plait.vision import datasets, transforms, utils

if TYPE_CHECKING:
    from plait.vision import io, models, ops, tv_tensors

__version__ = VISION_INTERFACE

__all__ = ["__version__", "datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils"]

_ON_DEMAND = ("io", "models", "ops", "tv_tensors")


def __getattr__(name: str) -> Any:
    if name in _ON_DEMAND:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torchvision' has no attribute {name!r}")
