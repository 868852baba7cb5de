"""SSDlite (arXiv:1801.04381, section 6.2): SSD with separable convolutions, on a MobileNetV3."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, builder
from plait.vision.models.detection._weights import build, coco
from plait.vision.models.detection.anchor_utils import DefaultBoxGenerator
from plait.vision.models.detection.backbone_utils import _validate_trainable_layers
from plait.vision.models.detection.ssd import SSD, SSDScoringHead, _out_channels
from plait.vision.models.mobilenetv3 import MobileNet_V3_Large_Weights, mobilenet_v3_large
from plait.vision.ops.misc import Conv2dNormActivation

Norm = Callable[..., nn.Module]
_NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
# The widths of the levels after the backbone's.
_EXTRA_WIDTHS = (512, 256, 256, 128)


def _normal_init(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, mean=0.0, std=0.03)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0)


def _prediction_block(in_channels: int, out_channels: int, norm_layer: Norm) -> nn.Sequential:
    """A depthwise 3x3 convolution and a 1x1 one."""
    return nn.Sequential(
        Conv2dNormActivation(
            in_channels,
            in_channels,
            3,
            groups=in_channels,
            norm_layer=norm_layer,
            activation_layer=nn.ReLU6,
        ),
        nn.Conv2d(in_channels, out_channels, 1),
    )


def _extra_block(in_channels: int, out_channels: int, norm_layer: Norm) -> nn.Sequential:
    """To half the resolution, in half the channels."""
    conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
    narrow = out_channels // 2
    return nn.Sequential(
        conv(in_channels, narrow, 1),
        conv(narrow, narrow, 3, stride=2, groups=narrow),
        conv(narrow, out_channels, 1),
    )


def _head(
    in_channels: Sequence[int], num_anchors: Sequence[int], columns: int, norm_layer: Norm
) -> nn.ModuleList:
    layers = nn.ModuleList(
        _prediction_block(channels, columns * anchors, norm_layer)
        for channels, anchors in zip(in_channels, num_anchors)
    )
    _normal_init(layers)
    return layers


class SSDLiteHead(nn.Module):
    """Features of all levels to "cls_logits" and "bbox_regression", by default box."""

    def __init__(
        self,
        in_channels: Sequence[int],
        num_anchors: Sequence[int],
        num_classes: int,
        norm_layer: Norm,
    ) -> None:
        super().__init__()
        classes = _head(in_channels, num_anchors, num_classes, norm_layer)
        self.classification_head = SSDScoringHead(classes, num_classes)
        boxes = _head(in_channels, num_anchors, 4, norm_layer)
        self.regression_head = SSDScoringHead(boxes, 4)

    def forward(self, x: Sequence[Any]) -> dict[str, Any]:
        return {
            "bbox_regression": self.regression_head(x),
            "cls_logits": self.classification_head(x),
        }


class SSDLiteFeatureExtractorMobileNet(nn.Module):
    """The features of a MobileNet, divided after the expansion of block `c4_pos`, and four ever
    coarser levels, of at least `min_depth` channels."""

    def __init__(
        self,
        backbone: Any,
        c4_pos: int,
        norm_layer: Norm,
        width_mult: float = 1.0,
        min_depth: int = 16,
    ) -> None:
        super().__init__()
        if getattr(backbone[c4_pos], "use_res_connect", False):
            raise error(ValueError, "backbone[c4_pos].use_res_connect should be False")
        layers = list(backbone)
        block: Any = layers[c4_pos].block
        self.features = nn.Sequential(
            nn.Sequential(*layers[:c4_pos], block[0]),
            nn.Sequential(block[1:], *layers[c4_pos + 1 :]),  # the slice keeps its names
        )
        widths = [max(min_depth, int(width * width_mult)) for width in _EXTRA_WIDTHS]
        extra = nn.ModuleList(
            _extra_block(channels, width, norm_layer)
            for channels, width in zip([layers[-1].out_channels, *widths], widths)
        )
        _normal_init(extra)
        self.extra = extra

    def forward(self, x: Any) -> OrderedDict[str, Any]:
        levels = []
        for block in (*self.features, *self.extra):
            x = block(x)
            levels.append(x)
        return OrderedDict((str(number), level) for number, level in enumerate(levels))


def _extractor(backbone: Any, trainable_layers: int) -> SSDLiteFeatureExtractorMobileNet:
    """The extractor on a MobileNet of which only the last `trainable_layers` stages are trained."""
    features = backbone.features
    strided = [n for n, block in enumerate(features) if getattr(block, "_is_cn", False)]
    starts = [0, *strided, len(features) - 1]
    if not 0 <= trainable_layers <= len(starts):
        raise error(
            ValueError,
            f"trainable_layers should be in the range [0, {len(starts)}]. Instead got "
            f"{trainable_layers}",
        )
    frozen = len(features) if trainable_layers == 0 else starts[len(starts) - trainable_layers]
    for block in features[:frozen]:
        for parameter in block.parameters():
            parameter.requires_grad_(False)
    return SSDLiteFeatureExtractorMobileNet(features, starts[-2], _NORM)


class SSDLite320_MobileNet_V3_Large_Weights(WeightsEnum):
    COCO_V1 = coco("ssdlite320_mobilenet_v3_large_coco-a79551df.pth", 3_440_060)
    DEFAULT = COCO_V1


@builder(
    SSDLite320_MobileNet_V3_Large_Weights,
    backbone=(MobileNet_V3_Large_Weights, MobileNet_V3_Large_Weights.IMAGENET1K_V1),
)
def ssdlite320_mobilenet_v3_large(
    *,
    weights: SSDLite320_MobileNet_V3_Large_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    norm_layer: Norm | None = None,
    **kwargs: Any,
) -> SSD:
    """SSDlite on a MobileNetV3-Large, for images of 320 x 320; `kwargs` are `SSD`'s.

    Without a trained backbone the last layers of the MobileNet are halved.
    """
    trained = weights is not None or weights_backbone is not None
    layers = _validate_trainable_layers(trained, trainable_backbone_layers, 6, 6)
    norm = norm_layer or _NORM
    backbone_weights = None if weights else weights_backbone
    size = (320, 320)
    options = {
        "score_thresh": 0.001,
        "nms_thresh": 0.55,
        "detections_per_img": 300,
        "topk_candidates": 300,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        **kwargs,
    }

    def make(classes: int) -> SSD:
        mobile = mobilenet_v3_large(
            weights=backbone_weights, norm_layer=norm, reduced_tail=backbone_weights is None
        )
        if backbone_weights is None:
            _normal_init(mobile)
        backbone = _extractor(mobile, layers)
        boxes = DefaultBoxGenerator([[2, 3] for _ in range(6)], min_ratio=0.2, max_ratio=0.95)
        anchors = boxes.num_anchors_per_location()
        head = SSDLiteHead(_out_channels(backbone, size), anchors, classes, norm)
        return SSD(backbone, boxes, size, classes, head=head, **options)

    return build(make, weights, progress, num_classes)
