"""Copies: runs of bytes, strided boxes of elements, transposes in blocks.

Elements are moved as bytes or integers of their size, so that every dtype has these kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function
from plait.core.llvm.target import Target

#: Bytes of a unit of a plain copy: several per thread in a large one, small enough for a cache.
CHUNK = 1 << 18
#: Results of so many bytes go to memory past the caches: most of a third-level cache.
STREAM_BYTES = 24 << 20
#: Rows of a strip of a transpose: so many neighbours of the source are read at a time, some lines
#: of the cache, whose other ends the strip's next columns touch.
TILE = 32
#: Bytes of a line of the cache, which is written as a whole.
LINE = 64
#: Bytes of the longest runs for whose length alone there is code.
RUN = 512
#: Blocks side by side in a transpose, at most.
_BESIDE = 4


def streams(target: Target, size: int) -> bool:
    """Whether a result of so many bytes is to go past the caches."""
    return size >= STREAM_BYTES and target.triple.startswith("x86_64")


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
    """result | source; numbers: bytes, and where in each it starts. A unit is `CHUNK` bytes.

    The result may be the source itself, at the same place.
    """
    return Kernel("copy", (CHUNK,), _emit_plain)


def _emit_plain(symbol: str, target: Target) -> Function:
    f = Function(symbol)
    size = f.argument(2, "i64")
    result = f.at(f.argument(0), f.argument(3, "i64"), "i8")
    source = f.at(f.argument(1), f.argument(4, "i64"), "i8")
    with f.loop("%begin", "%end") as unit:
        start = f.mul(unit.index, str(CHUNK))
        count = f.least(str(CHUNK), f.sub(size, start))
        copy_unless_same(f, f.at(result, start, "i8"), f.at(source, start, "i8"), count)
    f.ret()
    return f


def stream_copy() -> Kernel:
    """What `plain_copy` is, past the caches where the result's lines can be written whole (x86)."""
    return Kernel("stream_copy", (CHUNK,), _emit_stream)


def _emit_stream(symbol: str, target: Target) -> Function:
    f = Function(symbol)
    size = f.argument(2, "i64")
    result = f.at(f.argument(0), f.argument(3, "i64"), "i8")
    source = f.at(f.argument(1), f.argument(4, "i64"), "i8")
    whole = is_aligned(f, result)
    apart = f.let(f"icmp ne ptr {result}, {source}")
    past = f.let(f"and i1 {whole}, {apart}")
    with f.loop("%begin", "%end") as unit:
        start = f.mul(unit.index, str(CHUNK))
        count = f.least(str(CHUNK), f.sub(size, start))
        to, of = f.at(result, start, "i8"), f.at(source, start, "i8")
        with f.when(past):
            even = f.sub(count, f.rem(count, str(4 * LINE)))
            with f.loop("0", even, str(4 * LINE)) as loop:
                _stream_lines(f, f.at(to, loop.index, "i8"), f.at(of, loop.index, "i8"), target)
            memory_copy(f, f.at(to, even, "i8"), f.at(of, even, "i8"), f.sub(count, even))
        with f.when(f.let(f"xor i1 {past}, true")):
            copy_unless_same(f, to, of, count)
    f.store_fence()
    f.ret()
    return f


def _stream_lines(f: Function, to: str, of: str, target: Target) -> None:
    """Copy four lines, all read before the first is written."""
    size = min(LINE, target.vector_bytes)
    kind, places = f"<{size} x i8>", [str(at) for at in range(0, 4 * LINE, size)]
    values = [f.load(kind, f.at(of, place, "i8"), 1) for place in places]
    for place, value in zip(places, values):
        f.store_past_caches(kind, value, f.at(to, place, "i8"), size)


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


def box_copy(itemsize: int, rank: int, run: int = 0, past: bool = False) -> Kernel:
    """result | source; a box of elements from strided places to strided places. rank: at least 2.

    numbers: offset of the result and of the source; lines of a unit; extents; strides of the
    result; strides of the source, all in elements. A unit is some lines along the last axis, next
    to each other along the last but one. run: bytes of each line, which is packed on both sides; 0:
    any. past: past the caches, where memory is aligned: runs and all steps are whole lines of the
    cache (x86).
    """
    return Kernel(
        "box_copy",
        (itemsize, rank, run, past),
        lambda symbol, target: _emit_box(symbol, target, itemsize, rank, run, past),
    )


