"""Boxes of version 2: formats, clamping, leaving out."""

from __future__ import annotations

from typing import Any

import plait
from plait.core.ir.errors import error
from plait.utils import _pytree as pytree
from plait.vision.transforms.v2 import functional as F
from plait.vision.transforms.v2._transform import Transform, as_sample, labels_finder
from plait.vision.tv_tensors import BoundingBoxes, Mask, box_format, wrap


class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format."""

    def __init__(self, format: Any) -> None:
        super().__init__()
        self.format = box_format(format)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, BoundingBoxes):
            return inpt
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes kept within their canvas; "auto" is each one's own mode."""

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, BoundingBoxes):
            return inpt
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class SetClampingMode(Transform):
    """Boxes with another clamping mode."""

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, BoundingBoxes):
            return inpt
        return wrap(inpt.as_subclass(plait.Tensor), like=inpt, clamping_mode=self.clamping_mode)


class SanitizeBoundingBoxes(Transform):
    """Leaves out boxes that are too small or not within the canvas, with their masks and labels.

    Args:
        min_size, min_area: the least sides and area.
        labels_getter: finds the labels in the inputs: a function, a key, "default" for the entry
            whose key has "label" in it, None for no labels.
    """

    def __init__(
        self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        if min_size < 1:
            raise error(ValueError, f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise error(ValueError, f"min_area must be >= 1, got {min_area}.")
        self.min_size = min_size
        self.min_area = min_area
        self.labels_getter = labels_getter
        self._find_labels = labels_finder(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = as_sample(inputs)
        labels = self._find_labels(sample)
        wanted = [] if labels is None else labels if isinstance(labels, tuple) else [labels]
        flat, spec = pytree.tree_flatten(sample)
        boxes = [item for item in flat if isinstance(item, BoundingBoxes)]
        if len(boxes) != 1:
            raise error(
                ValueError, f"Exactly one BoundingBoxes should be in the sample, got {len(boxes)}"
            )
        for item in wanted:
            if item.shape[0] != boxes[0].shape[0]:
                raise error(
                    ValueError,
                    f"Number of boxes (shape={tuple(boxes[0].shape)}) and the number of labels "
                    f"(shape={tuple(item.shape)}) do not match.",
                )
        _, valid = F.sanitize_bounding_boxes(
            boxes[0], min_size=self.min_size, min_area=self.min_area
        )

        def kept(item: Any) -> Any:
            # One mask for the whole image is of no box.
            of_boxes = isinstance(item, Mask) and item.shape[0] == valid.shape[0]
            if isinstance(item, BoundingBoxes) or of_boxes:
                return wrap(item.as_subclass(plait.Tensor)[valid], like=item)
            return item[valid] if any(item is label for label in wanted) else item

        return pytree.tree_unflatten([kept(item) for item in flat], spec)
