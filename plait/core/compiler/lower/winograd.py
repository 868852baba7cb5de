"""Which convolutions go by Winograd's algorithm, in which blocks, and their launches."""

from __future__ import annotations

import os
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
_LEAST_BLOCK, _MOST_BLOCK = 24, 96


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
    if depth % lanes or outputs % lanes or lanes < 8:
        return None
    down, across = axes
    m = int(os.environ.get("WINO_M", "2"))
    if not m: return None
    tiles = samples * -(-down.count // m) * -(-across.count // m)
    wide = max(n for n in (1, 2, 4) if (outputs // lanes) % n == 0 and n <= (4 if lanes == 16 else 2))
    tall = {4: 6, 2: 12, 1: 24}[wide] if plan.target.registers == 32 else {2: 6, 1: 12}[wide]
    block, split = _block(plan, m, tiles, tall, depth, outputs, outputs // lanes // wide)
    return Winograd(
        lanes, m, height, width, depth, down.count, across.count, outputs,
        down.taps[0][1], across.taps[0][1], block, tall, wide, split,
    )  # fmt: skip


def _suits(axis: Axis) -> bool:
    """Whether an axis has three neighbouring taps and no strides."""
    first = axis.taps[0][1] if axis.taps else 0
    near = [offset for _, offset in axis.taps] == [first, first + 1, first + 2]
    return near and axis.step == axis.every == 1 and axis.first == 0 and axis.count > 0


def _block(
    plan: Plan, m: int, tiles: int, tall: int, depth: int, outputs: int, panels: int
) -> tuple[int, int]:
    """(tiles of a block, units that share its outputs)."""
    each = 4 * (m + TAPS - 1) ** 2 * (depth + outputs)
    room = int(float(os.environ.get("WINO_L2", "0.6")) * plan.target.l2_bytes) // each
    block = min(max(room, _LEAST_BLOCK), _MOST_BLOCK)
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
