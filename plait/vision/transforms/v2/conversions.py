"""Kinds, dtypes and scales of version 2."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.utils import _pytree as pytree
from plait.vision._pillow import is_pillow_image
from plait.vision.transforms import functional as F1
from plait.vision.transforms.combining import LinearTransformation as _LinearTransformation
from plait.vision.transforms.v2 import functional as F
from plait.vision.transforms.v2._transform import Transform, as_sample, needed
from plait.vision.tv_tensors import BoundingBoxes, Image, Mask, TVTensor, Video


class Identity(Transform):
    """Nothing."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class Lambda(Transform):
    """A function of the user's, on all inputs, or on those of the given types."""

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def forward(self, *inputs: Any) -> Any:
        flat, spec = pytree.tree_flatten(as_sample(inputs))
        changed = [self.lambd(item) if isinstance(item, self.types) else item for item in flat]
        return pytree.tree_unflatten(changed, spec)

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", "")
        return f"{name}, types={[kind.__name__ for kind in self.types]}"


class Normalize(Transform):
    """(image - mean) / std for each channel of images and videos."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if any(is_pillow_image(item) for item in flat_inputs):
            raise error(TypeError, "Normalize() does not support PIL images.")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.normalize(inpt, self.mean, self.std, self.inplace)


class LinearTransformation(Transform):
    """(flattened image - mean_vector) @ transformation_matrix; as in version 1."""

    def __init__(self, transformation_matrix: Any, mean_vector: Any) -> None:
        super().__init__()
        self._version1 = _LinearTransformation(transformation_matrix, mean_vector)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, (Mask, BoundingBoxes)):
            return inpt
        if is_pillow_image(inpt):
            raise error(TypeError, "LinearTransformation() does not support PIL images.")
        return self._version1(inpt)


class ToDtype(Transform):
    """In another dtype; with `scale`, images and videos from range to range.

    A dtype is for images and videos; a dict gives dtypes by kind, with "others" for the rest and
    None for what stays.
    """

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, (plait.dtype, dict)):
            raise error(
                ValueError, f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead"
            )
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(self.dtype, dict):
            kind: Any = type(inpt)
            if kind not in self.dtype and "others" not in self.dtype:
                raise error(
                    ValueError,
                    f"No dtype was specified for type {type(inpt)}. If you only need to convert "
                    "the dtype of images or videos, you can just pass e.g. dtype=torch.float32; "
                    'an entry "others" is for all the rest.',
                )
            wanted = self.dtype.get(kind, self.dtype.get("others"))
        elif isinstance(inpt, (Image, Video)) or F.is_pure_tensor(inpt):
            wanted = self.dtype
        else:
            wanted = None
        if wanted is None or not isinstance(inpt, plait.Tensor):
            return inpt
        return F.to_dtype(inpt, wanted, self.scale)


class ConvertImageDtype(Transform):
    """Images and videos in another dtype, scaled to its range."""

    def __init__(self, dtype: Any = None) -> None:
        super().__init__()
        self.dtype = plait.float32 if dtype is None else dtype

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, (Mask, BoundingBoxes)) or not isinstance(inpt, plait.Tensor):
            return inpt
        return F.to_dtype(inpt, self.dtype, scale=True)


class _OnAll(Transform):
    """Base of conversions, which look at every input by its type."""

    def convert(self, inpt: Any) -> Any:
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        flat, spec = pytree.tree_flatten(as_sample(inputs))
        return pytree.tree_unflatten([self.convert(item) for item in flat], spec)


class PILToTensor(_OnAll):
    """Pillow pictures as tensors of the same values."""

    def convert(self, inpt: Any) -> Any:
        return F1.pil_to_tensor(inpt) if is_pillow_image(inpt) else inpt


class ToImage(Transform):
    """Pillow pictures, arrays and plain tensors as `Image`."""

    def forward(self, *inputs: Any) -> Any:
        flat, spec = pytree.tree_flatten(as_sample(inputs))
        wanted = needed(flat)
        changed = [
            F.to_image(item)
            if isinstance(item, np.ndarray)
            or is_pillow_image(item)
            or (want and F.is_pure_tensor(item))
            else item
            for item, want in zip(flat, wanted)
        ]
        return pytree.tree_unflatten(changed, spec)


class ToPILImage(Transform):
    """Images, plain tensors and arrays as Pillow pictures."""

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, (Mask, BoundingBoxes, Video)) or is_pillow_image(inpt):
            return inpt
        return F1.to_pil_image(inpt, self.mode)

    def extra_repr(self) -> str:
        return "" if self.mode is None else f"mode={self.mode}"


class ToPureTensor(_OnAll):
    """Tensors of a kind as plain tensors."""

    def convert(self, inpt: Any) -> Any:
        return inpt.as_subclass(plait.Tensor) if isinstance(inpt, TVTensor) else inpt


class ToTensor(_OnAll):
    """Version 1's conversion; `ToImage` and `ToDtype` have taken its place."""

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, "
            "scale=True)])`. Output is equivalent up to float precision.",
            stacklevel=2,
        )
        super().__init__()

    def convert(self, inpt: Any) -> Any:
        taken = is_pillow_image(inpt) or isinstance(inpt, np.ndarray)
        return F1.to_tensor(inpt) if taken else inpt


class UniformTemporalSubsample(Transform):
    """`num_samples` frames of a video at equal distances."""

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.uniform_temporal_subsample(inpt, self.num_samples)
