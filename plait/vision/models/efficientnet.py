"""EfficientNet (arXiv:1905.11946) and EfficientNetV2 (arXiv:2104.00298)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet
from plait.vision.models._utils import _make_divisible, reset_norm
from plait.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from plait.vision.ops.stochastic_depth import StochasticDepth
from plait.vision.transforms._interpolation import InterpolationMode

Norm = Callable[..., nn.Module]


@dataclass
class _MBConvConfig:
    """A stage: `num_layers` blocks, of which the first has the stride."""

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Callable[..., nn.Module]

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of `MBConv` blocks, scaled in width and depth."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
            block or MBConv,
        )

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of `FusedMBConv` blocks."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            input_channels,
            out_channels,
            num_layers,
            block or FusedMBConv,
        )


class _Block(nn.Module):
    """What both kinds of blocks share: layers in `block`, beside a shortcut where sizes allow."""

    def __init__(
        self, cnf: _MBConvConfig, layers: Sequence[nn.Module], stochastic_depth_prob: float
    ) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise error(ValueError, "illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Any) -> Any:
        result = self.block(input)
        return self.stochastic_depth(result) + input if self.use_res_connect else result


class MBConv(_Block):
    """Expand by 1x1, filter each channel, squeeze and excite, project by 1x1."""

    def __init__(
        self,
        cnf: _MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Norm,
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ) -> None:
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        squeezed = max(1, cnf.input_channels // 4)
        layers = [] if width == cnf.input_channels else [conv(cnf.input_channels, width, 1)]
        layers += [
            conv(width, width, cnf.kernel, stride=cnf.stride, groups=width),
            se_layer(width, squeezed, activation=partial(nn.SiLU, inplace=True)),
            conv(width, cnf.out_channels, 1, activation_layer=None),
        ]
        super().__init__(cnf, layers, stochastic_depth_prob)


class FusedMBConv(_Block):
    """Expand by a whole convolution, project by 1x1."""

    def __init__(self, cnf: _MBConvConfig, stochastic_depth_prob: float, norm_layer: Norm) -> None:
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        if width == cnf.input_channels:
            layers = [conv(width, cnf.out_channels, cnf.kernel, stride=cnf.stride)]
        else:
            layers = [
                conv(cnf.input_channels, width, cnf.kernel, stride=cnf.stride),
                conv(width, cnf.out_channels, 1, activation_layer=None),
            ]
        super().__init__(cnf, layers, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """(N, 3, H, W) to (N, num_classes).

    Args:
        inverted_residual_setting: the stages.
        dropout: before the classifier.
        stochastic_depth_prob: of the last block; that of the others grows towards it.
        norm_layer: made of the number of channels.
        last_channel: of the last convolution; four times what it takes if None.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        stages = inverted_residual_setting
        if not stages:
            raise error(ValueError, "The inverted_residual_setting should not be empty")
        if not all(isinstance(stage, _MBConvConfig) for stage in stages):
            raise error(TypeError, "The inverted_residual_setting should be List[MBConvConfig]")
        norm = norm_layer or nn.BatchNorm2d
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [conv(3, stages[0].input_channels, stride=2)]
        layers += _stages(stages, stochastic_depth_prob, norm)
        width = stages[-1].out_channels
        last = 4 * width if last_channel is None else last_channel
        layers.append(conv(width, last, 1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(last, num_classes)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                reset_norm(module)
            elif isinstance(module, nn.Linear):
                bound = 1.0 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _stages(
    stages: Sequence[_MBConvConfig], stochastic_depth_prob: float, norm: Norm
) -> list[nn.Module]:
    total = sum(stage.num_layers for stage in stages)
    done = 0
    made: list[nn.Module] = []
    for stage in stages:
        blocks = []
        for number in range(stage.num_layers):
            shape: Any = (stage.expand_ratio, stage.kernel)
            if number == 0:
                sizes: Any = (stage.stride, stage.input_channels, stage.out_channels)
            else:
                sizes = (1, stage.out_channels, stage.out_channels)
            config = _MBConvConfig(*shape, *sizes, num_layers=1, block=stage.block)
            blocks.append(stage.block(config, stochastic_depth_prob * done / total, norm))
            done += 1
        made.append(nn.Sequential(*blocks))
    return made


# Rows of the papers' tables: expansion, kernel, stride, channels in, channels out, blocks.
_V1 = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
# For V2, first the fused stages, then the others.
_V2 = {
    "s": (
        ((1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4)),
        ((4, 3, 2, 64, 128, 6), (6, 3, 1, 128, 160, 9), (6, 3, 2, 160, 256, 15)),
    ),
    "m": (
        ((1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5)),
        (
            (4, 3, 2, 80, 160, 7),
            (6, 3, 1, 160, 176, 14),
            (6, 3, 2, 176, 304, 18),
            (6, 3, 1, 304, 512, 5),
        ),
    ),
    "l": (
        ((1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7)),
        (
            (4, 3, 2, 96, 192, 10),
            (6, 3, 1, 192, 224, 19),
            (6, 3, 2, 224, 384, 25),
            (6, 3, 1, 384, 640, 7),
        ),
    ),
}


class EfficientNet_B0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b0_rwightman-7f5810bc.pth", 5_288_548, interpolation=InterpolationMode.BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B1_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b1_rwightman-bac287d4.pth",
        7_794_184,
        crop_size=240,
        interpolation=InterpolationMode.BICUBIC,
    )
    IMAGENET1K_V2 = imagenet(
        "efficientnet_b1-c27df63c.pth", 7_794_184, crop_size=240, resize_size=255
    )
    DEFAULT = IMAGENET1K_V2


class EfficientNet_B2_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b2_rwightman-c35c1473.pth",
        9_109_994,
        crop_size=288,
        resize_size=288,
        interpolation=InterpolationMode.BICUBIC,
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B3_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b3_rwightman-b3899882.pth",
        12_233_232,
        crop_size=300,
        resize_size=320,
        interpolation=InterpolationMode.BICUBIC,
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B4_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b4_rwightman-23ab8bcd.pth",
        19_341_616,
        crop_size=380,
        resize_size=384,
        interpolation=InterpolationMode.BICUBIC,
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b5_lukemelas-1a07897c.pth",
        30_389_784,
        crop_size=456,
        resize_size=456,
        interpolation=InterpolationMode.BICUBIC,
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B6_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b6_lukemelas-24a108a5.pth",
        43_040_704,
        crop_size=528,
        resize_size=528,
        interpolation=InterpolationMode.BICUBIC,
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B7_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b7_lukemelas-c5b4e57e.pth",
        66_347_960,
        crop_size=600,
        resize_size=600,
        interpolation=InterpolationMode.BICUBIC,
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_v2_s-dd5fe13b.pth", 21_458_488, crop_size=384, resize_size=384, min_size=33
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_M_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_v2_m-dc08266a.pth", 54_139_356, crop_size=480, resize_size=480, min_size=33
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_L_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_v2_l-59c71312.pth",
        118_515_272,
        crop_size=480,
        resize_size=480,
        interpolation=InterpolationMode.BICUBIC,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        min_size=33,
    )
    DEFAULT = IMAGENET1K_V1


