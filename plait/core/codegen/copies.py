"""Copies: runs of bytes, strided boxes of elements, transposes in blocks.

Elements are moved as bytes or integers of their size, so that every dtype has these kernels.
"""

from __future__ import annotations

from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function
from plait.core.llvm.target import Target

#: Bytes of a unit of a plain copy: several per thread in a large one, small enough for a cache.
CHUNK = 1 << 18
#: Rows and columns of a tile of a transpose: the lines that it touches fit a first-level cache.
TILE = 32


def copy_bytes(f: Function, target: Target, result: str, source: str, count: int) -> None:
    """Copy `count` neighbouring bytes, a number that is known now, between distinct places."""
    wide = target.vector_bytes
    group = 4 * wide
    start = 0
    if count > 2 * group:
        start = count - count % group
        with f.loop("0", str(start), str(group)) as loop:
            _copy_run(f, f.at(result, loop.index, "i8"), f.at(source, loop.index, "i8"), wide, 4)
    while start < count:
        size = wide
        while size > count - start:
            size //= 2
        _copy_run(f, f.at(result, str(start), "i8"), f.at(source, str(start), "i8"), size, 1)
        start += size


def _copy_run(f: Function, result: str, source: str, size: int, times: int) -> None:
    kind = "i8" if size == 1 else f"<{size} x i8>"
    values = [f.load(kind, f.at(source, str(i * size), "i8"), 1) for i in range(times)]
    for i, value in enumerate(values):
        f.store(kind, value, f.at(result, str(i * size), "i8"), 1)


def memory_copy(f: Function, result: str, source: str, count: str) -> None:
    """Copy `count` (i64) bytes between places that do not overlap."""
    f.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    f.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {result}, ptr {source}, i64 {count}, i1 false)")


def memory_zero(f: Function, result: str, count: str) -> None:
    """Set `count` (i64) bytes to zero."""
    f.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    f.line(f"call void @llvm.memset.p0.i64(ptr {result}, i8 0, i64 {count}, i1 false)")


def copy_unless_same(f: Function, result: str, source: str, count: str) -> None:
    """Copy `count` (i64) bytes, unless both are the same place."""
    with f.when(f.let(f"icmp ne ptr {result}, {source}")):
        memory_copy(f, result, source, count)


def plain_copy() -> Kernel:
    """result | source, number: bytes. A unit is `CHUNK` bytes; result may be source itself."""
    return Kernel("copy", (CHUNK,), _emit_plain)


def _emit_plain(symbol: str, target: Target) -> Function:
    f = Function(symbol)
    result, source, size = f.argument(0), f.argument(1), f.argument(2, "i64")
    with f.loop("%begin", "%end") as unit:
        start = f.mul(unit.index, str(CHUNK))
        count = f.least(str(CHUNK), f.sub(size, start))
        copy_unless_same(f, f.at(result, start, "i8"), f.at(source, start, "i8"), count)
    f.ret()
    return f


def zeros() -> Kernel:
    """result, number: bytes. A unit is `CHUNK` bytes."""
    return Kernel("zeros", (CHUNK,), _emit_zeros)


def _emit_zeros(symbol: str, target: Target) -> Function:
    f = Function(symbol)
    result, size = f.argument(0), f.argument(1, "i64")
    with f.loop("%begin", "%end") as unit:
        start = f.mul(unit.index, str(CHUNK))
        memory_zero(f, f.at(result, start, "i8"), f.least(str(CHUNK), f.sub(size, start)))
    f.ret()
    return f


def box_copy(itemsize: int, rank: int) -> Kernel:
    """result | source; a box of elements from strided places to strided places.

    numbers: offset of the result and of the source; extents; strides of the result; strides of the
    source, all in elements. A unit is a line along the last axis. rank: at least 1.
    """
    return Kernel(
        "box_copy", (itemsize, rank), lambda symbol, target: _emit_box(symbol, itemsize, rank)
    )


