"""Tap convolutions as launches: padded images, packed weights, and the kernels between them.

A convolution and its transpose in the input are the same thing to the kernel: along each axis a
number of results, each of which meets taps of the source at regular places. With a stride, the
transpose is one such thing per residue of the places, so that no multiplication by zero is done.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

from plait.core.codegen.access import Access
from plait.core.codegen.conv import Clip, TapConv, Tile, conv_kernel
from plait.core.codegen.conv_pack import (
    Image,
    Panels,
    image_kernel,
    pack_units,
    panels_kernel,
)
from plait.core.codegen.depthwise import Depthwise, depthwise_kernel
from plait.core.codegen.kernel import Launch
from plait.core.codegen.outlet import Outlet
from plait.core.codegen.tiles import step_cycles
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.extents import varies
from plait.core.ir.op import elements
from plait.core.llvm.target import Target

Ints = tuple[int, ...]


class View(NamedTuple):
    """A buffer seen as (N, H, W, C): its extents and element strides in that order."""

    buffer: Buffer
    shape: Ints
    strides: Ints


class Axis(NamedTuple):
    """One axis of a tap convolution.

    count results at first, first + every, ... of the result's axis; result i meets source element
    `i * step + offset` for each (kernel position, offset) in taps, sorted by offset.
    """

    count: int
    first: int
    every: int
    step: int
    taps: tuple[tuple[int, int], ...]

    def reach(self, extent: int) -> tuple[int, int]:
        """(padding before, after) that the taps need around a source of `extent` elements."""
        if not self.taps or not self.count:
            return 0, 0
        low = self.taps[0][1]
        high = (self.count - 1) * self.step + self.taps[-1][1]
        return max(0, -low), max(0, high - extent + 1)


def forward_axis(extent: int, kernel: int, stride: int, low: int, dilation: int) -> Axis:
    """The convolution itself along one axis with `extent` results."""
    return Axis(extent, 0, 1, stride, tuple((k, k * dilation - low) for k in range(kernel)))


def transposed_axes(extent: int, kernel: int, stride: int, low: int, dilation: int) -> list[Axis]:
    """Its transpose along one axis of `extent` inputs, one entry per residue of the stride."""
    axes = []
    for first in range(min(stride, extent)):
        taps = [
            (k, (first + low - k * dilation) // stride)
            for k in reversed(range(kernel))
            if (first + low - k * dilation) % stride == 0
        ]
        axes.append(Axis(-(-(extent - first) // stride), first, stride, 1, tuple(taps)))
    return axes


#: Floating-point operations worth a thread of their own: some 20 microseconds.
THREAD_FLOPS = 1 << 21


def flops_grain(flops: int, units: int) -> int:
    """How many of `units` that share some work are worth a thread."""
    return max(1, THREAD_FLOPS * units // max(1, flops))


def choose_lanes(plan: Plan, dtype: DType, outputs: int) -> int:
    """Lanes of a vector: those of the target, or fewer where there are few outputs."""
    if outputs == 1:
        return 1
    lanes = plan.target.lanes(dtype.itemsize)
    while lanes > 4 and lanes // 2 >= outputs:
        lanes //= 2
    return lanes


#: Images of a batch that is large whatever it is: no tile has more.
_LARGE_BATCH = 32


def _samples_of_tile(samples: int) -> int:
    """The number of images that a tile is chosen for; where it varies, one of two."""
    if not varies(samples):
        return samples
    return _LARGE_BATCH if samples >= _LARGE_BATCH else 1


#: A reduction of at most so many steps is bound by its stores, not by its multiply-adds.
FEW_STEPS = 32


def choose_tile(
    target: Target, vectors: int, extents: tuple[int, int, int], steps: int, place: Ints
) -> Tile:
    """The tile of (images, rows, columns) pixels by vectors with the least estimated time.

    Accumulators, a row of weights and a broadcast element have to fit the registers; tiles that do
    not come out even overlap, which is waste. After few steps half the accumulators are better (the
    compiler keeps broadcasts that several pixels share), and all vectors of a pixel side by side.
    place: bytes between neighbours along each axis; pixels that fall into the same set of the
    first-level cache drive each other out.
    """
    registers = target.registers
    images, rows, columns = extents
    best: tuple[float, Tile] | None = None
    for wide in range(1, min(4, vectors) + 1):
        most = max(1, (registers - 1 - wide) // wide)
        blocks = -(-vectors // wide)
        strewn = 1.0
        if steps <= FEW_STEPS:
            most = max(1, registers // 2 // wide)
            strewn = 1.0 if blocks == 1 else 1.5
        for across in range(1, min(columns, most) + 1):
            for down in range(1, min(rows, most // across) + 1):
                for deep in range(1, min(images, most // (across * down)) + 1):
                    pixels = across * down * deep
                    tiles = -(-columns // across) * -(-rows // down)
                    # Whatever the batch, large ones get the same tile.
                    tiles *= images / deep if images >= 8 * deep else -(-images // deep)
                    step = step_cycles(target, pixels, wide)
                    cost = tiles * blocks * strewn * (step + 0.02 * pixels * wide + 0.5)
                    cost *= 1 + 0.04 * (down > 1) + 0.02 * (deep > 1)
                    tile = Tile(deep, down, across, wide)
                    if _crowded(target, tile, place):
                        cost *= 1.5
                    if best is None or cost < best[0]:
                        best = (cost, tile)
    assert best is not None
    return best[1]


def _crowded(target: Target, tile: Tile, place: Ints) -> bool:
    """Whether too many pixels of a tile share a set of the first-level cache, whose ways are pages:
    its sets are found by the part of an address that is no page number."""
    line, page = 64, 4096
    ways, sets = max(1, target.l1_bytes // page), page // line
    shared: dict[int, int] = {}
    for i in range(tile.images):
        for r in range(tile.rows):
            for c in range(tile.columns):
                at = (i * place[0] + r * place[1] + c * place[2]) // line % sets
                shared[at] = shared.get(at, 0) + 1
    return max(shared.values()) > ways


# -- from axes to launches --------------------------------------------------------------------


class Weights(NamedTuple):
    """How panels are read out of a weight (O, C / groups, kh, kw): see `Panels`."""

    outputs: int
    depth: int
    group: int
    deep: int
    wide: int


def compute_dtype(dtype: DType) -> DType:
    return dtypes.float32 if dtype.is_half else dtype


def padded_image(plan: Plan, x: View, borders: Ints, dtype: DType) -> tuple[Buffer, Ints]:
    """A channels-last image with borders (top, bottom, left, right), and its shape.

    The buffer of x itself where nothing changes.
    """
    samples, rows, columns, channels = shape = x.shape
    plain = row_major(shape)
    same = all(s == p or n == 1 for s, p, n in zip(x.strides[1:], plain[1:], shape[1:]))
    if not any(borders) and x.buffer.dtype is dtype and same:
        return x.buffer, shape
    source = x.buffer
    what = Image(source.dtype.name, dtype.name, x.strides, rows, columns, channels, *borders)
    whole = (samples, *what.shape)
    copy = plan.temporary(whole, dtype)
    plan.launch(
        Launch(
            image_kernel(what),
            (copy,),
            (source,),
            units=samples * whole[1],
            grain=max(1, (1 << 16) // max(1, whole[2] * channels)),
            bytes=source.nbytes + copy.nbytes,
        )
    )
    return copy, whole


def packed(plan: Plan, w: Buffer, what: Panels, groups: int) -> Buffer:
    """The panels of a weight."""
    dtype = dtypes.BY_NAME[what.dtype]
    panels = plan.temporary((groups * what.blocks * what.block_elements,), dtype)
    plan.launch(
        Launch(
            panels_kernel(what),
            (panels,),
            (w,),
            units=pack_units(what, groups),
            scratch=what.lanes * what.lanes * dtype.itemsize,
            grain=max(1, (1 << 16) // max(1, len(what.segments) * 64 * what.width * what.lanes)),
            bytes=w.nbytes + panels.nbytes,
        )
    )
    return panels


def tap_convolution(
    plan: Plan,
    image: tuple[Buffer, Ints],
    borders: Ints,
    weight: Buffer,
    weights: Weights,
    kernel: Ints,
    axes: tuple[Axis, Axis],
    groups: int,
    outlet: Outlet,
    results: list[Buffer],
    read: list[Buffer],
    flops: int,
) -> None:
    """Launch one tap convolution of a padded image (see `TapConv`)."""
    source, (samples, image_rows, width, channels) = image
    down, across = axes
    dtype = source.dtype
    offsets = [
        ((borders[0] + dy) * width + borders[2] + dx) * channels
        for _, dy in down.taps
        for _, dx in across.taps
    ]
    segments = tuple(a * kernel[1] + b for a, _ in down.taps for b, _ in across.taps)
    place = (math.prod(image[1][1:]), down.step * width * channels, across.step * channels)
    if is_depthwise(groups, weights.depth, weights.outputs):
        _depthwise(
            plan, image, weight, weights, elements(kernel), segments, offsets,
            (down.count, across.count), place, outlet, results, read, flops,
        )  # fmt: skip
        return
    lanes = choose_lanes(plan, dtype, weights.outputs)
    run = weights.depth
    beside = [b[1] - a[1] for a, b in itertools.pairwise(across.taps)]
    if groups == 1 and all(step == 1 for step in beside) and across.taps:
        run *= len(across.taps)
        offsets = offsets[:: len(across.taps)]
    origin = offsets[0] if offsets else 0
    rows, columns = down.count, across.count
    clip = clip_of(down, image_rows - borders[0] - borders[1], len(offsets))
    flat = _flat(outlet, rows, columns, place) if clip is None else None
    if flat is not None:
        outlet, place = flat
        samples, rows, columns = samples * rows * columns, 1, 1
    vectors = -(-weights.outputs // lanes)
    tile = choose_tile(
        plan.target,
        vectors,
        (_samples_of_tile(samples), rows, columns),
        len(segments) * weights.depth,
        tuple(step * dtype.itemsize for step in place),
    )
    blocks = -(-vectors // tile.vectors)
    weight_bytes = len(segments) * weights.depth * vectors * lanes * dtype.itemsize
    unit_rows, unit_images, split = choose_units(
        plan, tile, (samples, rows, columns), blocks, weight_bytes, source.nbytes // groups
    )
    what = TapConv(
        dtype.name, lanes, tuple(o - origin for o in offsets), run, rows, columns, place, origin,
        groups, channels // groups, weights.outputs, tile, unit_rows,
        clip,
    )  # fmt: skip
    panels = Panels(
        weight.dtype.name, dtype.name, lanes, tile.vectors, weights.outputs, weights.depth,
        elements(kernel), segments, weights.group, weights.deep, weights.wide,
    )  # fmt: skip
    units = what.units(samples, unit_images, split)
    plan.launch(
        Launch(
            conv_kernel(what, outlet),
            tuple(results),
            (source, packed(plan, weight, panels, groups), *read),
            units=units,
            numbers=(samples, unit_images, split, weights.outputs),
            grain=flops_grain(flops, units),
            flops=flops,
            bytes=source.nbytes + sum(b.nbytes for b in (*results, *read)),
        )
    )


def is_depthwise(groups: int, depth: int, outputs: int) -> bool:
    """One channel to one output per group."""
    return groups > 1 and depth == outputs == 1


def _depthwise(
    plan: Plan,
    image: tuple[Buffer, Ints],
    weight: Buffer,
    weights: Weights,
    taps: int,
    segments: Ints,
    offsets: list[int],
    extents: Ints,
    place: Ints,
    outlet: Outlet,
    results: list[Buffer],
    read: list[Buffer],
    flops: int,
) -> None:
    source, (samples, _, _, channels) = image
    dtype = source.dtype
    lanes = choose_lanes(plan, dtype, channels)
    origin = offsets[0] if offsets else 0
    rows, columns = extents
    what = Depthwise(
        dtype.name, lanes, tuple(o - origin for o in offsets), rows, columns, place, origin,
        channels, min(4, columns),
    )  # fmt: skip
    panels = Panels(
        weight.dtype.name, dtype.name, lanes, 1, channels, 1, taps, segments, 0, 0, taps
    )
    plan.launch(
        Launch(
            depthwise_kernel(what, outlet),
            tuple(results),
            (source, packed(plan, weight, panels, 1), *read),
            units=samples * rows,
            numbers=(channels,),
            grain=max(1, (1 << 14) // max(1, columns * channels)),
            flops=flops,
            bytes=source.nbytes + sum(b.nbytes for b in (*results, *read)),
        )
    )


def clip_of(down: Axis, extent: int, taps: int) -> Clip | None:
    """The rows that meet the image, where the kernel's rows are evenly spaced and some do not."""
    if not any(down.reach(extent)):
        return None
    every = {b[1] - a[1] for a, b in itertools.pairwise(down.taps)} or {1}
    if len(every) > 1:
        return None
    rows = len(down.taps)
    return Clip(rows, down.step, down.taps[0][1], every.pop(), extent, taps // rows)


def _flat(outlet: Outlet, rows: int, columns: int, place: Ints) -> tuple[Outlet, Ints] | None:
    """The same with every pixel an image of its own, where pixels of all images are evenly spaced
    in the source and for the outlet; None where they are not."""

    def pixel(strides: Ints) -> int:
        return strides[2] if columns > 1 else strides[1] if rows > 1 else strides[0]

    def even(strides: Ints) -> bool:
        step = pixel(strides)
        return strides[0] == step * rows * columns and (rows == 1 or strides[1] == step * columns)

    if not even(place) or not all(even(a.strides) for a in (*outlet.read, *outlet.write)):
        return None

    def along(access: Access) -> Access:
        return access._replace(strides=(pixel(access.strides), 0, 0, access.strides[3]))

    outlet = outlet._replace(
        read=tuple(map(along, outlet.read)), write=tuple(map(along, outlet.write))
    )
    return outlet, (pixel(place), 0, 0)


#: Result pixels that one unit should cover: enough tiles to use a panel again from the cache.
UNIT_PIXELS = 192
#: Units that a convolution of some size should at least have.
MANY_UNITS = 16


def choose_units(
    plan: Plan,
    tile: Tile,
    extents: tuple[int, int, int],
    blocks: int,
    weight_bytes: int,
    source_bytes: int,
) -> tuple[int, int, int]:
    """(rows, images, split) of a unit."""
    samples, rows, columns = extents
    plane = rows * columns
    if 2 * plane <= 3 * UNIT_PIXELS:
        unit_rows = rows
        unit_images = tile.images * max(1, UNIT_PIXELS // (plane * tile.images))
    else:
        unit_rows = tile.rows * max(1, UNIT_PIXELS // (columns * tile.rows))
        unit_images = tile.images
    units = -(-rows // unit_rows) * -(-samples // unit_images)
    split = 1
    if 2 * weight_bytes > plan.target.l2_bytes and source_bytes * blocks < weight_bytes * units:
        split = blocks
    while units * split < MANY_UNITS and 2 * split <= blocks:
        split *= 2
    return unit_rows, unit_images, split


def row_major(shape: Ints) -> Ints:
    """Element strides of a contiguous array."""
    return tuple(elements(shape[i + 1 :]) for i in range(len(shape)))
