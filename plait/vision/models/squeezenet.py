"""SqueezeNet (arXiv:1602.07360), in the versions 1.0 and 1.1."""

from __future__ import annotations

from typing import Any

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then 1x1 and 3x3 ones side by side."""

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        x = self.squeeze_activation(self.squeeze(x))
        return plait.cat(
            [
                self.expand1x1_activation(self.expand1x1(x)),
                self.expand3x3_activation(self.expand3x3(x)),
            ],
            1,
        )


# (channels in, squeezed, expanded by each kernel) of the fire modules; None is a pooling.
_FIRES = {
    "1_0": [
        (96, 16, 64),
        (128, 16, 64),
        (128, 32, 128),
        None,
        (256, 32, 128),
        (256, 48, 192),
        (384, 48, 192),
        (384, 64, 256),
        None,
        (512, 64, 256),
    ],
    "1_1": [
        (64, 16, 64),
        (128, 16, 64),
        None,
        (128, 32, 128),
        (256, 32, 128),
        None,
        (256, 48, 192),
        (384, 48, 192),
        (384, 64, 256),
        (512, 64, 256),
    ],
}


class SqueezeNet(nn.Module):
    """(N, 3, H, W) to (N, num_classes); `version` is "1_0" or "1_1"."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in _FIRES:
            raise error(
                ValueError, f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected"
            )
        self.num_classes = num_classes
        first = nn.Conv2d(3, 96, 7, 2) if version == "1_0" else nn.Conv2d(3, 64, 3, 2)
        layers: list[nn.Module] = [first, nn.ReLU(inplace=True), _pool()]
        for sizes in _FIRES[version]:
            if sizes is None:
                layers.append(_pool())
            else:
                channels, squeezed, expanded = sizes
                layers.append(Fire(channels, squeezed, expanded, expanded))
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.features(x)).flatten(1)


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


class SqueezeNet1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("squeezenet1_0-b66bff10.pth", 1_248_424, min_size=21)
    DEFAULT = IMAGENET1K_V1


class SqueezeNet1_1_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("squeezenet1_1-b8a52dc0.pth", 1_235_496, min_size=17)
    DEFAULT = IMAGENET1K_V1


def _squeezenet(
    version: str, weights: WeightsEnum | None, progress: bool, options: dict
) -> SqueezeNet:
    return assemble(lambda **rest: SqueezeNet(version, **rest), weights, progress, options)


@builder(SqueezeNet1_0_Weights)
def squeezenet1_0(
    *, weights: SqueezeNet1_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SqueezeNet:
    """SqueezeNet 1.0; `kwargs` are `SqueezeNet`'s but `version`."""
    return _squeezenet("1_0", weights, progress, kwargs)


@builder(SqueezeNet1_1_Weights)
def squeezenet1_1(
    *, weights: SqueezeNet1_1_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SqueezeNet:
    """SqueezeNet 1.1, 2.4 times cheaper; `kwargs` are `SqueezeNet`'s but `version`."""
    return _squeezenet("1_1", weights, progress, kwargs)
