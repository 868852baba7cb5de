"""RetinaNet (arXiv:1708.02002): a detector of one stage on a pyramid, with focal loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.vision import ops
from plait.vision.models._api import WeightsEnum, builder
from plait.vision.models.detection import _utils as det_utils
from plait.vision.models.detection._weights import build, coco
from plait.vision.models.detection.anchor_utils import AnchorGenerator
from plait.vision.models.detection.backbone_utils import (
    _resnet_fpn_extractor,
    _validate_trainable_layers,
)
from plait.vision.models.detection.generalized_rcnn import check_degenerate, check_targets
from plait.vision.models.detection.transform import GeneralizedRCNNTransform
from plait.vision.models.resnet import ResNet50_Weights, resnet50
from plait.vision.ops.feature_pyramid_network import LastLevelP6P7
from plait.vision.ops.misc import Conv2dNormActivation, FrozenBatchNorm2d

Norm = Callable[..., nn.Module]
_MEAN = [0.485, 0.456, 0.406]
_STD = [0.229, 0.224, 0.225]
_CONVOLUTIONS = 4
# What a classifier says of an anchor before training: there is nothing, at 99 to 1.
_PRIOR = 0.01


def _default_anchorgen() -> AnchorGenerator:
    """For each of five levels three sizes, a third of an octave apart, in three shapes."""
    sides = (32, 64, 128, 256, 512)
    sizes = tuple((x, int(x * 2 ** (1 / 3)), int(x * 2 ** (2 / 3))) for x in sides)
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


class _Branch(nn.Module):
    """Four convolutions; what subclasses put after them gives `columns` by anchor."""

    _version = 2

    def __init__(self, in_channels: int, norm_layer: Norm | None) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(
                Conv2dNormActivation(in_channels, in_channels, norm_layer=norm_layer)
                for _ in range(_CONVOLUTIONS)
            )
        )

    def _initialize(self) -> None:
        """Draw the convolutions' weights; each branch does so where torchvision's does."""
        for layer in self.conv.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 0)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        # Files of version 1 count the activations as layers of their own.
        if (local_metadata.get("version") or 1) < 2:
            for number in range(_CONVOLUTIONS):
                for kind in ("weight", "bias"):
                    old = f"{prefix}conv.{2 * number}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}conv.{number}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def _by_anchor(self, x: Sequence[Any], last: nn.Module, columns: int) -> Any:
        """(N, all anchors, columns)."""
        parts = []
        for feature in x:
            made = last(self.conv(feature))
            count, _, height, width = made.shape
            made = made.view(count, -1, columns, height, width).permute(0, 3, 4, 1, 2)
            parts.append(made.reshape(count, -1, columns))
        return plait.cat(parts, 1)


class RetinaNetClassificationHead(_Branch):
    """A logit for each class of each anchor."""

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_classes: int,
        prior_probability: float = _PRIOR,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__(in_channels, norm_layer)
        self._initialize()
        self.cls_logits = nn.Conv2d(in_channels, num_anchors * num_classes, 3, padding=1)
        nn.init.normal_(self.cls_logits.weight, std=0.01)
        assert self.cls_logits.bias is not None
        nn.init.constant_(
            self.cls_logits.bias, -math.log((1 - prior_probability) / prior_probability)
        )
        self.num_classes = num_classes

    def forward(self, x: Sequence[Any]) -> Any:
        return self._by_anchor(x, self.cls_logits, self.num_classes)

    def compute_loss(
        self, targets: Sequence[dict[str, Any]], logits: Any, matched: Sequence[Any]
    ) -> Any:
        """Focal loss over the number of matched anchors, the mean over the images."""
        losses = []
        for target, of_image, numbers in zip(targets, logits, matched):
            inside = det_utils.indices_of(numbers >= 0)
            wanted = plait.zeros(of_image.shape, dtype=of_image.dtype)
            wanted[inside, target["labels"][numbers[inside]]] = 1.0
            valid = numbers != det_utils.Matcher.BETWEEN_THRESHOLDS
            valid = det_utils.indices_of(valid)
            loss = ops.sigmoid_focal_loss(of_image[valid], wanted[valid], reduction="sum")
            losses.append(loss / max(1, len(inside)))
        return plait.stack(losses).sum() / len(targets)


class RetinaNetRegressionHead(_Branch):
    """Four numbers for each anchor."""

    def __init__(self, in_channels: int, num_anchors: int, norm_layer: Norm | None = None) -> None:
        super().__init__(in_channels, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, 3, padding=1)
        nn.init.normal_(self.bbox_reg.weight, std=0.01)
        assert self.bbox_reg.bias is not None
        nn.init.zeros_(self.bbox_reg.bias)
        self._initialize()
        self.box_coder = det_utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
        self._loss_type = "l1"

    def forward(self, x: Sequence[Any]) -> Any:
        return self._by_anchor(x, self.bbox_reg, 4)

    def compute_loss(
        self,
        targets: Sequence[dict[str, Any]],
        regression: Any,
        anchors: Sequence[Any],
        matched: Sequence[Any],
    ) -> Any:
        """The loss of the boxes of matched anchors, over their number, the mean over images."""
        losses = []
        for target, of_image, from_boxes, numbers in zip(targets, regression, anchors, matched):
            inside = det_utils.indices_of(numbers >= 0)
            true = target["boxes"][numbers[inside]]
            codes, places = of_image[inside], from_boxes[inside]
            if self._loss_type == "giou":
                found = self.box_coder.decode_single(codes, places)
                loss = ops.generalized_box_iou_loss(found, true, reduction="sum")
            else:
                wanted = self.box_coder.encode_single(true, places)
                loss = F.l1_loss(codes, wanted, reduction="sum")
            losses.append(loss / max(1, len(inside)))
        return plait.stack(losses).sum() / max(1, len(targets))


class RetinaNetHead(nn.Module):
    """Features of all levels to "cls_logits" and "bbox_regression", by anchor."""

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_classes: int,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        self.classification_head = RetinaNetClassificationHead(
            in_channels, num_anchors, num_classes, norm_layer=norm_layer
        )
        self.regression_head = RetinaNetRegressionHead(in_channels, num_anchors, norm_layer)

    def forward(self, x: Sequence[Any]) -> dict[str, Any]:
        return {
            "cls_logits": self.classification_head(x),
            "bbox_regression": self.regression_head(x),
        }


class RetinaNet(nn.Module):
    """Images (C, H, W) of any sizes to detections or, in training, losses.

    Args:
        backbone: gives features, a tensor or a dict of them, of `backbone.out_channels`.
        num_classes: all numbers from 0 on are classes.
        min_size, max_size, image_mean, image_std: of `GeneralizedRCNNTransform`.
        score_thresh, nms_thresh, detections_per_img, topk_candidates: of the detections; the
            latter of each level, before duplicates are suppressed.
        fg_iou_thresh, bg_iou_thresh: overlaps from which an anchor is a box's, and below which it
            is background.

    Inputs and results are those of `GeneralizedRCNN`.
    """

    def __init__(
        self,
        backbone: Any,
        num_classes: int,
        min_size: int | Sequence[int] = 800,
        max_size: int = 1333,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        anchor_generator: Any = None,
        head: Any = None,
        proposal_matcher: Any = None,
        score_thresh: float = 0.05,
        nms_thresh: float = 0.5,
        detections_per_img: int = 300,
        fg_iou_thresh: float = 0.5,
        bg_iou_thresh: float = 0.4,
        topk_candidates: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if not hasattr(backbone, "out_channels"):
            raise error(
                ValueError,
                "backbone should contain an attribute out_channels specifying the number of "
                "output channels (assumed to be the same for all the levels)",
            )
        self.backbone = backbone
        self.anchor_generator = anchor_generator or _default_anchorgen()
        per_location = self.anchor_generator.num_anchors_per_location()[0]
        self.head = head or RetinaNetHead(backbone.out_channels, per_location, num_classes)
        self.proposal_matcher = proposal_matcher or det_utils.Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True
        )
        self.box_coder = det_utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.transform: Any = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or _MEAN, image_std or _STD, **kwargs
        )
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.topk_candidates = topk_candidates

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
        levels = [features] if isinstance(features, plait.Tensor) else list(features.values())
        outputs = self.head(levels)
        anchors = self.anchor_generator(batch, levels)
        if self.training and targets is not None:
            return self.compute_loss(targets, outputs, anchors)
        pixels = [level.shape[2] * level.shape[3] for level in levels]
        by_pixel = outputs["cls_logits"].shape[1] // sum(pixels)
        counts = [count * by_pixel for count in pixels]
        found = self.postprocess_detections(outputs, anchors, counts, batch.image_sizes)
        return self.transform.postprocess(found, batch.image_sizes, sizes)

    def compute_loss(
        self, targets: Sequence[dict[str, Any]], outputs: dict[str, Any], anchors: Sequence[Any]
    ) -> dict[str, Any]:
        """The losses of classes and boxes."""
        matched = []
        for target, of_image in zip(targets, anchors):
            if target["boxes"].numel() == 0:
                matched.append(plait.full((of_image.shape[0],), -1, dtype=plait.int64))
            else:
                matched.append(self.proposal_matcher(ops.box_iou(target["boxes"], of_image)))
        classes, boxes = self.head.classification_head, self.head.regression_head
        return {
            "classification": classes.compute_loss(targets, outputs["cls_logits"], matched),
            "bbox_regression": boxes.compute_loss(
                targets, outputs["bbox_regression"], anchors, matched
            ),
        }

    def postprocess_detections(
        self,
        outputs: dict[str, Any],
        anchors: Sequence[Any],
        counts: Sequence[int],
        image_shapes: Sequence[Sequence[int]],
    ) -> list[dict[str, Any]]:
        """Boxes (L, 4), labels (L,) and scores (L,) of each image, best first.

        `counts` are the numbers of anchors of the levels.
        """
        logits, regression = outputs["cls_logits"], outputs["bbox_regression"]
        classes = logits.shape[-1]
        found = []
        for image, shape in enumerate(image_shapes):
            kept: list[tuple[Any, Any, Any]] = []
            start = 0
            for count in counts:
                part = slice(start, start + count)
                start += count
                scores = plait.sigmoid(logits[image, part]).flatten()
                members = det_utils.indices_of(scores > self.score_thresh)
                best, order = scores[members].topk(min(self.topk_candidates, len(members)))
                members = members[order]
                rows = plait.div(members, classes, rounding_mode="floor")
                codes, places = regression[image, part][rows], anchors[image][part][rows]
                boxes = self.box_coder.decode_single(codes, places)
                kept.append((ops.clip_boxes_to_image(boxes, shape), best, members % classes))
            boxes, scores, labels = (plait.cat(parts) for parts in zip(*kept))
            best = ops.batched_nms(boxes, scores, labels, self.nms_thresh)
            best = best[: self.detections_per_img]
            found.append({"boxes": boxes[best], "scores": scores[best], "labels": labels[best]})
        return found


class RetinaNet_ResNet50_FPN_Weights(WeightsEnum):
    COCO_V1 = coco("retinanet_resnet50_fpn_coco-eeacb38b.pth", 34_014_999)
    DEFAULT = COCO_V1


class RetinaNet_ResNet50_FPN_V2_Weights(WeightsEnum):
    COCO_V1 = coco("retinanet_resnet50_fpn_v2_coco-5905b1c5.pth", 38_198_935)
    DEFAULT = COCO_V1


@builder(
    RetinaNet_ResNet50_FPN_Weights, backbone=(ResNet50_Weights, ResNet50_Weights.IMAGENET1K_V1)
)
def retinanet_resnet50_fpn(
    *,
    weights: RetinaNet_ResNet50_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> RetinaNet:
    """RetinaNet on a ResNet-50; `kwargs` are `RetinaNet`'s. The norms of a trained backbone are
    frozen, and all but its last three layers."""
    trained = weights is not None or weights_backbone is not None
    layers = _validate_trainable_layers(trained, trainable_backbone_layers, 5, 3)

    def make(classes: int) -> RetinaNet:
        backbone = resnet50(
            weights=None if weights else weights_backbone,
            norm_layer=FrozenBatchNorm2d if trained else nn.BatchNorm2d,
        )
        pyramid = _resnet_fpn_extractor(backbone, layers, [2, 3, 4], LastLevelP6P7(256, 256))
        return RetinaNet(pyramid, classes, **kwargs)

    model = build(make, weights, progress, num_classes)
    if weights is not None:
        det_utils.overwrite_eps(model, 0.0)
    return model


@builder(
    RetinaNet_ResNet50_FPN_V2_Weights, backbone=(ResNet50_Weights, ResNet50_Weights.IMAGENET1K_V1)
)
def retinanet_resnet50_fpn_v2(
    *,
    weights: RetinaNet_ResNet50_FPN_V2_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> RetinaNet:
    """RetinaNet with group norms in its heads and generalised IoU for boxes; else as the first."""
    trained = weights is not None or weights_backbone is not None
    layers = _validate_trainable_layers(trained, trainable_backbone_layers, 5, 3)

    def make(classes: int) -> RetinaNet:
        backbone = resnet50(weights=None if weights else weights_backbone)
        pyramid = _resnet_fpn_extractor(backbone, layers, [2, 3, 4], LastLevelP6P7(2048, 256))
        anchors = _default_anchorgen()
        head = RetinaNetHead(
            pyramid.out_channels,
            anchors.num_anchors_per_location()[0],
            classes,
            norm_layer=partial(nn.GroupNorm, 32),
        )
        head.regression_head._loss_type = "giou"
        return RetinaNet(pyramid, classes, anchor_generator=anchors, head=head, **kwargs)

    return build(make, weights, progress, num_classes)
