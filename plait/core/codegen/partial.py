"""Adding up the partial sums of a product whose contracted axis was cut.

C[m, n] = sum over parts p, in order, of partial[p, m, n]. A unit is one row.
"""

from __future__ import annotations

from dataclasses import dataclass

from plait.core.codegen import vectors
from plait.core.codegen.outlet import Outlet, Spot
from plait.core.codegen.text import Function
from plait.core.ir.dtypes import BY_NAME
from plait.core.ir.extents import varies
from plait.core.llvm.target import Target


@dataclass(frozen=True)
class Partial:
    """What the code depends on; a varying number of columns comes at run time. dtype: of the
    partial sums."""

    columns: int
    lanes: int
    dtype: str
    outlet: Outlet


def emit_partial(symbol: str, target: Target, p: Partial) -> Function:
    """Arguments: the outlet's writes, the partial sums, the outlet's reads; then the numbers of
    rows, parts and columns, and those of the outlet."""
    f = Function(symbol, wide=target.wide)
    count = p.outlet.writes
    writes = [f.argument(i) for i in range(count)]
    sums = f.argument(count)
    reads = [f.argument(count + 1 + i) for i in range(p.outlet.reads)]
    first = count + 1 + p.outlet.reads
    rows, parts, columns = [f.argument(first + i, "i64") for i in range(3)]
    columns = columns if varies(p.columns) else str(p.columns)
    bound = p.outlet.bind(f, writes, reads, first + 3)
    dtype = BY_NAME[p.dtype]
    kept, kind = vectors.memory_type(dtype), vectors.register_type(dtype, p.lanes)
    distance = f.mul(rows, columns)
    with f.loop("%begin", "%end") as row, f.loop("0", columns, str(p.lanes)) as column:
        mask = f.tail_mask(p.lanes, f.sub(columns, column.index))
        place = f.add(f.mul(row.index, columns), column.index)
        start = vectors.load(f, dtype, f.at(sums, place, kept), p.lanes, mask)
        with f.loop("1", parts, carried=[(kind, start)]) as part:
            pointer = f.at(sums, f.add(place, f.mul(part.index, distance)), kept)
            value = vectors.load(f, dtype, pointer, p.lanes, mask)
            part.next = [f.let(f"fadd {kind} {part.carried[0]}, {value}")]
        here = p.outlet.here(f, bound, Spot(("0", row.index, column.index), mask))
        here.store(part.results[0], (0, 0, 0), p.lanes, mask)
    f.ret()
    return f
