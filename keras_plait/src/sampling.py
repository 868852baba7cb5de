"""Values between the places of an array: by coordinates, and by weights along an axis."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import plait as torch

FILL_MODES = {"constant", "nearest", "wrap", "mirror", "reflect"}


# -- by coordinates --------------------------------------------------------------------------------


def sample(x: Any, places: Any, order: int, fill_mode: str, fill_value: Any, lead: int) -> Any:
    """x (*lead, *space) at `places`, one tensor for each axis of space.

    With `lead` 2, x is (batch, channels, *space) and the places are (batch or 1, ...); with 0 there
    is nothing in front. order: 0 the nearest, 1 linear. Integers are rounded.
    """
    corners = []
    for place in places:
        place = place.to(torch.float64 if x.dtype is torch.float64 else torch.float32)
        if order == 0:
            index = torch.round(place)
            corners.append([(index, None)])
        else:
            low = torch.floor(place)
            part = place - low
            corners.append([(low, 1 - part), (low + 1, part)])
    made: Any = None
    for choice in product(*corners):
        value = _at(x, [index for index, _ in choice], fill_mode, fill_value, lead)
        for _, weight in choice:
            if weight is not None:
                value = value * (weight.unsqueeze(1) if lead else weight)
        made = value if made is None else made + value
    return made if x.dtype.is_floating_point else torch.round(made).to(x.dtype)


def _at(x: Any, indices: list[Any], fill_mode: str, fill_value: Any, lead: int) -> Any:
    """x at whole-numbered places, the fill value or what `fill_mode` says outside."""
    space = x.shape[lead:]
    inside: Any = None
    flat: Any = 0
    for index, extent in zip(indices, space):
        number = index.to(torch.int64)
        if fill_mode == "constant":
            hit = (number >= 0) & (number < extent)
            inside = hit if inside is None else inside & hit
        flat = flat * extent + _inside(number, extent, fill_mode)
    if not lead:
        value = x.reshape(-1)[flat]
    else:
        batch, channels = x.shape[:2]
        flat = flat.expand(batch, *flat.shape[1:])
        place = flat.reshape(batch, 1, -1).expand(batch, channels, flat[0].numel())
        value = torch.gather(x.reshape(batch, channels, -1), 2, place)
        value = value.reshape(batch, channels, *flat.shape[1:])
        inside = None if inside is None else inside.unsqueeze(1)
    if not value.dtype.is_floating_point:
        value = value.to(torch.float32)
    if inside is None:
        return value
    return torch.where(inside, value, fill_value)


def _inside(index: Any, extent: int, fill_mode: str) -> Any:
    """Where a place outside is taken from."""
    if fill_mode == "wrap":
        return torch.remainder(index, extent)
    if fill_mode == "mirror" and extent > 1:
        index = torch.remainder(index, 2 * extent - 2)
        return torch.minimum(index, 2 * extent - 2 - index)
    if fill_mode == "reflect":
        index = torch.remainder(index, 2 * extent)
        return torch.minimum(index, 2 * extent - 1 - index)
    return torch.clamp(index, 0, extent - 1)


# -- by weights ------------------------------------------------------------------------------------


def _triangle(x: Any) -> Any:
    return torch.clamp(1 - x, min=0)


def _cubic(x: Any) -> Any:
    """Source: Keys, Cubic convolution interpolation for digital image processing (1981)."""
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x >= 2, 0.0, torch.where(x >= 1, far, near))


def _lanczos(radius: int) -> Any:
    def kernel(x: Any) -> Any:
        """Source: Duchon, Lanczos filtering in one and two dimensions (1979)."""
        waves = radius * torch.sin(math.pi * x) * torch.sin(math.pi * x / radius)
        made = waves / torch.where(x != 0, math.pi**2 * x * x, 1.0)
        return torch.where(x > radius, 0.0, torch.where(x > 1e-3, made, 1.0))

    return kernel


_KERNELS = {
    **dict.fromkeys(("linear", "bilinear", "trilinear"), _triangle),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), _cubic),
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}


def weights_of_axis(
    before: int, after: int, scale: Any, translation: Any, method: str, antialias: bool
) -> Any:
    """The share (before, after) of each old place in each new one.

    A new place i is the old one (i + 0.5 - translation) / scale - 0.5; with `antialias` the kernel
    is as wide as a new pixel where that is wider than an old one.
    """
    inverse = 1 / scale
    widen: Any = 1.0
    if antialias:
        widen = max(inverse, 1.0) if isinstance(inverse, float) else torch.clamp(inverse, min=1)
    new = torch.arange(after, dtype=torch.float32)
    place = (new + 0.5) * inverse - translation * inverse - 0.5
    old = torch.arange(before, dtype=torch.float32)
    distance = torch.abs(place[None, :] - old[:, None]) / widen
    weights = _KERNELS[method](distance)
    total = torch.sum(weights, 0, keepdim=True)
    small = 1000 * torch.finfo(torch.float32).eps
    weights = torch.where(
        torch.abs(total) > small, weights / torch.where(total != 0, total, 1.0), 0.0
    )
    inside = (place >= -0.5) & (place <= before - 0.5)
    return torch.where(inside[None, :], weights, 0.0)
