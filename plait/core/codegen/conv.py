"""Convolution as loops around BRGEMM: a tile of pixels by vectors of channels, reduced over taps.

One kernel serves the convolution and its transpose in the input. Per group it computes

    y[n, r, c, o] = sum over t, l of x[origin + place(n, r, c) + taps[t] + l] * w[t, l, o]

over the taps t of the kernel and the steps l of a run, where a place is `n * image + r * row +
c * pixel` and all numbers are elements of the source. A run is the input channels of one tap, or of
all taps of a kernel row, which are neighbours in a channels-last image. The weights come packed in
panels (`conv_pack.py`), the image with its padding. Source: Georganas et al., *Anatomy of
High-Performance Deep Learning Convolutions on SIMD Architectures*, arXiv:1808.05567.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from plait.core.codegen import brgemm, vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.outlet import Bound, Outlet, Spot
from plait.core.codegen.text import Function
from plait.core.ir.dtypes import BY_NAME
from plait.core.llvm.target import Target

#: Up to so many multiply-adds a tile's whole reduction is written out without loops.
STRAIGHT = 256
#: Runs up to so many steps are written out.
SHORT_RUN = 4


class Tile(NamedTuple):
    """What one register tile covers: pixels of images, rows and columns, by vectors of outputs."""

    images: int
    rows: int
    columns: int
    vectors: int

    @property
    def pixels(self) -> int:
        return self.images * self.rows * self.columns


class Clip(NamedTuple):
    """Which kernel rows meet the image: row a of result row r meets source row `r * step + first +
    a * every`, of `extent` (without padding); `taps` taps each."""

    rows: int
    step: int
    first: int
    every: int
    extent: int
    taps: int


class TapConv(NamedTuple):
    """The structure of one convolution kernel; the number of images comes at run time.

    dtype: of source and panels in memory. taps: the element offset of each, never negative. rows,
    columns: extents of the result. place: (image, row, pixel) steps in the source. groups, and per
    group: step (elements of a source pixel), outputs. panels: blocks of `tile.vectors` vectors; the
    last block overlaps the one before where they do not come out even. unit_rows: rows that one
    unit covers. clip: kernel rows that would meet padding alone are left out.
    """

    dtype: str
    lanes: int
    taps: tuple[int, ...]
    run: int
    rows: int
    columns: int
    place: tuple[int, ...]
    origin: int
    groups: int
    step: int
    outputs: int
    tile: Tile
    unit_rows: int
    clip: Clip | None = None

    @property
    def vectors(self) -> int:
        """Vectors of outputs in a group."""
        return -(-self.outputs // self.lanes)

    @property
    def blocks(self) -> int:
        return -(-self.vectors // self.tile.vectors)

    def units(self, images: int, unit_images: int, split: int) -> int:
        """How many units a batch makes."""
        row_blocks = -(-self.rows // self.unit_rows)
        return row_blocks * -(-images // unit_images) * split * self.groups


def conv_kernel(what: TapConv, outlet: Outlet) -> Kernel:
    """Buffers: the outlet's writes, source, panels, the outlet's reads; numbers: images, those
    of one unit (a multiple of `tile.images`), how many units share the blocks, outputs.

    The number of images is at least `tile.images`. The outputs, known here as well, are passed so
    that masks are no constants: LLVM 22 stores too much for a constant mask of one 16-bit lane.
    """
    return Kernel(
        "conv", (what, outlet.key), lambda symbol, target: _emit(symbol, target, what, outlet)
    )


def _emit(symbol: str, target: Target, what: TapConv, outlet: Outlet) -> Function:
    f = Function(symbol, wide=target.wide)
    writes = [f.argument(i) for i in range(outlet.writes)]
    source, panels = f.argument(outlet.writes), f.argument(outlet.writes + 1)
    reads = [f.argument(outlet.writes + 2 + i) for i in range(outlet.reads)]
    buffers = outlet.writes + 2 + outlet.reads
    numbers = [f.argument(buffers + i, "i64") for i in range(4)]
    emitter = _Emitter(f, what, outlet, source, panels, numbers)
    emitter.bound = outlet.bind(f, writes, reads)
    with f.loop("%begin", "%end") as unit:
        emitter.unit(unit.index)
    f.ret()
    return f


class _Emitter:
    def __init__(
        self,
        f: Function,
        what: TapConv,
        outlet: Outlet,
        source: str,
        panels: str,
        numbers: list[str],
    ) -> None:
        self.f = f
        self.what = what
        self.outlet = outlet
        self.source = source
        self.panels = panels
        self.images, self.unit_images, self.split, self.outputs = numbers
        self.dtype = BY_NAME[what.dtype]
        self.kept = vectors.memory_type(self.dtype)
        self.bound = Bound([], [])
        self.table = ""

    def unit(self, number: str) -> None:
        """Row blocks run fastest, then images, then shares of the panels, then groups."""
        f, what = self.f, self.what
        row_blocks = -(-what.rows // what.unit_rows)
        most = f.sub(f.add(self.images, self.unit_images), "1")
        image_blocks = f.div(most, self.unit_images)
        row_block = f.rem(number, str(row_blocks))
        number = f.div(number, str(row_blocks))
        image_block = f.rem(number, image_blocks)
        number = f.div(number, image_blocks)
        share, group = f.rem(number, self.split), f.div(number, self.split)
        if what.groups == 1:
            group = "0"
        row = f.mul(row_block, str(what.unit_rows))
        row_end = f.least(f.add(row, str(what.unit_rows)), str(what.rows))
        image = f.mul(image_block, self.unit_images)
        image_end = f.least(f.add(image, self.unit_images), self.images)
        each = f.div(f.sub(f.add(self.split, str(what.blocks)), "1"), self.split)
        block = f.mul(share, each)
        block_end = f.least(f.add(block, each), str(what.blocks))
        with f.loop(block, block_end) as over:
            vector = f.mul(over.index, str(what.tile.vectors))
            if what.vectors % what.tile.vectors:
                vector = f.least(vector, str(what.vectors - what.tile.vectors))
            output = f.mul(vector, str(what.lanes))
            panel = f.add(f.mul(group, str(what.blocks)), over.index)
            mask = None
            if what.outputs % what.lanes:
                before = f.add(output, str((what.tile.vectors - 1) * what.lanes))
                mask = f.tail_mask(what.lanes, f.sub(self.outputs, before))
            self.block((image, image_end), (row, row_end), group, output, panel, mask)

    def block(
        self,
        images: tuple[str, str],
        rows: tuple[str, str],
        group: str,
        output: str,
        panel: str,
        mask: str | None,
    ) -> None:
        """All tiles of a unit against one panel. The last tile of each axis overlaps."""
        f, what, tile = self.f, self.what, self.what.tile
        size = len(what.taps) * what.run * tile.vectors * what.lanes
        weights = f.at(self.panels, f.mul(panel, str(size)), self.kept)
        lead = f.add(str(what.origin), f.mul(group, str(what.step)))
        output = f.add(f.mul(group, str(what.outputs)), output)
        with f.loop(*images, str(tile.images)) as over_images:
            image = over_images.index
            if tile.images > 1:
                image = f.least(image, f.sub(self.images, str(tile.images)))
            with f.loop(*rows, str(tile.rows)) as over_rows:
                row = over_rows.index
                if what.rows % tile.rows or what.unit_rows % tile.rows:
                    row = f.least(row, str(what.rows - tile.rows))
                taps = self._taps_of(row)
                with f.loop("0", str(what.columns), str(tile.columns)) as over_columns:
                    column = over_columns.index
                    if what.columns % tile.columns:
                        column = f.least(column, str(what.columns - tile.columns))
                    where = lead
                    for at, step in zip((image, row, column), what.place):
                        where = f.add(where, f.mul(at, str(step)))
                    start = f.at(self.source, where, self.kept)
                    values = self.reduce(start, weights, taps)
                    spot = Spot((image, row, column, output), mask)
                    self.finish(values, spot)

    @property
    def _straight_whole(self) -> bool:
        what, tile = self.what, self.what.tile
        return len(what.taps) * what.run * tile.pixels * tile.vectors <= STRAIGHT

    def _taps_of(self, row: str) -> tuple[str, str]:
        """The range of taps that a row of results needs."""
        f, what, clip = self.f, self.what, self.what.clip
        if clip is None or what.tile.rows > 1 or self._straight_whole:
            return "0", str(len(what.taps))

        def reached(bound: int) -> str:
            """How many kernel rows lie before source row `bound`."""
            before = f.sub(str(bound - clip.first), f.mul(row, str(clip.step)))
            before = f.call("i64", "llvm.smax.i64", ("i64", before), ("i64", "0"))
            return f.least(
                f.div(f.add(before, str(clip.every - 1)), str(clip.every)), str(clip.rows)
            )

        return f.mul(reached(0), str(clip.taps)), f.mul(reached(clip.extent), str(clip.taps))

    def reduce(self, start: str, weights: str, taps: tuple[str, str]) -> brgemm.Tile:
        """The finished accumulators of the tile whose first pixel's window begins at `start`."""
        f, what, tile = self.f, self.what, self.what.tile
        offsets = [
            i * what.place[0] + r * what.place[1] + c * what.place[2]
            for i in range(tile.images)
            for r in range(tile.rows)
            for c in range(tile.columns)
        ]
        held = brgemm.zero_tile(self.dtype, what.lanes, tile.pixels, tile.vectors)
        width = tile.vectors * what.lanes
        if self._straight_whole:
            for number, tap in enumerate(what.taps):
                held = self._straight(start, weights, tap, number * what.run, offsets, held)
            return held
        kind = vectors.register_type(self.dtype, what.lanes)
        carried = [(kind, value) for value in brgemm.flatten(held)]
        with f.loop(*taps, carried=carried) as over:
            held = brgemm.unflatten(over.carried, tile.vectors)
            first = f.at(start, self._tap(over.index), self.kept)
            panel = f.at(weights, f.mul(over.index, str(what.run * width)), self.kept)
            if what.run <= SHORT_RUN:
                held = self._straight(first, panel, 0, 0, offsets, held)
            else:
                pixels = [f.at(first, str(offset), self.kept) for offset in offsets]
                held = brgemm.accumulate(
                    f, self.dtype, what.lanes, pixels, "1", panel, str(width), str(what.run), held
                )
            over.next = brgemm.flatten(held)
        return brgemm.unflatten(over.results, tile.vectors)

    def _tap(self, number: str) -> str:
        """The offset of tap `number`: a product where they are evenly spaced, else from a table."""
        f, taps = self.f, self.what.taps
        steps = {b - a for a, b in itertools.pairwise(taps)}
        if len(steps) <= 1:
            return f.add(str(taps[0]), f.mul(number, str(steps.pop() if steps else 0)))
        if not self.table:
            self.table = f"@{f.name}.taps"
            listed = ", ".join(f"i64 {tap}" for tap in taps)
            f.globals.append(
                f"{self.table} = private unnamed_addr constant [{len(taps)} x i64] [{listed}]"
            )
        return f.load("i64", f.at(self.table, number, "i64"), 8)

    def _straight(
        self,
        start: str,
        weights: str,
        tap: int,
        step: int,
        offsets: Sequence[int],
        held: brgemm.Tile,
    ) -> brgemm.Tile:
        """One run from offset `tap`, panel row `step`, written out."""
        f, what = self.f, self.what
        kind = vectors.register_type(self.dtype, what.lanes)
        columns = what.tile.vectors
        for i in range(what.run):
            loaded = []
            for j in range(columns):
                place = ((step + i) * columns + j) * what.lanes
                loaded.append(
                    vectors.load(f, self.dtype, f.at(weights, str(place), self.kept), what.lanes)
                )
            new = []
            for offset, row in zip(offsets, held):
                at = f.at(start, str(offset + tap + i), self.kept)
                one = vectors.load(f, self.dtype, at, 1)
                if what.lanes > 1:
                    one = f.splat(kind, one)
                new.append([brgemm.multiply_add(f, kind, one, b, c) for b, c in zip(loaded, row)])
            held = new
        return held

    def finish(self, values: brgemm.Tile, spot: Spot) -> None:
        """Hand the tile's vectors to the outlet."""
        tile, lanes = self.what.tile, self.what.lanes
        here = self.outlet.here(self.f, self.bound, spot)
        number = 0
        for i in range(tile.images):
            for r in range(tile.rows):
                for c in range(tile.columns):
                    for j in range(tile.vectors):
                        last = j == tile.vectors - 1
                        here.store(
                            values[number][j],
                            (i, r, c, j * lanes),
                            lanes,
                            spot.mask if last else None,
                        )
                    number += 1
