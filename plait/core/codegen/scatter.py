"""Writing and combining at computed places, duplicates always in the order of the sources.

No two units write one element: those of `rows_kernel` own ranges of destination rows and look for
their rows in the whole index; those of `scatter_kernel` own lines of the axis along which the index
runs. So nothing is atomic, and the bits do not depend on who does which unit.
"""

from __future__ import annotations

from plait.core.codegen import vectors
from plait.core.codegen.copies import copy_bytes, copy_unless_same, memory_zero
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.dtypes import DType
from plait.core.llvm.target import Target

#: Columns of a unit of `scatter_kernel` where the axis is not the last.
COLUMNS = 256
#: Index values that are looked at together.
_SEEN = 8


def combine(f: Function, dtype: DType, lanes: int, mode: str, old: str, new: str) -> str:
    """old (mode) new: "add", "mul", "max" or "min"; nan stays nan, as NumPy's functions have it."""
    kind = vectors.register_type(dtype, lanes)
    if dtype.kind == "b":
        return f.let(f"{'or' if mode in ('add', 'max') else 'and'} {kind} {old}, {new}")
    if mode in ("add", "mul"):
        return f.let(f"{'f' if dtype.kind == 'f' else ''}{mode} {kind} {old}, {new}")
    truths = vectors.vector("i1", lanes)
    if dtype.kind == "f":
        test = "ogt" if mode == "max" else "olt"
        takes = f.let(f"fcmp {test} {kind} {new}, {old}")
        is_nan = f.let(f"fcmp uno {kind} {new}, {new}")
        was_nan = f.let(f"fcmp uno {kind} {old}, {old}")
        takes = f.let(f"or {truths} {takes}, {is_nan}")
        takes = f.let(f"select {truths} {was_nan}, {truths} {_none(lanes)}, {truths} {takes}")
    else:
        sign = "u" if dtype.kind == "u" else "s"
        takes = f.let(f"icmp {sign}{'gt' if mode == 'max' else 'lt'} {kind} {new}, {old}")
    return f.let(f"select {truths} {takes}, {kind} {new}, {kind} {old}")


def _none(lanes: int) -> str:
    return spread_constant(vectors.vector("i1", lanes), False)


# -- whole rows -------------------------------------------------------------------------------


def rows_kernel(dtype: DType | None, row: int, from_zero: bool) -> Kernel:
    """result (O, A, row) | base, index (J), src (O, J, row); numbers: A, J, R ranges of rows.

    A unit is one of the R ranges of the destination rows of one o: it copies them from the base,
    unless that is the result itself, and does to them what the sources say.
    dtype: that in which to add; None puts rows of `row` bytes. row: elements (or bytes) of a row.
    from_zero: there is no base, and rows start as zeros.
    """
    name = dtype.name if dtype is not None else ""
    return Kernel(
        "rows_at",
        (name, row, from_zero),
        lambda symbol, target: _emit_rows(symbol, target, dtype, row, from_zero),
    )


def _emit_rows(
    symbol: str, target: Target, dtype: DType | None, row: int, from_zero: bool
) -> Function:
    f = Function(symbol)
    buffers = [f.argument(i) for i in range(3 if from_zero else 4)]
    result, index, src = buffers[0], buffers[-2], buffers[-1]
    extent, count, ranges = [f.argument(len(buffers) + i, "i64") for i in range(3)]
    row_bytes = row * (1 if dtype is None else dtype.itemsize)
    kind = f"[{row_bytes} x i8]"

    def write(place: str, plane: str, sources: str) -> None:
        chosen = f.load("i64", f.at(index, place, "i64"), 8)
        to, of = f.at(plane, chosen, kind), f.at(sources, place, kind)
        if dtype is None:
            copy_bytes(f, target, to, of, row)
        else:
            _add_row(f, target, dtype, to, of, row)

    with f.loop("%begin", "%end") as unit:
        outer, part = f.div(unit.index, ranges), f.rem(unit.index, ranges)
        low = f.div(f.mul(extent, part), ranges)
        high = f.div(f.mul(extent, f.add(part, "1")), ranges)
        first = f.mul(outer, extent)
        start, size = f.add(first, low), f.mul(f.sub(high, low), str(row_bytes))
        if from_zero:
            memory_zero(f, f.at(result, start, kind), size)
        else:
            copy_unless_same(f, f.at(result, start, kind), f.at(buffers[1], start, kind), size)
        plane, sources = f.at(result, first, kind), f.at(src, f.mul(outer, count), kind)
        _for_those_inside(
            f, index, count, low, f.sub(high, low), lambda place: write(place, plane, sources)
        )
    f.ret()
    return f


