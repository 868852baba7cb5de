"""Padding of axes by a value or by the elements themselves; negative amounts cut off."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.op import leaf
from plait.core.ops.index import TAKE
from plait.core.ops.view import PAD, slice_axis

Pairs = tuple[tuple[int, int], ...]


def pad_constant(x: Any, pairs: Pairs, value: Any) -> Any:
    """x with `value` around it; pairs: (low, high) for each axis, where a negative one cuts off."""
    for axis, (low, high) in enumerate(pairs):
        if low < 0 or high < 0:
            x = slice_axis(x, axis, max(0, -low), x.shape[axis] - max(0, -high))
    added = [(max(0, low), max(0, high)) for low, high in pairs]
    if not any(low or high for low, high in added):
        return x
    return PAD(
        x,
        low=tuple([low for low, _ in added]),
        high=tuple([high for _, high in added]),
        interior=(0,) * len(pairs),
        value=value,
    )


def _reflected(places: np.ndarray, extent: int) -> np.ndarray:
    period = max(1, 2 * (extent - 1))
    folded = np.mod(places, period)
    return np.where(folded < extent, folded, period - folded)


_SOURCES = {
    "reflect": _reflected,
    "replicate": lambda places, extent: np.clip(places, 0, extent - 1),
    "circular": np.mod,
}


def pad_from_itself(x: Any, pairs: Pairs, mode: str) -> Any:
    """x continued beyond its ends: "reflect", "replicate" or "circular"."""
    for axis, (low, high) in enumerate(pairs):
        if not low and not high:
            continue
        if mode == "circular":
            # What is cut off does not come back on the other side.
            x = slice_axis(x, axis, max(0, -low), x.shape[axis] - max(0, -high))
            low, high = max(0, low), max(0, high)
        places = np.arange(-low, x.shape[axis] + high)
        source = np.ascontiguousarray(_SOURCES[mode](places, x.shape[axis]), np.int64)
        x = TAKE(x, leaf(source, source.shape, dtypes.int64), axis=axis)
    return x
