"""Images of any size as a batch that a detector takes, and its boxes back in their pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plait
from plait import nn
from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.vision.models.detection._masks import paste_masks_in_image
from plait.vision.models.detection.image_list import ImageList

Target = dict[str, Any]


class GeneralizedRCNNTransform(nn.Module):
    """Normalises images, resizes them, and pads them to one size.

    Args:
        min_size: the shorter edge (of several, one is drawn for each image in training).
        max_size: the most that the longer edge becomes.
        image_mean, image_std: by channel.
        size_divisible: the batch's sides are multiples of this.
        fixed_size: (width, height) for all images instead.
    """

    def __init__(
        self,
        min_size: int | Sequence[int],
        max_size: int,
        image_mean: Sequence[float],
        image_std: Sequence[float],
        size_divisible: int = 32,
        fixed_size: tuple[int, int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        edges = [min_size] if isinstance(min_size, int) else min_size
        self.min_size: tuple[int, ...] = tuple(edges)
        self.max_size = max_size
        self.image_mean = image_mean
        self.image_std = image_std
        self.size_divisible = size_divisible
        self.fixed_size = fixed_size
        self._skip_resize = kwargs.pop("_skip_resize", False)

    def forward(
        self, images: Sequence[Any], targets: Sequence[Target] | None = None
    ) -> tuple[ImageList, list[Target] | None]:
        """Images (C, H, W) in [0, 1], targets with "boxes" (L, 4), and perhaps "masks" (L, H, W).

        The targets are copied, not changed.
        """
        made, changed = [], None if targets is None else [dict(target) for target in targets]
        for number, image in enumerate(images):
            if image.ndim != 3:
                raise error(
                    ValueError,
                    "images is expected to be a list of 3d tensors of shape [C, H, W], got "
                    f"{tuple(image.shape)}",
                )
            image, target = self.resize(
                self.normalize(image), None if changed is None else changed[number]
            )
            made.append(image)
            if changed is not None and target is not None:
                changed[number] = target
        sizes = [(image.shape[-2], image.shape[-1]) for image in made]
        return ImageList(self.batch_images(made, self.size_divisible), sizes), changed

    def normalize(self, image: Any) -> Any:
        if not image.is_floating_point():
            raise error(
                TypeError,
                "Expected input images to be of floating type (in range [0, 1]), but found type "
                f"{image.dtype} instead",
            )
        mean = plait.tensor(self.image_mean, dtype=image.dtype)[:, None, None]
        deviation = plait.tensor(self.image_std, dtype=image.dtype)[:, None, None]
        return (image - mean) / deviation

    def _wanted_edge(self) -> int:
        if not self.training:
            return self.min_size[-1]
        drawn = plait.empty(1).uniform_(0.0, float(len(self.min_size))).item()
        return self.min_size[int(drawn)]

    def resize(self, image: Any, target: Target | None = None) -> tuple[Any, Target | None]:
        """The image and its target in their new size."""
        height, width = image.shape[-2:]
        if self.training and self._skip_resize:
            return image, target
        edge = self._wanted_edge()
        options: dict[str, Any]
        if self.fixed_size is not None:
            options = {"size": [self.fixed_size[1], self.fixed_size[0]]}
        else:
            factor = min(edge / min(height, width), self.max_size / max(height, width))
            options = {"scale_factor": factor, "recompute_scale_factor": True}
        image = nn.functional.interpolate(
            image[None], **options, mode="bilinear", align_corners=False
        )[0]
        if target is None:
            return image, target
        if "keypoints" in target:
            raise not_built("resizing of key points")
        target["boxes"] = resize_boxes(target["boxes"], (height, width), image.shape[-2:])
        if "masks" in target:
            masks = target["masks"]
            resized = nn.functional.interpolate(masks[:, None].float(), **options)
            target["masks"] = resized[:, 0].to(masks.dtype)
        return image, target

    def batch_images(self, images: Sequence[Any], size_divisible: int = 32) -> Any:
        """(N, C, H, W) of images (C, H, W), with zeros below and to the right of smaller ones."""
        height = max(image.shape[-2] for image in images)
        width = max(image.shape[-1] for image in images)
        height = math.ceil(height / size_divisible) * size_divisible
        width = math.ceil(width / size_divisible) * size_divisible
        padded = [
            nn.functional.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2]))
            for image in images
        ]
        return plait.stack(padded)

    def postprocess(
        self,
        result: list[Target],
        image_shapes: Sequence[Sequence[int]],
        original_image_sizes: Sequence[Sequence[int]],
    ) -> list[Target]:
        """The boxes, and masks, in the pixels of the images as they were given."""
        if self.training:
            return result
        for found, shape, original in zip(result, image_shapes, original_image_sizes):
            found["boxes"] = resize_boxes(found["boxes"], shape, original)
            if "masks" in found:
                found["masks"] = paste_masks_in_image(found["masks"], found["boxes"], original)
        return result

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(\n"
            f"    Normalize(mean={self.image_mean}, std={self.image_std})\n"
            f"    Resize(min_size={self.min_size}, max_size={self.max_size}, mode='bilinear')\n)"
        )


def resize_boxes(boxes: Any, original_size: Sequence[int], new_size: Sequence[int]) -> Any:
    """Boxes (L, 4) of an image of (height, width), in the pixels of its new size."""
    # The ratios are float32, as torchvision has them.
    down, across = (
        plait.tensor(float(new)) / plait.tensor(float(old))
        for new, old in zip(new_size, original_size)
    )
    return boxes * plait.stack((across, down, across, down)).to(boxes.dtype)
