"""Operations and layers of vision models, under torchvision's names."""

from plait.vision.ops import misc
from plait.vision.ops.misc import (
    MLP,
    Conv2dNormActivation,
    Conv3dNormActivation,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
)
from plait.vision.ops.stochastic_depth import StochasticDepth, stochastic_depth
