"""Images of several sizes as one batch."""

from __future__ import annotations

from typing import Any


class ImageList:
    """`tensors` (N, C, H, W), padded, and the sizes (height, width) of the images in it."""

    def __init__(self, tensors: Any, image_sizes: list[tuple[int, int]]) -> None:
        self.tensors = tensors
        self.image_sizes = image_sizes

    def to(self, device: Any) -> ImageList:
        return ImageList(self.tensors.to(device), self.image_sizes)
