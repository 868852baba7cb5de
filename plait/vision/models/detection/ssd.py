"""SSD (arXiv:1512.02325): a detector of one stage."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.vision import ops
from plait.vision.models._api import WeightsEnum, builder
from plait.vision.models.detection import _utils as det_utils
from plait.vision.models.detection._weights import build, coco
from plait.vision.models.detection.anchor_utils import DefaultBoxGenerator
from plait.vision.models.detection.backbone_utils import _validate_trainable_layers
from plait.vision.models.detection.generalized_rcnn import check_degenerate, check_targets
from plait.vision.models.detection.transform import GeneralizedRCNNTransform
from plait.vision.models.vgg import VGG16_Weights, vgg16

_MEAN = [0.485, 0.456, 0.406]
_STD = [0.229, 0.224, 0.225]


def _xavier_init(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0)


class SSDScoringHead(nn.Module):
    """A convolution for each level; results (N, all boxes, num_columns)."""

    def __init__(self, module_list: nn.ModuleList, num_columns: int) -> None:
        super().__init__()
        self.module_list = module_list
        self.num_columns = num_columns

    def forward(self, x: Sequence[Any]) -> Any:
        parts = []
        for layer, feature in zip(self.module_list, x):
            made = layer(feature)
            count, _, height, width = made.shape
            made = made.view(count, -1, self.num_columns, height, width)
            parts.append(made.permute(0, 3, 4, 1, 2).reshape(count, -1, self.num_columns))
        return plait.cat(parts, 1)


def _head(in_channels: Sequence[int], num_anchors: Sequence[int], columns: int) -> nn.ModuleList:
    layers = nn.ModuleList(
        nn.Conv2d(channels, columns * anchors, 3, padding=1)
        for channels, anchors in zip(in_channels, num_anchors)
    )
    _xavier_init(layers)
    return layers


class SSDHead(nn.Module):
    """Features of all levels to "cls_logits" and "bbox_regression", by default box."""

    def __init__(
        self, in_channels: Sequence[int], num_anchors: Sequence[int], num_classes: int
    ) -> None:
        super().__init__()
        classes = _head(in_channels, num_anchors, num_classes)
        self.classification_head = SSDScoringHead(classes, num_classes)
        self.regression_head = SSDScoringHead(_head(in_channels, num_anchors, 4), 4)

    def forward(self, x: Sequence[Any]) -> dict[str, Any]:
        return {
            "bbox_regression": self.regression_head(x),
            "cls_logits": self.classification_head(x),
        }


class SSD(nn.Module):
    """Images (C, H, W) of any sizes to detections or, in training, losses.

    Args:
        backbone: gives a dict of features, finest first.
        anchor_generator: the default boxes.
        size: (width, height) that all images are resized to.
        num_classes: with the background, 0.
        score_thresh, nms_thresh, detections_per_img, topk_candidates: of the detections; the
            latter of each class, before duplicates are suppressed.
        iou_thresh: overlap from which a default box is a true one's.
        positive_fraction: of the boxes in the loss; the others are the hardest ones.

    Inputs and results are those of `GeneralizedRCNN`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        anchor_generator: DefaultBoxGenerator,
        size: tuple[int, int],
        num_classes: int,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        head: nn.Module | None = None,
        score_thresh: float = 0.01,
        nms_thresh: float = 0.45,
        detections_per_img: int = 200,
        iou_thresh: float = 0.5,
        topk_candidates: int = 400,
        positive_fraction: float = 0.25,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.anchor_generator = anchor_generator
        self.box_coder = det_utils.BoxCoder((10.0, 10.0, 5.0, 5.0))
        if head is None:
            channels = _out_channels(backbone, size)
            anchors = anchor_generator.num_anchors_per_location()
            if len(channels) != len(anchors):
                raise error(
                    ValueError,
                    f"The backbone gives {len(channels)} levels, but there are default boxes for "
                    f"{len(anchors)}",
                )
            head = SSDHead(channels, anchors, num_classes)
        self.head = head
        self.proposal_matcher = det_utils.SSDMatcher(iou_thresh)
        self.transform: Any = GeneralizedRCNNTransform(
            min(size),
            max(size),
            image_mean or _MEAN,
            image_std or _STD,
            size_divisible=1,
            fixed_size=size,
            **kwargs,
        )
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.topk_candidates = topk_candidates
        self.neg_to_pos_ratio = (1.0 - positive_fraction) / positive_fraction

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
        found = self.postprocess_detections(outputs, anchors, batch.image_sizes)
        return self.transform.postprocess(found, batch.image_sizes, sizes)

    def compute_loss(
        self, targets: Sequence[dict[str, Any]], outputs: dict[str, Any], anchors: Sequence[Any]
    ) -> dict[str, Any]:
        """The losses of boxes and classes, over the number of matched default boxes."""
        logits = outputs["cls_logits"]
        box_losses, labels = [], []
        for number, (target, of_image) in enumerate(zip(targets, anchors)):
            label = plait.zeros(logits.shape[1], dtype=plait.int64)
            if target["boxes"].numel() > 0:
                overlaps = ops.box_iou(target["boxes"], of_image)
                matched = self.proposal_matcher(overlaps)
                inside = det_utils.indices_of(matched >= 0)
                true = matched[inside]
                label[inside] = target["labels"][true].to(plait.int64)
                wanted = self.box_coder.encode_single(target["boxes"][true], of_image[inside])
                given = outputs["bbox_regression"][number][inside]
                box_losses.append(F.smooth_l1_loss(given, wanted, reduction="sum"))
            else:
                box_losses.append(outputs["bbox_regression"][number].sum() * 0.0)
            labels.append(label)
        label = plait.stack(labels)
        class_loss = F.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), label.flatten(), reduction="none"
        ).view(label.shape)
        things = label > 0
        counts = things.sum(1, keepdim=True)
        # Of the background, the boxes with the greatest loss.
        hardness = plait.where(things, plait.full_like(class_loss, -float("inf")), class_loss)
        rank = hardness.detach().argsort(dim=1, descending=True).argsort(dim=1)
        chosen = things | (rank < self.neg_to_pos_ratio * counts)
        total = max(int(counts.sum().item()), 1)
        return {
            "bbox_regression": plait.stack(box_losses).sum() / total,
            "classification": (class_loss * chosen.to(class_loss.dtype)).sum() / total,
        }

    def postprocess_detections(
        self,
        outputs: dict[str, Any],
        anchors: Sequence[Any],
        image_shapes: Sequence[Sequence[int]],
    ) -> list[dict[str, Any]]:
        """Boxes (L, 4), labels (L,) and scores (L,) of each image, best first."""
        probability = F.softmax(outputs["cls_logits"], -1)
        found = []
        for codes, scores, of_image, shape in zip(
            outputs["bbox_regression"], probability, anchors, image_shapes
        ):
            boxes = self.box_coder.decode_single(codes, of_image)
            boxes = ops.clip_boxes_to_image(boxes, shape)
            kept: list[tuple[Any, Any, Any]] = []
            for label in range(1, scores.shape[-1]):
                score = scores[:, label]
                members = det_utils.indices_of(score > self.score_thresh)
                best, order = score[members].topk(min(self.topk_candidates, len(members)))
                kept.append((boxes[members][order], best, plait.full_like(order, label)))
            together, score, label = (plait.cat(parts) for parts in zip(*kept))
            best = ops.batched_nms(together, score, label, self.nms_thresh)
            best = best[: self.detections_per_img]
            found.append({"boxes": together[best], "scores": score[best], "labels": label[best]})
        return found


