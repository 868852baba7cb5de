"""Classifiers as backbones of detectors, with pyramids of features."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plait import nn
from plait.core.ir.errors import error
from plait.vision.models import mobilenet, resnet
from plait.vision.models._utils import IntermediateLayerGetter
from plait.vision.ops.feature_pyramid_network import (
    ExtraFPNBlock,
    FeaturePyramidNetwork,
    LastLevelMaxPool,
)
from plait.vision.ops.misc import FrozenBatchNorm2d

_FPN_CHANNELS = 256


class BackboneWithFPN(nn.Module):
    """The layers of `backbone` that `return_layers` names, through a pyramid."""

    def __init__(
        self,
        backbone: nn.Module,
        return_layers: Mapping[str, str],
        in_channels_list: Sequence[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.body = IntermediateLayerGetter(backbone, return_layers=return_layers)
        self.fpn = FeaturePyramidNetwork(
            in_channels_list, out_channels, extra_blocks or LastLevelMaxPool(), norm_layer
        )
        self.out_channels = out_channels

    def forward(self, x: Any) -> Any:
        return self.fpn(self.body(x))


def resnet_fpn_backbone(
    *,
    backbone_name: str,
    weights: Any,
    norm_layer: Callable[..., nn.Module] = FrozenBatchNorm2d,
    trainable_layers: int = 3,
    returned_layers: Sequence[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
) -> BackboneWithFPN:
    """A ResNet of that name with a pyramid; see `_resnet_fpn_extractor`."""
    backbone = getattr(resnet, backbone_name)(weights=weights, norm_layer=norm_layer)
    return _resnet_fpn_extractor(backbone, trainable_layers, returned_layers, extra_blocks)


def _resnet_fpn_extractor(
    backbone: Any,
    trainable_layers: int,
    returned_layers: Sequence[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
    norm_layer: Callable[..., nn.Module] | None = None,
) -> BackboneWithFPN:
    """A pyramid on the stages `returned_layers` (1 to 4) of a ResNet.

    All but the last `trainable_layers` (0 to 5) of its parts are frozen.
    """
    if not 0 <= trainable_layers <= 5:
        raise error(
            ValueError, f"Trainable layers should be in the range [0,5], got {trainable_layers}"
        )
    trained = ["layer4", "layer3", "layer2", "layer1", "conv1"][:trainable_layers]
    if trainable_layers == 5:
        trained.append("bn1")
    for name, parameter in backbone.named_parameters():
        if not any(name.startswith(part) for part in trained):
            parameter.requires_grad_(False)
    stages = [1, 2, 3, 4] if returned_layers is None else list(returned_layers)
    if min(stages) <= 0 or max(stages) >= 5:
        raise error(ValueError, f"Each returned layer should be in the range [1,4]. Got {stages}")
    first = backbone.inplanes // 8
    return BackboneWithFPN(
        backbone,
        {f"layer{stage}": str(number) for number, stage in enumerate(stages)},
        [first * 2 ** (stage - 1) for stage in stages],
        _FPN_CHANNELS,
        extra_blocks,
        norm_layer,
    )


def mobilenet_backbone(
    *,
    backbone_name: str,
    weights: Any,
    fpn: bool,
    norm_layer: Callable[..., nn.Module] = FrozenBatchNorm2d,
    trainable_layers: int = 2,
    returned_layers: Sequence[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
) -> nn.Module:
    """A MobileNet of that name, with a pyramid if `fpn`; see `_mobilenet_extractor`."""
    backbone = getattr(mobilenet, backbone_name)(weights=weights, norm_layer=norm_layer)
    return _mobilenet_extractor(backbone, fpn, trainable_layers, returned_layers, extra_blocks)


def _mobilenet_extractor(
    backbone: Any,
    fpn: bool,
    trainable_layers: int,
    returned_layers: Sequence[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
    norm_layer: Callable[..., nn.Module] | None = None,
) -> nn.Module:
    """A pyramid on stages of a MobileNet, or its features in 256 channels.

    A stage begins where the resolution falls. All but the last `trainable_layers` are frozen.
    """
    features = backbone.features
    strided = [n for n, block in enumerate(features) if getattr(block, "_is_cn", False)]
    starts = [0, *strided, len(features) - 1]
    stages = len(starts)
    if not 0 <= trainable_layers <= stages:
        raise error(
            ValueError,
            f"Trainable layers should be in the range [0,{stages}], got {trainable_layers}",
        )
    frozen = len(features) if trainable_layers == 0 else starts[stages - trainable_layers]
    for block in features[:frozen]:
        for parameter in block.parameters():
            parameter.requires_grad_(False)
    if not fpn:
        narrow: Any = nn.Sequential(
            features, nn.Conv2d(features[-1].out_channels, _FPN_CHANNELS, 1)
        )
        narrow.out_channels = _FPN_CHANNELS
        return narrow
    wanted = [stages - 2, stages - 1] if returned_layers is None else list(returned_layers)
    if min(wanted) < 0 or max(wanted) >= stages:
        raise error(
            ValueError, f"Each returned layer should be in the range [0,{stages - 1}], got {wanted}"
        )
    return BackboneWithFPN(
        features,
        {str(starts[stage]): str(number) for number, stage in enumerate(wanted)},
        [features[starts[stage]].out_channels for stage in wanted],
        _FPN_CHANNELS,
        extra_blocks,
        norm_layer,
    )


def _validate_trainable_layers(
    is_trained: bool, trainable_backbone_layers: int | None, max_value: int, default_value: int
) -> int:
    """The number of layers to train: all of a backbone that is not trained."""
    if not is_trained:
        if trainable_backbone_layers is not None:
            warnings.warn(
                "Changing trainable_backbone_layers has no effect if neither pretrained nor "
                "pretrained_backbone have been set to True, falling back to "
                f"trainable_backbone_layers={max_value} so that all layers are trainable",
                stacklevel=3,
            )
        return max_value
    layers = default_value if trainable_backbone_layers is None else trainable_backbone_layers
    if not 0 <= layers <= max_value:
        raise error(
            ValueError,
            f"Trainable backbone layers should be in the range [0,{max_value}], got {layers}",
        )
    return layers
