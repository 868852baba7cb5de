"""Rearrangements around convolution kernels: padded images, packed weights, unpacked gradients.

All of them move (and widen or round) elements; the last also adds up partial sums in a fixed order.
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, number, short_name
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
    source: tuple[int, int, int, int]
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
    o = min(b * width, vectors - width) * lanes + v, and zero for o >= outputs.
    """

    source_dtype: str
    dtype: str
    lanes: int
    width: int
    outputs: int
    depth: int
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


#: Steps of depth that one unit of packing covers.
PACK_DEPTH = 64


def pack_units(what: Panels, groups: int) -> int:
    return groups * what.blocks * -(-what.depth // PACK_DEPTH)


def panels_kernel(what: Panels) -> Kernel:
    """Buffers: the panels, the weight. Units: `pack_units`."""
    return Kernel("conv_pack", (what,), lambda symbol, target: _emit_panels(symbol, what))


def _emit_panels(symbol: str, what: Panels) -> Function:
    f = Function(symbol)
    packed, source = f.argument(0), f.argument(1)
    read, write = BY_NAME[what.source_dtype], BY_NAME[what.dtype]
    kept, kept_source = vectors.memory_type(write), vectors.memory_type(read)
    row = what.width * what.lanes
    table = f"@{symbol}.segments"
    listed = ", ".join(f"i64 {segment}" for segment in what.segments)
    f.globals.append(
        f"{table} = private unnamed_addr constant [{len(what.segments)} x i64] [{listed}]"
    )
    chunks = -(-what.depth // PACK_DEPTH)
    with f.loop("%begin", "%end") as unit:
        chunk, panel_number = f.rem(unit.index, str(chunks)), f.div(unit.index, str(chunks))
        block = f.rem(panel_number, str(what.blocks))
        group = f.div(panel_number, str(what.blocks))
        panel = f.at(packed, f.mul(panel_number, str(what.block_elements)), kept)
        vector = f.mul(block, str(what.width))
        if what.vectors % what.width:
            vector = f.least(vector, str(what.vectors - what.width))
        output = f.mul(vector, str(what.lanes))
        where = f.add(f.mul(group, str(what.group)), f.mul(output, str(what.wide)))
        origin = f.at(source, where, kept_source)
        mask = None
        if what.outputs % what.lanes:
            before = f.add(output, str((what.width - 1) * what.lanes))
            mask = f.tail_mask(what.lanes, f.sub(str(what.outputs), before))
        first = f.mul(chunk, str(PACK_DEPTH))
        last = f.least(f.add(first, str(PACK_DEPTH)), str(what.depth))
        with f.loop(first, last) as deep, f.loop("0", str(len(what.segments))) as over:
            segment = f.load("i64", f.at(table, over.index, "i64"), 8)
            at = f.add(segment, f.mul(deep.index, str(what.deep)))
            start = f.at(origin, at, kept_source)
            line = f.add(f.mul(over.index, str(what.depth)), deep.index)
            target = f.at(panel, f.mul(line, str(row)), kept)
            for j in range(what.width):
                place = f.at(start, str(j * what.lanes * what.wide), kept_source)
                only = mask if j == what.width - 1 else None
                value = _gather(f, read, what.lanes, place, what.wide, only)
                spot = f.at(target, str(j * what.lanes), kept)
                vectors.store(f, write, value, spot, what.lanes)
    f.ret()
    return f
