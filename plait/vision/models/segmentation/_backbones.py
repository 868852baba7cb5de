"""The classifiers' features as backbones of segmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait import nn
from plait.vision.models._utils import IntermediateLayerGetter
from plait.vision.models.mobilenetv3 import mobilenet_v3_large


def resnet_backbone(build: Callable[..., Any], weights: Any, aux: bool) -> IntermediateLayerGetter:
    """A ResNet whose last two stages are dilated: "out" of 2048 channels, and "aux" of 1024."""
    backbone = build(weights=weights, replace_stride_with_dilation=[False, True, True])
    layers = {"layer4": "out"}
    if aux:
        layers["layer3"] = "aux"
    return IntermediateLayerGetter(backbone, return_layers=layers)


def mobilenet_features(weights: Any) -> tuple[Any, list[int]]:
    """The features of a dilated MobileNetV3-Large, and the places where the resolution falls:
    the first layer, the strided blocks, and the last layer."""
    features: Any = mobilenet_v3_large(weights=weights, dilated=True).features
    strided = [number for number, layer in enumerate(features) if getattr(layer, "_is_cn", False)]
    return features, [0, *strided, len(features) - 1]


def mobilenet_backbone(weights: Any, aux: bool) -> tuple[nn.Module, int, int]:
    """A MobileNetV3-Large giving "out" and "aux", and their channels."""
    features, places = mobilenet_features(weights)
    out, beside = places[-1], places[-4]
    layers = {str(out): "out"}
    if aux:
        layers[str(beside)] = "aux"
    backbone = IntermediateLayerGetter(features, return_layers=layers)
    return backbone, features[out].out_channels, features[beside].out_channels
