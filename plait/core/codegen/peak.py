"""A kernel that does nothing but multiply-adds: what one thread can reach."""

from __future__ import annotations

from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function
from plait.core.llvm.target import Target

#: Independent sums: more than the latency of a multiply-add times the units that do them.
SUMS = 12


def peak_kernel() -> Kernel:
    """One unit is a multiply-add on each of SUMS vectors of float32, which it reads and writes."""
    return Kernel("peak", (SUMS,), _emit)


def _emit(symbol: str, target: Target) -> Function:
    f = Function(symbol)
    lanes = target.lanes(4)
    kind = f"<{lanes} x float>"
    # Each sum begins and ends in its own place: equal ones would become one.
    places = [f.at(f.argument(0), str(i), kind) for i in range(SUMS)]
    starts = [f.load(kind, place, 4) for place in places]
    with f.loop("%begin", "%end", carried=[(kind, start) for start in starts]) as loop:
        given = [(kind, starts[0])] * 2
        loop.next = [
            f.call(kind, f"llvm.fma.v{lanes}f32", (kind, total), *given) for total in loop.carried
        ]
    for place, total in zip(places, loop.results):
        f.store(kind, total, place, 4)
    f.ret("0")
    return f
