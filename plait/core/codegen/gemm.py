"""Matrix products as loops around the register tile of BRGEMM.

C[b, m, n] = sum_k A[b, m, k] B[b, k, n]. A unit is a block of tiles of rows by some panels of B, a
panel being the columns of a tile. K is walked in blocks, so that what a unit holds of A and B stays
in the second cache; sums wait in scratch between blocks. Finished tiles go through scratch to the
epilogue, row by row, so that its code is written once.

The numbers of rows, steps and batches, and how they are blocked, are arguments: a new batch size
runs the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from plait.core.codegen import brgemm, pack, vectors
from plait.core.codegen.outlet import Bound, Here, Outlet, Spot
from plait.core.codegen.pack import Packing
from plait.core.codegen.text import Function
from plait.core.ir.dtypes import BY_NAME
from plait.core.ir.extents import ANY_EXTENT, varies
from plait.core.llvm.target import Target

#: Most steps of K in one block: a panel of B of so many rows is a fraction of the second cache.
K_BLOCK = 512
#: Elements from one row to the next of a copy of A: no multiple of a page, and so of a cache set.
STAGED_ROW = K_BLOCK + 16


class Numbers(NamedTuple):
    """The kernel's run-time numbers, in the order of its arguments; strides in elements. In a
    launch they are ints, in the code that is written the names of values.

    a_batch, b_batch: from one batch to the next. a_tile: from one tile of rows of a packed A to the
    next; b_panel: from one panel of B to the next. k_block: steps of a block. block: tiles of rows
    of a unit; row_blocks: units along the rows. spread: panels of a unit; column_blocks: units
    along the columns. From `columns` on, numbers are read only where they vary; else they are
    constants of the code. lane_stride, step_stride: those of the packing.
    """

    rows: Any
    steps: Any
    a_batch: Any
    b_batch: Any
    a_tile: Any
    b_panel: Any
    k_block: Any
    block: Any
    row_blocks: Any
    spread: Any
    column_blocks: Any
    columns: Any
    a_row: Any
    a_step: Any
    b_step: Any
    lane_stride: Any
    step_stride: Any


@dataclass(frozen=True)
class Gemm:
    """What the code of a product depends on. Strides in elements; of those that vary, and of a
    varying number of columns, nothing but that they do.

    a_row, a_step: strides of A; of a packed A rows lie side by side, tile by tile. a_staged: what a
    unit reads of A is copied to scratch first (its rows, or its steps, are at a distance that is
    bad for the cache). b_step: stride of B, whose columns lie side by side, in memory or in panels;
    with `packing` a unit makes its own panels from a B of any strides. masked: whether reads of B's
    last columns need a mask. heights: of the tiles for the last rows, where these may be fewer than
    a tile's: the least that has them all is taken. cut: whether K has several blocks. dtype: of A
    and B as they are read. pairs: whether that is float32 standing for two bfloat16 (see `brgemm`).
    """

    columns: int
    a_row: int
    a_step: int
    a_packed: bool
    a_staged: bool
    b_step: int
    packing: Packing | None
    masked: bool
    heights: tuple[int, ...]
    cut: bool
    tile: tuple[int, int]
    lanes: int
    dtype: str
    pairs: bool
    outlet: Outlet

    @property
    def panels(self) -> int:
        return -(-self.columns // (self.tile[1] * self.lanes))

    @property
    def size(self) -> int:
        """Elements of a tile."""
        return self.tile[0] * self.tile[1] * self.lanes

    @property
    def stages_rows(self) -> bool:
        """Whether the copies of A are rows as in A, of one tile at a time."""
        return self.a_staged and self.a_step == 1

    @property
    def stages_columns(self) -> bool:
        """Whether they are steps of the rows of a tile, of all the unit's tiles."""
        return self.a_staged and self.a_step != 1

    @property
    def far(self) -> bool:
        """Whether each step of A, read in place, is in a line of memory of its own."""
        in_place = not (self.a_packed or self.a_staged)
        known = in_place and not varies(self.a_step)
        return known and self.a_step * BY_NAME[self.dtype].itemsize >= brgemm.FAR

    @property
    def asks_for_rows(self) -> bool:
        """Whether the rows of the next tile are asked for while a tile is computed: the hardware
        fetches within a row only. Not where a panel is used up before the next."""
        return self.a_step == 1 and not self.a_packed and self.packing is None

    @property
    def vector_bytes(self) -> int:
        """Bytes of a vector, to which lines of tiles in scratch are aligned."""
        return self.lanes * BY_NAME[self.dtype].itemsize

    def scratch(self, n: Numbers) -> int:
        """Bytes of scratch: tiles of sums, then the copy of A, then the panels of B."""
        held = self.size * (n.block * n.spread if self.cut else 1)
        staged = self.tile[0] * STAGED_ROW if self.stages_rows else 0
        staged += n.block * self.tile[0] * K_BLOCK if self.stages_columns else 0
        width = self.tile[1] * self.lanes
        panels = n.spread * n.k_block * width if self.packing else 0
        return BY_NAME[self.dtype].itemsize * (held + staged + panels)


