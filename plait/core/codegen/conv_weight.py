"""The gradient of a convolution in its weight: register tiles of the weight, reduced over pixels.

    dw[t, l, o] = sum over pixels p of x[origin + place(p) + taps[t] + l] * g[p, o]

in the terms of `conv.py`. The pixels are split into parts, whose number is a function of the
shapes; each part is gone through in blocks that fit the cache, tile after tile. A tile's partial
sums lie together in memory (tiles overlap at the end of a run, and are stored apart), and
`combine_kernel` adds the parts in order and writes the weight's own layout.
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen import brgemm, vectors
from plait.core.codegen.conv import Clip
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function
from plait.core.codegen.transpose import transpose
from plait.core.ir.dtypes import BY_NAME


class WeightTiles(NamedTuple):
    """How a gradient (groups, taps, run, outputs) is cut into tiles of `height` by `width` vectors.

    Their order in memory: group, tap, tile of the run, block of outputs; the last tile of a run and
    the last block overlap the ones before.
    """

    lanes: int
    groups: int
    taps: int
    run: int
    outputs: int
    height: int
    width: int

    @property
    def vectors(self) -> int:
        return -(-self.outputs // self.lanes)

    @property
    def blocks(self) -> int:
        return -(-self.vectors // self.width)

    @property
    def along(self) -> int:
        """Tiles of a run."""
        return -(-self.run // self.height)

    @property
    def count(self) -> int:
        return self.groups * self.taps * self.along * self.blocks

    @property
    def elements(self) -> int:
        """Elements of one tile."""
        return self.height * self.width * self.lanes


class TapWeight(NamedTuple):
    """The structure of one kernel; see `TapConv` for the terms.

    rows_of: for each row of a tile its offset, where a single tile covers all taps; else ().
    block_rows: how many rows of an image are gone through for all tiles before the next ones. clip:
    rows of the result that a kernel row does not meet the image from are left out.
    """

    dtype: str
    tiles: WeightTiles
    taps: tuple[int, ...]
    rows_of: tuple[int, ...]
    rows: int
    columns: int
    place: tuple[int, ...]
    origin: int
    step: int
    block_rows: int
    clip: Clip | None

    @property
    def row_blocks(self) -> int:
        return -(-self.rows // self.block_rows)

    def blocks(self, images: int, block_images: int) -> int:
        return -(-images // block_images) * self.row_blocks


def weight_kernel(what: TapWeight) -> Kernel:
    """Buffers: partial sums (parts, tiles, tile), source, g; numbers: images, images of a
    block, blocks per part, units that share the tiles of one part, outputs. A unit is one such."""
    return Kernel("conv_weight", (what,), lambda symbol, target: _Emitter(symbol, what).emit())


class _Emitter:
    def __init__(self, symbol: str, what: TapWeight) -> None:
        self.f = Function(symbol)
        self.what = what
        self.dtype = BY_NAME[what.dtype]
        self.kept = vectors.memory_type(self.dtype)

    def emit(self) -> Function:
        f, what = self.f, self.what
        self.partial, self.source, self.grads = f.argument(0), f.argument(1), f.argument(2)
        numbers = [f.argument(3 + i, "i64") for i in range(5)]
        self.images, block_images, per, split, self.outputs = numbers
        image_blocks = f.div(f.sub(f.add(self.images, block_images), "1"), block_images)
        every = f.mul(image_blocks, str(what.row_blocks))
        count = what.tiles.count
        each = f.div(f.sub(f.add(split, str(count)), "1"), split)
        with f.loop("%begin", "%end") as unit:
            part, share = f.div(unit.index, split), f.rem(unit.index, split)
            first = f.mul(part, per)
            last = f.least(f.add(first, per), every)
            tile = f.mul(share, each)
            tile_end = f.least(f.add(tile, each), str(count))
            sums = f.at(self.partial, f.mul(part, str(count * what.tiles.elements)), self.kept)
            with f.loop(first, last) as block:
                fresh = f.let(f"icmp eq i64 {block.index}, {first}")
                row = f.mul(f.rem(block.index, str(what.row_blocks)), str(what.block_rows))
                image = f.mul(f.div(block.index, str(what.row_blocks)), block_images)
                rows = row, f.least(f.add(row, str(what.block_rows)), str(what.rows))
                images = image, f.least(f.add(image, block_images), self.images)
                with f.loop(tile, tile_end) as over:
                    self.tile(over.index, sums, images, rows, fresh)
        f.ret()
        return f

    def tile(
        self, number: str, sums: str, images: tuple[str, str], rows: tuple[str, str], fresh: str
    ) -> None:
        """Add one block of pixels to one tile."""
        f, what, tiles = self.f, self.what, self.what.tiles
        held = f.at(sums, f.mul(number, str(tiles.elements)), self.kept)
        block, number = f.rem(number, str(tiles.blocks)), f.div(number, str(tiles.blocks))
        along, number = f.rem(number, str(tiles.along)), f.div(number, str(tiles.along))
        tap, group = f.rem(number, str(tiles.taps)), f.div(number, str(tiles.taps))
        vector = f.mul(block, str(tiles.width))
        if tiles.vectors % tiles.width:
            vector = f.least(vector, str(tiles.vectors - tiles.width))
        output = f.mul(vector, str(tiles.lanes))
        masks: list[str | None] = [None] * tiles.width
        if tiles.outputs % tiles.lanes:
            before = f.add(output, str((tiles.width - 1) * tiles.lanes))
            masks[-1] = f.tail_mask(tiles.lanes, f.sub(self.outputs, before))
        output = f.add(output, f.mul(group, str(tiles.outputs)))
        lead = f.add(str(what.origin), f.mul(group, str(what.step)))
        if not what.rows_of:
            step = f.mul(along, str(tiles.height))
            if tiles.run % tiles.height:
                step = f.least(step, str(tiles.run - tiles.height))
            lead = f.add(f.add(lead, step), self._tap(tap))
            rows = self._clipped(rows, tap)
        source = f.at(self.source, lead, self.kept)
        grads = f.at(self.grads, output, self.kept)
        kind = vectors.register_type(self.dtype, tiles.lanes)
        places = [f.at(held, str(i * tiles.lanes), self.kept) for i in range(self._size)]
        start = []
        for place in places:
            value = vectors.load(f, self.dtype, place, tiles.lanes)
            zero = "zeroinitializer" if tiles.lanes > 1 else "0.0"
            start.append(f.let(f"select i1 {fresh}, {kind} {zero}, {kind} {value}"))
        for value, place in zip(self.pixels(source, grads, images, rows, start, masks), places):
            vectors.store(f, self.dtype, value, place, tiles.lanes)

    def _clipped(self, rows: tuple[str, str], tap: str) -> tuple[str, str]:
        """Those of a range of rows from which a tap meets the image."""
        f, clip = self.f, self.what.clip
        if clip is None:
            return rows
        line = f.mul(f.div(tap, str(clip.taps)), str(clip.every))

        def met(bound: int) -> str:
            """How many rows meet source rows before `bound`."""
            before = f.sub(str(bound - clip.first), line)
            before = f.call("i64", "llvm.smax.i64", ("i64", before), ("i64", "0"))
            return f.div(f.add(before, str(clip.step - 1)), str(clip.step))

        low = f.call("i64", "llvm.smax.i64", ("i64", rows[0]), ("i64", met(0)))
        return low, f.least(rows[1], met(clip.extent))

    @property
    def _size(self) -> int:
        return self.what.tiles.height * self.what.tiles.width

    def _tap(self, number: str) -> str:
        f, taps = self.f, self.what.taps
        if len(taps) == 1:
            return str(taps[0])
        table = f"@{f.name}.taps"
        listed = ", ".join(f"i64 {tap}" for tap in taps)
        f.globals.append(f"{table} = private unnamed_addr constant [{len(taps)} x i64] [{listed}]")
        return f.load("i64", f.at(table, number, "i64"), 8)

    def pixels(
        self,
        source: str,
        grads: str,
        images: tuple[str, str],
        rows: tuple[str, str],
        start: list[str],
        masks: list[str | None],
    ) -> list[str]:
        """The accumulators after a block of pixels."""
        f, what, tiles = self.f, self.what, self.what.tiles
        kind = vectors.register_type(self.dtype, tiles.lanes)
        total = tiles.groups * tiles.outputs
        offsets = what.rows_of or tuple(range(tiles.height))
        carried = [(kind, value) for value in start]
        with f.loop(*images, carried=carried) as image:
            inner = [(kind, value) for value in image.carried]
            x = f.at(source, f.mul(image.index, str(what.place[0])), self.kept)
            plane = what.rows * what.columns * total
            g = f.at(grads, f.mul(image.index, str(plane)), self.kept)
            with f.loop(*rows, carried=inner) as row:
                x_row = f.at(x, f.mul(row.index, str(what.place[1])), self.kept)
                g_row = f.at(g, f.mul(row.index, str(what.columns * total)), self.kept)
                held = brgemm.accumulate(
                    f,
                    self.dtype,
                    tiles.lanes,
                    [f.at(x_row, str(offset), self.kept) for offset in offsets],
                    str(what.place[2]),
                    g_row,
                    str(total),
                    str(what.columns),
                    brgemm.unflatten(row.carried, tiles.width),
                    masks,
                )
                row.next = brgemm.flatten(held)
            image.next = row.results
        return image.results


# -- the parts together -----------------------------------------------------------------------

#: Vectors of a line that one unit of combining writes.
COMBINED = 16


class Combine(NamedTuple):
    """Sums of parts to a weight (groups * outputs, depth, segments), in which every output has a
    line of depth * segments elements; element d * segments + s of it is row s * depth + d of the
    tiles."""

    dtype: str
    result: str
    tiles: WeightTiles
    depth: int
    segments: int

    @property
    def chunks(self) -> int:
        """Units per vector of outputs."""
        return -(-self.depth * self.segments // (COMBINED * self.tiles.lanes))

    @property
    def units(self) -> int:
        return self.tiles.groups * self.tiles.vectors * self.chunks


def combine_kernel(what: Combine) -> Kernel:
    """Buffers: the weight's gradient, the partial sums; numbers: parts, length of a line. Scratch:
    a square of lanes."""
    return Kernel("conv_combine", (what,), lambda symbol, target: _emit_combine(symbol, what))


def _emit_combine(symbol: str, what: Combine) -> Function:
    f, tiles = Function(symbol), what.tiles
    lanes = tiles.lanes
    written = BY_NAME[what.result]
    kept = vectors.memory_type(written)
    dtype = BY_NAME[what.dtype]
    element, computed = vectors.register_type(dtype, 1), vectors.memory_type(dtype)
    result, partial = f.argument(0), f.argument(1)
    parts, length = f.argument(2, "i64"), f.argument(3, "i64")
    line = what.depth * what.segments
    with f.loop("%begin", "%end") as unit:
        chunk, number = f.rem(unit.index, str(what.chunks)), f.div(unit.index, str(what.chunks))
        vector, group = f.rem(number, str(tiles.vectors)), f.div(number, str(tiles.vectors))
        output = f.mul(vector, str(lanes))
        origin = f.add(f.mul(group, str(tiles.outputs)), output)
        first = f.mul(chunk, str(COMBINED * lanes))
        last = f.least(f.add(first, str(COMBINED * lanes)), str(line))
        with f.loop(first, last, str(lanes)) as step:
            within = f.tail_mask(lanes, f.sub(length, step.index)) if lanes > 1 else None
            # By way of scratch, so that the code that finds a row's place is there once. What is
            # past the end of the line is not stored.
            with f.loop("0", f.least(str(lanes), f.sub(length, step.index))) as over:
                at = f.add(step.index, over.index)
                total = _sum_parts(f, what, partial, parts, group, vector, at)
                place = f.at("%scratch", f.mul(over.index, str(lanes)), computed)
                vectors.store(f, dtype, total, place, lanes)
            columns = [
                vectors.load(f, dtype, f.at("%scratch", str(i * lanes), computed), lanes)
                for i in range(lanes)
            ]
            for i, row in enumerate(transpose(f, element, columns)):
                start = f.mul(f.add(origin, str(i)), str(line))
                place = f.at(result, f.add(start, step.index), kept)
                if i == 0 or tiles.outputs % lanes == 0:
                    vectors.store(f, written, row, place, lanes, within)
                else:
                    there = f.let(f"icmp slt i64 {f.add(output, str(i))}, {tiles.outputs}")
                    with f.when(there):
                        vectors.store(f, written, row, place, lanes, within)
    f.ret()
    return f


def _sum_parts(
    f: Function, what: Combine, partial: str, parts: str, group: str, vector: str, at: str
) -> str:
    """The sum over all parts of one vector of outputs for element `at` of their lines."""
    tiles, dtype = what.tiles, BY_NAME[what.dtype]
    kept, kind = vectors.memory_type(dtype), vectors.register_type(dtype, tiles.lanes)
    depth, segment = f.div(at, str(what.segments)), f.rem(at, str(what.segments))
    row = f.add(f.mul(segment, str(what.depth)), depth)
    tap, step = f.div(row, str(tiles.run)), f.rem(row, str(tiles.run))
    along = f.div(step, str(tiles.height))
    first = f.mul(along, str(tiles.height))
    if tiles.run % tiles.height:
        first = f.least(first, str(tiles.run - tiles.height))
    block = f.div(vector, str(tiles.width))
    start = f.mul(block, str(tiles.width))
    if tiles.vectors % tiles.width:
        start = f.least(start, str(tiles.vectors - tiles.width))
    tile = f.add(f.mul(f.add(f.mul(group, str(tiles.taps)), tap), str(tiles.along)), along)
    tile = f.add(f.mul(tile, str(tiles.blocks)), block)
    place = f.add(f.mul(tile, str(tiles.height)), f.sub(step, first))
    place = f.add(f.mul(place, str(tiles.width)), f.sub(vector, start))
    where = f.at(partial, f.mul(place, str(tiles.lanes)), kept)
    zero = "zeroinitializer" if tiles.lanes > 1 else "0.0"
    with f.loop("0", parts, carried=[(kind, zero)]) as over:
        part = f.at(where, f.mul(over.index, str(tiles.count * tiles.elements)), kept)
        value = vectors.load(f, dtype, part, tiles.lanes)
        over.next = [f.let(f"fadd {kind} {over.carried[0]}, {value}")]
    return over.results[0]
