"""Matrix products as loops around the register tile of BRGEMM.

C[b, m, n] = sum_k A[b, m, k] B[b, k, n]. A unit is a run of rows of tiles times one panel of B,
whose columns fit a tile; the panel stays in cache while the rows go by. Finished tiles go through
scratch to the epilogue, row by row, so that its code is written once.
"""

from __future__ import annotations

from dataclasses import dataclass

from plait.core.codegen import brgemm, vectors
from plait.core.codegen.outlet import Here, Outlet, Spot
from plait.core.codegen.text import Function
from plait.core.ir.dtypes import BY_NAME

#: Steps of K after which a tile is put down, so that the panel of B stays in the second cache.
K_BLOCK = 2048


@dataclass(frozen=True)
class Gemm:
    """What the code of a product depends on. Strides in elements.

    a: (batch, row, step) strides; of a packed A, (batch, tile of rows, step), and rows lie side by
    side. b: (batch, panel, step) strides. tile: (rows, columns). block: tiles of rows per unit.
    masked: whether reads of B's last columns need a mask. dtype: of A and B as they are read.
    """

    rows: int
    columns: int
    steps: int
    a: tuple[int, int, int]
    a_packed: bool
    b: tuple[int, int, int]
    masked: bool
    tile: tuple[int, int]
    block: int
    lanes: int
    dtype: str
    outlet: Outlet

    @property
    def panels(self) -> int:
        return -(-self.columns // (self.tile[1] * self.lanes))

    @property
    def row_tiles(self) -> int:
        return -(-self.rows // self.tile[0])

    @property
    def row_blocks(self) -> int:
        return -(-self.row_tiles // self.block)

    @property
    def scratch(self) -> int:
        """Bytes: a tile, or where K is cut all tiles of a unit."""
        one = self.tile[0] * self.tile[1] * self.lanes * 8
        return one * (self.block if self.steps > K_BLOCK else 1)


def emit_gemm(symbol: str, g: Gemm) -> Function:
    """Arguments: the outlet's writes, A, B, the outlet's reads."""
    f = Function(symbol)
    count = g.outlet.writes
    writes = [f.argument(i) for i in range(count)]
    a, b = f.argument(count), f.argument(count + 1)
    reads = [f.argument(count + 2 + i) for i in range(g.outlet.reads)]
    bound = g.outlet.bind(f, writes, reads)
    kept = vectors.memory_type(BY_NAME[g.dtype])
    with f.loop("%begin", "%end") as unit:
        panel = f.rem(unit.index, str(g.panels))
        rest = f.div(unit.index, str(g.panels))
        block, batch = f.rem(rest, str(g.row_blocks)), f.div(rest, str(g.row_blocks))
        a_base = f.at(a, f.mul(batch, str(g.a[0])), kept)
        b_base = f.at(b, f.add(f.mul(batch, str(g.b[0])), f.mul(panel, str(g.b[1]))), kept)
        column = f.mul(panel, str(g.tile[1] * g.lanes))
        masks = [
            f.tail_mask(g.lanes, f.sub(str(g.columns), f.add(column, str(j * g.lanes))))
            for j in range(g.tile[1])
        ]
        first = f.mul(block, str(g.block))
        last = f.least(f.add(first, str(g.block)), str(g.row_tiles))
        place = _Place(bound, a_base, b_base, batch, column, masks, first)
        if g.steps <= K_BLOCK:
            with f.loop(first, last) as tile:
                _each_shape(f, g, place, tile.index, "0", str(g.steps), True, True)
        else:
            _cut(f, g, place, first, last)
    f.ret()
    return f


@dataclass(frozen=True)
class _Place:
    """Where a unit stands."""

    bound: list[str]
    a: str
    b: str
    batch: str
    column: str
    masks: list[str]
    first: str


def _cut(f: Function, g: Gemm, place: _Place, first: str, last: str) -> None:
    """Blocks of K, each over all tiles of the unit, whose sums wait in scratch."""
    blocks = -(-g.steps // K_BLOCK)
    for number in range(blocks):
        start, stop = number * K_BLOCK, min((number + 1) * K_BLOCK, g.steps)
        opens, closes = number == 0, number == blocks - 1
        with f.loop(first, last) as tile:
            _each_shape(f, g, place, tile.index, str(start), str(stop - start), opens, closes)


def _each_shape(
    f: Function,
    g: Gemm,
    place: _Place,
    tile: str,
    start: str,
    steps: str,
    opens: bool,
    closes: bool,
) -> None:
    """A full tile, or the one with the rows that are left."""
    rest = g.rows % g.tile[0]
    if not rest:
        _tile(f, g, place, tile, g.tile[0], start, steps, opens, closes)
        return
    if g.rows > g.tile[0]:
        with f.when(f.let(f"icmp slt i64 {tile}, {g.row_tiles - 1}")):
            _tile(f, g, place, tile, g.tile[0], start, steps, opens, closes)
    with f.when(f.let(f"icmp eq i64 {tile}, {g.row_tiles - 1}")):
        _tile(f, g, place, tile, rest, start, steps, opens, closes)


def _tile(
    f: Function,
    g: Gemm,
    place: _Place,
    tile: str,
    rows: int,
    start: str,
    steps: str,
    opens: bool,
    closes: bool,
) -> None:
    dtype = BY_NAME[g.dtype]
    kept = vectors.memory_type(dtype)
    wide = vectors.register_type(dtype, 1)
    row = f.mul(tile, str(g.tile[0]))
    a = f.at(place.a, f.mul(start, str(g.a[2])), kept)
    if g.a_packed:
        a = f.at(a, f.mul(tile, str(g.a[1])), kept)
        a_rows = [f.at(a, str(r), kept) for r in range(rows)]
    else:
        a = f.at(a, f.mul(row, str(g.a[1])), kept)
        a_rows = [f.at(a, str(r * g.a[1]), kept) for r in range(rows)]
    b = f.at(place.b, f.mul(start, str(g.b[2])), kept)
    held = "%scratch"
    if g.steps > K_BLOCK:
        size = g.tile[0] * g.tile[1] * g.lanes
        held = f.at(held, f.mul(f.sub(tile, place.first), str(size)), wide)
    sums = brgemm.zero_tile(dtype, g.lanes, rows, g.tile[1])
    if not opens:
        sums = [[_held(f, g, held, wide, r, j) for j in range(g.tile[1])] for r in range(rows)]
    masks = place.masks if g.masked else None
    sums = brgemm.accumulate(
        f, dtype, g.lanes, a_rows, str(g.a[2]), b, str(g.b[2]), steps, sums, masks
    )
    for r in range(rows):
        for j in range(g.tile[1]):
            pointer = f.at(held, str((r * g.tile[1] + j) * g.lanes), wide)
            f.store(vectors.vector(wide, g.lanes), sums[r][j], pointer, 8)
    if closes:
        _finish(f, g, place, held, row, rows)


def _held(f: Function, g: Gemm, held: str, wide: str, row: int, column: int) -> str:
    pointer = f.at(held, str((row * g.tile[1] + column) * g.lanes), wide)
    return f.load(vectors.vector(wide, g.lanes), pointer, 8)


def _finish(f: Function, g: Gemm, place: _Place, held: str, row: str, rows: int) -> None:
    """Send the rows of a tile on."""
    wide = vectors.register_type(BY_NAME[g.dtype], 1)
    width = g.tile[1] * g.lanes
    with f.loop("0", str(rows)) as r:
        index = (place.batch, f.add(row, r.index), place.column)
        here: Here = g.outlet.here(f, place.bound, Spot(index, None))
        line = f.at(held, f.mul(r.index, str(width)), wide)
        for j in range(g.tile[1]):
            value = f.load(vectors.vector(wide, g.lanes), f.at(line, str(j * g.lanes), wide), 8)
            here.store(value, (0, 0, j * g.lanes), g.lanes, place.masks[j])
