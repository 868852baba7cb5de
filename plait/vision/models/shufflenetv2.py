"""ShuffleNetV2 (arXiv:1807.11164)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet


def channel_shuffle(x: Any, groups: int) -> Any:
    """(N, C, H, W): the first channel of each group, then the second of each, and so on."""
    count, channels, height, width = x.shape
    x = x.view(count, groups, channels // groups, height, width)
    return x.transpose(1, 2).reshape(count, channels, height, width)


class InvertedResidual(nn.Module):
    """Half of the channels pass (or are halved in resolution), half are convolved; shuffled."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if stride not in (1, 2, 3):
            raise error(ValueError, "illegal stride value")
        self.stride = stride
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise error(
                ValueError,
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If "
                "stride == 1 then inp should be equal to oup // 2 << 1.",
            )
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                nn.Conv2d(inp, inp, 3, stride, 1, groups=inp, bias=False),
                nn.BatchNorm2d(inp),
                nn.Conv2d(inp, half, 1, bias=False),
                nn.BatchNorm2d(half),
                nn.ReLU(inplace=True),
            )
        self.branch2 = nn.Sequential(
            nn.Conv2d(inp if stride > 1 else half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, stride, 1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Any) -> Any:
        if self.stride == 1:
            passing, convolved = x.chunk(2, dim=1)
            out = plait.cat((passing, self.branch2(convolved)), 1)
        else:
            out = plait.cat((self.branch1(x), self.branch2(x)), 1)
        return channel_shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    """(N, 3, H, W) to (N, num_classes).

    Args:
        stages_repeats: blocks of the three stages.
        stages_out_channels: widths of the first convolution, the stages, the last convolution.
    """

    def __init__(
        self,
        stages_repeats: Sequence[int],
        stages_out_channels: Sequence[int],
        num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise error(ValueError, "expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise error(ValueError, "expected stages_out_channels as list of 5 positive ints")
        first, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages = []
        channels = first
        for repeats, width in zip(stages_repeats, widths):
            blocks = [inverted_residual(channels, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            stages.append(nn.Sequential(*blocks))
            channels = width
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = nn.Sequential(
            nn.Conv2d(channels, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU(inplace=True)
        )
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Any) -> Any:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


class ShuffleNet_V2_X0_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x0.5-f707e7126e.pth", 1_366_792)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x1-5666bf0f80.pth", 2_278_604)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x1_5-3c479a10.pth", 3_503_624, resize_size=232)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X2_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x2_0-8be3c8ee.pth", 7_393_996, resize_size=232)
    DEFAULT = IMAGENET1K_V1


def _shufflenet(
    widths: Sequence[int], weights: WeightsEnum | None, progress: bool, options: dict[str, Any]
) -> ShuffleNetV2:
    return assemble(partial(ShuffleNetV2, (4, 8, 4), widths), weights, progress, options)


@builder(ShuffleNet_V2_X0_5_Weights)
def shufflenet_v2_x0_5(
    *, weights: ShuffleNet_V2_X0_5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNetV2 of 0.5 times the widths; `kwargs` are the class's but the sizes."""
    return _shufflenet((24, 48, 96, 192, 1024), weights, progress, kwargs)


@builder(ShuffleNet_V2_X1_0_Weights)
def shufflenet_v2_x1_0(
    *, weights: ShuffleNet_V2_X1_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNetV2 of 1.0 times the widths; `kwargs` are the class's but the sizes."""
    return _shufflenet((24, 116, 232, 464, 1024), weights, progress, kwargs)


@builder(ShuffleNet_V2_X1_5_Weights)
def shufflenet_v2_x1_5(
    *, weights: ShuffleNet_V2_X1_5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNetV2 of 1.5 times the widths; `kwargs` are the class's but the sizes."""
    return _shufflenet((24, 176, 352, 704, 1024), weights, progress, kwargs)


@builder(ShuffleNet_V2_X2_0_Weights)
def shufflenet_v2_x2_0(
    *, weights: ShuffleNet_V2_X2_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNetV2 of 2.0 times the widths; `kwargs` are the class's but the sizes."""
    return _shufflenet((24, 244, 488, 976, 2048), weights, progress, kwargs)