def _out_channels(backbone: nn.Module, size: tuple[int, int]) -> list[int]:
    """The channels of the levels, from an empty image."""
    training = backbone.training
    backbone.eval()
    with plait.no_grad():
        features = backbone(plait.zeros(1, 3, size[1], size[0]))
    backbone.train(training)
    levels = [features] if isinstance(features, plait.Tensor) else list(features.values())
    return [level.shape[1] for level in levels]


class SSDFeatureExtractorVGG(nn.Module):
    """The features of a VGG up to its fourth pooling, rescaled, and ever coarser ones after it.

    `highres` is for images of 512 x 512: one more level.
    """

    def __init__(self, backbone: Any, highres: bool) -> None:
        super().__init__()
        poolings = [n for n, layer in enumerate(backbone) if isinstance(layer, nn.MaxPool2d)]
        third, fourth = poolings[2:4]
        backbone[third].ceil_mode = True  # so that 75 rows become 38, as in the paper
        self.scale_weight = nn.Parameter(plait.ones(512) * 20)
        self.features = nn.Sequential(*list(backbone)[:fourth])
        strided: Any = {"stride": 2, "padding": 1}
        extra = nn.ModuleList(
            [
                _narrowing(1024, 256, 512, 3, **strided),
                _narrowing(512, 128, 256, 3, **strided),
                _narrowing(256, 128, 256, 3),
                _narrowing(256, 128, 256, 3),
            ]
        )
        if highres:
            extra.append(_narrowing(256, 128, 256, 4))
        _xavier_init(extra)
        # The classifier's linear layers, as convolutions.
        dense = nn.Sequential(
            nn.MaxPool2d(3, 1, 1, ceil_mode=False),
            nn.Conv2d(512, 1024, 3, padding=6, dilation=6),
            nn.ReLU(inplace=True),
            nn.Conv2d(1024, 1024, 1),
            nn.ReLU(inplace=True),
        )
        _xavier_init(dense)
        extra.insert(0, nn.Sequential(*list(backbone)[fourth:-1], dense))
        self.extra = extra

    def forward(self, x: Any) -> OrderedDict[str, Any]:
        x = self.features(x)
        levels = [self.scale_weight.view(1, -1, 1, 1) * F.normalize(x)]
        for block in self.extra:
            x = block(x)
            levels.append(x)
        return OrderedDict((str(number), level) for number, level in enumerate(levels))


