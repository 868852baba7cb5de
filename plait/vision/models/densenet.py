"""DenseNet (arXiv:1608.06993): each layer takes what all earlier ones of its block made."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import plait
from plait import nn
from plait.nn import functional as F
from plait.utils.checkpoint import checkpoint
from plait.vision.models._api import WeightsEnum, builder, imagenet, settle
from plait.vision.models._utils import reset_norm

# The published files name the parts of a layer "norm.1", as modules could once be named.
_OLD_NAME = re.compile(r"(.*\.denselayer\d+\.(?:norm|conv))\.([12]\..*)")


class _DenseLayer(nn.Module):
    """1x1 to `bn_size * growth_rate` channels, 3x3 to `growth_rate`; norms come before."""

    def __init__(
        self,
        num_input_features: int,
        growth_rate: int,
        bn_size: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        width = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def bn_function(self, *inputs: Any) -> Any:
        """What the 1x1 convolution makes of all inputs."""
        return self.conv1(self.relu1(self.norm1(plait.cat(inputs, 1))))

    def forward(self, input: Any) -> Any:
        inputs = [input] if isinstance(input, plait.Tensor) else input
        if self.memory_efficient and any(item.requires_grad for item in inputs):
            narrow = checkpoint(self.bn_function, *inputs, use_reentrant=False)
        else:
            narrow = self.bn_function(*inputs)
        new = self.conv2(self.relu2(self.norm2(narrow)))
        return F.dropout(new, self.drop_rate, self.training) if self.drop_rate > 0 else new


class _DenseBlock(nn.ModuleDict):
    """Layers whose results are all put behind the block's input."""

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        for number in range(num_layers):
            self[f"denselayer{number + 1}"] = _DenseLayer(
                num_input_features + number * growth_rate,
                growth_rate,
                bn_size,
                drop_rate,
                memory_efficient,
            )

    def forward(self, init_features: Any) -> Any:
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return plait.cat(features, 1)


class _Transition(nn.Sequential):
    """Between blocks: fewer channels, half the resolution."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)


class DenseNet(nn.Module):
    """(N, 3, H, W), at least 29 x 29, to (N, num_classes).

    Args:
        growth_rate: channels that each layer adds.
        block_config: numbers of layers of the blocks.
        num_init_features: channels after the first convolution.
        bn_size: channels between a layer's two convolutions, in growth rates.
        drop_rate: of dropout after each layer.
        memory_efficient: recompute the concatenations in the backward pass.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                conv0=nn.Conv2d(3, num_init_features, 7, 2, 3, bias=False),
                norm0=nn.BatchNorm2d(num_init_features),
                relu0=nn.ReLU(inplace=True),
                pool0=nn.MaxPool2d(3, 2, 1),
            )
        )
        channels = num_init_features
        for number, layers in enumerate(block_config, 1):
            block = _DenseBlock(layers, channels, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{number}", block)
            channels += layers * growth_rate
            if number != len(block_config):
                self.features.add_module(
                    f"transition{number}", _Transition(channels, channels // 2)
                )
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                reset_norm(module)
            elif isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        features = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(features, (1, 1)).flatten(1))


class DenseNet121_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("densenet121-a639ec97.pth", 7_978_856, min_size=29)
    DEFAULT = IMAGENET1K_V1


class DenseNet161_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("densenet161-8d451a50.pth", 28_681_000, min_size=29)
    DEFAULT = IMAGENET1K_V1


class DenseNet169_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("densenet169-b2777c0a.pth", 14_149_480, min_size=29)
    DEFAULT = IMAGENET1K_V1


class DenseNet201_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("densenet201-c1103571.pth", 20_013_928, min_size=29)
    DEFAULT = IMAGENET1K_V1


def _densenet(
    growth_rate: int,
    block_config: Sequence[int],
    num_init_features: int,
    weights: WeightsEnum | None,
    progress: bool,
    options: dict[str, Any],
) -> DenseNet:
    state = None
    if weights is not None:
        settle(options, "num_classes", weights.meta["num_classes"])
        state = weights.get_state_dict(progress=progress, check_hash=True)
    model = DenseNet(growth_rate, block_config, num_init_features, **options)
    if state is not None:
        model.load_state_dict({_OLD_NAME.sub(r"\1\2", key): v for key, v in state.items()})
    return model


@builder(DenseNet121_Weights)
def densenet121(
    *, weights: DenseNet121_Weights | None = None, progress: bool = True, **kwargs: Any
) -> DenseNet:
    """DenseNet-121; `kwargs` are `DenseNet`'s."""
    return _densenet(32, (6, 12, 24, 16), 64, weights, progress, kwargs)


@builder(DenseNet161_Weights)
def densenet161(
    *, weights: DenseNet161_Weights | None = None, progress: bool = True, **kwargs: Any
) -> DenseNet:
    """DenseNet-161; `kwargs` are `DenseNet`'s."""
    return _densenet(48, (6, 12, 36, 24), 96, weights, progress, kwargs)


@builder(DenseNet169_Weights)
def densenet169(
    *, weights: DenseNet169_Weights | None = None, progress: bool = True, **kwargs: Any
) -> DenseNet:
    """DenseNet-169; `kwargs` are `DenseNet`'s."""
    return _densenet(32, (6, 12, 32, 32), 64, weights, progress, kwargs)


@builder(DenseNet201_Weights)
def densenet201(
    *, weights: DenseNet201_Weights | None = None, progress: bool = True, **kwargs: Any
) -> DenseNet:
    """DenseNet-201; `kwargs` are `DenseNet`'s."""
    return _densenet(32, (6, 12, 48, 32), 64, weights, progress, kwargs)