def _for_those_inside(f: Function, index: str, count: str, low: str, width: str, do) -> None:
    """do(place) for each place of the index whose value is in [low, low + width), in order."""
    kind = f"<{_SEEN} x i64>"
    lows, widths = f.splat(kind, low), f.splat(kind, width)
    groups = f.sub(count, f.rem(count, str(_SEEN)))
    with f.loop("0", groups, str(_SEEN)) as group:
        values = f.load(kind, f.at(index, group.index, "i64"), 8)
        inside = f.let(f"icmp ult {kind} {f.let(f'sub {kind} {values}, {lows}')}, {widths}")
        bits = f.let(f"zext i{_SEEN} {f.let(f'bitcast <{_SEEN} x i1> {inside} to i8')} to i64")
        hits = f.call("i64", "llvm.ctpop.i64", ("i64", bits))
        with f.loop("0", hits, carried=[("i64", bits)]) as hit:
            left = hit.carried[0]
            do(f.add(group.index, f.call("i64", "llvm.cttz.i64", ("i64", left), ("i1", "false"))))
            hit.next = [f.let(f"and i64 {left}, {f.let(f'sub i64 {left}, 1')}")]
    with f.loop(groups, count) as loop:
        value = f.load("i64", f.at(index, loop.index, "i64"), 8)
        with f.when(f.let(f"icmp ult i64 {f.let(f'sub i64 {value}, {low}')}, {width}")):
            do(loop.index)


def _add_row(f: Function, target: Target, dtype: DType, to: str, of: str, row: int) -> None:
    """to[:row] += of[:row]."""
    kept = vectors.memory_type(dtype)
    wide = target.lanes(dtype.itemsize)

    def add(place: str, lanes: int) -> None:
        at = f.at(to, place, kept)
        old = vectors.load(f, dtype, at, lanes)
        new = vectors.load(f, dtype, f.at(of, place, kept), lanes)
        vectors.store(f, dtype, combine(f, dtype, lanes, "add", old, new), at, lanes)

    start = 0
    if row > 8 * wide:
        start = row - row % (2 * wide)
        with f.loop("0", str(start), str(2 * wide)) as loop:
            add(loop.index, wide)
            add(f.add(loop.index, str(wide)), wide)
    while start < row:
        lanes = wide
        while lanes > row - start:
            lanes //= 2
        add(str(start), lanes)
        start += lanes


# -- single elements --------------------------------------------------------------------------


def scatter_kernel(dtype: DType, mode: str, rank: int, axis: int) -> Kernel:
    """result (holds the base already) | index, src (of one shape): "set", "add", "mul", ...

    numbers: extents of the index; strides of the result in elements. A unit is all places that
    differ along `axis` alone, for a run of `COLUMNS` places of the last axis where that is another.
    """
    moved = f"i{8 * dtype.itemsize}" if mode == "set" else dtype.name
    return Kernel(
        "scatter",
        (moved, mode, rank, axis, COLUMNS),
        lambda symbol, target: _emit_scatter(symbol, dtype, mode, rank, axis),
    )


def _emit_scatter(symbol: str, dtype: DType, mode: str, rank: int, axis: int) -> Function:
    f = Function(symbol)
    result, index, src = f.argument(0), f.argument(1), f.argument(2)
    extents = [f.argument(3 + d, "i64") for d in range(rank)]
    strides = [f.argument(3 + rank + d, "i64") for d in range(rank)]
    # Row-major strides of the index and of the source.
    steps = ["1"]
    for d in reversed(range(1, rank)):
        steps.insert(0, f.mul(steps[0], extents[d]))
    kept = f"i{8 * dtype.itemsize}" if mode == "set" else vectors.memory_type(dtype)
    align = min(dtype.itemsize, 8)

    def write(base: str, place: str) -> None:
        chosen = f.load("i64", f.at(index, place, "i64"), 8)
        to = f.at(result, f.add(base, f.mul(chosen, strides[axis])), kept)
        of = f.at(src, place, kept)
        if mode == "set":
            f.store(kept, f.load(kept, of, align), to, align)
            return
        old, new = vectors.load(f, dtype, to, 1), vectors.load(f, dtype, of, 1)
        vectors.store(f, dtype, combine(f, dtype, 1, mode, old, new), to, 1)

    in_line = axis == rank - 1
    blocks = "1" if in_line else f.div(f.add(extents[-1], str(COLUMNS - 1)), str(COLUMNS))
    with f.loop("%begin", "%end") as unit:
        rest, base, place = f.div(unit.index, blocks), "0", "0"
        left = f.mul(f.rem(unit.index, blocks), str(COLUMNS))
        right = "1" if in_line else f.least(f.add(left, str(COLUMNS)), extents[-1])
        for d in reversed(range(rank - 1)):
            if d != axis:
                at = f.rem(rest, extents[d])
                rest = f.div(rest, extents[d])
                base = f.add(base, f.mul(at, strides[d]))
                place = f.add(place, f.mul(at, steps[d]))
        with f.loop("0", extents[axis]) as along:
            line = f.add(place, f.mul(along.index, steps[axis]))
            if in_line:
                write(base, line)
            else:
                with f.loop(left, right) as column:
                    at = f.add(base, f.mul(column.index, strides[-1]))
                    write(at, f.add(line, column.index))
    f.ret()
    return f
