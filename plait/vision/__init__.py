"""Images: data sets, transforms and picture grids under torchvision's names.

Pillow is imported when an image is made or read; without it, data sets still give tensors through
`ToTensor`.
"""

from plait.version import VISION_INTERFACE
from plait.vision import datasets, models, ops, transforms, utils

__version__ = VISION_INTERFACE

__all__ = ["__version__", "datasets", "models", "ops", "transforms", "utils"]
