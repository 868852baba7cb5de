"""What GoogLeNet and Inception v3 share."""

from __future__ import annotations

from typing import Any

import plait
from plait import nn
from plait.vision.models._utils import reset_norm

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def initialize(model: nn.Module, default_stddev: float = 0.01) -> None:
    """Weights from normals cut off at +-2, of a layer's own `stddev` or the default."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            stddev = float(getattr(module, "stddev", default_stddev))
            nn.init.trunc_normal_(module.weight, mean=0.0, std=stddev, a=-2, b=2)
        elif isinstance(module, nn.BatchNorm2d):
            reset_norm(module)


def to_inception_scale(x: Any) -> Any:
    """Images normalised by ImageNet's statistics, normalised by mean and deviation 0.5 instead."""
    channels = [
        x[:, number].unsqueeze(1) * (std / 0.5) + (mean - 0.5) / 0.5
        for number, (mean, std) in enumerate(zip(_MEAN, _STD))
    ]
    return plait.cat(channels, 1)
