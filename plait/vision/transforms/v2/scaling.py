"""Random sizes and parts, as detectors are trained with, of version 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision.ops.boxes import box_iou
from plait.vision.transforms._interpolation import InterpolationMode
from plait.vision.transforms._random import integer
from plait.vision.transforms.v2 import _boxes
from plait.vision.transforms.v2 import functional as F
from plait.vision.transforms.v2._transform import (
    RandomApplyTransform,
    Transform,
    fill_for,
    size_of,
)

BILINEAR = InterpolationMode.BILINEAR


class RandomZoomOut(RandomApplyTransform):
    """Set in a larger, empty image, with probability `p` (arXiv:1512.02325).

    `side_range` bounds the larger image's sides over the old ones.
    """

    def __init__(
        self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5
    ) -> None:
        super().__init__(p)
        self.fill = fill
        self.side_range = tuple(side_range)
        if self.side_range[0] < 1.0 or self.side_range[0] > self.side_range[1]:
            raise error(ValueError, f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = size_of(flat_inputs)
        low, high = self.side_range
        ratio = low + plait.rand(1) * (high - low)
        new_width, new_height = int((width * ratio).item()), int((height * ratio).item())
        place = plait.rand(2)
        left = int(((new_width - width) * place[0]).item())
        top = int(((new_height - height) * place[1]).item())
        return {"padding": [left, top, new_width - (left + width), new_height - (top + height)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.pad(inpt, **params, fill=fill_for(self.fill, inpt))


class RandomResize(Transform):
    """The shorter edge to a random length from `min_size` to `max_size` - 1."""

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = F.mode_of(interpolation)
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"size": [integer(self.min_size, self.max_size)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)


class RandomShortestSize(Transform):
    """The shorter edge to one of `min_size`, unless the longer would pass `max_size`."""

    def __init__(
        self,
        min_size: int | Sequence[int],
        max_size: int | None = None,
        interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation = F.mode_of(interpolation)
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = size_of(flat_inputs)
        factor = self.min_size[integer(0, len(self.min_size))] / min(height, width)
        if self.max_size is not None:
            factor = min(factor, self.max_size / max(height, width))
        return {"size": (int(height * factor), int(width * factor))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)


class ScaleJitter(Transform):
    """Scaled to fit `target_size` times a random factor within `scale_range`."""

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: Sequence[float] = (0.1, 2.0),
        interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.target_size = target_size
        self.scale_range = scale_range
        self.interpolation = F.mode_of(interpolation)
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = size_of(flat_inputs)
        low, high = self.scale_range
        factor = low + plait.rand(1).item() * (high - low)
        factor *= min(self.target_size[1] / height, self.target_size[0] / width)
        return {"size": (int(height * factor), int(width * factor))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)


class RandomIoUCrop(Transform):
    """A random part that some box overlaps well, as for SSD (arXiv:1512.02325).

    Boxes whose centre is outside become empty: `SanitizeBoundingBoxes` leaves them out.

    Args:
        min_scale, max_scale: bounds of the part's sides over the image's.
        min_aspect_ratio, max_aspect_ratio: bounds of the part's width over its height.
        sampler_options: least overlaps, of which one is drawn; 1 and above leave the image whole.
        trials: of a part, before another overlap is drawn.
    """

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: Sequence[float] | None = None,
        trials: int = 40,
    ) -> None:
        super().__init__()
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.min_aspect_ratio = min_aspect_ratio
        self.max_aspect_ratio = max_aspect_ratio
        self.options = list(sampler_options or (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0))
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if not any(isinstance(item, F.BoundingBoxes) for item in flat_inputs):
            raise error(TypeError, "RandomIoUCrop() requires input sample to contain boxes")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = size_of(flat_inputs)
        boxes = next(item for item in flat_inputs if isinstance(item, F.BoundingBoxes))
        xyxy = _boxes.corners(boxes)
        while True:
            least = self.options[integer(0, len(self.options))]
            if least >= 1.0:
                return {}
            for _ in range(self.trials):
                part = self._part(size)
                found = None if part is None else _centres_inside(xyxy, part, least)
                if part is not None and found is not None:
                    top, left, height, width = part
                    box = {"top": top, "left": left, "height": height, "width": width}
                    return {"box": box, "inside": found}

    def _part(self, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """(top, left, height, width) of a random part; None for a shape out of bounds."""
        height, width = size
        spread = self.max_scale - self.min_scale
        across, down = (self.min_scale + spread * plait.rand(2)).tolist()
        new_width, new_height = int(width * across), int(height * down)
        if not self.min_aspect_ratio <= new_width / new_height <= self.max_aspect_ratio:
            return None
        right, below = plait.rand(2).tolist()
        left, top = int((width - new_width) * right), int((height - new_height) * below)
        return (top, left, new_height, new_width) if new_width and new_height else None

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not params:
            return inpt
        result = F.crop(inpt, **params["box"])
        if isinstance(result, F.BoundingBoxes):
            values = _boxes.plain(result) * params["inside"][:, None].to(result.dtype)
            return F.wrap(values, like=result)
        return result


def _centres_inside(xyxy: Any, part: tuple[int, int, int, int], least: float) -> Any:
    """Which boxes' centres the part has; None if there is none, or none overlaps it enough."""
    top, left, height, width = part
    x, y = (0.5 * (xyxy[:, i] + xyxy[:, i + 2]) for i in (0, 1))
    inside = (left < x) & (x < left + width) & (top < y) & (y < top + height)
    if not inside.any():
        return None
    box = plait.tensor([[left, top, left + width, top + height]], dtype=xyxy.dtype)
    return inside if box_iou(xyxy[inside], box).max() >= least else None
