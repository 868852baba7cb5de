"""Tensors that say what they are: images, videos, masks, boxes. `transforms.v2` goes by that.

Operations on them give plain tensors, except `clone`, `to`, `detach` and `requires_grad_`, which
keep the kind; `wrap` gives a result the kind of another tensor.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

import plait
from plait._unbuilt import unbuilt
from plait.core.ir.errors import error
from plait.vision._pillow import is_pillow_image

__all__ = ["BoundingBoxFormat", "BoundingBoxes", "Image", "Mask", "TVTensor", "Video", "wrap"]

__getattr__ = unbuilt("torchvision.tv_tensors", ("KeyPoints", "set_return_type"))


def _as_tensor(data: Any, dtype: Any, device: Any, requires_grad: bool | None) -> Any:
    if requires_grad is None:
        requires_grad = isinstance(data, plait.Tensor) and data.requires_grad
    return plait.as_tensor(data, dtype=dtype, device=device).detach().requires_grad_(requires_grad)


class TVTensor(plait.Tensor):
    """Base of the kinds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """`__new__` has made the whole of it."""

    def _like(self, tensor: Any) -> Any:
        """`tensor` as one of this kind."""
        return tensor.as_subclass(type(self))

    def _plain(self) -> Any:
        return self.as_subclass(plait.Tensor)

    def clone(self, *args: Any, **kwargs: Any) -> Any:
        return self._like(super().clone(*args, **kwargs))

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return self._like(super().to(*args, **kwargs))

    def detach(self) -> Any:
        return self._like(super().detach())

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        super().requires_grad_(requires_grad)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = self.detach().clone().requires_grad_(self.requires_grad)
        memo[id(self)] = twin
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuilt, (type(self), self._plain(), self._extras())

    def _extras(self) -> dict[str, Any]:
        """What there is beside the values."""
        return {}

    def __repr__(self, **kwargs: Any) -> str:
        text = repr(self._plain()).removeprefix("tensor(").removesuffix(")")
        extras = "".join(f", {name}={value}" for name, value in self._extras().items())
        return f"{type(self).__name__}({text}{extras})"


def _rebuilt(kind: type, tensor: Any, extras: dict[str, Any]) -> Any:
    return kind(tensor, **extras)


class Image(TVTensor):
    """An image (..., C, H, W), from a tensor, array or Pillow image; (H, W) gets a channel."""

    def __new__(
        cls,
        data: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        if is_pillow_image(data):
            from plait.vision.transforms.functional import pil_to_tensor

            data = pil_to_tensor(data)
        tensor = _as_tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise error(ValueError, f"an image has two dimensions at least, got {tensor.ndim}")
        return (tensor.unsqueeze(0) if tensor.ndim == 2 else tensor).as_subclass(cls)


class Video(TVTensor):
    """A video (..., T, C, H, W)."""

    def __new__(
        cls,
        data: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        tensor = _as_tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise error(ValueError, f"a video has four dimensions at least, got {tensor.ndim}")
        return tensor.as_subclass(cls)


class Mask(TVTensor):
    """Masks (..., H, W), of segmentation or detection."""

    def __new__(
        cls,
        data: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        if is_pillow_image(data):
            data = np.asarray(data).copy()
        return _as_tensor(data, dtype, device, requires_grad).as_subclass(cls)


class BoundingBoxFormat(Enum):
    """Two corners; a corner, width and height; centre, width and height."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"


class BoundingBoxes(TVTensor):
    """Boxes (N, 4) on an image of `canvas_size` (height, width).

    `clamping_mode` "soft" or "hard": boxes are kept within the image by the transforms; None: not.
    """

    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft",
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        known = box_format(format)
        tensor = _as_tensor(data, dtype, device, requires_grad)
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        if tensor.ndim != 2 or (tensor.numel() and tensor.shape[1] != 4):
            raise error(ValueError, f"boxes are of shape (N, 4), got {tuple(tensor.shape)}")
        if clamping_mode not in (None, "soft", "hard"):
            raise error(
                ValueError, f"clamping_mode should be soft, hard or None, got {clamping_mode}"
            )
        boxes = tensor.as_subclass(cls)
        boxes.format = known
        boxes.canvas_size = (int(canvas_size[0]), int(canvas_size[1]))
        boxes.clamping_mode = clamping_mode
        return boxes

    def _like(self, tensor: Any) -> Any:
        return _rebuilt(type(self), tensor, self._extras())

    def _extras(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "canvas_size": self.canvas_size,
            "clamping_mode": self.clamping_mode,
        }


def box_format(value: BoundingBoxFormat | str) -> BoundingBoxFormat:
    """The format of that name; NotImplementedError for rotated ones, ValueError for others."""
    if isinstance(value, BoundingBoxFormat):
        return value
    name = value.upper()
    if name in ("XYWHR", "CXCYWHR", "XYXYXYXY"):
        raise error(NotImplementedError, "rotated boxes are not built in Plait yet")
    if name not in BoundingBoxFormat.__members__:
        known = ", ".join(BoundingBoxFormat.__members__)
        raise error(ValueError, f"format of boxes: {value!r} is none of {known}")
    return BoundingBoxFormat[name]


def wrap(wrappee: Any, *, like: Any, **kwargs: Any) -> Any:
    """`wrappee` as a tensor of the kind of `like`; `kwargs` replace what boxes have beside it."""
    if isinstance(like, BoundingBoxes):
        return _rebuilt(type(like), wrappee, {**like._extras(), **kwargs})
    return wrappee.as_subclass(type(like))
