"""Which convolutions go by Winograd's algorithm, in which blocks, and their launches."""

from __future__ import annotations

from collections.abc import Sequence

from plait.core.codegen.conv_pack import Panels
from plait.core.codegen.kernel import Launch
from plait.core.codegen.outlet import Outlet
from plait.core.codegen.winograd import Winograd, weight_kernel, winograd_kernel
from plait.core.codegen.winograd_math import TAPS
from plait.core.compiler.lower.conv_taps import (
    Axis,
    View,
    Weights,
    flops_grain,
    packed,
    padded_image,
)
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes

#: Units that a convolution should at least have, where its outputs can be shared out.
_MANY_UNITS = 8
#: Tiles of a block: fewer make too little of a weight that comes from memory, more fit no cache.
#: Between them no other sizes, so that batches of many sizes are cut alike and run the same code.
_LEAST_BLOCK, _MOST_BLOCK = 48, 96
#: The measures of results that a tile may have. Errors of F(2 x 2) are below those of the sum of
#: all products, errors of F(4 x 4) two to three times these.
_MEASURES = (2, 4)
#: What shorter ways must save to be taken.
_GAIN = 0.9


def winograd_of(
    plan: Plan, x: View, w: Buffer, weights: Weights, axes: tuple[Axis, Axis], groups: int
) -> Winograd | None:
    """The kernel of a convolution; None where it does not suit.

    It suits float32 images of whole vectors of channels, enough of them to repay its transforms.
    """
    lanes = plan.target.lanes(4)
    samples, height, width, depth = x.shape
    outputs = weights.outputs
    floats = x.buffer.dtype is dtypes.float32 and w.dtype is dtypes.float32
    if not floats or groups > 1 or not all(map(_suits, axes)):
        return None
    if lanes < _LEAST_LANES or depth % lanes or outputs % lanes or not samples:
        return None
    extents = axes[0].count, axes[1].count
    m = _measure(samples, extents, depth, outputs, lanes)
    if m is None:
        return None
    wide = max(n for n in _TALL[plan.target.registers] if outputs // lanes % n == 0)
    tall = _TALL[plan.target.registers][wide]
    tiles = samples * -(-extents[0] // m) * -(-extents[1] // m)
    panels = outputs // lanes // wide
    block, split = _block(plan.target.l2_bytes, m, tiles, tall, depth, outputs, panels)
    rows, columns = extents
    top, left = [axis.taps[0][1] for axis in axes]
    return Winograd(
        lanes, m, height, width, depth, rows, columns, outputs, top, left, block, tall, wide, split
    )


_LEAST_LANES = 8
#: Rows of the register tile by its vectors, by the number of registers.
_TALL = {32: {1: 24, 2: 12, 4: 6}, 16: {1: 12, 2: 6}}


def _measure(
    samples: int, extents: tuple[int, int], depth: int, outputs: int, lanes: int
) -> int | None:
    """The m of the cheapest way, a greater one only for a clear gain; None: all products.

    In cycles: two multiply-adds of vectors in each, at nine tenths of that for the convolution as
    it stands and at eight for the short products of the places; 6.4 for each vector that goes in or
    comes out of a transform; 1.5 for each element of the transformed weight, which is written once
    and read from memory. Measured for 64 to 512 channels.
    """
    square = depth * outputs
    best, chosen = _products(samples * extents[0] * extents[1] * TAPS**2, square, lanes, 0.9), None
    for m in _MEASURES:
        tiles = samples * -(-extents[0] // m) * -(-extents[1] // m)
        places = (m + TAPS - 1) ** 2
        cost = _products(tiles * places, square, lanes, 0.8)
        cost += tiles * places * (depth + outputs) * 6.4 / lanes + 1.5 * places * square
        if cost < _GAIN * best:
            best, chosen = cost, m
    return chosen


def _products(rows: int, square: int, lanes: int, share: float) -> float:
    return rows * square / (2 * lanes * share)


def _suits(axis: Axis) -> bool:
    """Whether an axis has three neighbouring taps and no strides."""
    first = axis.taps[0][1] if axis.taps else 0
    near = [offset for _, offset in axis.taps] == [first, first + 1, first + 2]
    return near and axis.step == axis.every == 1 and axis.first == 0 and axis.count > 0


def _block(
    l2_bytes: int, m: int, tiles: int, tall: int, depth: int, outputs: int, panels: int
) -> tuple[int, int]:
    """(tiles of a block, units that share its outputs)."""
    each = 4 * (m + TAPS - 1) ** 2 * (depth + outputs)
    held = l2_bytes * 6 // 10 // each // _LEAST_BLOCK * _LEAST_BLOCK
    block = min(max(held, _LEAST_BLOCK), _MOST_BLOCK)
    blocks = -(-tiles // block)
    block = -(-tiles // blocks)
    block = -(-block // tall) * tall
    blocks = -(-tiles // block)
    split = 1
    while blocks * split < _MANY_UNITS and panels % (2 * split) == 0:
        split *= 2
    return block, split


def winograd_convolution(
    plan: Plan,
    what: Winograd,
    x: View,
    w: Buffer,
    weights: Weights,
    axes: tuple[Axis, Axis],
    outlet: Outlet,
    results: Sequence[Buffer],
    reads: Sequence[Buffer],
    flops: int,
) -> None:
    """Launch a convolution: the weight's panels, their transform, the rest."""
    source, (samples, *_) = padded_image(plan, x, (0, 0, 0, 0), dtypes.float32)
    down, across = axes
    segments = tuple([a * TAPS + b for a, _ in down.taps for b, _ in across.taps])
    panels = Panels(
        "float32", "float32", what.lanes, what.wide, what.outputs, what.depth,
        TAPS * TAPS, segments, weights.group, weights.deep, weights.wide,
    )  # fmt: skip
    plain = packed(plan, w, panels, 1)
    made = plan.temporary((what.places, what.weight_plane), dtypes.float32)
    line = what.wide * what.lanes
    plan.launch(
        Launch(
            weight_kernel(what),
            (made,),
            (plain,),
            units=what.panels * what.depth,
            grain=max(1, (1 << 14) // (what.places * line)),
            bytes=plain.nbytes + made.nbytes,
        )
    )
    blocks = -(-samples * what.tiles // what.block)
    done = flops * what.places // (TAPS * what.m) ** 2
    plan.launch(
        Launch(
            winograd_kernel(what, outlet),
            tuple(results),
            (source, made, *reads),
            units=blocks * what.split,
            numbers=(samples,),
            grain=flops_grain(done, blocks * what.split),
            scratch=4 * what.scratch,
            flops=done,
            bytes=source.nbytes + made.nbytes + sum([b.nbytes for b in (*results, *reads)]),
        )
    )
