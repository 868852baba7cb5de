"""RegNet (arXiv:2003.13678): widths that grow linearly with depth, in a few steps."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet
from plait.vision.models._utils import _make_divisible, reset_norm
from plait.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from plait.vision.transforms._interpolation import InterpolationMode

Layer = Callable[..., nn.Module]
_STEM_WIDTH = 32
_QUANTUM = 8  # widths are multiples of this


@dataclass
class BlockParams:
    """The stages: numbers of blocks, widths, widths of the convolutions' groups."""

    depths: list[int]
    widths: list[int]
    group_widths: list[int]
    bottleneck_multiplier: float
    se_ratio: float | None = None

    @classmethod
    def from_init_params(
        cls,
        depth: int,
        w_0: int,
        w_a: float,
        w_m: float,
        group_width: int,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
        **kwargs: Any,
    ) -> BlockParams:
        """The paper's section 3.3: block j wants w_0 + w_a j channels, rounded to w_0 w_m^s.

        Raises ValueError for parameters that give no growing multiples of 8.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise error(ValueError, "Invalid RegNet settings")
        wanted = np.arange(depth) * w_a + w_0
        steps = np.round(np.log(wanted / w_0) / math.log(w_m))
        rounded = np.round(w_0 * np.power(w_m, steps) / _QUANTUM) * _QUANTUM
        stages = Counter(int(width) for width in rounded)  # in order: the widths grow
        widths, groups = [], []
        for width in stages:
            inner = int(width * bottleneck_multiplier)
            group = min(group_width, inner)
            widths.append(int(_make_divisible(inner, group) / bottleneck_multiplier))
            groups.append(group)
        return cls(list(stages.values()), widths, groups, bottleneck_multiplier, se_ratio)


class BottleneckTransform(nn.Sequential):
    """1x1, grouped 3x3, squeeze-and-excitation where asked for, 1x1."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None,
    ) -> None:
        conv = partial(
            Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation_layer
        )
        width = round(width_out * bottleneck_multiplier)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = conv(width_in, width, 1)
        layers["b"] = conv(width, width, 3, stride=stride, groups=width // group_width)
        if se_ratio:
            # Of the width that the block takes, not of its own.
            squeezed = round(se_ratio * width_in)
            layers["se"] = SqueezeExcitation(width, squeezed, activation=activation_layer)
        layers["c"] = conv(width, width_out, 1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """`BottleneckTransform` beside a shortcut, which is projected where sizes change."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int = 1,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in, width_out, 1, stride, norm_layer=norm_layer, activation_layer=None
            )
        self.f = BottleneckTransform(
            width_in,
            width_out,
            stride,
            norm_layer,
            activation_layer,
            group_width,
            bottleneck_multiplier,
            se_ratio,
        )
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Any) -> Any:
        shortcut = x if self.proj is None else self.proj(x)
        return self.activation(shortcut + self.f(x))


class RegNet(nn.Module):
    """(N, 3, H, W) to (N, num_classes); `block_params` has the stages."""

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = _STEM_WIDTH,
        stem_type: Layer | None = None,
        block_type: Layer | None = None,
        norm_layer: Layer | None = None,
        activation: Layer | None = None,
    ) -> None:
        super().__init__()
        norm, act = norm_layer or nn.BatchNorm2d, activation or nn.ReLU
        block = block_type or ResBottleneckBlock
        stem = stem_type or partial(Conv2dNormActivation, kernel_size=3, stride=2)
        self.stem = stem(3, stem_width, norm_layer=norm, activation_layer=act)
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        width = stem_width
        for stage, (depth, next_width, group) in enumerate(
            zip(block_params.depths, block_params.widths, block_params.group_widths), 1
        ):
            blocks: OrderedDict[str, nn.Module] = OrderedDict()
            for number in range(depth):
                blocks[f"block{stage}-{number}"] = block(
                    width,
                    next_width,
                    2 if number == 0 else 1,
                    norm,
                    act,
                    group,
                    block_params.bottleneck_multiplier,
                    block_params.se_ratio,
                )
                width = next_width
            stages[f"block{stage}"] = nn.Sequential(blocks)
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
            elif isinstance(module, nn.BatchNorm2d):
                reset_norm(module)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0.0, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        x = self.trunk_output(self.stem(x))
        return self.fc(self.avgpool(x).flatten(1))


class RegNet_Y_400MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_400mf-c65dace8.pth", 4_344_144)
    IMAGENET1K_V2 = imagenet("regnet_y_400mf-e6988f5f.pth", 4_344_144, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_800MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_800mf-1b27b58c.pth", 6_432_512)
    IMAGENET1K_V2 = imagenet("regnet_y_800mf-58fc7688.pth", 6_432_512, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_1_6GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_1_6gf-b11a554e.pth", 11_202_430)
    IMAGENET1K_V2 = imagenet("regnet_y_1_6gf-0d7bc02a.pth", 11_202_430, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_3_2GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_3_2gf-b5a9779c.pth", 19_436_338)
    IMAGENET1K_V2 = imagenet("regnet_y_3_2gf-9180c971.pth", 19_436_338, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_8GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_8gf-d0d0e4a8.pth", 39_381_472)
    IMAGENET1K_V2 = imagenet("regnet_y_8gf-dc2b1b54.pth", 39_381_472, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_16GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_16gf-9e6ed7dd.pth", 83_590_140)
    IMAGENET1K_V2 = imagenet("regnet_y_16gf-3e4a00f9.pth", 83_590_140, resize_size=232)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "regnet_y_16gf_swag-43afe44d.pth",
        83_590_140,
        crop_size=384,
        resize_size=384,
        interpolation=InterpolationMode.BICUBIC,
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "regnet_y_16gf_lc_swag-f3ec0043.pth",
        83_590_140,
        resize_size=224,
        interpolation=InterpolationMode.BICUBIC,
    )
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_32GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_32gf-4dee3f7a.pth", 145_046_770)
    IMAGENET1K_V2 = imagenet("regnet_y_32gf-8db6d4b5.pth", 145_046_770, resize_size=232)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "regnet_y_32gf_swag-04fdfa75.pth",
        145_046_770,
        crop_size=384,
        resize_size=384,
        interpolation=InterpolationMode.BICUBIC,
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "regnet_y_32gf_lc_swag-e1583746.pth",
        145_046_770,
        resize_size=224,
        interpolation=InterpolationMode.BICUBIC,
    )
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_128GF_Weights(WeightsEnum):
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "regnet_y_128gf_swag-c8ce3e52.pth",
        644_812_894,
        crop_size=384,
        resize_size=384,
        interpolation=InterpolationMode.BICUBIC,
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "regnet_y_128gf_lc_swag-cbe8ce12.pth",
        644_812_894,
        resize_size=224,
        interpolation=InterpolationMode.BICUBIC,
    )
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


class RegNet_X_400MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_400mf-adf1edd5.pth", 5_495_976)
    IMAGENET1K_V2 = imagenet("regnet_x_400mf-62229a5f.pth", 5_495_976, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_800MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_800mf-ad17e45c.pth", 7_259_656)
    IMAGENET1K_V2 = imagenet("regnet_x_800mf-94a99ebd.pth", 7_259_656, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_1_6GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_1_6gf-e3633e7f.pth", 9_190_136)
    IMAGENET1K_V2 = imagenet("regnet_x_1_6gf-a12f2b72.pth", 9_190_136, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_3_2GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_3_2gf-f342aeae.pth", 15_296_552)
    IMAGENET1K_V2 = imagenet("regnet_x_3_2gf-7071aa85.pth", 15_296_552, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_8GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_8gf-03ceed89.pth", 39_572_648)
    IMAGENET1K_V2 = imagenet("regnet_x_8gf-2b70d774.pth", 39_572_648, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_16GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_16gf-2007eb11.pth", 54_278_536)
    IMAGENET1K_V2 = imagenet("regnet_x_16gf-ba3796d7.pth", 54_278_536, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_32GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_32gf-9d47f8d0.pth", 107_811_560)
    IMAGENET1K_V2 = imagenet("regnet_x_32gf-6eb8fdc6.pth", 107_811_560, resize_size=232)
    DEFAULT = IMAGENET1K_V2


def _regnet(
    depth: int,
    w_0: int,
    w_a: float,
    w_m: float,
    group_width: int,
    se_ratio: float | None,
    weights: WeightsEnum | None,
    progress: bool,
    options: dict[str, Any],
) -> RegNet:
    params = BlockParams.from_init_params(depth, w_0, w_a, w_m, group_width, se_ratio=se_ratio)
    return assemble(partial(RegNet, params), weights, progress, options)


@builder(RegNet_Y_400MF_Weights)
def regnet_y_400mf(
    *, weights: RegNet_Y_400MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 400 MF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(16, 48, 27.89, 2.09, 8, 0.25, weights, progress, kwargs)


@builder(RegNet_Y_800MF_Weights)
def regnet_y_800mf(
    *, weights: RegNet_Y_800MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 800 MF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(14, 56, 38.84, 2.4, 16, 0.25, weights, progress, kwargs)


@builder(RegNet_Y_1_6GF_Weights)
def regnet_y_1_6gf(
    *, weights: RegNet_Y_1_6GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 1.6 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(27, 48, 20.71, 2.65, 24, 0.25, weights, progress, kwargs)


@builder(RegNet_Y_3_2GF_Weights)
def regnet_y_3_2gf(
    *, weights: RegNet_Y_3_2GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 3.2 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(21, 80, 42.63, 2.66, 24, 0.25, weights, progress, kwargs)


@builder(RegNet_Y_8GF_Weights)
def regnet_y_8gf(
    *, weights: RegNet_Y_8GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 8 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(17, 192, 76.82, 2.19, 56, 0.25, weights, progress, kwargs)


@builder(RegNet_Y_16GF_Weights)
def regnet_y_16gf(
    *, weights: RegNet_Y_16GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 16 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(18, 200, 106.23, 2.48, 112, 0.25, weights, progress, kwargs)


@builder(RegNet_Y_32GF_Weights)
def regnet_y_32gf(
    *, weights: RegNet_Y_32GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 32 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(20, 232, 115.89, 2.53, 232, 0.25, weights, progress, kwargs)


@builder(RegNet_Y_128GF_Weights)
def regnet_y_128gf(
    *, weights: RegNet_Y_128GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetY of 128 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(27, 456, 160.83, 2.52, 264, 0.25, weights, progress, kwargs)


@builder(RegNet_X_400MF_Weights)
def regnet_x_400mf(
    *, weights: RegNet_X_400MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 400 MF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(22, 24, 24.48, 2.54, 16, None, weights, progress, kwargs)


@builder(RegNet_X_800MF_Weights)
def regnet_x_800mf(
    *, weights: RegNet_X_800MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 800 MF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(16, 56, 35.73, 2.28, 16, None, weights, progress, kwargs)


@builder(RegNet_X_1_6GF_Weights)
def regnet_x_1_6gf(
    *, weights: RegNet_X_1_6GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 1.6 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(18, 80, 34.01, 2.25, 24, None, weights, progress, kwargs)


@builder(RegNet_X_3_2GF_Weights)
def regnet_x_3_2gf(
    *, weights: RegNet_X_3_2GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 3.2 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(25, 88, 26.31, 2.25, 48, None, weights, progress, kwargs)


@builder(RegNet_X_8GF_Weights)
def regnet_x_8gf(
    *, weights: RegNet_X_8GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 8 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(23, 80, 49.56, 2.88, 120, None, weights, progress, kwargs)


@builder(RegNet_X_16GF_Weights)
def regnet_x_16gf(
    *, weights: RegNet_X_16GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 16 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(22, 216, 55.59, 2.1, 128, None, weights, progress, kwargs)


@builder(RegNet_X_32GF_Weights)
def regnet_x_32gf(
    *, weights: RegNet_X_32GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNetX of 32 GF; `kwargs` are `RegNet`'s but the stages."""
    return _regnet(23, 320, 69.86, 2.0, 168, None, weights, progress, kwargs)
