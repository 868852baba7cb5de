"""Base of the data sets that hold all images in one array."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.vision._pillow import pillow_image
from plait.vision.datasets.vision import VisionDataset


class ArrayDataset(VisionDataset):
    """`data` (N, H, W) or (N, H, W, C) bytes, and the classes of the images."""

    data: np.ndarray

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """A Pillow image and a class number, each after its transform."""
        image: Any = pillow_image().fromarray(self._picture(self.data[index]))
        target: Any = self._target(index)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def _picture(self, array: np.ndarray) -> np.ndarray:
        """One element of `data` as (H, W) or (H, W, C)."""
        return array

    def _target(self, index: int) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.data)


def missing() -> Exception:
    """The error for files that are not there or not the published ones."""
    return error(
        RuntimeError,
        "Dataset not found or corrupted. You can use download=True to download it",
    )
