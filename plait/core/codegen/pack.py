"""Packing an operand of a matrix product into panels, so that the kernel reads it in one stream.

    packed[batch][panel][k][lane] = source[batch][k, panel * width + lane]

Lanes past the end are zero. A source whose lanes lie side by side is copied row by row; one whose k
does is transposed in registers, a square of vectors at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from plait.core.codegen import vectors
from plait.core.codegen.brgemm import AHEAD, FAR
from plait.core.codegen.text import Function, spread_constant
from plait.core.codegen.transpose import transpose
from plait.core.ir import dtypes
from plait.core.ir.dtypes import BY_NAME, DType
from plait.core.ir.extents import blank, varies


@dataclass(frozen=True)
class Packing:
    """A packing; the code depends on `key` alone, the other numbers are arguments, and so are
    strides that vary.

    count: lanes in all (N); steps: K. lane_stride, step_stride, batch_stride: of the source, in
    elements. width: lanes of a panel. dtype: of the source; the panels are of `packed_dtype`.
    pairs: a step is two neighbouring rows of bfloat16, whose elements are packed side by side as if
    they were one float32; `steps` counts them and `step_stride` is from one pair to the next.
    """

    count: int
    steps: int
    lane_stride: int
    step_stride: int
    batch_stride: int
    width: int
    dtype: str
    lanes: int
    pairs: bool = False

    @property
    def key(self) -> tuple:
        strides = blank((self.lane_stride, self.step_stride))
        return (*strides, self.width, self.dtype, self.lanes, self.pairs)

    def strides(self, lane: str, step: str) -> tuple[str, str]:
        """The strides as values of the code; lane, step: the numbers given at run time."""
        return (
            lane if varies(self.lane_stride) else str(self.lane_stride),
            step if varies(self.step_stride) else str(self.step_stride),
        )

    @property
    def panels(self) -> int:
        return -(-self.count // self.width)

    @property
    def elements(self) -> int:
        """Elements of the packed form of one batch."""
        return self.panels * self.steps * self.width


def packed_dtype(dtype: DType) -> DType:
    """16-bit floats are packed as float32, in which they are multiplied."""
    return dtypes.float32 if dtype.is_half else dtype


#: Steps of K that one unit packs.
STEPS_PER_UNIT = 256


def units(packing: Packing, batch: int) -> int:
    """Units of a packing: (batch, panel, run of steps)."""
    return batch * packing.panels * -(-packing.steps // STEPS_PER_UNIT)


def emit_pack(symbol: str, p: Packing) -> Function:
    """Arguments: packed, source; then the numbers count, steps, and the strides of the batch, of a
    lane and of a step."""
    f = Function(symbol)
    packed, source = f.argument(0), f.argument(1)
    count, steps, batch_stride = [f.argument(2 + i, "i64") for i in range(3)]
    given = [
        f.argument(5 + i, "i64") if varies(p.lane_stride, p.step_stride) else "" for i in (0, 1)
    ]
    strides = p.strides(*given)
    runs = f.div(f.add(steps, str(STEPS_PER_UNIT - 1)), str(STEPS_PER_UNIT))
    panel_count = f.div(f.add(count, str(p.width - 1)), str(p.width))
    kept = vectors.memory_type(BY_NAME[p.dtype])
    wide = vectors.memory_type(packed_dtype(BY_NAME[p.dtype]))
    with f.loop("%begin", "%end") as unit:
        run, rest = f.rem(unit.index, runs), f.div(unit.index, runs)
        panel, batch = f.rem(rest, panel_count), f.div(rest, panel_count)
        first = f.mul(panel, str(p.width))
        start = f.mul(run, str(STEPS_PER_UNIT))
        stop = f.least(f.add(start, str(STEPS_PER_UNIT)), steps)
        base = f.at(source, f.mul(batch, batch_stride), kept)
        base = f.at(base, f.mul(first, strides[0]), kept)
        panels = f.add(f.mul(batch, panel_count), panel)
        target = f.at(packed, f.mul(panels, f.mul(steps, str(p.width))), wide)
        left = f.sub(count, first)
        emit_panel(f, p, strides, base, target, start, stop, left)
    f.ret()
    return f


def emit_panel(
    f: Function,
    p: Packing,
    strides: tuple[str, str],
    base: str,
    target: str,
    start: str,
    stop: str,
    left: str,
) -> None:
    """Steps `start` to `stop` of one panel. strides: of a lane and of a step (`Packing.strides`).
    base, target: the addresses of the panel's step 0 in the source and in the packed form. left:
    lanes that there are from the panel's first on."""
    lane, step = strides
    if p.pairs:
        _paired(f, p, step, base, target, start, stop, left)
    elif p.step_stride == 1 and p.lane_stride != 1 and p.width >= p.lanes // 2 > 0:
        _transposed(f, p, lane, base, target, start, stop, left)
    else:
        _copied(f, p, strides, base, target, start, stop, left)


