"""A detector of two stages, put together of its parts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import plait
from plait import nn
from plait.core.ir.errors import error


def check_targets(targets: Sequence[dict[str, Any]] | None) -> None:
    """AssertionError (as torchvision) for targets that are missing, no boxes, or empty boxes."""
    if targets is None:
        raise error(AssertionError, "targets should not be none when in training mode")
    for target in targets:
        boxes = target["boxes"]
        if not isinstance(boxes, plait.Tensor):
            raise error(
                AssertionError, f"Expected target boxes to be of type Tensor, got {type(boxes)}."
            )
        if boxes.ndim != 2 or boxes.shape[-1] != 4:
            raise error(
                AssertionError,
                f"Expected target boxes to be a tensor of shape [N, 4], got {tuple(boxes.shape)}.",
            )


def check_degenerate(targets: Sequence[dict[str, Any]]) -> None:
    """AssertionError for boxes without area."""
    for number, target in enumerate(targets):
        boxes = target["boxes"].detach().numpy()
        wrong = (boxes[:, 2:] <= boxes[:, :2]).any(1)
        if wrong.any():
            raise error(
                AssertionError,
                "All bounding boxes should have positive height and width. Found invalid box "
                f"{boxes[wrong][0].tolist()} for target at index {number}.",
            )


class GeneralizedRCNN(nn.Module):
    """Images (C, H, W) of any sizes to detections or, in training, losses.

    In evaluation the result is for each image a dict of "boxes" (L, 4), "labels" (L,), "scores"
    (L,), best first. In training it is a dict of losses, and `targets` have, for each image,
    "boxes" (L, 4) and "labels" (L,), from 1 on.
    """

    def __init__(
        self, backbone: nn.Module, rpn: nn.Module, roi_heads: nn.Module, transform: nn.Module
    ) -> None:
        super().__init__()
        self.transform: Any = transform
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads

    def forward(
        self, images: Sequence[Any], targets: Sequence[dict[str, Any]] | None = None
    ) -> Any:
        if self.training:
            check_targets(targets)
        sizes = [tuple(image.shape[-2:]) for image in images]
        batch, targets = self.transform(images, targets)
        if targets is not None:
            check_degenerate(targets)
        features = self.backbone(batch.tensors)
        if isinstance(features, plait.Tensor):
            features = OrderedDict([("0", features)])
        proposals, proposal_losses = self.rpn(batch, features, targets)
        found, losses = self.roi_heads(features, proposals, batch.image_sizes, targets)
        if self.training:
            return {**losses, **proposal_losses}
        return self.transform.postprocess(found, batch.image_sizes, sizes)