def _emit_box(symbol: str, itemsize: int, rank: int) -> Function:
    f = Function(symbol)
    kind = f"i{8 * itemsize}"
    align = min(itemsize, 8)
    result = f.at(f.argument(0), f.argument(2, "i64"), kind)
    source = f.at(f.argument(1), f.argument(3, "i64"), kind)
    extents = [f.argument(4 + d, "i64") for d in range(rank)]
    out_strides = [f.argument(4 + rank + d, "i64") for d in range(rank)]
    in_strides = [f.argument(4 + 2 * rank + d, "i64") for d in range(rank)]
    packed = f.let(f"icmp eq i64 {out_strides[-1]}, 1")
    packed = f.let(f"and i1 {packed}, {f.let(f'icmp eq i64 {in_strides[-1]}, 1')}")
    apart = f.let(f"xor i1 {packed}, true")
    with f.loop("%begin", "%end") as unit:
        rest, to, of = unit.index, "0", "0"
        for d in reversed(range(rank - 1)):
            place = f.rem(rest, extents[d]) if d else rest
            rest = f.div(rest, extents[d]) if d else rest
            to = f.add(to, f.mul(place, out_strides[d]))
            of = f.add(of, f.mul(place, in_strides[d]))
        to, of = f.at(result, to, kind), f.at(source, of, kind)
        with f.when(packed):
            memory_copy(f, to, of, f.mul(extents[-1], str(itemsize)))
        with f.when(apart), f.loop("0", extents[-1]) as loop:
            value = f.load(kind, f.at(of, f.mul(loop.index, in_strides[-1]), kind), align)
            f.store(kind, value, f.at(to, f.mul(loop.index, out_strides[-1]), kind), align)
    f.ret()
    return f


def tile_copy(itemsize: int) -> Kernel:
    """result | source: a batch of transposes, result[b, i, j] = source[b, j, i].

    numbers: offset of the result and of the source; extents batch, I, J; strides of the result
    along b and i (j: 1); strides of the source along b and j (i: 1). A unit is `TILE` rows i of one
    matrix.
    """
    return Kernel(
        "tile_copy", (itemsize, TILE), lambda symbol, target: _emit_tiles(symbol, itemsize)
    )


def _emit_tiles(symbol: str, itemsize: int) -> Function:
    f = Function(symbol)
    kind = f"i{8 * itemsize}"
    result = f.at(f.argument(0), f.argument(2, "i64"), kind)
    source = f.at(f.argument(1), f.argument(3, "i64"), kind)
    rows, columns = f.argument(5, "i64"), f.argument(6, "i64")
    result_batch, result_row, source_batch, source_column = [
        f.argument(position, "i64") for position in range(7, 11)
    ]
    strips = f.div(f.add(rows, str(TILE - 1)), str(TILE))
    with f.loop("%begin", "%end") as unit:
        batch = f.div(unit.index, strips)
        top = f.mul(f.rem(unit.index, strips), str(TILE))
        bottom = f.least(f.add(top, str(TILE)), rows)
        to = f.at(result, f.mul(batch, result_batch), kind)
        of = f.at(source, f.mul(batch, source_batch), kind)
        whole = f.let(f"icmp eq i64 {f.sub(bottom, top)}, {TILE}")
        edge = 8 if itemsize <= 8 else 4
        even = f.sub(columns, f.rem(columns, str(edge)))
        inner = f.let(f"select i1 {whole}, i64 {even}, i64 0")
        with f.loop("0", inner, str(edge)) as across, f.loop(top, bottom, str(edge)) as down:
            _transpose_block(
                f, kind, edge, to, of, down.index, across.index, result_row, source_column
            )
        with f.loop(top, bottom) as row, f.loop(inner, columns) as column:
            place = f.add(f.mul(column.index, source_column), row.index)
            value = f.load(kind, f.at(of, place, kind), min(itemsize, 8))
            place = f.add(f.mul(row.index, result_row), column.index)
            f.store(kind, value, f.at(to, place, kind), min(itemsize, 8))
    f.ret()
    return f


def _transpose_block(
    f: Function,
    kind: str,
    edge: int,
    result: str,
    source: str,
    row: str,
    column: str,
    result_row: str,
    source_column: str,
) -> None:
    """An edge x edge block in registers: log2(edge) rounds that interleave pairs of vectors."""
    vector = f"<{edge} x {kind}>"
    align = min(int(kind[1:]) // 8, 8)
    lines = []
    for i in range(edge):
        place = f.add(f.mul(f.add(column, str(i)), source_column), row)
        lines.append(f.load(vector, f.at(source, place, kind), align))
    half = edge // 2
    low = ", ".join(f"i32 {i // 2 + edge * (i % 2)}" for i in range(edge))
    high = ", ".join(f"i32 {half + i // 2 + edge * (i % 2)}" for i in range(edge))
    for _ in range(edge.bit_length() - 1):
        following = []
        for a, b in zip(lines[:half], lines[half:]):
            for picks in (low, high):
                following.append(
                    f.let(f"shufflevector {vector} {a}, {vector} {b}, <{edge} x i32> <{picks}>")
                )
        lines = following
    for i, line in enumerate(lines):
        place = f.add(f.mul(f.add(row, str(i)), result_row), column)
        f.store(vector, line, f.at(result, place, kind), align)
