"""Fully convolutional networks (arXiv:1411.4038) on dilated ResNets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait import nn
from plait.vision.models._api import WeightsEnum, builder
from plait.vision.models.resnet import (
    ResNet50_Weights,
    ResNet101_Weights,
    resnet50,
    resnet101,
)
from plait.vision.models.segmentation._backbones import resnet_backbone
from plait.vision.models.segmentation._model import _SimpleSegmentationModel, build, voc


class FCN(_SimpleSegmentationModel):
    """A backbone and convolutional classifiers; see the base."""


class FCNHead(nn.Sequential):
    """Features to classes, by a 3x3 and a 1x1 convolution."""

    def __init__(self, in_channels: int, channels: int) -> None:
        width = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv2d(width, channels, 1),
        )


class FCN_ResNet50_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = voc("fcn_resnet50_coco-1167a1af.pth", 35_322_218)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


class FCN_ResNet101_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = voc("fcn_resnet101_coco-7ecb50ca.pth", 54_314_346)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


def _fcn(
    resnet: Callable[..., Any],
    weights: WeightsEnum | None,
    progress: bool,
    num_classes: int | None,
    aux_loss: bool | None,
    weights_backbone: Any,
) -> FCN:
    def make(classes: int, aux: bool) -> FCN:
        backbone = resnet_backbone(resnet, None if weights else weights_backbone, aux)
        beside = FCNHead(1024, classes) if aux else None
        return FCN(backbone, FCNHead(2048, classes), beside)

    return build(make, weights, progress, num_classes, aux_loss)


@builder(FCN_ResNet50_Weights, backbone=(ResNet50_Weights, ResNet50_Weights.IMAGENET1K_V1))
def fcn_resnet50(
    *,
    weights: FCN_ResNet50_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> FCN:
    """An FCN on ResNet-50; `weights_backbone=None` for one that is not trained."""
    return _fcn(resnet50, weights, progress, num_classes, aux_loss, weights_backbone)


@builder(FCN_ResNet101_Weights, backbone=(ResNet101_Weights, ResNet101_Weights.IMAGENET1K_V1))
def fcn_resnet101(
    *,
    weights: FCN_ResNet101_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: ResNet101_Weights | None = ResNet101_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> FCN:
    """An FCN on ResNet-101; `weights_backbone=None` for one that is not trained."""
    return _fcn(resnet101, weights, progress, num_classes, aux_loss, weights_backbone)