@dataclass(frozen=True)
class _Place:
    """Where a unit stands: addresses, and numbers as values of the function."""

    bound: Bound
    n: Numbers
    a: str
    b: str
    staged: str
    panels: str
    batch: str
    first: str
    last: str
    first_panel: str
    last_panel: str


def emit_gemm(symbol: str, target: Target, g: Gemm) -> Function:
    """Arguments: the outlet's writes, A, B, the outlet's reads; `Numbers`; those of the outlet."""
    f = Function(symbol, wide=target.wide)
    count = g.outlet.writes
    writes = [f.argument(i) for i in range(count)]
    a, b = f.argument(count), f.argument(count + 1)
    reads = [f.argument(count + 2 + i) for i in range(g.outlet.reads)]
    start = count + 2 + g.outlet.reads
    n = _numbers(f, g, start)
    bound = g.outlet.bind(f, writes, reads, start + len(Numbers._fields))
    kept = vectors.memory_type(BY_NAME[g.dtype])
    b_kept = vectors.memory_type(BY_NAME[g.packing.dtype]) if g.packing else kept
    tiles = f.div(f.add(n.rows, str(g.tile[0] - 1)), str(g.tile[0]))
    panels = str(g.panels)
    if varies(g.columns):
        width = g.tile[1] * g.lanes
        panels = f.div(f.add(n.columns, str(width - 1)), str(width))
    with f.loop("%begin", "%end") as unit:
        part, rest = f.rem(unit.index, n.column_blocks), f.div(unit.index, n.column_blocks)
        block, batch = f.rem(rest, n.row_blocks), f.div(rest, n.row_blocks)
        first, first_panel = f.mul(block, n.block), f.mul(part, n.spread)
        place = _Place(
            bound,
            n,
            f.at(a, f.mul(batch, n.a_batch), kept),
            f.at(b, f.mul(batch, n.b_batch), b_kept),
            *_after_sums(f, g, n),
            batch,
            first,
            f.least(f.add(first, n.block), tiles),
            first_panel,
            f.least(f.add(first_panel, n.spread), panels),
        )
        if not g.cut:
            _block(f, g, place, "0", n.steps, None)
        else:
            _clear(f, g, place)
            with f.loop("0", n.steps, n.k_block) as k:
                stop = f.least(f.add(k.index, n.k_block), n.steps)
                closes = f.let(f"icmp eq i64 {stop}, {n.steps}")
                _block(f, g, place, k.index, f.sub(stop, k.index), closes)
    f.ret()
    return f


def _numbers(f: Function, g: Gemm, start: int) -> Numbers:
    """The numbers as values: arguments from `start` on, or constants where they do not vary."""
    p = g.packing
    fixed = {
        "columns": g.columns,
        "a_row": g.a_row,
        "a_step": g.a_step,
        "b_step": g.b_step,
        "lane_stride": p.lane_stride if p else 0,
        "step_stride": p.step_stride if p else 0,
    }
    return Numbers(
        *[
            f.argument(start + i, "i64")
            if varies(fixed.get(name, ANY_EXTENT))
            else str(fixed[name])
            for i, name in enumerate(Numbers._fields)
        ]
    )


