"""DeepLabV3 (arXiv:1706.05587): parallel dilated convolutions on a dilated backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plait
from plait import nn
from plait.vision.models._api import WeightsEnum, builder
from plait.vision.models.mobilenetv3 import MobileNet_V3_Large_Weights
from plait.vision.models.resnet import (
    ResNet50_Weights,
    ResNet101_Weights,
    resnet50,
    resnet101,
)
from plait.vision.models.segmentation._backbones import mobilenet_backbone, resnet_backbone
from plait.vision.models.segmentation._model import (
    _SimpleSegmentationModel,
    build,
    upsampled,
    voc,
)
from plait.vision.models.segmentation.fcn import FCNHead


class DeepLabV3(_SimpleSegmentationModel):
    """A backbone, a `DeepLabHead`, and an `FCNHead` beside it; see the base."""


class ASPPConv(nn.Sequential):
    """A dilated 3x3 convolution, norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )


class ASPPPooling(nn.Sequential):
    """The mean of the whole image, through a 1x1 convolution, at every pixel."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, input: Any) -> Any:
        return upsampled(super().forward(input), input.shape[-2:])


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: a 1x1 convolution, dilated ones, and the image's mean."""

    def __init__(
        self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256
    ) -> None:
        super().__init__()
        first = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )
        dilated = [ASPPConv(in_channels, out_channels, rate) for rate in atrous_rates]
        self.convs = nn.ModuleList([first, *dilated, ASPPPooling(in_channels, out_channels)])
        self.project = nn.Sequential(
            nn.Conv2d(len(self.convs) * out_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Dropout(0.5),
        )

    def forward(self, x: Any) -> Any:
        return self.project(plait.cat([conv(x) for conv in self.convs], 1))


class DeepLabHead(nn.Sequential):
    """Features to classes, through `ASPP`."""

    def __init__(
        self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)
    ) -> None:
        super().__init__(
            ASPP(in_channels, atrous_rates),
            nn.Conv2d(256, 256, 3, padding=1, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.Conv2d(256, num_classes, 1),
        )


class DeepLabV3_ResNet50_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = voc("deeplabv3_resnet50_coco-cd0a2569.pth", 42_004_074)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


class DeepLabV3_ResNet101_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = voc("deeplabv3_resnet101_coco-586e9e4e.pth", 60_996_202)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


class DeepLabV3_MobileNet_V3_Large_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = voc("deeplabv3_mobilenet_v3_large-fc3c493d.pth", 11_029_328)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


def _deeplabv3(
    resnet: Callable[..., Any],
    weights: WeightsEnum | None,
    progress: bool,
    num_classes: int | None,
    aux_loss: bool | None,
    weights_backbone: Any,
) -> DeepLabV3:
    def make(classes: int, aux: bool) -> DeepLabV3:
        backbone = resnet_backbone(resnet, None if weights else weights_backbone, aux)
        beside = FCNHead(1024, classes) if aux else None
        return DeepLabV3(backbone, DeepLabHead(2048, classes), beside)

    return build(make, weights, progress, num_classes, aux_loss)


@builder(DeepLabV3_ResNet50_Weights, backbone=(ResNet50_Weights, ResNet50_Weights.IMAGENET1K_V1))
def deeplabv3_resnet50(
    *,
    weights: DeepLabV3_ResNet50_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> DeepLabV3:
    """DeepLabV3 on ResNet-50; `weights_backbone=None` for one that is not trained."""
    return _deeplabv3(resnet50, weights, progress, num_classes, aux_loss, weights_backbone)


@builder(DeepLabV3_ResNet101_Weights, backbone=(ResNet101_Weights, ResNet101_Weights.IMAGENET1K_V1))
def deeplabv3_resnet101(
    *,
    weights: DeepLabV3_ResNet101_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: ResNet101_Weights | None = ResNet101_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> DeepLabV3:
    """DeepLabV3 on ResNet-101; `weights_backbone=None` for one that is not trained."""
    return _deeplabv3(resnet101, weights, progress, num_classes, aux_loss, weights_backbone)


@builder(
    DeepLabV3_MobileNet_V3_Large_Weights,
    backbone=(MobileNet_V3_Large_Weights, MobileNet_V3_Large_Weights.IMAGENET1K_V1),
)
def deeplabv3_mobilenet_v3_large(
    *,
    weights: DeepLabV3_MobileNet_V3_Large_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> DeepLabV3:
    """DeepLabV3 on MobileNetV3-Large; `weights_backbone=None` for one that is not trained."""

    def make(classes: int, aux: bool) -> DeepLabV3:
        backbone, width, width_beside = mobilenet_backbone(
            None if weights else weights_backbone, aux
        )
        beside = FCNHead(width_beside, classes) if aux else None
        return DeepLabV3(backbone, DeepLabHead(width, classes), beside)

    return build(make, weights, progress, num_classes, aux_loss)
