"""Packing of the weight of a recurrent layer into the panels that its steps read."""

from __future__ import annotations

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.recurrent import Tile
from plait.core.codegen.text import Function
from plait.core.llvm.target import Target


def pack_rows(tile: Tile) -> Kernel:
    """w (rows, H), whose rows become columns, to panels (H, vectors, lanes).

    The rows of a panel's vector are those of hidden units: of all gates, or of neighbouring ones
    (see `Tile.gates`); zeros stand past the last. Buffers packed | w; number: H. A unit is a panel.
    """
    kept = vectors.memory_type(tile.dtype)

    def emit(symbol: str, target: Target) -> Function:
        f = Function(symbol)
        packed, w, hidden = f.argument(0), f.argument(1), f.argument(2, "i64")
        size = str(tile.columns * tile.lanes)
        with f.loop("%begin", "%end") as unit:
            panel = f.at(packed, f.mul(f.mul(unit.index, hidden), size), kept)
            with f.loop("0", str(tile.columns)) as column:
                first = f.mul(unit.index, str(tile.width))
                start = f.mul(column.index, hidden if tile.gates else str(tile.lanes))
                start = f.add(start, first)
                left = f.sub(hidden, first if tile.gates else start)
                left = f.call("i64", "llvm.smax.i64", ("i64", left), ("i64", "0"))
                there = f.least(left, str(tile.lanes))
                # Whole blocks are transposed in registers; the last vectors may not have any.
                full = f.let(f"icmp eq i64 {there}, {tile.lanes}")
                blocks = f.sub(hidden, f.rem(hidden, str(tile.lanes)))
                blocks = f.let(f"select i1 {full}, i64 {blocks}, i64 0")
                place = f.at(panel, f.mul(column.index, str(tile.lanes)), kept)
                row = f.at(w, f.mul(start, hidden), kept)
                with f.loop("0", blocks, str(tile.lanes)) as k:
                    source = f.at(row, k.index, kept)
                    _turn_block(f, tile, source, hidden, f.at(place, f.mul(k.index, size), kept))
                with f.loop(blocks, hidden) as k:
                    where = f.at(place, f.mul(k.index, size), kept)
                    _column(f, tile, f.at(row, k.index, kept), hidden, where, there)
        f.ret()
        return f

    return Kernel("pack_rows", tile.key, emit)


def _turn_block(f: Function, tile: Tile, source: str, stride: str, place: str) -> None:
    """A block of lanes * lanes elements, rows `stride` apart, transposed to rows of a panel."""
    kept = vectors.memory_type(tile.dtype)
    rows = []
    for lane in range(tile.lanes):
        where = f.at(source, f.mul(stride, str(lane)), kept)
        rows.append(vectors.load(f, tile.dtype, where, tile.lanes))
    for k, value in enumerate(transposed(f, tile.kind, rows)):
        where = f.at(place, str(k * tile.columns * tile.lanes), kept)
        vectors.store(f, tile.dtype, value, where, tile.lanes)


def transposed(f: Function, kind: str, rows: list[str]) -> list[str]:
    """The transpose of a square of vectors of type `kind`; their number is a power of two.

    Interleaving the first half of the rows with the second, log2(rows) times over, turns the bits
    of (row, column) round by one each time.
    """
    count = len(rows)
    half = count // 2
    low = [i // 2 + (i % 2) * count for i in range(count)]
    for _ in range(count.bit_length() - 1):
        mixed = []
        for a, b in zip(rows[:half], rows[half:]):
            for start in (0, half):
                order = ", ".join(f"i32 {i + start}" for i in low)
                mixed.append(
                    f.let(f"shufflevector {kind} {a}, {kind} {b}, <{count} x i32> <{order}>")
                )
        rows = mixed
    return rows


def _column(f: Function, tile: Tile, source: str, stride: str, place: str, there: str) -> None:
    """`there` elements `stride` apart side by side, then zeros up to a whole vector."""
    kept = vectors.memory_type(tile.dtype)
    align = tile.dtype.itemsize
    with f.loop("0", there) as lane:
        value = f.load(kept, f.at(source, f.mul(lane.index, stride), kept), align)
        f.store(kept, value, f.at(place, lane.index, kept), align)
    with f.loop(there, str(tile.lanes)) as lane:
        f.store(kept, "0.0", f.at(place, lane.index, kept), align)


def pack_columns(tile: Tile) -> Kernel:
    """w (K, H) to panels (K, width) of neighbouring columns, zero past the last.

    Buffers packed | w; numbers: K, H. A unit is a panel.
    """
    kept = vectors.memory_type(tile.dtype)

    def emit(symbol: str, target: Target) -> Function:
        f = Function(symbol)
        packed, w = f.argument(0), f.argument(1)
        depth, hidden = f.argument(2, "i64"), f.argument(3, "i64")
        width = str(tile.width)
        with f.loop("%begin", "%end") as unit:
            panel = f.at(packed, f.mul(f.mul(unit.index, depth), width), kept)
            first = f.mul(unit.index, width)
            with f.loop("0", depth) as k:
                row = f.at(w, f.mul(k.index, hidden), kept)
                place = f.at(panel, f.mul(k.index, width), kept)
                for column in range(0, tile.width, tile.lanes):
                    index = f.add(first, str(column))
                    left = f.sub(hidden, index)
                    left = f.call("i64", "llvm.smax.i64", ("i64", left), ("i64", "0"))
                    mask = f.tail_mask(tile.lanes, left) if tile.ragged else None
                    source = f.at(row, index, kept)
                    value = vectors.load(f, tile.dtype, source, tile.lanes, mask)
                    where = f.at(place, str(column), kept)
                    vectors.store(f, tile.dtype, value, where, tile.lanes)
        f.ret()
        return f

    return Kernel("pack_columns", tile.key, emit)