def _emit_box(
    symbol: str, target: Target, itemsize: int, rank: int, run: int, past: bool
) -> Function:
    f = Function(symbol)
    kind, _ = _element(itemsize)
    result = f.at(f.argument(0), f.argument(2, "i64"), kind)
    source = f.at(f.argument(1), f.argument(3, "i64"), kind)
    lines = f.argument(4, "i64")
    extents, to_steps, of_steps = _strides(f, 5, rank)
    blocks = f.div(f.sub(f.add(extents[-2], lines), "1"), lines)
    copy = _line_copier(f, target, itemsize, extents[-1], to_steps[-1], of_steps[-1])
    whole = is_aligned(f, result) if past else ""
    with f.loop("%begin", "%end") as unit:
        first = f.mul(f.rem(unit.index, blocks), lines)
        stop = f.least(f.add(first, lines), extents[-2])
        to, of = _corner(f, f.div(unit.index, blocks), extents[:-2], to_steps, of_steps)

        def walk(copy: Callable[[str, str], None]) -> None:
            with f.loop(first, stop) as line:
                to_line = f.at(result, f.add(to, f.mul(line.index, to_steps[-2])), kind)
                of_line = f.at(source, f.add(of, f.mul(line.index, of_steps[-2])), kind)
                copy(to_line, of_line)

        if past:
            with f.when(whole):
                walk(lambda to, of: stream_lines(f, target, to, of, run))
            with f.when(f.let(f"xor i1 {whole}, true")):
                walk(lambda to, of: copy_bytes(f, target, to, of, run))
        elif run:
            walk(lambda to, of: copy_bytes(f, target, to, of, run))
        else:
            walk(copy)
    if past:
        f.store_fence()
    f.ret()
    return f


def is_aligned(f: Function, pointer: str) -> str:
    """Whether an address is that of a line."""
    low = f.let(f"and i64 {f.let(f'ptrtoint ptr {pointer} to i64')}, {LINE - 1}")
    return f.let(f"icmp eq i64 {low}, 0")


