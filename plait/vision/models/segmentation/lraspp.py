"""Lite R-ASPP (arXiv:1905.02244, section 6.4): segmentation for small machines."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from plait import nn
from plait.vision.models._api import WeightsEnum, builder
from plait.vision.models._utils import IntermediateLayerGetter
from plait.vision.models.mobilenetv3 import MobileNet_V3_Large_Weights
from plait.vision.models.segmentation._backbones import mobilenet_features
from plait.vision.models.segmentation._model import build, upsampled, voc


class LRASPPHead(nn.Module):
    """Classes from deep features, gated by their means, and from early features."""

    def __init__(
        self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int
    ) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.BatchNorm2d(inter_channels),
            nn.ReLU(inplace=True),
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.Sigmoid(),
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: Any) -> Any:
        low, high = input["low"], input["high"]
        gated = upsampled(self.cbr(high) * self.scale(high), low.shape[-2:])
        return self.low_classifier(low) + self.high_classifier(gated)


class LRASPP(nn.Module):
    """(N, 3, H, W) to a dict of "out" (N, num_classes, H, W); the backbone gives "low", "high"."""

    def __init__(
        self,
        backbone: nn.Module,
        low_channels: int,
        high_channels: int,
        num_classes: int,
        inter_channels: int = 128,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: Any) -> OrderedDict[str, Any]:
        scores = self.classifier(self.backbone(input))
        return OrderedDict(out=upsampled(scores, input.shape[-2:]))


class LRASPP_MobileNet_V3_Large_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = voc("lraspp_mobilenet_v3_large-d234d4ea.pth", 3_221_538)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


@builder(
    LRASPP_MobileNet_V3_Large_Weights,
    backbone=(MobileNet_V3_Large_Weights, MobileNet_V3_Large_Weights.IMAGENET1K_V1),
)
def lraspp_mobilenet_v3_large(
    *,
    weights: LRASPP_MobileNet_V3_Large_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> LRASPP:
    """Lite R-ASPP on MobileNetV3-Large; `weights_backbone=None` for one that is not trained."""

    def make(classes: int, aux: bool) -> LRASPP:
        features, places = mobilenet_features(None if weights else weights_backbone)
        low, high = places[-4], places[-1]
        backbone = IntermediateLayerGetter(features, {str(low): "low", str(high): "high"})
        widths = (features[low].out_channels, features[high].out_channels)
        return LRASPP(backbone, *widths, classes)

    return build(make, weights, progress, num_classes, None)
