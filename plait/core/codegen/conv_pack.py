"""Rearrangements around convolution kernels: padded images, packed weights, unpacked gradients.

All of them move (and widen or round) elements; the last also adds up partial sums in a fixed order.
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, number, short_name
from plait.core.codegen.transpose import transpose
from plait.core.ir.dtypes import BY_NAME, DType
from plait.core.llvm.target import Target


def _gather(
    f: Function, dtype: DType, lanes: int, start: str, stride: int, mask: str | None
) -> str:
    """Lanes `stride` elements apart, in register form; zeros where `mask` is not set."""
    if stride == 1 or lanes == 1:
        return vectors.load(f, dtype, start, lanes, mask)
    kept = vectors.memory_type(dtype)
    kind, addresses = f"<{lanes} x {kept}>", f"<{lanes} x ptr>"
    numbers = ", ".join(f"i32 {i * stride}" for i in range(lanes))
    where = f.let(f"getelementptr {kept}, ptr {start}, <{lanes} x i32> <{numbers}>")
    every = "<" + ", ".join(["i1 true"] * lanes) + ">"
    name = f"llvm.masked.gather.v{lanes}{short_name(kept)}.v{lanes}p0"
    f.declare(f"declare {kind} @{name}({addresses}, <{lanes} x i1>, {kind})")
    raw = f.let(
        f"call {kind} @{name}({addresses} align {dtype.itemsize} {where}, "
        f"<{lanes} x i1> {mask or every}, {kind} zeroinitializer)"
    )
    return vectors.to_register(f, dtype, raw, lanes)


# -- images -----------------------------------------------------------------------------------


class Image(NamedTuple):
    """A copy of images with borders: (N, top + rows + bottom, left + columns + right, channels).

    source: element strides of (image, row, column, channel). The border is zero.
    """

    source_dtype: str
    dtype: str
    source: tuple[int, ...]
    rows: int
    columns: int
    channels: int
    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Extents of one image of the copy."""
        return (
            self.top + self.rows + self.bottom,
            self.left + self.columns + self.right,
            self.channels,
        )


def image_kernel(what: Image) -> Kernel:
    """Buffers: the copy, the source. A unit is one row of the copy."""
    return Kernel("conv_image", (what,), lambda symbol, target: _emit_image(symbol, target, what))


def _emit_image(symbol: str, target: Target, what: Image) -> Function:
    f = Function(symbol)
    copy, source = f.argument(0), f.argument(1)
    read, write = BY_NAME[what.source_dtype], BY_NAME[what.dtype]
    kept, kept_source = vectors.memory_type(write), vectors.memory_type(read)
    height, width, channels = what.shape

    def choose(count: int) -> int:
        return target.lanes(write.itemsize) if count > 1 else 1

    def clear(start: str, count: int) -> None:
        lanes = choose(count)
        zero = "zeroinitializer" if lanes > 1 else number(0, vectors.register_type(write, 1))
        with f.loop("0", str(count), str(lanes)) as loop:
            mask = f.tail_mask(lanes, f.sub(str(count), loop.index)) if lanes > 1 else None
            vectors.store(f, write, zero, f.at(start, loop.index, kept), lanes, mask)

    def move(start: str, origin: str, count: int, stride: int) -> None:
        lanes = choose(count)
        with f.loop("0", str(count), str(lanes)) as loop:
            mask = f.tail_mask(lanes, f.sub(str(count), loop.index)) if lanes > 1 else None
            place = f.at(origin, f.mul(loop.index, str(stride)), kept_source)
            value = _gather(f, read, lanes, place, stride, mask)
            vectors.store(f, write, value, f.at(start, loop.index, kept), lanes, mask)

    with f.loop("%begin", "%end") as unit:
        image, row = f.div(unit.index, str(height)), f.rem(unit.index, str(height))
        start = f.at(copy, f.mul(unit.index, str(width * channels)), kept)
        # One comparison: rows above the image wrap around to huge numbers.
        inner = f.sub(row, str(what.top))
        inside = f.let(f"icmp ult i64 {inner}, {what.rows}")
        outside = f.let(f"xor i1 {inside}, true")
        with f.when(outside):
            clear(start, width * channels)
        with f.when(inside):
            where = f.add(f.mul(image, str(what.source[0])), f.mul(inner, str(what.source[1])))
            origin = f.at(source, where, kept_source)
            left = f.at(start, str(what.left * channels), kept)
            if what.left:
                clear(start, what.left * channels)
            if what.right:
                clear(f.at(left, str(what.columns * channels), kept), what.right * channels)
            pixel, channel = what.source[2], what.source[3]
            if (pixel, channel) == (channels, 1) or channels == 1:
                move(left, origin, what.columns * channels, pixel if channels == 1 else 1)
            else:
                with f.loop("0", str(what.columns)) as over:
                    move(
                        f.at(left, f.mul(over.index, str(channels)), kept),
                        f.at(origin, f.mul(over.index, str(pixel)), kept_source),
                        channels,
                        channel,
                    )
    f.ret()
    return f


