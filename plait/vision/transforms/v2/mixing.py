"""MixUp and CutMix: batches whose images and labels are mixed with each other."""

from __future__ import annotations

import math
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.utils import _pytree as pytree
from plait.vision._pillow import is_pillow_image
from plait.vision.transforms._random import integer
from plait.vision.transforms.v2._transform import Transform, as_sample, labels_finder, needed
from plait.vision.tv_tensors import BoundingBoxes, Mask, TVTensor, wrap


class _Mixing(Transform):
    """Base: a batch (N, C, H, W) with labels (N,) or (N, num_classes), mixed with itself rolled."""

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self._find_labels = labels_finder(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = as_sample(inputs)
        flat, spec = pytree.tree_flatten(sample)
        if any(isinstance(item, (BoundingBoxes, Mask)) or is_pillow_image(item) for item in flat):
            raise error(
                ValueError,
                f"{type(self).__name__}() does not support PIL images, bounding boxes and masks.",
            )
        labels = self._find_labels(sample)
        if not isinstance(labels, plait.Tensor):
            raise error(ValueError, f"The labels must be a tensor, but got {type(labels)} instead.")
        images = [item for item, want in zip(flat, needed(flat)) if want and item is not labels]
        self._check(labels, images)
        params = self.draw(images)

        def mixed(item: Any) -> Any:
            if item is labels:
                return self._mixed_labels(labels, params["share"])
            return self.mix(item, params) if any(item is image for image in images) else item

        return pytree.tree_unflatten([mixed(item) for item in flat], spec)

    def _check(self, labels: Any, images: list[Any]) -> None:
        if labels.ndim not in (1, 2):
            raise error(
                ValueError,
                "labels should be index based with shape (batch_size,) or probability based with "
                f"shape (batch_size, num_classes), but got a tensor of shape {tuple(labels.shape)}",
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise error(ValueError, "num_classes must be passed if the labels are index-based (1D)")
        for image in images:
            if image.ndim != 4 or image.shape[0] != labels.shape[0]:
                raise error(
                    ValueError,
                    "Expected a batched input with 4 dims and as many images as labels, but got "
                    f"shapes {tuple(image.shape)} and {tuple(labels.shape)}",
                )

    def _share(self) -> float:
        a = plait.tensor(self.alpha)
        return float(plait.distributions.Beta(a, a).sample().item())

    def _mixed_labels(self, labels: Any, share: float) -> Any:
        if labels.ndim == 1:
            assert self.num_classes is not None
            labels = plait.nn.functional.one_hot(labels, self.num_classes)
        labels = labels if labels.is_floating_point() else labels.float()
        return labels.roll(1, 0) * (1.0 - share) + labels * share

    def draw(self, images: list[Any]) -> dict[str, Any]:
        raise NotImplementedError

    def mix(self, image: Any, params: dict[str, Any]) -> Any:
        raise NotImplementedError


def _plain(image: Any) -> Any:
    return image.as_subclass(plait.Tensor) if isinstance(image, TVTensor) else image


def _like(result: Any, image: Any) -> Any:
    return wrap(result, like=image) if isinstance(image, TVTensor) else result


class MixUp(_Mixing):
    """Sums of images and of labels, with a weight of Beta(alpha, alpha) (arXiv:1710.09412)."""

    def draw(self, images: list[Any]) -> dict[str, Any]:
        return {"share": self._share()}

    def mix(self, image: Any, params: dict[str, Any]) -> Any:
        values, share = _plain(image), params["share"]
        return _like(values.roll(1, 0) * (1.0 - share) + values * share, image)


class CutMix(_Mixing):
    """Boxes of the images exchanged, labels in proportion to the areas (arXiv:1905.04899)."""

    def draw(self, images: list[Any]) -> dict[str, Any]:
        height, width = images[0].shape[-2:]
        share = self._share()
        x, y = integer(0, width), integer(0, height)
        half = 0.5 * math.sqrt(1.0 - share)
        half_width, half_height = int(half * width), int(half * height)
        left, right = max(x - half_width, 0), min(x + half_width, width)
        top, bottom = max(y - half_height, 0), min(y + half_height, height)
        cut = (right - left) * (bottom - top) / (width * height)
        return {"box": (top, bottom, left, right), "share": 1.0 - cut}

    def mix(self, image: Any, params: dict[str, Any]) -> Any:
        top, bottom, left, right = params["box"]
        values = _plain(image)
        result = values.clone()
        result[..., top:bottom, left:right] = values.roll(1, 0)[..., top:bottom, left:right]
        return _like(result, image)
