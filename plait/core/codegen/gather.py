"""Reading at computed places: whole rows (`take`) and single elements (`gather`)."""

from __future__ import annotations

from collections.abc import Callable

from plait.core.codegen.copies import copy_bytes, is_aligned, stream_lines
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function
from plait.core.llvm.target import Target

#: Rows ahead of which memory is asked for: a table is large, and its rows lie anywhere.
_AHEAD = 16


def take_kernel(row_bytes: int, single: bool, past: bool = False) -> Kernel:
    """result (O, J, row) | x (O, A, row), index (J); numbers: A, J. A unit is a row of the result.

    single: O is 1. past: past the caches, where memory is aligned: rows are lines of them (x86).
    """
    return Kernel(
        "take",
        (row_bytes, single, past, _AHEAD),
        lambda symbol, target: _emit_take(symbol, target, row_bytes, single, past),
    )


def _emit_take(symbol: str, target: Target, row_bytes: int, single: bool, past: bool) -> Function:
    f = Function(symbol)
    result, x, index = f.argument(0), f.argument(1), f.argument(2)
    extent, count = f.argument(3, "i64"), f.argument(4, "i64")
    last = f.sub("%end", "1")
    row = f"[{row_bytes} x i8]"

    def source(unit: str) -> str:
        place = unit if single else f.rem(unit, count)
        chosen = f.load("i64", f.at(index, place, "i64"), 8)
        base = "0" if single else f.mul(f.div(unit, count), extent)
        return f.at(x, f.add(base, chosen), row)

    def walk(copy: Callable[[Function, Target, str, str, int], None]) -> None:
        with f.loop("%begin", "%end") as unit:
            if single and row_bytes >= 64:
                ahead = source(f.least(f.add(unit.index, str(_AHEAD)), last))
                for line in range(0, min(row_bytes, 512), 64):
                    f.prefetch(f.at(ahead, str(line), "i8"))
            copy(f, target, f.at(result, unit.index, row), source(unit.index), row_bytes)

    if past:
        whole = is_aligned(f, result)
        with f.when(whole):
            walk(stream_lines)
            f.store_fence()
        with f.when(f.let(f"xor i1 {whole}, true")):
            walk(copy_bytes)
    else:
        walk(copy_bytes)
    f.ret()
    return f


def gather_kernel(itemsize: int, rank: int, axis: int) -> Kernel:
    """result | x, index (of the result's shape): elements of x with index[e] for e's `axis`.

    numbers: extents of the result; strides of x in elements. A unit is a line along the last axis.
    """
    return Kernel(
        "gather",
        (itemsize, rank, axis),
        lambda symbol, target: _emit_gather(symbol, itemsize, rank, axis),
    )


def _emit_gather(symbol: str, itemsize: int, rank: int, axis: int) -> Function:
    f = Function(symbol)
    kind, align = f"i{8 * itemsize}", min(itemsize, 8)
    result, x, index = f.argument(0), f.argument(1), f.argument(2)
    extents = [f.argument(3 + d, "i64") for d in range(rank)]
    strides = [f.argument(3 + rank + d, "i64") for d in range(rank)]
    with f.loop("%begin", "%end") as unit:
        rest, base = unit.index, "0"
        for d in reversed(range(rank - 1)):
            place = f.rem(rest, extents[d]) if d else rest
            rest = f.div(rest, extents[d]) if d else rest
            if d != axis:
                base = f.add(base, f.mul(place, strides[d]))
        line = f.mul(unit.index, extents[-1])
        with f.loop("0", extents[-1]) as loop:
            place = f.add(line, loop.index)
            chosen = f.load("i64", f.at(index, place, "i64"), 8)
            at = f.add(base, f.mul(chosen, strides[axis]))
            if axis != rank - 1:
                at = f.add(at, f.mul(loop.index, strides[-1]))
            value = f.load(kind, f.at(x, at, kind), align)
            f.store(kind, value, f.at(result, place, kind), align)
    f.ret()
    return f