def _after_sums(f: Function, g: Gemm, n: Numbers) -> tuple[str, str]:
    """Where the copy of A begins in scratch, and where the unit's own panels of B do."""
    kind = vectors.register_type(BY_NAME[g.dtype], 1)
    held = f.mul(str(g.size), f.mul(n.block, n.spread)) if g.cut else str(g.size)
    staged = f.at("%scratch", held, kind)
    size = f.mul(n.block, str(g.tile[0] * K_BLOCK)) if g.stages_columns else "0"
    return staged, f.at(staged, str(g.tile[0] * STAGED_ROW) if g.stages_rows else size, kind)


def _clear(f: Function, g: Gemm, place: _Place) -> None:
    """Sums begin at zero."""
    kind = vectors.register_type(BY_NAME[g.dtype], g.lanes)
    count = f.mul(str(g.size // g.lanes), f.mul(place.n.block, place.n.spread))
    with f.loop("0", count) as line:
        f.store(kind, "zeroinitializer", f.at("%scratch", line.index, kind), g.vector_bytes)


def _block(f: Function, g: Gemm, place: _Place, start: str, steps: str, closes: str | None) -> None:
    """One block of K: every tile of every panel of the unit. closes: None where it is the only
    one, else whether it is the last."""
    a = f.at(place.a, f.mul(start, place.n.a_step), vectors.memory_type(BY_NAME[g.dtype]))
    if g.stages_columns:
        _staged_columns(f, g, place, a, steps)
    if g.packing:
        _own_panels(f, g, g.packing, place, start, steps)
    if g.packing and not g.stages_rows:
        # All rows are in this unit, and few: each panel is used up while it is at hand.
        with f.loop(place.first_panel, place.last_panel) as panel:
            there = _panel(f, g, place, panel.index, start)
            with f.loop(place.first, place.last) as tile:
                _each_shape(f, g, _Tile(place, a, there, tile.index, steps, closes))
        return
    # Panels change faster than rows: what a tile has of A stays in the first cache meanwhile, B
    # comes from the second, and rows of results are written along.
    with f.loop(place.first, place.last) as tile:
        if g.stages_rows:
            _staged_rows(f, g, place, a, tile.index, steps)
        with f.loop(place.first_panel, place.last_panel) as panel:
            there = _panel(f, g, place, panel.index, start)
            _each_shape(f, g, _Tile(place, a, there, tile.index, steps, closes))


@dataclass(frozen=True)
class _Panel:
    """A panel of B at a block's first step: its address, column and number in the unit; the masks
    of its vectors."""

    address: str
    column: str
    local: str
    masks: list[str]


def _panel(f: Function, g: Gemm, place: _Place, number: str, start: str) -> _Panel:
    kept = vectors.memory_type(BY_NAME[g.dtype])
    width = g.tile[1] * g.lanes
    local = f.sub(number, place.first_panel)
    column = f.mul(number, str(width))
    if g.packing:
        b = f.at(place.panels, f.mul(local, f.mul(place.n.k_block, str(width))), kept)
    else:
        b = f.at(place.b, f.mul(number, place.n.b_panel), kept)
        b = f.at(b, f.mul(start, place.n.b_step), kept)
    masks = [
        f.tail_mask(g.lanes, f.sub(place.n.columns, f.add(column, str(j * g.lanes))))
        for j in range(g.tile[1])
    ]
    return _Panel(b, column, local, masks)


def _staged_rows(f: Function, g: Gemm, place: _Place, a: str, tile: str, steps: str) -> None:
    """A copy in scratch of the rows of a tile; those past the end repeat the last."""
    dtype = BY_NAME[g.dtype]
    kept = vectors.memory_type(dtype)
    first = f.mul(tile, str(g.tile[0]))
    with f.loop("0", str(g.tile[0])) as row:
        there = f.least(f.add(first, row.index), f.sub(place.n.rows, "1"))
        source = f.at(a, f.mul(there, place.n.a_row), kept)
        to = f.at(place.staged, f.mul(row.index, str(STAGED_ROW)), kept)
        with f.loop("0", steps, str(g.lanes)) as step:
            mask = f.tail_mask(g.lanes, f.sub(steps, step.index))
            value = vectors.load(f, dtype, f.at(source, step.index, kept), g.lanes, mask)
            vectors.store(f, dtype, value, f.at(to, step.index, kept), g.lanes)


def _staged_columns(f: Function, g: Gemm, place: _Place, a: str, steps: str) -> None:
    """A copy in scratch of the unit's rows, which lie side by side in A: tile after tile, step by
    step the rows of a tile, zeros past the end. A step is read over all tiles at once, because
    the next may be in another page."""
    dtype = BY_NAME[g.dtype]
    kept = vectors.memory_type(dtype)
    rows = g.tile[0]
    with f.loop("0", steps) as step, f.loop(place.first, place.last) as tile:
        row = f.mul(tile.index, str(rows))
        source = f.at(f.at(a, f.mul(step.index, place.n.a_step), kept), row, kept)
        to = f.at(place.staged, f.mul(f.sub(tile.index, place.first), str(rows * K_BLOCK)), kept)
        to = f.at(to, f.mul(step.index, str(rows)), kept)
        for lane in range(0, rows, g.lanes):
            lanes = min(g.lanes, rows - lane)
            mask = f.tail_mask(lanes, f.sub(place.n.rows, f.add(row, str(lane))))
            value = vectors.load(f, dtype, f.at(source, str(lane), kept), lanes, mask)
            vectors.store(f, dtype, value, f.at(to, str(lane), kept), lanes)
        f.prefetch(f.at(source, f.mul(str(brgemm.AHEAD), place.n.a_step), kept))


def _own_panels(f: Function, g: Gemm, p: Packing, place: _Place, start: str, steps: str) -> None:
    """This unit's panels of B for one block of K, in scratch."""
    source_kept = vectors.memory_type(BY_NAME[p.dtype])
    kept = vectors.memory_type(BY_NAME[g.dtype])
    strides = p.strides(place.n.lane_stride, place.n.step_stride)
    base = f.at(place.b, f.mul(start, strides[1]), source_kept)
    with f.loop(place.first_panel, place.last_panel) as panel:
        first = f.mul(panel.index, str(p.width))
        local = f.sub(panel.index, place.first_panel)
        to = f.at(place.panels, f.mul(local, f.mul(place.n.k_block, str(p.width))), kept)
        source = f.at(base, f.mul(first, strides[0]), source_kept)
        left = f.sub(place.n.columns, first)
        pack.emit_panel(f, p, strides, source, to, "0", steps, left)


@dataclass(frozen=True)
class _Tile:
    """One tile in one block of K. a: A at the block's first step."""

    place: _Place
    a: str
    panel: _Panel
    number: str
    steps: str
    closes: str | None


def _each_shape(f: Function, g: Gemm, tile: _Tile) -> None:
    """Full tiles with rows at fixed distances; in the last, rows past the end repeat the last."""
    row = f.mul(tile.number, str(g.tile[0]))
    left = f.sub(tile.place.n.rows, row)
    if not g.heights or g.a_packed or g.a_staged:
        _tile(f, g, tile, row, left, g.tile[0], False)
        return
    full = f.let(f"icmp sge i64 {left}, {g.tile[0]}")
    with f.when(full):
        _tile(f, g, tile, row, left, g.tile[0], False)
    with f.when(f.let(f"xor i1 {full}, true")):
        below = 0
        for height in g.heights:
            fits = f.let(f"icmp sle i64 {left}, {height}")
            beyond = f.let(f"icmp sgt i64 {left}, {below}")
            with f.when(f.let(f"and i1 {fits}, {beyond}")):
                _tile(f, g, tile, row, left, height, True)
            below = height


def _tile(f: Function, g: Gemm, tile: _Tile, row: str, left: str, height: int, short: bool) -> None:
    """A tile of `height` rows; short: of which the last may not be there."""
    dtype = BY_NAME[g.dtype]
    kind = vectors.register_type(dtype, g.lanes)
    lines = _lines(f, g, tile, height)
    sums = brgemm.zero_tile(dtype, g.lanes, height, g.tile[1])
    if g.cut:
        sums = [[f.load(kind, at, g.vector_bytes) for at in line] for line in lines]
    sums = brgemm.accumulate(
        f,
        dtype,
        g.lanes,
        _rows_of_a(f, g, tile, row, left, height, short),
        str(g.tile[0]) if g.stages_columns else tile.place.n.a_step,
        tile.panel.address,
        tile.place.n.b_step,
        tile.steps,
        sums,
        tile.panel.masks if g.masked else None,
        g.pairs,
        far=g.far,
        soon=_next_rows(f, g, tile) if g.asks_for_rows else None,
    )
    for line, values in zip(lines, sums):
        for at, value in zip(line, values):
            f.store(kind, value, at, g.vector_bytes)
    if tile.closes is None:
        _finish(f, g, tile, row, left)
    else:
        with f.when(tile.closes):
            _finish(f, g, tile, row, left)


def _next_rows(f: Function, g: Gemm, tile: _Tile) -> Callable[[str], str]:
    """Where A is for the next tile: each panel asks for four of its rows, a line of each in as many
    turns as a line has."""
    kept = vectors.memory_type(BY_NAME[g.dtype])
    line = 64 // BY_NAME[g.dtype].itemsize
    first = f.mul(f.add(tile.number, "1"), str(g.tile[0]))
    first = f.add(first, f.mul(tile.panel.local, str(line // brgemm.TURN)))

    def place(step: str) -> str:
        turn = f.rem(f.div(step, str(brgemm.TURN)), str(line // brgemm.TURN))
        row = f.mul(f.add(first, turn), tile.place.n.a_row)
        return f.at(f.at(tile.a, row, kept), step, kept)

    return place


def _sums(f: Function, g: Gemm, tile: _Tile) -> str:
    """Where the sums of a tile are in scratch."""
    if not g.cut:
        return "%scratch"
    here = f.sub(tile.number, tile.place.first)
    number = f.add(f.mul(tile.panel.local, tile.place.n.block), here)
    wide = vectors.register_type(BY_NAME[g.dtype], 1)
    return f.at("%scratch", f.mul(number, str(g.size)), wide)


def _lines(f: Function, g: Gemm, tile: _Tile, height: int) -> list[list[str]]:
    """The addresses of the vectors of sums of the tile's first rows."""
    held, wide = _sums(f, g, tile), vectors.register_type(BY_NAME[g.dtype], 1)
    return [
        [f.at(held, str((r * g.tile[1] + j) * g.lanes), wide) for j in range(g.tile[1])]
        for r in range(height)
    ]


def _rows_of_a(
    f: Function, g: Gemm, tile: _Tile, row: str, left: str, height: int, short: bool
) -> list[str]:
    """The addresses of the tile's rows at the block's first step."""
    kept = vectors.memory_type(BY_NAME[g.dtype])
    numbers = range(height)
    stride = tile.place.n.a_row
    if g.a_packed:
        start = f.at(tile.a, f.mul(tile.number, tile.place.n.a_tile), kept)
        return [f.at(start, str(r), kept) for r in numbers]
    if g.stages_rows:
        return [f.at(tile.place.staged, str(r * STAGED_ROW), kept) for r in numbers]
    if g.stages_columns:
        own = f.mul(f.sub(tile.number, tile.place.first), str(g.tile[0] * K_BLOCK))
        start = f.at(tile.place.staged, own, kept)
        return [f.at(start, str(r), kept) for r in numbers]
    start = f.at(tile.a, f.mul(row, stride), kept)
    if not short:
        return [f.at(start, f.mul(str(r), stride), kept) for r in numbers]
    last = f.sub(left, "1")
    return [f.at(start, f.mul(f.least(str(r), last), stride), kept) for r in numbers]


def _finish(f: Function, g: Gemm, tile: _Tile, row: str, left: str) -> None:
    """Send the rows of a tile on."""
    wide = vectors.register_type(BY_NAME[g.dtype], 1)
    kind = vectors.register_type(BY_NAME[g.dtype], g.lanes)
    width = g.tile[1] * g.lanes
    held = _sums(f, g, tile)
    with f.loop("0", f.least(left, str(g.tile[0]))) as r:
        index = (tile.place.batch, f.add(row, r.index), tile.panel.column)
        here: Here = g.outlet.here(f, tile.place.bound, Spot(index, None))
        line = f.at(held, f.mul(r.index, str(width)), wide)
        for j in range(g.tile[1]):
            value = f.load(kind, f.at(line, str(j * g.lanes), wide), g.vector_bytes)
            here.store(value, (0, 0, j * g.lanes), g.lanes, tile.panel.masks[j])