def _v1(
    width: float,
    depth: float,
    dropout: float,
    weights: WeightsEnum | None,
    progress: bool,
    options: dict[str, Any],
    norm_layer: Norm | None = None,
) -> EfficientNet:
    stages = [MBConvConfig(*row, width_mult=width, depth_mult=depth) for row in _V1]
    options.setdefault("dropout", dropout)

    def make(**arguments: Any) -> EfficientNet:
        return EfficientNet(stages, **{"norm_layer": norm_layer, **arguments})

    return assemble(make, weights, progress, options)


def _v2(
    size: str, dropout: float, weights: WeightsEnum | None, progress: bool, options: dict[str, Any]
) -> EfficientNet:
    fused, plain = _V2[size]
    stages = [*(FusedMBConvConfig(*row) for row in fused), *(MBConvConfig(*row) for row in plain)]
    options.setdefault("dropout", dropout)
    norm = partial(nn.BatchNorm2d, eps=1e-3)

    def make(**arguments: Any) -> EfficientNet:
        return EfficientNet(stages, **{"norm_layer": norm, "last_channel": 1280, **arguments})

    return assemble(make, weights, progress, options)


_B5_NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


@builder(EfficientNet_B0_Weights)
def efficientnet_b0(
    *, weights: EfficientNet_B0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B0; `kwargs` are `EfficientNet`'s but the stages."""
    return _v1(1.0, 1.0, 0.2, weights, progress, kwargs)


@builder(EfficientNet_B1_Weights)
def efficientnet_b1(
    *, weights: EfficientNet_B1_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B1; `kwargs` are `EfficientNet`'s but the stages."""
    return _v1(1.0, 1.1, 0.2, weights, progress, kwargs)


@builder(EfficientNet_B2_Weights)
def efficientnet_b2(
    *, weights: EfficientNet_B2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B2; `kwargs` are `EfficientNet`'s but the stages."""
    return _v1(1.1, 1.2, 0.3, weights, progress, kwargs)


@builder(EfficientNet_B3_Weights)
def efficientnet_b3(
    *, weights: EfficientNet_B3_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B3; `kwargs` are `EfficientNet`'s but the stages."""
    return _v1(1.2, 1.4, 0.3, weights, progress, kwargs)


@builder(EfficientNet_B4_Weights)
def efficientnet_b4(
    *, weights: EfficientNet_B4_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B4; `kwargs` are `EfficientNet`'s but the stages."""
    return _v1(1.4, 1.8, 0.4, weights, progress, kwargs)


@builder(EfficientNet_B5_Weights)
def efficientnet_b5(
    *, weights: EfficientNet_B5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B5; `kwargs` are `EfficientNet`'s but the stages."""
    return _v1(1.6, 2.2, 0.4, weights, progress, kwargs, _B5_NORM)


@builder(EfficientNet_B6_Weights)
def efficientnet_b6(
    *, weights: EfficientNet_B6_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B6; `kwargs` are `EfficientNet`'s but the stages."""
    return _v1(1.8, 2.6, 0.5, weights, progress, kwargs, _B5_NORM)


@builder(EfficientNet_B7_Weights)
def efficientnet_b7(
    *, weights: EfficientNet_B7_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B7; `kwargs` are `EfficientNet`'s but the stages."""
    return _v1(2.0, 3.1, 0.5, weights, progress, kwargs, _B5_NORM)


@builder(EfficientNet_V2_S_Weights)
def efficientnet_v2_s(
    *, weights: EfficientNet_V2_S_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNetV2-S; `kwargs` are `EfficientNet`'s but the stages."""
    return _v2("s", 0.2, weights, progress, kwargs)


@builder(EfficientNet_V2_M_Weights)
def efficientnet_v2_m(
    *, weights: EfficientNet_V2_M_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNetV2-M; `kwargs` are `EfficientNet`'s but the stages."""
    return _v2("m", 0.3, weights, progress, kwargs)


@builder(EfficientNet_V2_L_Weights)
def efficientnet_v2_l(
    *, weights: EfficientNet_V2_L_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNetV2-L; `kwargs` are `EfficientNet`'s but the stages."""
    return _v2("l", 0.4, weights, progress, kwargs)
