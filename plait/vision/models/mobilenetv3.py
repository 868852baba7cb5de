"""MobileNetV3 (arXiv:1905.02244), large and small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet
from plait.vision.models._utils import _make_divisible, reset_norm
from plait.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation

_squeeze_excitation = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)

# Rows of the paper's tables 1 and 2: channels in, kernel, expanded, out, squeeze-and-excitation,
# activation ("RE" or "HS"), stride.
_LARGE: Any = (
    (16, 3, 16, 16, False, "RE", 1),
    (16, 3, 64, 24, False, "RE", 2),
    (24, 3, 72, 24, False, "RE", 1),
    (24, 5, 72, 40, True, "RE", 2),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 3, 240, 80, False, "HS", 2),
    (80, 3, 200, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 480, 112, True, "HS", 1),
    (112, 3, 672, 112, True, "HS", 1),
    (112, 5, 672, 160, True, "HS", 2),
    (160, 5, 960, 160, True, "HS", 1),
    (160, 5, 960, 160, True, "HS", 1),
)
_SMALL: Any = (
    (16, 3, 16, 16, True, "RE", 2),
    (16, 3, 72, 24, False, "RE", 2),
    (24, 3, 88, 24, False, "RE", 1),
    (24, 5, 96, 40, True, "HS", 2),
    (40, 5, 240, 40, True, "HS", 1),
    (40, 5, 240, 40, True, "HS", 1),
    (40, 5, 120, 48, True, "HS", 1),
    (48, 5, 144, 48, True, "HS", 1),
    (48, 5, 288, 96, True, "HS", 2),
    (96, 5, 576, 96, True, "HS", 1),
    (96, 5, 576, 96, True, "HS", 1),
)


class InvertedResidualConfig:
    """Sizes of a block; `width_mult` is the factor of its widths."""

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ) -> None:
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, squeeze-and-excite where asked for, project."""

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = _squeeze_excitation,
    ) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise error(ValueError, "illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation)
        width = cnf.expanded_channels
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers.append(conv(cnf.input_channels, width, 1))
        stride = 1 if cnf.dilation > 1 else cnf.stride
        layers.append(
            conv(width, width, cnf.kernel, stride=stride, dilation=cnf.dilation, groups=width)
        )
        if cnf.use_se:
            layers.append(se_layer(width, _make_divisible(width // 4, 8)))
        layers.append(
            Conv2dNormActivation(
                width, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None
            )
        )
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: Any) -> Any:
        result = self.block(input)
        return result + input if self.use_res_connect else result


class MobileNetV3(nn.Module):
    """(N, 3, H, W) to (N, num_classes); `last_channel` is the width of the hidden linear layer."""

    def __init__(
        self,
        inverted_residual_setting: Sequence[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise error(ValueError, "The inverted_residual_setting should not be empty")
        if not all(isinstance(row, InvertedResidualConfig) for row in setting):
            raise error(
                TypeError,
                "The inverted_residual_setting should be List[InvertedResidualConfig]",
            )
        block = block or InvertedResidual
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        layers: list[nn.Module] = [conv(3, setting[0].input_channels, 3, stride=2)]
        layers += [block(row, norm) for row in setting]
        width = setting[-1].out_channels
        layers.append(conv(width, 6 * width, 1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * width, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                reset_norm(module)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _mobilenet_v3_conf(
    arch: str,
    width_mult: float = 1.0,
    reduced_tail: bool = False,
    dilated: bool = False,
    **kwargs: Any,
) -> tuple[list[InvertedResidualConfig], int]:
    """The blocks and the width of the hidden linear layer.

    `reduced_tail` halves the last three blocks and the layer after them; `dilated` has them
    dilated instead of strided, as segmentation wants.
    """
    rows, last = (_LARGE, 1280) if arch == "mobilenet_v3_large" else (_SMALL, 1024)
    tail, dilation = 2 if reduced_tail else 1, 2 if dilated else 1
    setting = []
    for number, (channels, kernel, expanded, out, *rest) in enumerate(rows):
        in_tail = number >= len(rows) - 3
        if in_tail:
            # The first block of the tail takes the full width of its predecessor, and expands it.
            first = number == len(rows) - 3
            channels = channels if first else channels // tail
            expanded = expanded if first else expanded // tail
            out //= tail
        setting.append(
            InvertedResidualConfig(
                channels,
                kernel,
                expanded,
                out,
                *rest,
                dilation=dilation if in_tail else 1,
                width_mult=width_mult,
            )
        )
    return setting, InvertedResidualConfig.adjust_channels(last // tail, width_mult)


class MobileNet_V3_Large_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mobilenet_v3_large-8738ca79.pth", 5_483_032)
    IMAGENET1K_V2 = imagenet("mobilenet_v3_large-5c1a4163.pth", 5_483_032, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Small_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mobilenet_v3_small-047dcff4.pth", 2_542_856)
    DEFAULT = IMAGENET1K_V1


def _mobilenet_v3(
    arch: str, weights: WeightsEnum | None, progress: bool, options: dict
) -> MobileNetV3:
    shape = {
        name: options.pop(name)
        for name in ("width_mult", "reduced_tail", "dilated")
        if name in options
    }
    setting, last_channel = _mobilenet_v3_conf(arch, **shape)

    def make(**arguments: Any) -> MobileNetV3:
        return MobileNetV3(setting, last_channel, **arguments)

    return assemble(make, weights, progress, options)


@builder(MobileNet_V3_Large_Weights)
def mobilenet_v3_large(
    *, weights: MobileNet_V3_Large_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MobileNetV3:
    """MobileNetV3-Large; `kwargs` are `MobileNetV3`'s, and `width_mult`, `reduced_tail`,
    `dilated`."""
    return _mobilenet_v3("mobilenet_v3_large", weights, progress, kwargs)


@builder(MobileNet_V3_Small_Weights)
def mobilenet_v3_small(
    *, weights: MobileNet_V3_Small_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MobileNetV3:
    """MobileNetV3-Small; `kwargs` as for `mobilenet_v3_large`."""
    return _mobilenet_v3("mobilenet_v3_small", weights, progress, kwargs)
