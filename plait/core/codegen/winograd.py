"""Convolutions with 3 x 3 taps and no strides by Winograd's F(m x m, 3 x 3), channels last.

A tile of m x m results of all channels needs (m + 2)^2 products of a vector of channels with a
matrix in place of 9 m^2. A unit takes a block of tiles: it transforms their windows of the source,
multiplies with the transformed weight, one matrix per place of the window, and transforms what
comes out. All that lies between stays in the thread's scratch memory, which is to fit the
second-level cache.
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen import brgemm, vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.outlet import Outlet, Spot
from plait.core.codegen.text import Function
from plait.core.codegen.winograd_math import TAPS, apply, transforms
from plait.core.ir.dtypes import float32
from plait.core.llvm.target import Target

_KEPT = "float"


class Winograd(NamedTuple):
    """The structure of one kernel; the number of images comes at run time.

    m: results of a tile along each axis. height, width: of the source; depth: its channels. rows,
    columns, outputs: of the result, whose pixel (r, c) meets source rows r + top, ... and columns
    c + left, ...; depth and outputs are multiples of the lanes. block: tiles of a unit. tall, wide:
    rows and vectors of the register tile; `wide` divides the vectors of outputs. split: units that
    share the outputs of a block.
    """

    lanes: int
    m: int
    height: int
    width: int
    depth: int
    rows: int
    columns: int
    outputs: int
    top: int
    left: int
    block: int
    tall: int
    wide: int
    split: int

    @property
    def side(self) -> int:
        """Extent of a window."""
        return self.m + TAPS - 1

    @property
    def places(self) -> int:
        return self.side**2

    @property
    def tiles(self) -> int:
        """Tiles of an image."""
        return -(-self.rows // self.m) * -(-self.columns // self.m)

    @property
    def panels(self) -> int:
        return self.outputs // (self.lanes * self.wide)

    @property
    def share(self) -> int:
        """Outputs of a unit."""
        return self.outputs // self.split

    @property
    def source_plane(self) -> int:
        """Elements from one place of the transformed windows to the next. The line that is left
        between them keeps the places out of each other's sets in the first-level cache."""
        return self.block * self.depth + self.lanes

    @property
    def result_plane(self) -> int:
        return self.block * self.share + self.lanes

    @property
    def weight_plane(self) -> int:
        return self.depth * self.outputs + self.lanes

    @property
    def scratch(self) -> int:
        """Elements of a thread's memory: a pixel of zeros, windows, products."""
        return self.depth + self.places * (self.source_plane + self.result_plane)


def weight_kernel(what: Winograd) -> Kernel:
    """Buffers: the transformed weight (places, `weight_plane`), of which each is panels (panels,
    depth, wide * lanes); the panels of the weight (panels, 9 * depth, wide * lanes) by `Panels`.
    A unit is one depth of one panel."""
    key = (what.lanes, what.m, what.depth, what.outputs, what.wide)
    return Kernel("winograd_weight", key, lambda symbol, target: _emit_weight(symbol, what))


def _emit_weight(symbol: str, what: Winograd) -> Function:
    f = Function(symbol)
    made, panels = f.argument(0), f.argument(1)
    kind = vectors.register_type(float32, what.lanes)
    line = what.wide * what.lanes
    matrix = transforms(what.m).weight
    with f.loop("%begin", "%end") as unit:
        panel, depth = f.div(unit.index, str(what.depth)), f.rem(unit.index, str(what.depth))
        first = f.add(f.mul(panel, str(TAPS * TAPS * what.depth)), depth)
        source = f.at(panels, f.mul(first, str(line)), _KEPT)
        result = f.at(made, f.mul(unit.index, str(line)), _KEPT)
        with f.loop("0", str(line), str(what.lanes)) as over:
            taps = [
                [
                    vectors.load(
                        f,
                        float32,
                        f.at(
                            source,
                            f.add(over.index, str((a * TAPS + b) * what.depth * line)),
                            _KEPT,
                        ),
                        what.lanes,
                    )
                    for b in range(TAPS)
                ]
                for a in range(TAPS)
            ]
            for number, value in enumerate(brgemm.flatten(apply(f, kind, matrix, taps))):
                place = f.at(result, f.add(over.index, str(number * what.weight_plane)), _KEPT)
                vectors.store(f, float32, value, place, what.lanes)
    f.ret()
    return f


