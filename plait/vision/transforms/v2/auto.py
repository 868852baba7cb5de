"""Version 1's automatic augmentations, on whatever has exactly one image in it."""

from __future__ import annotations

from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import autoaugment as version1
from plait.vision.transforms._interpolation import InterpolationMode
from plait.vision.transforms.autoaugment import AutoAugmentPolicy
from plait.vision.transforms.v2._transform import Transform
from plait.vision.transforms.v2.functional import mode_of
from plait.vision.tv_tensors import BoundingBoxes, Mask, TVTensor, Video, wrap


class _Automatic(Transform):
    """Base: `_inner` holds the augmentation of version 1 (in a list: it is no part of the repr)."""

    _inner: list[Any]

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        for item in flat_inputs:
            if isinstance(item, (BoundingBoxes, Mask, Video)):
                raise error(
                    TypeError,
                    f"Inputs of type {type(item).__name__} are not supported by "
                    f"{type(self).__name__}()",
                )

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, TVTensor):
            return wrap(self._inner[0](inpt.as_subclass(plait.Tensor)), like=inpt)
        return self._inner[0](inpt)


class AutoAugment(_Automatic):
    """See `transforms.AutoAugment`."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.interpolation = mode_of(interpolation)
        self.policy = policy
        self._inner = [version1.AutoAugment(policy, self.interpolation, fill)]

    def extra_repr(self) -> str:
        return f"interpolation={self.interpolation.value}, policy={self.policy}"


class RandAugment(_Automatic):
    """See `transforms.RandAugment`."""

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.interpolation = mode_of(interpolation)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self._inner = [
            version1.RandAugment(num_ops, magnitude, num_magnitude_bins, self.interpolation, fill)
        ]


class TrivialAugmentWide(_Automatic):
    """See `transforms.TrivialAugmentWide`."""

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.interpolation = mode_of(interpolation)
        self.num_magnitude_bins = num_magnitude_bins
        self._inner = [version1.TrivialAugmentWide(num_magnitude_bins, self.interpolation, fill)]


class AugMix(_Automatic):
    """See `transforms.AugMix`."""

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.interpolation = mode_of(interpolation)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self._inner = [
            version1.AugMix(
                severity, mixture_width, chain_depth, alpha, all_ops, self.interpolation, fill
            )
        ]
