"""`Transform`: the base of version 2, which finds in its inputs what is to be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.utils import _pytree as pytree
from plait.vision._pillow import is_pillow_image
from plait.vision.transforms._random import chance
from plait.vision.transforms.v2.functional import get_size, is_pure_tensor
from plait.vision.tv_tensors import BoundingBoxes, Image, Mask, TVTensor, Video


class Transform(plait.nn.Module):
    """Applies `transform` to images, videos, masks, boxes and Pillow pictures, however nested.

    A plain tensor is an image if no image, video or picture is there, and then only the first.
    Everything else passes. Subclasses define `transform(inpt, params)`, and `make_params(inputs)`
    where they draw at random: once for all that belongs together.
    """

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise for inputs that do not fit."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is drawn for one call."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        flat, spec = pytree.tree_flatten(as_sample(inputs))
        self.check_inputs(flat)
        wanted = needed(flat)
        params = self.make_params([item for item, want in zip(flat, wanted) if want])
        changed = [
            self.transform(item, params) if want else item for item, want in zip(flat, wanted)
        ]
        return pytree.tree_unflatten(changed, spec)

    def extra_repr(self) -> str:
        shown = []
        for name, value in self.__dict__.items():
            if name.startswith("_") or name == "training":
                continue
            if isinstance(value, (bool, int, float, str, tuple, list)):
                shown.append(f"{name}={value}")
            elif hasattr(value, "value"):
                shown.append(f"{name}={value.value}")
        return ", ".join(shown)


def as_sample(inputs: Any) -> Any:
    """The arguments of a call: itself, if there is one only."""
    return inputs if len(inputs) > 1 else inputs[0]


def needed(flat: list[Any]) -> list[bool]:
    """Which of the inputs a transform changes."""
    kinds = [isinstance(item, TVTensor) or is_pillow_image(item) for item in flat]
    pictures = any(isinstance(item, (Image, Video)) or is_pillow_image(item) for item in flat)
    if not pictures:
        first = next((n for n, item in enumerate(flat) if is_pure_tensor(item)), None)
        if first is not None:
            kinds[first] = True
    return kinds


class RandomApplyTransform(Transform):
    """Base of those that act with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise error(
                ValueError, "`p` should be a floating point value in the interval [0.0, 1.0]."
            )
        super().__init__()
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        flat, _ = pytree.tree_flatten(as_sample(inputs))
        self.check_inputs(flat)
        if not chance(self.p):
            return as_sample(inputs)
        return super().forward(*inputs)


def size_of(flat_inputs: list[Any]) -> tuple[int, int]:
    """(height, width) that all inputs share; ValueError otherwise."""
    sizes = {
        tuple(get_size(item))
        for item in flat_inputs
        if isinstance(item, (Image, Video, Mask, BoundingBoxes))
        or is_pillow_image(item)
        or is_pure_tensor(item)
    }
    if not sizes:
        raise error(TypeError, "No image, video, mask or bounding box was found in the sample")
    if len(sizes) > 1:
        raise error(ValueError, f"Found multiple HxW dimensions in the sample: {sorted(sizes)}")
    height, width = sizes.pop()
    return height, width


def fill_for(fill: Any, inpt: Any) -> Any:
    """The fill colour for this kind of input; `fill` may be a dict of kinds, with "others"."""
    if not isinstance(fill, dict):
        return 0 if isinstance(inpt, Mask) and isinstance(fill, (list, tuple)) else fill
    kind: Any = type(inpt)
    return fill.get(kind, fill.get("others"))


def labels_finder(given: Any) -> Callable[[Any], Any]:
    """What finds the labels in the inputs: a function, a key, None, or "default"."""
    if given is None:
        return lambda inputs: None
    if callable(given):
        return given
    if given != "default":
        return lambda inputs: _dict_of(inputs)[given]
    return _default_labels


def _dict_of(inputs: Any) -> Any:
    if isinstance(inputs, (tuple, list)):
        inputs = next((item for item in inputs if isinstance(item, dict)), {})
    return inputs


def _default_labels(inputs: Any) -> Any:
    """The entry of a dict whose key is, or has in it, "label"; the second of a pair of tensors."""
    if isinstance(inputs, (tuple, list)) and len(inputs) == 2 and is_pure_tensor(inputs[1]):
        return inputs[1]
    found = _dict_of(inputs)
    if isinstance(found, dict):
        names = {key.lower(): key for key in found if isinstance(key, str)}
        exact = [names[name] for name in ("label", "labels") if name in names]
        like = exact or [key for name, key in names.items() if "label" in name]
        if like:
            return found[like[0]]
    raise error(
        ValueError,
        "Could not infer where the labels are in the sample. Try passing a callable as the "
        "labels_getter parameter?",
    )