# -- weights ----------------------------------------------------------------------------------


class Panels(NamedTuple):
    """Weights packed for `TapConv`: (groups, blocks, segments * depth, width * lanes).

    Element (g, b, s * depth + d, v) is source[g * group + segments[s] + d * deep + o * wide] with
    o = min(b * width, vectors - width) * lanes + v, and zero for o >= outputs. The source has
    `taps` segments side by side; those of all depths are neighbours (deep == taps), or those of all
    outputs are (wide == taps).
    """

    source_dtype: str
    dtype: str
    lanes: int
    width: int
    outputs: int
    depth: int
    taps: int
    segments: tuple[int, ...]
    group: int
    deep: int
    wide: int

    @property
    def vectors(self) -> int:
        return -(-self.outputs // self.lanes)

    @property
    def blocks(self) -> int:
        return -(-self.vectors // self.width)

    @property
    def block_elements(self) -> int:
        return len(self.segments) * self.depth * self.width * self.lanes

    @property
    def by_depth(self) -> bool:
        """Whether the segments of a depth are read for neighbouring outputs; else each output is
        one line, of all depths and segments."""
        return self.wide == self.taps

    @property
    def length(self) -> int:
        """Depths, or elements of a line."""
        return self.depth if self.by_depth else self.depth * self.taps

    @property
    def chunk(self) -> int:
        """How much of the length one unit packs."""
        return 64 if self.by_depth else 64 * self.lanes


def pack_units(what: Panels, groups: int) -> int:
    return groups * what.blocks * -(-what.length // what.chunk) if what.segments else 0


def panels_kernel(what: Panels) -> Kernel:
    """Buffers: the panels, the weight. Units: `pack_units`. Scratch: a square of lanes."""
    return Kernel("conv_pack", (what,), lambda symbol, target: _Packer(symbol, what).emit())


class _Packer:
    """Reads `lanes` elements of a line for each of `lanes` outputs, transposes, stores rows."""

    def __init__(self, symbol: str, what: Panels) -> None:
        self.f = Function(symbol)
        self.what = what
        self.read, self.write = BY_NAME[what.source_dtype], BY_NAME[what.dtype]
        self.kept_source = vectors.memory_type(self.read)
        self.kept = vectors.memory_type(self.write)

    def emit(self) -> Function:
        f, what = self.f, self.what
        packed, source = f.argument(0), f.argument(1)
        chunks = str(-(-what.length // what.chunk))
        with f.loop("%begin", "%end") as unit:
            chunk, place = f.rem(unit.index, chunks), f.div(unit.index, chunks)
            block, group = f.rem(place, str(what.blocks)), f.div(place, str(what.blocks))
            panel = f.at(packed, f.mul(place, str(what.block_elements)), self.kept)
            vector = f.mul(block, str(what.width))
            if what.vectors % what.width:
                vector = f.least(vector, str(what.vectors - what.width))
            output = f.mul(vector, str(what.lanes))
            where = f.add(f.mul(group, str(what.group)), f.mul(output, str(what.wide)))
            origin = f.at(source, where, self.kept_source)
            first = f.mul(chunk, str(what.chunk))
            last = f.least(f.add(first, str(what.chunk)), str(what.length))
            if what.by_depth:
                with f.loop(first, last) as depth:
                    start = f.at(origin, f.mul(depth.index, str(what.deep)), self.kept_source)
                    self.one_depth(panel, start, output, depth.index)
            else:
                with f.loop(first, last, str(what.lanes)) as step:
                    self.one_square(panel, origin, output, step.index)
        f.ret()
        return f

    def one_depth(self, panel: str, start: str, output: str, depth: str) -> None:
        """All segments of one depth; those of neighbouring outputs are neighbours."""
        f, what, lanes = self.f, self.what, self.what.lanes
        with f.loop("0", str(what.width)) as vector:
            first = f.mul(vector.index, str(lanes))
            output = f.add(output, first)
            start = f.at(start, f.mul(first, str(what.wide)), self.kept_source)
            for step in range(0, what.taps, lanes):
                taken = min(lanes, what.taps - step)
                if what.taps == 1:
                    mask = None
                    if what.outputs % lanes:
                        mask = f.tail_mask(lanes, f.sub(str(what.outputs), output))
                    columns = [vectors.load(f, self.read, start, lanes, mask)]
                else:
                    within = _first_lanes(lanes, taken) if taken < lanes else None
                    place = f.at(start, str(step), self.kept_source)
                    columns = self._square(place, output, within)
                for segment, value in zip(range(step, step + taken), columns):
                    if segment in what.segments:
                        line = str(what.segments.index(segment) * what.depth)
                        self._store(panel, value, f.add(line, depth), first)

    def one_square(self, panel: str, start: str, output: str, step: str) -> None:
        """Elements from `step` on of the one line of every output."""
        f, what = self.f, self.what
        lanes, length = what.lanes, what.length
        within = None
        if length % lanes:
            within = f.tail_mask(lanes, f.sub(str(length), step))
        with f.loop("0", str(what.width)) as vector:
            first = f.mul(vector.index, str(lanes))
            place = f.at(start, f.add(step, f.mul(first, str(what.wide))), self.kept_source)
            columns = self._square(place, f.add(output, first), within)
            if what.taps == 1 and within is None:
                for i, value in enumerate(columns):
                    self._store(panel, value, f.add(step, str(i)), first)
            else:
                self._strew(columns, panel, step, first)

    def _strew(self, columns: list[str], panel: str, step: str, first: str) -> None:
        """Store elements from `step` on of a line, each in its own row.

        By way of scratch, so that the code that finds a row's place is there once.
        """
        f, what, lanes = self.f, self.what, self.what.lanes
        for i, value in enumerate(columns):
            kept = f.at("%scratch", str(i * lanes), self.kept)
            vectors.store(f, self.write, value, kept, lanes)
        with f.loop(step, f.least(f.add(step, str(lanes)), str(what.length))) as over:
            kept = f.at("%scratch", f.mul(f.sub(over.index, step), str(lanes)), self.kept)
            value = vectors.load(f, self.write, kept, lanes)
            depth = f.div(over.index, str(what.taps))
            segment = f.rem(over.index, str(what.taps))
            row = f.add(f.mul(segment, str(what.depth)), depth)
            self._store(panel, value, row, first)

    def _square(self, start: str, output: str, within: str | None) -> list[str]:
        """Elements from `start` on of the lines of `lanes` outputs: one vector per element."""
        f, what, lanes = self.f, self.what, self.what.lanes
        rows = []
        for i in range(lanes):
            mask = within
            if what.outputs % lanes:
                there = f.let(f"icmp slt i64 {f.add(output, str(i))}, {what.outputs}")
                bits, every = f"<{lanes} x i1>", within or _first_lanes(lanes, lanes)
                mask = f.let(f"select i1 {there}, {bits} {every}, {bits} zeroinitializer")
            place = f.at(start, str(i * what.wide), self.kept_source)
            rows.append(vectors.load(f, self.read, place, lanes, mask))
        return transpose(f, vectors.register_type(self.write, 1), rows)

    def _store(self, panel: str, value: str, row: str, first: str) -> None:
        f, what = self.f, self.what
        place = f.add(f.mul(row, str(what.width * what.lanes)), first)
        vectors.store(f, self.write, value, f.at(panel, place, self.kept), what.lanes)


def _first_lanes(lanes: int, count: int) -> str:
    """The constant mask of the first `count` lanes."""
    return "<" + ", ".join(f"i1 {int(i < count)}" for i in range(lanes)) + ">"