def _paired(
    f: Function, p: Packing, stride: str, base: str, target: str, start: str, stop: str, left: str
) -> None:
    """Two rows at a time, lane by lane: the first in the low half of each word."""
    with f.loop(start, stop) as step:
        row = f.at(base, f.mul(step.index, stride), "i16")
        following = f.at(row, f.div(stride, "2"), "i16")
        out = f.at(target, f.mul(step.index, str(p.width)), "i32")
        for lane in range(0, p.width, p.lanes):
            lanes = min(p.lanes, p.width - lane)
            halves, words = f"<{lanes} x i16>", f"<{lanes} x i32>"
            mask = f.tail_mask(lanes, f.sub(left, str(lane)))
            low, high = [
                f.masked_load("i16", lanes, f.at(r, str(lane), "i16"), mask, 2)
                for r in (row, following)
            ]
            low, high = [f.let(f"zext {halves} {x} to {words}") for x in (low, high)]
            high = f.let(f"shl {words} {high}, {spread_constant(words, 16)}")
            both = f.let(f"or {words} {low}, {high}")
            f.store(words, both, f.at(out, str(lane), "i32"), 4)


def _copied(
    f: Function,
    p: Packing,
    strides: tuple[str, str],
    base: str,
    target: str,
    start: str,
    stop: str,
    left: str,
) -> None:
    dtype, to = BY_NAME[p.dtype], packed_dtype(BY_NAME[p.dtype])
    kept, wide = vectors.memory_type(dtype), vectors.memory_type(to)
    with f.loop(start, stop) as step:
        row = f.at(base, f.mul(step.index, strides[1]), kept)
        out = f.at(target, f.mul(step.index, str(p.width)), wide)
        if p.lane_stride == 1:
            if not varies(p.step_stride) and p.step_stride * dtype.itemsize >= FAR:
                for lane in range(0, p.width, 64 // dtype.itemsize):
                    f.prefetch(f.at(row, str(AHEAD * p.step_stride + lane), kept))
            for lane in range(0, p.width, p.lanes):
                lanes = min(p.lanes, p.width - lane)
                mask = f.tail_mask(lanes, f.sub(left, str(lane))) if lanes > 1 else None
                value = vectors.load(f, dtype, f.at(row, str(lane), kept), lanes, mask)
                vectors.store(f, to, value, f.at(out, str(lane), wide), lanes)
        else:
            zero = vectors.register_type(to, 1)
            with f.loop("0", str(p.width)) as lane:
                inside = f.let(f"icmp slt i64 {lane.index}, {left}")
                place = f.let(f"select i1 {inside}, i64 {lane.index}, i64 0")
                pointer = f.at(row, f.mul(place, strides[0]), kept)
                value = vectors.load(f, dtype, pointer, 1)
                value = f.let(f"select i1 {inside}, {zero} {value}, {zero} 0.0")
                vectors.store(f, to, value, f.at(out, lane.index, wide), 1)


def _transposed(
    f: Function, p: Packing, stride: str, base: str, target: str, start: str, stop: str, left: str
) -> None:
    """Squares of lanes x lanes: a vector of steps per lane in, a vector of lanes per step out."""
    whole = p.width // p.lanes * p.lanes
    with f.loop("0", str(whole), str(p.lanes)) as block, f.loop(start, stop, str(p.lanes)) as step:
        _square(f, p, stride, base, target, block.index, step.index, stop, left, p.lanes)
    if rest := p.width - whole:
        with f.loop(start, stop, str(p.lanes)) as step:
            _square(f, p, stride, base, target, str(whole), step.index, stop, left, rest)


def _square(
    f: Function,
    p: Packing,
    stride: str,
    base: str,
    target: str,
    block: str,
    step: str,
    stop: str,
    left: str,
    count: int,
) -> None:
    """The `count` lanes from `block` on of as many steps as a vector has lanes."""
    dtype, to = BY_NAME[p.dtype], packed_dtype(BY_NAME[p.dtype])
    kept, wide, lanes = vectors.memory_type(dtype), vectors.memory_type(to), p.lanes
    kind = vectors.register_type(to, lanes)
    inside = f.sub(stop, step)
    mask = f.tail_mask(lanes, inside)
    rows = [spread_constant(kind, 0)] * lanes
    for lane in range(count):
        number = f.add(block, str(lane))
        there = f.let(f"icmp slt i64 {number}, {left}")
        place = f.let(f"select i1 {there}, i64 {number}, i64 0")
        pointer = f.at(f.at(base, f.mul(place, stride), kept), step, kept)
        every = f.splat(f"<{lanes} x i1>", there)
        both = f.let(f"and <{lanes} x i1> {mask}, {every}")
        rows[lane] = vectors.load(f, dtype, pointer, lanes, both)
    out = f.at(target, f.add(f.mul(step, str(p.width)), block), wide)
    kept_lanes = None if count == lanes else f.tail_mask(lanes, str(count))
    for number, row in enumerate(transpose(f, vectors.register_type(to, 1), rows)):
        with f.when(f.let(f"icmp slt i64 {number}, {inside}")):
            vectors.store(f, to, row, f.at(out, str(number * p.width), wide), lanes, kept_lanes)
