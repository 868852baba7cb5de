"""Sampling planes at places that a grid names, and grids of affine maps.

Source: Jaderberg et al., *Spatial Transformer Networks* (arXiv:1506.02025); cubic weights after
Keys, *Cubic Convolution Interpolation* (1981), with a = -3/4.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from plait.core.functional import arithmetic as fn
from plait.core.functional.arithmetic import rounded_once
from plait.core.functional.broadcasting import same_dtype
from plait.core.ir import dtypes
from plait.core.ir.dtypes import dtype_of
from plait.core.ir.op import leaf
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import ABS, FLOOR, FMOD, ROUND, cast
from plait.core.ops.index import GATHER
from plait.core.ops.view import broadcast, reshape, slice_axis, transpose

#: A tap along one axis: its place (a whole number, held as a float) and its weight (None: 1).
Tap = tuple[Any, Any]
_CUBIC = -0.75


def _places(coordinate: Any, extent: int, align_corners: bool) -> Any:
    """From [-1, 1] to places of elements."""
    if align_corners:
        return fn.mul(fn.add(coordinate, 1), (extent - 1) / 2)
    return fn.div(fn.sub(fn.mul(fn.add(coordinate, 1), extent), 1), 2)


def _reflect(place: Any, low: float, high: float) -> Any:
    """The place mirrored at both ends until it lies between them."""
    span = high - low
    if span == 0:
        return fn.mul(place, 0)
    distance = ABS(fn.sub(place, low))
    rest = same_dtype(FMOD, distance, span)
    turns = FLOOR(fn.div(distance, span))
    odd = fn.equal(same_dtype(FMOD, turns, 2), 1)
    return fn.where(odd, fn.add(fn.sub(span, rest), low), fn.add(rest, low))


def _bounded(place: Any, extent: int, padding: str, align_corners: bool) -> Any:
    """The place brought into the plane as the padding mode has it."""
    if padding == "zeros":
        return place
    if padding == "reflection":
        edges = (0.0, extent - 1.0) if align_corners else (-0.5, extent - 0.5)
        place = _reflect(place, *edges)
    return fn.within(place, 0, extent - 1)


def _cubic_near(t: Any) -> Any:
    """The cubic weight at a distance of at most 1."""
    return fn.add(fn.mul(fn.mul(fn.sub(fn.mul(t, _CUBIC + 2), _CUBIC + 3), t), t), 1)


def _cubic_far(t: Any) -> Any:
    """The cubic weight at a distance between 1 and 2."""
    a = _CUBIC
    return fn.sub(fn.mul(fn.add(fn.mul(fn.sub(fn.mul(t, a), 5 * a), t), 8 * a), t), 4 * a)


def _taps(coordinate: Any, extent: int, mode: str, padding: str, align_corners: bool) -> list[Tap]:
    place = _places(coordinate, extent, align_corners)
    if mode == "bicubic":
        start = FLOOR(place)
        t = fn.sub(place, start)
        rest = fn.sub(1, t)
        weights = (
            _cubic_far(fn.add(t, 1)),
            _cubic_near(t),
            _cubic_near(rest),
            _cubic_far(fn.add(rest, 1)),
        )
        return [
            (_bounded(fn.add(start, i - 1), extent, padding, align_corners), weight)
            for i, weight in enumerate(weights)
        ]
    place = _bounded(place, extent, padding, align_corners)
    if mode == "nearest":
        return [(ROUND(place), None)]
    start = FLOOR(place)
    t = fn.sub(place, start)
    return [(start, fn.sub(1, t)), (fn.add(start, 1), t)]


def grid_sample(x: Any, grid: Any, mode: str, padding: str, align_corners: bool) -> Any:
    """x (N, C, *spatial) sampled at grid (N, *places, rank) in [-1, 1], whose last axis names the
    last spatial axis first -> (N, C, *places).

    mode: "bilinear", "nearest" or "bicubic" (2 axes). padding: "zeros", "border", "reflection".
    """
    return rounded_once(lambda x, g: _sample(x, g, mode, padding, align_corners), x, grid)


def _sample(x: Any, grid: Any, mode: str, padding: str, align_corners: bool) -> Any:
    spatial = tuple(x.shape[2:])
    rank, batch, channels = len(spatial), x.shape[0], x.shape[1]
    places = tuple(grid.shape[1:-1])
    count = math.prod(places)
    flat_grid = reshape(grid, (batch, count, rank))
    axes = []
    for axis, extent in enumerate(spatial):
        column = rank - 1 - axis
        coordinate = reshape(slice_axis(flat_grid, 2, column, column + 1), (batch, count))
        axes.append(_taps(coordinate, extent, mode, padding, align_corners))
    planes = reshape(x, (batch, channels, math.prod(spatial)))
    whole: Any = None
    for taps in itertools.product(*axes):
        part = _tap_values(planes, taps, spatial)
        whole = part if whole is None else fn.add(whole, part)
    return reshape(whole, (batch, channels, *places))


def _tap_values(planes: Any, taps: tuple[Tap, ...], spatial: tuple[int, ...]) -> Any:
    """The weighted elements at one combination of taps; 0 outside the plane. (N, C, L)"""
    flat: Any = None
    inside: Any = None
    weight: Any = None
    for (place, factor), extent in zip(taps, spatial):
        within = fn.both(fn.at_least(place, 0), fn.at_most(place, extent - 1))
        inside = within if inside is None else fn.both(inside, within)
        # Limited before the cast: a place far outside, or nan, is no int.
        index = cast(fn.where(within, place, 0), dtypes.int64)
        flat = index if flat is None else fn.add(fn.mul(flat, extent), index)
        if factor is not None:
            weight = factor if weight is None else fn.mul(weight, factor)
    batch, channels, _ = planes.shape
    shape = (batch, channels, flat.shape[1])

    def over_channels(value: Any) -> Any:
        return broadcast(reshape(value, (batch, 1, shape[2])), shape)

    values = GATHER(planes, over_channels(flat), axis=2)
    values = fn.where(over_channels(inside), values, 0)
    return values if weight is None else fn.mul(values, over_channels(weight))


def affine_grid(theta: Any, spatial: tuple[int, ...], align_corners: bool) -> Any:
    """The grid (N, *spatial, rank) that maps each place by theta (N, rank, rank + 1)."""
    rank, batch = len(spatial), theta.shape[0]
    lines = []
    for extent in spatial:
        line = np.linspace(-1.0, 1.0, extent) if extent > 1 else np.zeros(1)
        lines.append(line if align_corners else line * (extent - 1) / extent)
    mesh = np.meshgrid(*lines, indexing="ij")
    ones = np.ones(spatial)
    # Columns (x, y, ..., 1): the last spatial axis comes first.
    base = np.stack([*reversed(mesh), ones], -1).reshape(1, -1, rank + 1)
    array = base.astype(theta.dtype.numpy)
    points = leaf(array, array.shape, dtype_of(array.dtype))
    spread = broadcast(points, (batch, math.prod(spatial), rank + 1))
    grid = matmul(spread, transpose(theta, (0, 2, 1)))
    return reshape(grid, (batch, *spatial, rank))
