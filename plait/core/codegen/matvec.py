"""Products with few rows by a matrix whose contracted axis lies side by side: dot products.

C[b, m, n] = sum_k A[b, m, k] W[b, n, k]. W is read once, in its own order; nothing is packed. A
unit is one vector of columns n.
"""

from __future__ import annotations

from dataclasses import dataclass

from plait.core.codegen import vectors
from plait.core.codegen.brgemm import multiply_add
from plait.core.codegen.outlet import Outlet, Spot
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.dtypes import BY_NAME

#: Most rows of A, and rows of W walked together: their sums stay in registers.
MOST_ROWS = 4
_TOGETHER = 4


@dataclass(frozen=True)
class Matvec:
    """What the code depends on. a, w: (batch, row) strides in elements; steps lie side by side."""

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
    def scratch(self) -> int:
        return self.rows * self.lanes * 8


def emit_matvec(symbol: str, v: Matvec) -> Function:
    """Arguments: the outlet's writes, A, W, the outlet's reads."""
    f = Function(symbol)
    count = v.outlet.writes
    writes = [f.argument(i) for i in range(count)]
    a, w = f.argument(count), f.argument(count + 1)
    reads = [f.argument(count + 2 + i) for i in range(v.outlet.reads)]
    bound = v.outlet.bind(f, writes, reads)
    dtype = BY_NAME[v.dtype]
    kept, wide = vectors.memory_type(dtype), vectors.register_type(dtype, 1)
    with f.loop("%begin", "%end") as unit:
        group, batch = f.rem(unit.index, str(v.groups)), f.div(unit.index, str(v.groups))
        column = f.mul(group, str(v.lanes))
        a_base = f.at(a, f.mul(batch, str(v.a[0])), kept)
        w_base = f.at(w, f.mul(batch, str(v.w[0])), kept)
        with f.loop("0", str(v.lanes), str(_TOGETHER)) as some:
            _dots(f, v, a_base, w_base, f.add(column, some.index), some.index)
        mask = f.tail_mask(v.lanes, f.sub(str(v.columns), column))
        for row in range(v.rows):
            value = f.load(
                vectors.vector(wide, v.lanes), f.at("%scratch", str(row * v.lanes), wide), 8
            )
            here = v.outlet.here(f, bound, Spot((batch, str(row), column), mask))
            here.store(value, (0, 0, 0), v.lanes, mask)
    f.ret()
    return f


def _dots(f: Function, v: Matvec, a: str, w: str, column: str, place: str) -> None:
    """Every row of A with some rows of W; columns past the end repeat the last."""
    dtype = BY_NAME[v.dtype]
    kept, wide = vectors.memory_type(dtype), vectors.register_type(dtype, 1)
    kind = vectors.register_type(dtype, v.lanes)
    w_rows = []
    for i in range(_TOGETHER):
        number = f.least(f.add(column, str(i)), str(v.columns - 1))
        w_rows.append(f.at(w, f.mul(number, str(v.w[1])), kept))
    a_rows = [f.at(a, str(row * v.a[1]), kept) for row in range(v.rows)]
    zero = [(kind, spread_constant(kind, 0))] * (v.rows * _TOGETHER)

    def turn(index: str, held: list[str], mask: str | None) -> list[str]:
        lines = [vectors.load(f, dtype, f.at(r, index, kept), v.lanes, mask) for r in w_rows]
        given = [vectors.load(f, dtype, f.at(r, index, kept), v.lanes, mask) for r in a_rows]
        return [
            multiply_add(f, kind, x, line, held[m * _TOGETHER + i])
            for m, x in enumerate(given)
            for i, line in enumerate(lines)
        ]

    whole = v.steps - v.steps % v.lanes
    with f.loop("0", str(whole), str(v.lanes), carried=zero) as loop:
        loop.next = turn(loop.index, loop.carried, None)
    sums = loop.results
    if whole < v.steps:
        sums = turn(str(whole), sums, f.tail_mask(v.lanes, str(v.steps - whole)))
    for m in range(v.rows):
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
