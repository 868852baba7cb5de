"""MnasNet (arXiv:1807.11626), the variant B1 in several widths."""

from __future__ import annotations

from functools import partial
from typing import Any

from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet
from plait.vision.models._utils import _make_divisible, reset_norm

# The paper's TensorFlow decays its running statistics by 0.9997.
_MOMENTUM = 1 - 0.9997
_WIDTHS = (32, 16, 24, 40, 80, 96, 192, 320)
# (kernel, stride, expansion, blocks) of the stages; each goes from one width to the next.
_STAGES = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, momentum=_MOMENTUM)


class _InvertedResidual(nn.Module):
    """Expand, filter each channel, project; beside a shortcut where sizes allow."""

    def __init__(
        self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise error(ValueError, f"stride should be 1 or 2 instead of {stride}")
        if kernel_size not in (3, 5):
            raise error(ValueError, f"kernel_size should be 3 or 5 instead of {kernel_size}")
        width = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(in_ch, width, 1, bias=False),
            _norm(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(
                width, width, kernel_size, stride, kernel_size // 2, groups=width, bias=False
            ),
            _norm(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, out_ch, 1, bias=False),
            _norm(out_ch),
        )

    def forward(self, input: Any) -> Any:
        result = self.layers(input)
        return result + input if self.apply_residual else result


class MNASNet(nn.Module):
    """(N, 3, H, W) to (N, num_classes); `alpha` is the factor of all widths but the last."""

    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise error(ValueError, f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha = alpha
        self.num_classes = num_classes
        widths = [_make_divisible(width * alpha, 8) for width in _WIDTHS]
        first, second = widths[:2]
        layers: list[nn.Module] = [
            nn.Conv2d(3, first, 3, 2, 1, bias=False),
            _norm(first),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, first, 3, 1, 1, groups=first, bias=False),
            _norm(first),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, second, 1, bias=False),
            _norm(second),
        ]
        for width, next_width, (kernel, stride, expansion, blocks) in zip(
            widths[1:], widths[2:], _STAGES
        ):
            stack = [_InvertedResidual(width, next_width, kernel, stride, expansion)]
            stack += [
                _InvertedResidual(next_width, next_width, kernel, 1, expansion)
                for _ in range(1, blocks)
            ]
            layers.append(nn.Sequential(*stack))
        layers += [nn.Conv2d(widths[-1], 1280, 1, bias=False), _norm(1280), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout, inplace=True), nn.Linear(1280, num_classes)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                reset_norm(module)
            elif isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.layers(x).mean([2, 3]))


class MNASNet0_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mnasnet0.5_top1_67.823-3ffadce67e.pth", 2_218_512)
    DEFAULT = IMAGENET1K_V1


class MNASNet0_75_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mnasnet0_75-7090bc5f.pth", 3_170_208, resize_size=232)
    DEFAULT = IMAGENET1K_V1


class MNASNet1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mnasnet1.0_top1_73.512-f206786ef8.pth", 4_383_312)
    DEFAULT = IMAGENET1K_V1


class MNASNet1_3_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mnasnet1_3-a4c69d6f.pth", 6_282_256, resize_size=232)
    DEFAULT = IMAGENET1K_V1


def _mnasnet(
    alpha: float, weights: WeightsEnum | None, progress: bool, options: dict[str, Any]
) -> MNASNet:
    return assemble(partial(MNASNet, alpha), weights, progress, options)


@builder(MNASNet0_5_Weights)
def mnasnet0_5(
    *, weights: MNASNet0_5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MNASNet:
    """MnasNet of 0.5 times the widths; `kwargs` are `MNASNet`'s but `alpha`."""
    return _mnasnet(0.5, weights, progress, kwargs)


@builder(MNASNet0_75_Weights)
def mnasnet0_75(
    *, weights: MNASNet0_75_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MNASNet:
    """MnasNet of 0.75 times the widths; `kwargs` are `MNASNet`'s but `alpha`."""
    return _mnasnet(0.75, weights, progress, kwargs)


@builder(MNASNet1_0_Weights)
def mnasnet1_0(
    *, weights: MNASNet1_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MNASNet:
    """MnasNet of 1.0 times the widths; `kwargs` are `MNASNet`'s but `alpha`."""
    return _mnasnet(1.0, weights, progress, kwargs)


@builder(MNASNet1_3_Weights)
def mnasnet1_3(
    *, weights: MNASNet1_3_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MNASNet:
    """MnasNet of 1.3 times the widths; `kwargs` are `MNASNet`'s but `alpha`."""
    return _mnasnet(1.3, weights, progress, kwargs)
