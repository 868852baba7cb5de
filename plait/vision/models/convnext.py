"""ConvNeXt (arXiv:2201.03545)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet
from plait.vision.ops.misc import Conv2dNormActivation, Permute
from plait.vision.ops.stochastic_depth import StochasticDepth

Layer = Callable[..., nn.Module]


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation of the channels of (N, C, H, W)."""

    def forward(self, input: Any) -> Any:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A depthwise 7x7 convolution and an MLP, scaled by channel, beside a shortcut."""

    def __init__(
        self,
        dim: int,
        layer_scale: float,
        stochastic_depth_prob: float,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(plait.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Any) -> Any:
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


@dataclass
class CNBlockConfig:
    """A stage of `num_layers` blocks; `out_channels` of the layer after it, None for none."""

    input_channels: int
    out_channels: int | None
    num_layers: int


class ConvNeXt(nn.Module):
    """(N, 3, H, W), at least 32 x 32, to (N, num_classes).

    Args:
        block_setting: the stages.
        stochastic_depth_prob: of the last block; that of the others grows towards it.
        layer_scale: the scale that blocks begin with.
    """

    def __init__(
        self,
        block_setting: Sequence[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if not block_setting:
            raise error(ValueError, "The block_setting should not be empty")
        if not all(isinstance(stage, CNBlockConfig) for stage in block_setting):
            raise error(TypeError, "The block_setting should be List[CNBlockConfig]")
        block = block or CNBlock
        norm = norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                3,
                block_setting[0].input_channels,
                4,
                stride=4,
                padding=0,
                norm_layer=norm,
                activation_layer=None,
                bias=True,
            )
        ]
        total, done = sum(stage.num_layers for stage in block_setting), 0
        width = block_setting[0].input_channels
        for stage in block_setting:
            blocks = []
            for _ in range(stage.num_layers):
                chance = stochastic_depth_prob * done / max(total - 1.0, 1.0)
                blocks.append(block(stage.input_channels, layer_scale, chance))
                done += 1
            layers.append(nn.Sequential(*blocks))
            width = stage.input_channels
            if stage.out_channels is not None:
                width = stage.out_channels
                layers.append(
                    nn.Sequential(
                        norm(stage.input_channels), nn.Conv2d(stage.input_channels, width, 2, 2)
                    )
                )
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(norm(width), nn.Flatten(1), nn.Linear(width, num_classes))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.avgpool(self.features(x)))


class ConvNeXt_Tiny_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("convnext_tiny-983f1562.pth", 28_589_128, resize_size=236, min_size=32)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Small_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "convnext_small-0c510722.pth", 50_223_688, resize_size=230, min_size=32
    )
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Base_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("convnext_base-6075fbad.pth", 88_591_464, resize_size=232, min_size=32)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Large_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "convnext_large-ea097f82.pth", 197_767_336, resize_size=232, min_size=32
    )
    DEFAULT = IMAGENET1K_V1


def _convnext(
    width: int,
    depth: int,
    stochastic_depth_prob: float,
    weights: WeightsEnum | None,
    progress: bool,
    options: dict[str, Any],
) -> ConvNeXt:
    """Stages of the width and its doubles, of 3, 3, `depth` and 3 blocks."""
    stages = [
        CNBlockConfig(width, 2 * width, 3),
        CNBlockConfig(2 * width, 4 * width, 3),
        CNBlockConfig(4 * width, 8 * width, depth),
        CNBlockConfig(8 * width, None, 3),
    ]
    options.setdefault("stochastic_depth_prob", stochastic_depth_prob)
    return assemble(partial(ConvNeXt, stages), weights, progress, options)


@builder(ConvNeXt_Tiny_Weights)
def convnext_tiny(
    *, weights: ConvNeXt_Tiny_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt-Tiny; `kwargs` are `ConvNeXt`'s but the stages."""
    return _convnext(96, 9, 0.1, weights, progress, kwargs)


@builder(ConvNeXt_Small_Weights)
def convnext_small(
    *, weights: ConvNeXt_Small_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt-Small; `kwargs` are `ConvNeXt`'s but the stages."""
    return _convnext(96, 27, 0.4, weights, progress, kwargs)


@builder(ConvNeXt_Base_Weights)
def convnext_base(
    *, weights: ConvNeXt_Base_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt-Base; `kwargs` are `ConvNeXt`'s but the stages."""
    return _convnext(128, 27, 0.5, weights, progress, kwargs)


@builder(ConvNeXt_Large_Weights)
def convnext_large(
    *, weights: ConvNeXt_Large_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt-Large; `kwargs` are `ConvNeXt`'s but the stages."""
    return _convnext(192, 27, 0.5, weights, progress, kwargs)