def winograd_kernel(what: Winograd, outlet: Outlet) -> Kernel:
    """Buffers: the outlet's writes, source, transformed weight, the outlet's reads; number: images.
    Units: blocks of tiles times `split`."""
    return Kernel(
        "winograd",
        (what, outlet.key),
        lambda symbol, target: _Emitter(symbol, target, what, outlet).emit(),
    )


class _Emitter:
    def __init__(self, symbol: str, target: Target, what: Winograd, outlet: Outlet) -> None:
        self.f = f = Function(symbol, wide=target.wide)
        self.what = what
        self.outlet = outlet
        writes = [f.argument(i) for i in range(outlet.writes)]
        self.source, self.weight = f.argument(outlet.writes), f.argument(outlet.writes + 1)
        reads = [f.argument(outlet.writes + 2 + i) for i in range(outlet.reads)]
        self.images = f.argument(outlet.writes + 2 + outlet.reads, "i64")
        self.bound = outlet.bind(f, writes, reads)
        self.kind = vectors.register_type(float32, what.lanes)
        self.transforms = transforms(what.m)
        self.windows = f.at("%scratch", str(what.depth), _KEPT)
        products = what.depth + what.places * what.source_plane
        self.products = f.at("%scratch", str(products), _KEPT)

    def emit(self) -> Function:
        f, what = self.f, self.what
        every = f.mul(self.images, str(what.tiles))
        with f.loop("0", str(what.depth), str(what.lanes)) as over:
            zeros = f.at("%scratch", over.index, _KEPT)
            vectors.store(f, float32, "zeroinitializer", zeros, what.lanes)
        with f.loop("%begin", "%end") as unit:
            block, share = f.div(unit.index, str(what.split)), f.rem(unit.index, str(what.split))
            first = f.mul(block, str(what.block))
            count = f.least(str(what.block), f.sub(every, first))
            with f.loop("0", count) as tile:
                self.take(f.add(first, tile.index), tile.index)
            self.multiply(count, share)
            output = f.mul(share, str(what.share))
            with f.loop("0", count) as tile:
                self.give(f.add(first, tile.index), tile.index, output)
        f.ret()
        return f

    def _where(self, tile: str) -> tuple[str, str, str]:
        """(image, first row, first column) of the results of a tile."""
        f, what = self.f, self.what
        across = str(-(-what.columns // what.m))
        image, inside = f.div(tile, str(what.tiles)), f.rem(tile, str(what.tiles))
        row, column = f.div(inside, across), f.rem(inside, across)
        return image, f.mul(row, str(what.m)), f.mul(column, str(what.m))

    # -- the source -----------------------------------------------------------------------------

    def take(self, tile: str, number: str) -> None:
        """Transform the window of a tile, the block's `number`-th."""
        f, what = self.f, self.what
        image, row, column = self._where(tile)
        pixels = self._pixels(image, f.add(row, str(what.top)), f.add(column, str(what.left)))
        result = f.at(self.windows, f.mul(number, str(what.depth)), _KEPT)
        with f.loop("0", str(what.depth), str(what.lanes)) as over:
            window = [
                [
                    vectors.load(f, float32, f.at(pixel, over.index, _KEPT), what.lanes)
                    for pixel in line
                ]
                for line in pixels
            ]
            found = apply(f, self.kind, self.transforms.source, window)
            for place, value in enumerate(brgemm.flatten(found)):
                at = f.add(over.index, str(place * what.source_plane))
                vectors.store(f, float32, value, f.at(result, at, _KEPT), what.lanes)

    def _pixels(self, image: str, row: str, column: str) -> list[list[str]]:
        """The addresses of a window's pixels; outside of the image, that of zeros."""
        f, what = self.f, self.what
        plane = f.mul(image, str(what.height * what.width))
        columns = [f.add(column, str(b)) for b in range(what.side)]
        # One comparison: what lies before the image wraps around to huge numbers.
        across = [f.let(f"icmp ult i64 {b}, {what.width}") for b in columns]
        pixels = []
        for a in range(what.side):
            line = f.add(row, str(a))
            down = f.let(f"icmp ult i64 {line}, {what.height}")
            start = f.add(plane, f.mul(line, str(what.width)))
            pixels.append([])
            for b, there in zip(columns, across):
                pixel = f.at(self.source, f.mul(f.add(start, b), str(what.depth)), _KEPT)
                inside = f.let(f"and i1 {down}, {there}")
                pixels[-1].append(f.let(f"select i1 {inside}, ptr {pixel}, ptr %scratch"))
        return pixels

    # -- the products ---------------------------------------------------------------------------

    def multiply(self, count: str, share: str) -> None:
        """For every place, the block's windows (tiles, depth) times the weight (depth, outputs)."""
        f, what = self.f, self.what
        line = what.wide * what.lanes
        each = what.panels // what.split
        with f.loop("0", str(what.places)) as place:
            windows = f.at(self.windows, f.mul(place.index, str(what.source_plane)), _KEPT)
            products = f.at(self.products, f.mul(place.index, str(what.result_plane)), _KEPT)
            weight = f.at(self.weight, f.mul(place.index, str(what.weight_plane)), _KEPT)
            with f.loop("0", str(each)) as panel:
                number = f.add(f.mul(share, str(each)), panel.index)
                b = f.at(weight, f.mul(number, str(what.depth * line)), _KEPT)
                c = f.at(products, f.mul(panel.index, str(line)), _KEPT)
                with f.loop("0", count, str(what.tall)) as over:
                    # Past the last tile of the last block lies what no one reads.
                    self._tile(windows, b, c, over.index)

    def _tile(self, windows: str, b: str, c: str, first: str) -> None:
        f, what = self.f, self.what
        start = f.at(windows, f.mul(first, str(what.depth)), _KEPT)
        rows = [f.at(start, str(i * what.depth), _KEPT) for i in range(what.tall)]
        held = brgemm.accumulate(
            f,
            float32,
            what.lanes,
            rows,
            "1",
            b,
            str(what.wide * what.lanes),
            str(what.depth),
            brgemm.zero_tile(float32, what.lanes, what.tall, what.wide),
        )
        result = f.at(c, f.mul(first, str(what.share)), _KEPT)
        for i, row in enumerate(held):
            for j, value in enumerate(row):
                place = f.at(result, str(i * what.share + j * what.lanes), _KEPT)
                vectors.store(f, float32, value, place, what.lanes)

    # -- the result -----------------------------------------------------------------------------

    def give(self, tile: str, number: str, output: str) -> None:
        """Transform the products of a tile, the block's `number`-th, and hand them on."""
        f, what = self.f, self.what
        image, row, column = self._where(tile)
        products = f.at(self.products, f.mul(number, str(what.share)), _KEPT)
        with f.loop("0", str(what.share), str(what.lanes)) as over:
            square = [
                [
                    vectors.load(
                        f,
                        float32,
                        f.at(
                            products,
                            f.add(over.index, str((a * what.side + b) * what.result_plane)),
                            _KEPT,
                        ),
                        what.lanes,
                    )
                    for b in range(what.side)
                ]
                for a in range(what.side)
            ]
            found = apply(f, self.kind, self.transforms.result, square)
            spot = Spot((image, row, column, f.add(output, over.index)), None)
            self._hand_on(found, spot)

    def _hand_on(self, found: list[list[str]], spot: Spot) -> None:
        f, what = self.f, self.what
        _, row, column, _ = spot.index
        ragged = what.rows % what.m or what.columns % what.m
        here = self.outlet.here(f, self.bound, spot)
        for i, line in enumerate(found):
            for j, value in enumerate(line):
                if not ragged:
                    here.store(value, (0, i, j, 0), what.lanes, None)
                    continue
                down = f.let(f"icmp slt i64 {f.add(row, str(i))}, {what.rows}")
                across = f.let(f"icmp slt i64 {f.add(column, str(j))}, {what.columns}")
                with f.when(f.let(f"and i1 {down}, {across}")):
                    here.loaded.clear()  # what another pixel read was read under its condition
                    here.store(value, (0, i, j, 0), what.lanes, None)