def _line_copier(
    f: Function, target: Target, itemsize: int, count: str, to_step: str, of_step: str
) -> Callable[[str, str], None]:
    """What copies a line of `count` elements, packed or not."""
    kind, align = _element(itemsize)
    packed = f.let(f"icmp eq i64 {to_step}, 1")
    packed = f.let(f"and i1 {packed}, {f.let(f'icmp eq i64 {of_step}, 1')}")
    apart = f.let(f"xor i1 {packed}, true")
    wide = max(1, target.vector_bytes // itemsize)
    even = f.sub(count, f.rem(count, str(wide)))

    def copy(to: str, of: str) -> None:
        with f.when(packed):
            _copy_line(f, kind, align, wide, to, of, even, count)
        with f.when(apart), f.loop("0", count) as loop:
            value = f.load(kind, f.at(of, f.mul(loop.index, of_step), kind), align)
            f.store(kind, value, f.at(to, f.mul(loop.index, to_step), kind), align)

    return copy


def stream_lines(f: Function, target: Target, to: str, of: str, count: int) -> None:
    """Copy whole lines, a number that is known now, past the caches."""
    size = min(LINE, target.vector_bytes)
    kind = f"<{size} x i8>"
    for place in range(0, count, size):
        value = f.load(kind, f.at(of, str(place), "i8"), 1)
        f.store_past_caches(kind, value, f.at(to, str(place), "i8"), size)


def _element(itemsize: int) -> tuple[str, int]:
    """The type that moves an element, and its alignment."""
    return f"i{8 * itemsize}", min(itemsize, 8)


def _strides(f: Function, start: int, rank: int) -> tuple[list[str], list[str], list[str]]:
    """(extents, strides of the result, strides of the source) from argument `start` on."""
    words = [f.argument(start + i, "i64") for i in range(3 * rank)]
    return words[:rank], words[rank : 2 * rank], words[2 * rank :]


def _corner(
    f: Function, number: str, extents: list[str], to_steps: list[str], of_steps: list[str]
) -> tuple[str, str]:
    """Where, in the result and in the source, number `number` of a grid of `extents` begins."""
    to, of = "0", "0"
    for d in reversed(range(len(extents))):
        place = f.rem(number, extents[d]) if d else number
        number = f.div(number, extents[d]) if d else number
        to = f.add(to, f.mul(place, to_steps[d]))
        of = f.add(of, f.mul(place, of_steps[d]))
    return to, of


def _copy_line(
    f: Function, kind: str, align: int, wide: int, to: str, of: str, even: str, count: str
) -> None:
    """Copy `count` neighbours, the first `even` of them in vectors of `wide`."""
    vector = f"<{wide} x {kind}>"
    with f.loop("0", even, str(wide)) as loop:
        value = f.load(vector, f.at(of, loop.index, kind), align)
        f.store(vector, value, f.at(to, loop.index, kind), align)
    with f.loop(even, count) as loop:
        value = f.load(kind, f.at(of, loop.index, kind), align)
        f.store(kind, value, f.at(to, loop.index, kind), align)


def tile_copy(itemsize: int, rank: int) -> Kernel:
    """result | source: transposes of the last two axes, result[..., i, j] = source[..., j, i].

    numbers: offset of the result and of the source; extents (..., I, J); strides of the result and
    of the source along them: the result's along j and the source's along i are 1. A unit is `TILE`
    rows i of one matrix.
    """
    return Kernel(
        "tile_copy",
        (itemsize, rank, TILE),
        lambda symbol, target: _emit_tiles(symbol, target, itemsize, rank),
    )


def _emit_tiles(symbol: str, target: Target, itemsize: int, rank: int) -> Function:
    """Strips of rows, in which blocks go down and then across. Blocks side by side fill whole lines
    of the result, which need not wait in the cache for the rest of them: rows that are a power of
    two apart would drive each other out of it."""
    f = Function(symbol)
    kind, _ = _element(itemsize)
    result = f.at(f.argument(0), f.argument(2, "i64"), kind)
    source = f.at(f.argument(1), f.argument(3, "i64"), kind)
    extents, to_steps, of_steps = _strides(f, 4, rank)
    rows, columns = extents[-2:]
    strips = f.div(f.add(rows, str(TILE - 1)), str(TILE))
    edge, beside = _sides(itemsize, target)
    with f.loop("%begin", "%end") as unit:
        to, of = _corner(f, f.div(unit.index, strips), extents[:-2], to_steps, of_steps)
        to, of = f.at(result, to, kind), f.at(source, of, kind)
        strip = _Strip(f, itemsize, edge, to, of, to_steps[-2], of_steps[-1])
        top = f.mul(f.rem(unit.index, strips), str(TILE))
        bottom = f.least(f.add(top, str(TILE)), rows)
        middle = f.sub(bottom, f.rem(f.sub(bottom, top), str(edge)))
        lines = f.sub(columns, f.rem(columns, str(beside * edge)))
        even = f.sub(columns, f.rem(columns, str(edge)))
        strip.blocks((top, middle), ("0", lines), beside)
        if beside > 1:
            strip.blocks((top, middle), (lines, even), 1)
        strip.singly((top, middle), (even, columns))
        strip.singly((middle, bottom), ("0", columns))
    f.ret()
    return f


def _sides(itemsize: int, target: Target) -> tuple[int, int]:
    """(edge of a block, how many side by side fill a line of the result)."""
    edge = 4 if itemsize > 8 else 16 if itemsize <= 4 and target.vector_bytes >= LINE else 8
    return edge, min(_BESIDE, max(1, LINE // (itemsize * edge)))


def strip_lines(itemsize: int, target: Target) -> int:
    """Lines of the source that a unit of `stream_tiles` walks along together."""
    edge, beside = _sides(itemsize, target)
    return edge * beside


def stream_tiles(itemsize: int, rank: int) -> Kernel:
    """What `tile_copy` is, past the caches where the result's lines can be written whole (x86).

    A unit is `strip_lines` lines of the source, columns j of one matrix: lines are read from end
    to end, as memory is fetched best, and what is written stays in no cache on the way.
    """
    return Kernel(
        "stream_tiles",
        (itemsize, rank),
        lambda symbol, target: _emit_stream_tiles(symbol, target, itemsize, rank),
    )


def _emit_stream_tiles(symbol: str, target: Target, itemsize: int, rank: int) -> Function:
    f = Function(symbol)
    kind, _ = _element(itemsize)
    result = f.at(f.argument(0), f.argument(2, "i64"), kind)
    source = f.at(f.argument(1), f.argument(3, "i64"), kind)
    extents, to_steps, of_steps = _strides(f, 4, rank)
    rows, columns = extents[-2:]
    edge, beside = _sides(itemsize, target)
    lines = str(edge * beside)
    pieces = f.div(f.add(columns, str(edge * beside - 1)), lines)
    whole = is_aligned(f, result)
    with f.loop("%begin", "%end") as unit:
        to, of = _corner(f, f.div(unit.index, pieces), extents[:-2], to_steps, of_steps)
        to, of = f.at(result, to, kind), f.at(source, of, kind)
        left = f.mul(f.rem(unit.index, pieces), lines)
        right = f.least(f.add(left, lines), columns)
        even = f.sub(rows, f.rem(rows, str(edge)))
        full = f.let(f"icmp eq i64 {f.sub(right, left)}, {lines}")
        past = f.let(f"and i1 {full}, {whole}")
        for condition, streams in ((past, True), (f.let(f"xor i1 {past}, true"), False)):
            strip = _Strip(f, itemsize, edge, to, of, to_steps[-2], of_steps[-1], streams)
            with f.when(condition):
                middle = right if streams else f.sub(right, f.rem(f.sub(right, left), str(edge)))
                strip.blocks(("0", even), (left, middle), beside if streams else 1)
                strip.singly(("0", even), (middle, right))
        strip.singly((even, rows), (left, right))
    f.store_fence()
    f.ret()
    return f


class _Strip(NamedTuple):
    """result[i, j] = source[j, i]: a row of the result is `down` elements after the one before, a
    row of the source `across`. past: blocks are written past the caches."""

    f: Function
    itemsize: int
    edge: int
    result: str
    source: str
    down: str
    across: str
    past: bool = False

    def _places(self, row: str, column: str) -> tuple[str, str]:
        f, (kind, _) = self.f, _element(self.itemsize)
        to = f.at(self.result, f.add(f.mul(row, self.down), column), kind)
        return to, f.at(self.source, f.add(f.mul(column, self.across), row), kind)

    def blocks(self, rows: tuple[str, str], columns: tuple[str, str], beside: int) -> None:
        """Whole blocks, so many side by side."""
        f, edge = self.f, self.edge
        with f.loop(*columns, str(beside * edge)) as column, f.loop(*rows, str(edge)) as row:
            for number in range(beside):
                here = f.add(column.index, str(number * edge))
                to, of = self._places(row.index, here)
                self._block(to, of)

    def singly(self, rows: tuple[str, str], columns: tuple[str, str]) -> None:
        """Element after element."""
        f, (kind, align) = self.f, _element(self.itemsize)
        with f.loop(*rows) as row, f.loop(*columns) as column:
            to, of = self._places(row.index, column.index)
            f.store(kind, f.load(kind, of, align), to, align)

    def _block(self, result: str, source: str) -> None:
        """An edge x edge block in registers: log2(edge) rounds that interleave pairs of vectors."""
        f, edge, (kind, align) = self.f, self.edge, _element(self.itemsize)
        vector = f"<{edge} x {kind}>"
        places = [f.at(source, f.mul(self.across, str(i)), kind) for i in range(edge)]
        lines = [f.load(vector, place, align) for place in places]
        half = edge // 2
        orders = [
            ", ".join(f"i32 {start + i // 2 + edge * (i % 2)}" for i in range(edge))
            for start in (0, half)
        ]
        for _ in range(edge.bit_length() - 1):
            lines = [
                f.let(f"shufflevector {vector} {a}, {vector} {b}, <{edge} x i32> <{order}>")
                for a, b in zip(lines[:half], lines[half:])
                for order in orders
            ]
        for i, line in enumerate(lines):
            place = f.at(result, f.mul(self.down, str(i)), kind)
            if self.past:
                f.store_past_caches(vector, line, place, edge * self.itemsize)
            else:
                f.store(vector, line, place, align)
