"""VGG (arXiv:1409.1556): stacks of 3x3 convolutions, with or without batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait import nn
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet
from plait.vision.models._utils import reset_norm

# Layers by the paper's table 1: a width of a convolution, or "M" for a pooling.
_LAYERS: dict[int, list[int | str]] = {
    depth: [
        layer
        for width, count in zip((64, 128, 256, 512, 512), counts)
        for layer in [*[width] * count, "M"]
    ]
    for depth, counts in {
        11: (1, 1, 2, 2, 2),
        13: (2, 2, 2, 2, 2),
        16: (2, 2, 3, 3, 3),
        19: (2, 2, 4, 4, 4),
    }.items()
}


class VGG(nn.Module):
    """(N, 3, H, W), at least 32 x 32, to (N, num_classes); `features` gives 512 channels."""

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            self._initialize_weights()

    def _initialize_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                reset_norm(module)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_layers(cfg: Sequence[int | str], batch_norm: bool = False) -> nn.Sequential:
    """The convolutions and poolings of a list of widths and "M"."""
    layers: list[nn.Module] = []
    channels = 3
    for item in cfg:
        if isinstance(item, str):
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers.append(nn.Conv2d(channels, item, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(item))
        layers.append(nn.ReLU(inplace=True))
        channels = item
    return nn.Sequential(*layers)


class VGG11_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg11-8a719046.pth", 132_863_336, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG11_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg11_bn-6002323d.pth", 132_868_840, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG13_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg13-19584684.pth", 133_047_848, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG13_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg13_bn-abd245e5.pth", 133_053_736, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG16_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg16-397923af.pth", 138_357_544, min_size=32)
    IMAGENET1K_FEATURES = imagenet(
        "vgg16_features-amdegroot-88682ab5.pth",
        138_357_544,
        mean=(0.48235, 0.45882, 0.40784),
        std=(1 / 255, 1 / 255, 1 / 255),
        min_size=32,
    )
    DEFAULT = IMAGENET1K_V1


class VGG16_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg16_bn-6c64b313.pth", 138_365_992, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG19_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg19-dcbb9e9d.pth", 143_667_240, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG19_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg19_bn-c79401a0.pth", 143_678_248, min_size=32)
    DEFAULT = IMAGENET1K_V1


def _vgg(
    depth: int, batch_norm: bool, weights: WeightsEnum | None, progress: bool, options: dict
) -> VGG:
    if weights is not None:
        options["init_weights"] = False

    def make(**arguments: Any) -> VGG:
        return VGG(make_layers(_LAYERS[depth], batch_norm), **arguments)

    return assemble(make, weights, progress, options)


@builder(VGG11_Weights)
def vgg11(*, weights: VGG11_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-11; `kwargs` are `VGG`'s but `features`."""
    return _vgg(11, False, weights, progress, kwargs)


@builder(VGG11_BN_Weights)
def vgg11_bn(
    *, weights: VGG11_BN_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VGG:
    """VGG-11 with batch normalisation; `kwargs` are `VGG`'s but `features`."""
    return _vgg(11, True, weights, progress, kwargs)


@builder(VGG13_Weights)
def vgg13(*, weights: VGG13_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-13; `kwargs` are `VGG`'s but `features`."""
    return _vgg(13, False, weights, progress, kwargs)


@builder(VGG13_BN_Weights)
def vgg13_bn(
    *, weights: VGG13_BN_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VGG:
    """VGG-13 with batch normalisation; `kwargs` are `VGG`'s but `features`."""
    return _vgg(13, True, weights, progress, kwargs)


@builder(VGG16_Weights)
def vgg16(*, weights: VGG16_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-16; `kwargs` are `VGG`'s but `features`."""
    return _vgg(16, False, weights, progress, kwargs)


@builder(VGG16_BN_Weights)
def vgg16_bn(
    *, weights: VGG16_BN_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VGG:
    """VGG-16 with batch normalisation; `kwargs` are `VGG`'s but `features`."""
    return _vgg(16, True, weights, progress, kwargs)


@builder(VGG19_Weights)
def vgg19(*, weights: VGG19_Weights | None = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-19; `kwargs` are `VGG`'s but `features`."""
    return _vgg(19, False, weights, progress, kwargs)


@builder(VGG19_BN_Weights)
def vgg19_bn(
    *, weights: VGG19_BN_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VGG:
    """VGG-19 with batch normalisation; `kwargs` are `VGG`'s but `features`."""
    return _vgg(19, True, weights, progress, kwargs)
