"""Transforms of transforms, crops that give several images, erasing, whitening."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.transforms import functional
from plait.vision.transforms._random import chance, integer, uniform

# Tries of RandomErasing to place a box before it leaves the image alone.
_TRIES = 10


class _RandomTransforms:
    """Base of those that choose among transforms."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        if not isinstance(transforms, Sequence):
            raise error(TypeError, "Argument transforms should be a sequence")
        self.transforms = transforms

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({lines}\n)"


class RandomApply(plait.nn.Module):
    """All the transforms, one after the other, with probability `p`; else none."""

    def __init__(self, transforms: Sequence[Callable] | plait.nn.ModuleList, p: float = 0.5):
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if self.p < plait.rand(1).item():
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}(\n    p={self.p}{lines}\n)"


class RandomOrder(_RandomTransforms):
    """All the transforms, in random order (of Python's `random`)."""

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for number in order:
            img = self.transforms[number](img)
        return img


class RandomChoice(_RandomTransforms):
    """One of the transforms, with the weights `p` if given (by Python's `random`)."""

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise error(TypeError, "Argument p should be a sequence")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        transform = random.choices(self.transforms, weights=self.p)[0]
        return transform(*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


class FiveCrop(plait.nn.Module):
    """A tuple of the four corners and the middle."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = functional.pair(size)

    def forward(self, img: Any) -> tuple[Any, ...]:
        return functional.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(plait.nn.Module):
    """A tuple of the five crops of the image and of its mirror image."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = functional.pair(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        return functional.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


class LinearTransformation(plait.nn.Module):
    """(flattened tensor - mean_vector) @ transformation_matrix, in the old shape."""

    def __init__(self, transformation_matrix: Any, mean_vector: Any) -> None:
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns:
            raise error(
                ValueError,
                f"transformation_matrix should be square. Got {[rows, columns]} rectangular "
                "matrix.",
            )
        if mean_vector.shape[0] != rows:
            raise error(
                ValueError,
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of "
                f"the dimensions of the transformation_matrix [{rows}, {columns}]",
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Any) -> Any:
        size = self.transformation_matrix.shape[0]
        if math.prod(tensor.shape[-3:]) != size:
            raise error(
                ValueError,
                "Input tensor and transformation matrix have incompatible shape. "
                f"{tuple(tensor.shape[-3:])} elements against {size}",
            )
        flat = tensor.reshape(-1, size) - self.mean_vector
        return (flat @ self.transformation_matrix).reshape(tensor.shape)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(transformation_matrix="
            f"{self.transformation_matrix.tolist()}, (mean_vector={self.mean_vector.tolist()})"
        )


class RandomErasing(plait.nn.Module):
    """A random box of a tensor image erased, with probability `p` (arXiv:1708.04896).

    Args:
        scale: bounds of the box's share of the area.
        ratio: bounds of its height over its width.
        value: what takes its place: a number, one for each channel, or "random" for noise.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, (int, float, str, tuple, list)):
            raise error(TypeError, "Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise error(ValueError, "If value is str, it should be 'random'")
        for name, bounds in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(bounds, Sequence):
                raise error(TypeError, f"{name} should be a sequence")
        if scale[0] < 0 or scale[1] > 1:
            raise error(ValueError, "Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise error(ValueError, "Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Any,
        scale: Sequence[float],
        ratio: Sequence[float],
        value: Sequence[float] | None = None,
    ) -> tuple[int, int, int, int, Any]:
        """(top, left, height, width) and the content; the whole image and itself if none fits."""
        channels, height, width = img.shape[-3:]
        low, high = math.log(ratio[0]), math.log(ratio[1])
        for _ in range(_TRIES):
            area = height * width * uniform(scale[0], scale[1])
            shape = math.exp(uniform(low, high))
            h, w = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if not (h < height and w < width):
                continue
            if value is None:
                content = plait.empty([channels, h, w], dtype=plait.float32).normal_()
            else:
                content = plait.tensor(value)[:, None, None]
            return integer(0, height - h + 1), integer(0, width - w + 1), h, w, content
        return 0, 0, height, width, img

    def forward(self, img: Any) -> Any:
        if not chance(self.p):
            return img
        value = self._values(img.shape[-3])
        box = self.get_params(img, self.scale, self.ratio, value)
        return functional.erase(img, *box, inplace=self.inplace)

    def _values(self, channels: int) -> list[float] | None:
        """One value or one for each channel; None for noise."""
        if isinstance(self.value, str):
            return None
        if isinstance(self.value, (int, float)):
            return [float(self.value)]
        values = [float(value) for value in self.value]
        if len(values) not in (1, channels):
            raise error(
                ValueError,
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of input channels)",
            )
        return values

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )
