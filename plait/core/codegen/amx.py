"""Matrix products of bfloat16 on the tiles of Intel's AMX: amx-tile and amx-bf16.

A tile is a register of 16 rows of 64 bytes. Of the eight, four hold 2 x 2 tiles of sums (16 x 16
float32), two hold A (16 rows of 32 bfloat16) and two B (16 rows of 16 columns, each of two
bfloat16 that are neighbours along K). `tdpbf16ps` adds a product of two such tiles to a third.

All tiles are full: what is past the last row, column or step is zero in the packed B (`emit_pack`)
and in a copy of A in scratch. A is read in place where its steps lie side by side and all rows and
steps of a strip are there. A unit is a block of strips of 32 rows by some panels of 32 columns. K
is walked in blocks, between which sums wait in scratch; from there they go to the epilogue.

How tiles are cut belongs to the thread and is set where a kernel begins (`ldtilecfg`), and undone
where it ends, so that nobody else meets it and the system need not keep tiles of an idle thread.

Sums are float32, even and odd steps of a tile apart, rounded to nearest even whatever the thread's
mode. Denormals count as zero: those among the operands, and those that sums would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from plait.core.codegen.outlet import Bound, Here, Outlet, Spot
from plait.core.codegen.text import Function, spread_constant
from plait.core.codegen.transpose import transpose
from plait.core.llvm.target import Target

#: Rows of a tile, and words of four bytes in each.
TILE = 16
#: Steps of K in a tile: a word is two bfloat16.
STEPS = 2 * TILE
#: Rows of a strip of A, and columns of a panel of B.
SIDE = 2 * TILE
#: Bytes of a tile, and of a row of it.
_BYTES, _LINE = 1024, 64
#: Most steps of K in one block: a strip of A of so many is most of the first cache.
K_BLOCK = 512
#: Bytes from one row to the next of a copy of A: no multiple of a page.
_STAGED_ROW = 2 * K_BLOCK + _LINE
#: Float32 sums of a strip and a panel.
SUMS = SIDE * SIDE
#: Tiles of steps that one unit packs.
PACKED_AT_ONCE = 8

_SUMS_AT, _A_AT, _B_AT = 0, 4, 6  # the numbers of the first tiles of each
_WORDS = f"<{TILE} x i32>"
_FLOATS = f"<{TILE} x float>"
#: Palette 1, and eight tiles of 16 rows of 64 bytes (Intel's manual, LDTILECFG).
CONFIGURATION = bytes([1, *[0] * 15, *[_LINE, 0] * 8, *[0] * 16, *[TILE] * 8, *[0] * 8])


class Numbers(NamedTuple):
    """The kernel's run-time numbers, in the order of its arguments: ints in a launch, names of
    values in the code.

    a_batch, a_row, a_step: strides of A in elements. b_batch: tiles of the packed B of a batch, or
    0. in_place: 1 where A may be read where it is. sums: float32 sums from those of one strip and
    panel of a unit to the next; 0 where K is one block. block: strips of a unit; row_blocks: units
    along the rows. spread: panels of a unit; column_blocks: units along the columns.
    """

    rows: Any
    columns: Any
    steps: Any
    a_batch: Any
    a_row: Any
    a_step: Any
    b_batch: Any
    in_place: Any
    sums: Any
    block: Any
    row_blocks: Any
    spread: Any
    column_blocks: Any

    @property
    def scratch(self) -> int:
        """Bytes of scratch: the copy of a strip of A, then sums."""
        return SIDE * _STAGED_ROW + 4 * (SUMS + self.sums * self.block * self.spread)


@dataclass(frozen=True)
class Amx:
    """What the code of a product depends on. along: whether steps of A lie side by side, else its
    rows do."""

    along: bool
    outlet: Outlet


@dataclass(frozen=True)
class _Place:
    """Where a unit stands, in a block of K: addresses and numbers as values of the function."""

    bound: Bound
    n: Numbers
    a: str
    b: str
    batch: str
    first: str
    first_panel: str
    steps: str
    opens: str
    closes: str


@dataclass(frozen=True)
class _Strip:
    """32 rows of A in a block of K: their first row, how many there are from it on, and where they
    are read; stride: bytes from row to row."""

    number: str
    row: str
    left: str
    address: str
    stride: str


def emit_amx(symbol: str, target: Target, g: Amx) -> Function:
    """Arguments: the outlet's writes, A, the packed B, the outlet's reads; `Numbers`; those of the
    outlet."""
    f = Function(symbol, wide=target.wide)
    count = g.outlet.writes
    writes = [f.argument(i) for i in range(count)]
    a, b = f.argument(count), f.argument(count + 1)
    reads = [f.argument(count + 2 + i) for i in range(g.outlet.reads)]
    start = count + 2 + g.outlet.reads
    n = Numbers(*[f.argument(start + i, "i64") for i in range(len(Numbers._fields))])
    bound = g.outlet.bind(f, writes, reads, start + len(Numbers._fields))
    strips, panels = _ceil(f, n.rows, SIDE), _ceil(f, n.columns, SIDE)
    _configure(f)
    with f.loop("%begin", "%end") as unit:
        part, rest = f.rem(unit.index, n.column_blocks), f.div(unit.index, n.column_blocks)
        block, batch = f.rem(rest, n.row_blocks), f.div(rest, n.row_blocks)
        first, first_panel = f.mul(block, n.block), f.mul(part, n.spread)
        last = f.least(f.add(first, n.block), strips)
        last_panel = f.least(f.add(first_panel, n.spread), panels)
        a_batch = f.at(a, f.mul(batch, n.a_batch), "i16")
        b_batch = f.at(b, f.mul(f.mul(batch, n.b_batch), str(_BYTES)), "i8")
        with f.loop("0", n.steps, str(K_BLOCK)) as k:
            stop = f.least(f.add(k.index, str(K_BLOCK)), n.steps)
            place = _Place(
                bound,
                n,
                f.at(a_batch, f.mul(k.index, n.a_step), "i16"),
                f.at(b_batch, f.mul(f.div(k.index, str(STEPS)), str(_BYTES)), "i8"),
                batch,
                first,
                first_panel,
                f.sub(stop, k.index),
                f.let(f"icmp eq i64 {k.index}, 0"),
                f.let(f"icmp eq i64 {stop}, {n.steps}"),
            )
            with f.loop(first, last) as number:
                strip = _strip(f, g, place, number.index)
                with f.loop(first_panel, last_panel) as panel:
                    _each_shape(f, g, place, strip, panel.index)
    f.declare("declare void @llvm.x86.tilerelease()")
    f.line("call void @llvm.x86.tilerelease()")
    f.ret()
    return f


def _ceil(f: Function, number: str, by: int) -> str:
    return f.div(f.add(number, str(by - 1)), str(by))


def _configure(f: Function) -> None:
    name = f"@{f.name}_tiles"
    listed = ", ".join(f"i8 {byte}" for byte in CONFIGURATION)
    f.globals.append(f"{name} = private constant [{len(CONFIGURATION)} x i8] [{listed}], align 64")
    f.call("void", "llvm.x86.ldtilecfg", ("ptr", name))


# -- A --------------------------------------------------------------------------------------------


def _strip(f: Function, g: Amx, place: _Place, number: str) -> _Strip:
    """A strip of A, copied to scratch unless it can be read in place."""
    n, row = place.n, f.mul(number, str(SIDE))
    left = f.sub(n.rows, row)
    source = f.at(place.a, f.mul(row, n.a_row), "i16")
    if not g.along:
        _stage(f, g, place, source, left)
        return _Strip(number, row, left, "%scratch", str(_STAGED_ROW))
    # Tiles are full where 16 or at least 32 rows are left, and no step is missing.
    tests = (
        f.let(f"icmp ne i64 {n.in_place}, 0"),
        f.let(f"icmp eq i64 {f.rem(place.steps, str(STEPS))}, 0"),
        f.let(f"icmp eq i64 {f.rem(f.least(left, str(SIDE)), str(TILE))}, 0"),
    )
    whole = tests[0]
    for test in tests[1:]:
        whole = f.let(f"and i1 {whole}, {test}")
    with f.when(f.let(f"xor i1 {whole}, true")):
        _stage(f, g, place, source, left)
    address = f.let(f"select i1 {whole}, ptr {source}, ptr %scratch")
    stride = f.let(f"select i1 {whole}, i64 {f.mul(n.a_row, '2')}, i64 {_STAGED_ROW}")
    return _Strip(number, row, left, address, stride)


def _stage(f: Function, g: Amx, place: _Place, source: str, left: str) -> None:
    """A copy in scratch of a strip in a block of K: row by row, zeros past its end."""
    n = place.n
    stride = n.a_row if g.along else n.a_step
    rows = f.least(left, str(SIDE))
    with f.loop("0", place.steps, str(STEPS)) as step, f.loop("0", rows, str(TILE)) as first:
        here = f.at(source, f.mul(step.index, n.a_step), "i16")
        here = f.at(here, f.mul(first.index, n.a_row), "i16")
        to = f.at("%scratch", f.mul(first.index, str(_STAGED_ROW)), "i8")
        to = f.at(to, step.index, "i16")
        lanes = f.sub(left, first.index)
        words = _square(f, g.along, here, stride, lanes, f.sub(place.steps, step.index))
        for number, line in enumerate(words if g.along else transpose(f, "i32", words)):
            f.store(_WORDS, line, f.at(to, str(number * _STAGED_ROW), "i8"), _LINE)


def _square(
    f: Function, along: bool, source: str, stride: str, lanes: str, steps: str
) -> list[str]:
    """16 vectors of 16 words, each two bfloat16 that are neighbours along K, zeros past `lanes`
    rows (of A; columns of B) and `steps` steps, which are not read. along: a vector per lane, whose
    steps lie side by side, `stride` elements from that of the next lane; else a vector per pair of
    steps, whose lanes lie side by side, `stride` elements from those of the next step."""
    found = []
    mask = f.tail_mask(STEPS, steps) if along else f.tail_mask(TILE, lanes)
    for number in range(TILE):
        if along:
            [line] = _lines(f, source, stride, [number], STEPS, mask, lanes)
            found.append(f.let(f"bitcast <{STEPS} x i16> {line} to {_WORDS}"))
            continue
        pair = [2 * number, 2 * number + 1]
        low, high = [
            f.let(f"zext <{TILE} x i16> {line} to {_WORDS}")
            for line in _lines(f, source, stride, pair, TILE, mask, steps)
        ]
        high = f.let(f"shl {_WORDS} {high}, {spread_constant(_WORDS, 16)}")
        found.append(f.let(f"or {_WORDS} {low}, {high}"))
    return found


def _lines(
    f: Function, source: str, stride: str, numbers: list[int], lanes: int, mask: str, count: str
) -> list[str]:
    """The lines of these numbers, of which there are `count`, lanes outside of the mask zero."""
    found = []
    for number in numbers:
        there = f.let(f"icmp sgt i64 {count}, {number}")
        kept = f.let(f"select i1 {there}, <{lanes} x i1> {mask}, <{lanes} x i1> zeroinitializer")
        pointer = f.at(source, f.mul(str(number), stride), "i16")
        found.append(f.masked_load("i16", lanes, pointer, kept, 2))
    return found


# -- B --------------------------------------------------------------------------------------------


def emit_pack(symbol: str, along: bool) -> Function:
    """Packs B: [batch][16 columns][32 steps] of tiles, each of 16 pairs of steps x 16 columns.

    Arguments: packed, source; columns, steps, the stride of the batch and that of a column (along:
    steps lie side by side) or a step (columns do), in elements. A unit is `PACKED_AT_ONCE` tiles.
    """
    f = Function(symbol)
    packed, source = f.argument(0), f.argument(1)
    columns, steps, batch_stride, stride = [f.argument(2 + i, "i64") for i in range(4)]
    depth, across = _ceil(f, steps, STEPS), _ceil(f, columns, TILE)
    runs = _ceil(f, depth, PACKED_AT_ONCE)
    with f.loop("%begin", "%end") as unit:
        run, rest = f.rem(unit.index, runs), f.div(unit.index, runs)
        tile, batch = f.rem(rest, across), f.div(rest, across)
        start = f.mul(run, str(PACKED_AT_ONCE))
        stop = f.least(f.add(start, str(PACKED_AT_ONCE)), depth)
        column = f.mul(tile, str(TILE))
        base = f.at(source, f.mul(batch, batch_stride), "i16")
        base = f.at(base, f.mul(column, stride) if along else column, "i16")
        lanes = f.sub(columns, column)
        to = f.at(packed, f.mul(f.mul(rest, depth), str(_BYTES)), "i8")
        with f.loop(start, stop) as number:
            step = f.mul(number.index, str(STEPS))
            here = f.at(base, step if along else f.mul(step, stride), "i16")
            words = _square(f, along, here, stride, lanes, f.sub(steps, step))
            out = f.at(to, f.mul(number.index, str(_BYTES)), "i8")
            for place, line in enumerate(transpose(f, "i32", words) if along else words):
                f.store(_WORDS, line, f.at(out, str(place * _LINE), "i8"), _LINE)
    f.ret()
    return f


# -- sums -----------------------------------------------------------------------------------------


def _each_shape(f: Function, g: Amx, place: _Place, strip: _Strip, panel: str) -> None:
    """One panel of B met by a strip of A, by one or two tiles of either; and if K ends, its rows
    sent on."""
    column = f.mul(panel, str(SIDE))
    right = f.sub(place.n.columns, column)
    inside = f.sub(strip.number, place.first)
    number = f.add(f.mul(f.sub(panel, place.first_panel), place.n.block), inside)
    held = f.at("%scratch", str(SIDE * _STAGED_ROW), "i8")
    held = f.at(held, f.mul(number, place.n.sums), "float")
    tall, wide = [f.let(f"icmp sgt i64 {x}, {TILE}") for x in (strip.left, right)]
    low, narrow = [f.let(f"xor i1 {x}, true") for x in (tall, wide)]
    for high, rows in ((tall, 2), (low, 1)):
        for broad, columns in ((wide, 2), (narrow, 1)):
            with f.when(f.let(f"and i1 {high}, {broad}")):
                _multiply(f, place, strip, panel, held, rows, columns)
    with f.when(place.closes):
        _finish(f, g, place, strip, column, right, held)


def _multiply(
    f: Function, place: _Place, strip: _Strip, panel: str, held: str, rows: int, columns: int
) -> None:
    """Add the products of a block of K to rows x columns tiles of sums."""
    every = [(i, j) for i in range(rows) for j in range(columns)]
    sums = [
        (_SUMS_AT + 2 * i + j, f.at(held, str(TILE * (SIDE * i + j)), "float")) for i, j in every
    ]
    with f.when(place.opens):
        for tile, _ in sums:
            f.call("void", "llvm.x86.tilezero", ("i8", str(tile)))
    with f.when(f.let(f"xor i1 {place.opens}, true")):
        for tile, at in sums:
            _move(f, "tileloadd64", tile, at, str(4 * SIDE))
    depth = f.mul(_ceil(f, place.n.steps, STEPS), str(_BYTES))
    a = [f.at(strip.address, f.mul(str(TILE * i), strip.stride), "i8") for i in range(rows)]
    first = f.at(place.b, f.mul(f.mul(panel, "2"), depth), "i8")
    b = [f.at(first, f.mul(str(j), depth), "i8") for j in range(columns)]
    with f.loop("0", _ceil(f, place.steps, STEPS)) as k:
        for i in range(rows):
            here = f.at(a[i], f.mul(k.index, str(_LINE)), "i8")
            _move(f, "tileloadd64", _A_AT + i, here, strip.stride)
        for j in range(columns):
            here = f.at(b[j], f.mul(k.index, str(_BYTES)), "i8")
            _move(f, "tileloadd64", _B_AT + j, here, str(_LINE))
        for (tile, _), (i, j) in zip(sums, every):
            operands = [("i8", str(t)) for t in (tile, _A_AT + i, _B_AT + j)]
            f.call("void", "llvm.x86.tdpbf16ps", *operands)
    for tile, at in sums:
        _move(f, "tilestored64", tile, at, str(4 * SIDE))


def _move(f: Function, what: str, tile: int, pointer: str, stride: str) -> None:
    """Load or store a tile whose rows are `stride` bytes apart."""
    f.call("void", f"llvm.x86.{what}", ("i8", str(tile)), ("ptr", pointer), ("i64", stride))


def _finish(
    f: Function, g: Amx, place: _Place, strip: _Strip, column: str, right: str, held: str
) -> None:
    """Send the rows of a strip and a panel on."""
    masks = [f.tail_mask(TILE, f.sub(right, str(lane))) for lane in range(0, SIDE, TILE)]
    with f.loop("0", f.least(strip.left, str(SIDE))) as r:
        index = (place.batch, f.add(strip.row, r.index), column)
        here: Here = g.outlet.here(f, place.bound, Spot(index, None))
        line = f.at(held, f.mul(r.index, str(SIDE)), "float")
        for lane, mask in zip(range(0, SIDE, TILE), masks):
            value = f.load(_FLOATS, f.at(line, str(lane), "float"), _LINE)
            here.store(value, (0, 0, lane), TILE, mask)
