"""Products with few rows by a matrix whose contracted axis lies side by side: dot products.

C[b, m, n] = sum_k A[b, m, k] W[b, n, k]. W is read once, in its own order; nothing is packed. A
unit is one vector of columns n.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import NamedTuple

from plait.core.codegen import vectors
from plait.core.codegen.brgemm import multiply_add
from plait.core.codegen.outlet import Outlet, Spot
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.dtypes import BY_NAME
from plait.core.ir.extents import varies
from plait.core.llvm.target import Target

#: Most rows of A, and rows of W walked together: their sums stay in registers.
MOST_ROWS = 4
_TOGETHER = 4


@dataclass(frozen=True)
class Matvec:
    """What the code depends on. a, w: (batch, row) strides in elements; steps lie side by side.

    Numbers that vary come at run time. Where that of the rows does, sums are made for `MOST_ROWS`,
    those past the end from the last row, and are not stored.
    """

    rows: int
    columns: int
    steps: int
    a: tuple[int, int]
    w: tuple[int, int]
    lanes: int
    dtype: str
    outlet: Outlet

    @property
    def groups(self) -> int:
        return -(-self.columns // self.lanes)

    @property
    def most(self) -> int:
        """Rows that sums are made for."""
        return MOST_ROWS if varies(self.rows) else self.rows

    @property
    def scratch(self) -> int:
        return self.most * self.lanes * 8

    @property
    def numbers(self) -> tuple[int, ...]:
        """What a launch gives, in the order of the arguments."""
        return (self.rows, self.columns, self.steps, *self.a, *self.w)


class _Extents(NamedTuple):
    """Rows, columns, steps and strides as values of the code."""

    rows: str
    columns: str
    steps: str
    a_batch: str
    a_row: str
    w_batch: str
    w_row: str


def emit_matvec(symbol: str, target: Target, v: Matvec) -> Function:
    """Arguments: the outlet's writes, A, W, the outlet's reads; `Matvec.numbers`; those of the
    outlet."""
    f = Function(symbol, wide=target.wide)
    count = v.outlet.writes
    writes = [f.argument(i) for i in range(count)]
    a, w = f.argument(count), f.argument(count + 1)
    reads = [f.argument(count + 2 + i) for i in range(v.outlet.reads)]
    start = count + 2 + v.outlet.reads
    n = _Extents(
        *[
            f.argument(start + i, "i64") if varies(number) else str(number)
            for i, number in enumerate(v.numbers)
        ]
    )
    bound = v.outlet.bind(f, writes, reads, start + len(v.numbers))
    groups = f.div(f.add(n.columns, str(v.lanes - 1)), str(v.lanes))
    if not varies(v.columns):
        groups = str(v.groups)
    dtype = BY_NAME[v.dtype]
    kept, wide = vectors.memory_type(dtype), vectors.register_type(dtype, 1)
    with f.loop("%begin", "%end") as unit:
        group, batch = f.rem(unit.index, groups), f.div(unit.index, groups)
        column = f.mul(group, str(v.lanes))
        a_base = f.at(a, f.mul(batch, n.a_batch), kept)
        w_base = f.at(w, f.mul(batch, n.w_batch), kept)
        with f.loop("0", str(v.lanes), str(_TOGETHER)) as some:
            _dots(f, v, n, a_base, w_base, f.add(column, some.index), some.index)
        mask = f.tail_mask(v.lanes, f.sub(n.columns, column))
        for row in range(v.most):
            there = f.let(f"icmp slt i64 {row}, {n.rows}") if varies(v.rows) else "true"
            with contextlib.nullcontext() if there == "true" else f.when(there):
                value = f.load(
                    vectors.vector(wide, v.lanes), f.at("%scratch", str(row * v.lanes), wide), 8
                )
                here = v.outlet.here(f, bound, Spot((batch, str(row), column), mask))
                here.store(value, (0, 0, 0), v.lanes, mask)
    f.ret()
    return f


def _dots(f: Function, v: Matvec, n: _Extents, a: str, w: str, column: str, place: str) -> None:
    """Every row of A with some rows of W; columns and rows past the end repeat the last."""
    dtype = BY_NAME[v.dtype]
    kept, wide = vectors.memory_type(dtype), vectors.register_type(dtype, 1)
    kind = vectors.register_type(dtype, v.lanes)
    w_rows = []
    for i in range(_TOGETHER):
        last = f.sub(n.columns, "1") if varies(v.columns) else str(v.columns - 1)
        number = f.least(f.add(column, str(i)), last)
        w_rows.append(f.at(w, f.mul(number, n.w_row), kept))
    a_rows = []
    for row in range(v.most):
        number = f.least(str(row), f.sub(n.rows, "1")) if varies(v.rows) else str(row)
        a_rows.append(f.at(a, f.mul(number, n.a_row), kept))
    zero = [(kind, spread_constant(kind, 0))] * (v.most * _TOGETHER)

    def turn(index: str, held: list[str], mask: str | None) -> list[str]:
        lines = [vectors.load(f, dtype, f.at(r, index, kept), v.lanes, mask) for r in w_rows]
        given = [vectors.load(f, dtype, f.at(r, index, kept), v.lanes, mask) for r in a_rows]
        return [
            multiply_add(f, kind, x, line, held[m * _TOGETHER + i])
            for m, x in enumerate(given)
            for i, line in enumerate(lines)
        ]

    whole = str(v.steps - v.steps % v.lanes)
    if varies(v.steps):
        whole = f.sub(n.steps, f.rem(n.steps, str(v.lanes)))
    with f.loop("0", whole, str(v.lanes), carried=zero) as loop:
        loop.next = turn(loop.index, loop.carried, None)
    sums = loop.results
    if varies(v.steps):
        with f.loop(whole, n.steps, str(v.lanes), carried=[(kind, s) for s in sums]) as rest:
            mask = f.tail_mask(v.lanes, f.sub(n.steps, whole))
            rest.next = turn(rest.index, rest.carried, mask)
        sums = rest.results
    elif v.steps % v.lanes:
        sums = turn(whole, sums, f.tail_mask(v.lanes, str(v.steps % v.lanes)))
    for m in range(v.most):
        for i in range(_TOGETHER):
            total = _across(f, kind, v.lanes, sums[m * _TOGETHER + i])
            pointer = f.at("%scratch", f.add(place, str(m * v.lanes + i)), wide)
            f.store(wide, total, pointer, 4)


def _across(f: Function, kind: str, lanes: int, value: str) -> str:
    """The sum of all lanes, halving the vector."""
    element = kind[1:-1].split(" x ")[1]
    while lanes > 1:
        half = lanes // 2
        small = vectors.vector(element, half)
        whole = vectors.vector(element, lanes)
        parts = []
        for side in (0, 1):
            numbers = ", ".join(f"i32 {side * half + i}" for i in range(half))
            if half == 1:
                parts.append(f.let(f"extractelement {whole} {value}, i64 {side}"))
            else:
                parts.append(
                    f.let(
                        f"shufflevector {whole} {value}, {whole} poison, <{half} x i32> <{numbers}>"
                    )
                )
        value = f.let(f"fadd {small} {parts[0]}, {parts[1]}")
        lanes = half
    return value