def _narrowing(
    channels: int, narrow: int, out_channels: int, kernel: int, **options: Any
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, narrow, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(narrow, out_channels, kernel, **options),
        nn.ReLU(inplace=True),
    )


def _vgg_extractor(backbone: Any, highres: bool, trainable_layers: int) -> SSDFeatureExtractorVGG:
    """The extractor on a VGG of which only the last `trainable_layers` stages are trained."""
    features = backbone.features
    poolings = [n for n, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    starts = [0, *poolings][:-1]
    if not 0 <= trainable_layers <= len(starts):
        raise error(
            ValueError,
            f"trainable_layers should be in the range [0, {len(starts)}]. Instead got "
            f"{trainable_layers}",
        )
    frozen = len(features) if trainable_layers == 0 else starts[len(starts) - trainable_layers]
    for layer in features[:frozen]:
        for parameter in layer.parameters():
            parameter.requires_grad_(False)
    return SSDFeatureExtractorVGG(features, highres)


class SSD300_VGG16_Weights(WeightsEnum):
    COCO_V1 = coco("ssd300_vgg16_coco-b556d3b4.pth", 35_641_826)
    DEFAULT = COCO_V1


@builder(SSD300_VGG16_Weights, backbone=(VGG16_Weights, VGG16_Weights.IMAGENET1K_FEATURES))
def ssd300_vgg16(
    *,
    weights: SSD300_VGG16_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: VGG16_Weights | None = VGG16_Weights.IMAGENET1K_FEATURES,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> SSD:
    """SSD on a VGG-16, for images of 300 x 300; `kwargs` are `SSD`'s."""
    trained = weights is not None or weights_backbone is not None
    layers = _validate_trainable_layers(trained, trainable_backbone_layers, 5, 4)
    options = {
        "image_mean": [0.48235, 0.45882, 0.40784],
        "image_std": [1.0 / 255.0] * 3,
        **kwargs,
    }

    def make(classes: int) -> SSD:
        backbone = _vgg_extractor(
            vgg16(weights=None if weights else weights_backbone), False, layers
        )
        boxes = DefaultBoxGenerator(
            [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
            scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
            steps=[8, 16, 32, 64, 100, 300],
        )
        return SSD(backbone, boxes, (300, 300), classes, **options)

    return build(make, weights, progress, num_classes)
