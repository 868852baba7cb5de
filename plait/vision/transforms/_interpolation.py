"""`InterpolationMode`, and what each mode is called by Pillow."""

from __future__ import annotations

from enum import Enum

from plait.core.ir.errors import error

# Pillow's own numbers for its filters.
_PILLOW_NUMBERS = {
    "nearest": 0,
    "lanczos": 1,
    "bilinear": 2,
    "bicubic": 3,
    "box": 4,
    "hamming": 5,
    "nearest-exact": 0,
}


class InterpolationMode(Enum):
    """How pixels between pixels are made. Box, Hamming and Lanczos are for Pillow images only."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def interpolation_mode(value: InterpolationMode | int) -> InterpolationMode:
    """The mode for a mode or for Pillow's number of it; TypeError or ValueError otherwise."""
    if isinstance(value, InterpolationMode):
        return value
    if not isinstance(value, int):
        raise error(
            TypeError,
            f"interpolation should be an InterpolationMode or a Pillow number, got {value!r}",
        )
    for name, number in _PILLOW_NUMBERS.items():
        if number == value:
            return InterpolationMode(name)
    raise error(ValueError, f"interpolation: Pillow has no filter number {value}")


def pillow_filter(mode: InterpolationMode) -> int:
    """Pillow's number of the filter."""
    return _PILLOW_NUMBERS[mode.value]
