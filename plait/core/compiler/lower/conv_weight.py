"""The gradient of a convolution in its weight, as launches: partial sums over pixels, combined."""

from __future__ import annotations

import math
from typing import Any

from plait.core.codegen.conv_weight import (
    Combine,
    TapWeight,
    WeightTiles,
    combine_kernel,
    weight_kernel,
)
from plait.core.codegen.depthwise import DepthwiseWeight, depthwise_weight_kernel
from plait.core.codegen.kernel import Launch
from plait.core.codegen.tiles import step_cycles
from plait.core.compiler.lower.conv_taps import (
    View,
    choose_lanes,
    clip_of,
    compute_dtype,
    flops_grain,
    forward_axis,
    is_depthwise,
    padded_image,
)
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.op import elements
from plait.core.llvm.target import Target

Ints = tuple[int, ...]

#: Parts that the pixels are split into, at most, and units that there should be.
MOST_PARTS = 16


def weight_gradient(plan: Plan, x: View, g: View, result: Buffer, kernel: Ints, attrs: Any) -> bool:
    """Launches for the gradient of a weight (O, C / groups, kh, kw).

    x: (N, H, W, C), g: (N, H', W', O).
    """
    groups = attrs["groups"]
    shape, shape_g = x.shape, g.shape
    samples, channels = shape[0], shape[3]
    extents = shape_g[1:3]
    depth, outputs = channels // groups, result.shape[0] // groups
    if elements(result.shape) == 0:
        return True
    axes = [
        forward_axis(n, k, s, p[0], d)
        for n, k, s, p, d in zip(
            extents, kernel, attrs["strides"], attrs["padding"], attrs["dilation"]
        )
    ]
    (top, bottom), (left, right) = [a.reach(n) for a, n in zip(axes, shape[1:3])]
    dtype = compute_dtype(result.dtype)
    source, whole = padded_image(plan, x, (top, bottom, left, right), dtype)
    grads, _ = padded_image(plan, g, (0, 0, 0, 0), dtype)
    down, across = axes
    width = whole[2]
    offsets = [
        ((top + dy) * width + left + dx) * channels for _, dy in down.taps for _, dx in across.taps
    ]
    run = depth
    place = (math.prod(whole[1:]), down.step * width * channels, across.step * channels)
    if is_depthwise(groups, depth, outputs):
        return _depthwise(plan, source, grads, shape_g, offsets, place, result)
    if groups == 1 and attrs["dilation"][1] == 1:
        run *= kernel[1]
        offsets = offsets[:: kernel[1]]
    origin = offsets[0]
    taps = tuple(offset - origin for offset in offsets)
    lanes = choose_lanes(plan, dtype, outputs)
    height, wide, merged = choose_tile(plan.target, len(taps), run, -(-outputs // lanes))
    rows_of: Ints = ()
    if merged:
        rows_of = tuple(tap + step for tap in taps for step in range(run))
        taps, run = (0,), len(rows_of)
    tiles = WeightTiles(lanes, groups, len(taps), run, outputs, height, wide)
    rows, columns = extents
    clip = None if merged else clip_of(down, shape[1], len(taps))
    if clip is None and place[1] == place[2] * columns:
        rows, columns = 1, rows * columns
    block = choose_block(plan, (samples, rows, columns), whole, shape_g, dtype.itemsize)
    parts, split = choose_parts(samples, rows, block, tiles, dtype.itemsize, source, grads)
    what = TapWeight(
        dtype.name,
        tiles,
        taps,
        rows_of,
        rows,
        columns,
        place,
        origin,
        depth,
        block[1],
        clip,
    )
    blocks = what.blocks(samples, block[0])
    per = -(-blocks // parts) if blocks else 0
    parts = -(-blocks // per) if blocks else 0
    partial = plan.temporary((parts, tiles.count, tiles.elements), dtype)
    flops = 2 * elements(shape_g) * elements(result.shape) // result.shape[0]
    plan.launch(
        Launch(
            weight_kernel(what),
            (partial,),
            (source, grads),
            units=parts * split,
            numbers=(samples, block[0], per, split, outputs),
            grain=flops_grain(flops, parts * split),
            flops=flops,
            bytes=source.nbytes + grads.nbytes + partial.nbytes,
        )
    )
    _combine(plan, tiles, depth, elements(kernel), parts, partial, result)
    return True


def _combine(
    plan: Plan,
    tiles: WeightTiles,
    depth: int,
    taps: int,
    parts: int,
    partial: Buffer,
    result: Buffer,
) -> None:
    what = Combine(partial.dtype.name, result.dtype.name, tiles, depth, taps)
    plan.launch(
        Launch(
            combine_kernel(what),
            (result,),
            (partial,),
            units=what.units,
            numbers=(parts, depth * taps),
            grain=4,
            scratch=tiles.lanes * tiles.lanes * partial.dtype.itemsize,
            bytes=partial.nbytes + result.nbytes,
        )
    )


def _depthwise(
    plan: Plan,
    source: Buffer,
    grads: Buffer,
    shape_g: Ints,
    offsets: list[int],
    place: Ints,
    result: Buffer,
) -> bool:
    samples, rows, columns, channels = shape_g
    dtype = source.dtype
    lanes = choose_lanes(plan, dtype, channels)
    taps = tuple(offset - offsets[0] for offset in offsets)
    together = min(len(taps), plan.target.registers - 4)
    what = DepthwiseWeight(
        dtype.name, lanes, taps, rows, columns, place, offsets[0], channels, together
    )
    lines = samples * rows
    parts = max(1, min(lines, MOST_PARTS))
    per = -(-lines // parts)
    parts = -(-lines // per) if per else 0
    partial = plan.temporary((parts, what.vectors, len(taps), lanes), dtype)
    plan.launch(
        Launch(
            depthwise_weight_kernel(what),
            (partial,),
            (source, grads),
            units=parts * what.vectors,
            numbers=(lines, per, channels),
            flops=2 * elements(shape_g) * len(taps),
            bytes=source.nbytes + grads.nbytes,
        )
    )
    tiles = WeightTiles(lanes, 1, 1, len(taps), channels, len(taps), 1)
    _combine(plan, tiles, 1, len(taps), parts, partial, result)
    return True


def choose_tile(target: Target, taps: int, run: int, vectors: int) -> tuple[int, int, bool]:
    """(rows, vectors) of a tile, and whether a single one covers the runs of all taps."""
    best: tuple[float, int, int, bool] | None = None
    for wide in range(1, min(4, vectors) + 1):
        most = max(1, (target.registers - 1 - wide) // wide)
        blocks = -(-vectors // wide)
        options = [
            (height, taps * -(-run // height), False) for height in range(1, min(run, most) + 1)
        ]
        if taps * run <= most:
            options.append((taps * run, 1, True))
        for height, tiles, merged in options:
            cost = tiles * blocks * step_cycles(target, height, wide)
            if best is None or cost < best[0]:
                best = (cost, height, wide, merged)
    assert best is not None
    return best[1:]


def choose_block(
    plan: Plan, extents: Ints, whole: Ints, shape_g: Ints, itemsize: int
) -> tuple[int, int]:
    """(images, rows) whose elements of both operands take up a third of the second-level cache at
    most, and of which there are as many as there may be parts."""
    samples, rows, _ = extents
    image = (math.prod(whole[1:]) + math.prod(shape_g[1:])) * itemsize
    room = plan.target.l2_bytes // 3
    if image <= room or rows == 1:
        return max(1, min(-(-samples // MOST_PARTS), room // max(1, image))), rows
    return 1, max(1, rows * room // image)


def choose_parts(
    samples: int,
    rows: int,
    block: tuple[int, int],
    tiles: WeightTiles,
    itemsize: int,
    source: Buffer,
    grads: Buffer,
) -> tuple[int, int]:
    """(parts, split): as many parts as their sums are small beside the operands, then shares."""
    sums = tiles.count * tiles.elements * itemsize
    room = max(1 << 20, source.nbytes + grads.nbytes)
    blocks = -(-samples // block[0]) * -(-rows // block[1])
    parts = max(1, min(MOST_PARTS, blocks, room // max(1, sums)))
    return parts, max(1, min(tiles.count, MOST_PARTS // parts))
