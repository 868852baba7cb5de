"""Long rows with one fold, cut in pieces: rows of their own, whose results are folded.

A single row so runs on all threads, and the error of a sum stays small: each accumulator adds few
terms. Of rows that lie side by side in memory, a piece of all is what the second-level cache holds:
what is fetched for some of them is still there when the next ones are read.
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen.access import Access
from plait.core.codegen.rows import RowKernel, Write, with_width
from plait.core.compiler.rewrite import Builder
from plait.core.compiler.views import row_major
from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering, Op
from plait.core.ops import elementwise

#: Elements of a piece at least, and the most pieces.
_PIECE = 1 << 14
_MOST_PIECES = 256
#: Of rows side by side: bytes of a piece of all of them, and elements of a piece at least.
_CACHED = 1 << 21
_SHORTEST = 64

_COMBINE: dict[str, Op] = {
    "sum": elementwise.ADD,
    "prod": elementwise.MUL,
    "max": elementwise.MAXIMUM,
    "min": elementwise.MINIMUM,
    "any": elementwise.OR,
    "all": elementwise.AND,
}


class Cut(NamedTuple):
    """partial: what the pieces give, a row of `main.rows`. main: the pieces. rest: what they leave
    over, if anything. last: folds `main`'s results and that of `rest`; its inputs are they, then
    the inputs of the whole that `shared` names."""

    partial: Spec
    main: RowKernel
    rest: RowKernel | None
    last: RowKernel
    shared: tuple[int, ...]


def cut(kernel: RowKernel, across: bool) -> Cut | None:
    """The kernel (canonical) in pieces; None where it is short, or not of this kind.

    across: its rows lie side by side in memory.
    """
    graph, width = kernel.graph, kernel.width
    folds = [i for i, m in enumerate(graph.instructions) if m.op.lowering is Lowering.REDUCE]
    if (kernel.outer and not across) or len(kernel.inner) != 1 or len(folds) != 1:
        return None
    made = graph.instructions[folds[0]]
    pieces = _pieces(kernel)
    guarded = any(access.guards for access in kernel.accesses)
    full = any(kernel.is_full(v) for v in graph.outputs) or kernel.accumulates
    # What 16 bits hold would be rounded between the two folds.
    if pieces < 2 or made.op.name not in _COMBINE or made.dtype.is_half or guarded or full:
        return None
    before = Graph(
        graph.inputs,
        graph.instructions[: folds[0] + 1],
        (len(graph.inputs) + folds[0],),
    )
    size, left = divmod(width, pieces)
    rows, steps = kernel.rows, row_major(kernel.outer)
    reads = [
        Access((a.strides[-1] * size, *a.strides), a.offset) if kernel.is_full(i) else _again(a)
        for i, a in enumerate(kernel.reads)
    ]
    write = Write(Access((rows, *steps, 0)), "store")
    outer = (pieces, *kernel.outer)
    main = RowKernel(with_width(before, width, size), outer, (size,), tuple(reads), (write,))
    rest = None
    if left:
        done = pieces * size
        reads = [Access(a.strides, a.offset + a.strides[-1] * done) for a in kernel.reads]
        write = Write(Access((*steps, 0)), "store")
        graph = with_width(before, width, left)
        rest = RowKernel(graph, kernel.outer, (left,), tuple(reads), (write,))
    last, shared = _last(kernel, folds[0], pieces, rest is not None)
    return Cut(Spec((pieces, *kernel.outer), made.dtype), main, rest, last, shared)


def _again(access: Access) -> Access:
    """A read of one value per row, the same for each piece."""
    return Access((0, *access.strides), access.offset)


def _pieces(kernel: RowKernel) -> int:
    """How many; below 2: none."""
    if not kernel.outer:
        return min(_MOST_PIECES, kernel.width // _PIECE)
    # Without any, it is a fold of constants.
    widest = max((spec.dtype.itemsize for spec in kernel.graph.inputs), default=0)
    nbytes = kernel.rows * kernel.width * widest
    return min(_MOST_PIECES, nbytes // _CACHED, kernel.width // _SHORTEST)


def _last(
    kernel: RowKernel, fold: int, pieces: int, with_rest: bool
) -> tuple[RowKernel, tuple[int, ...]]:
    """The fold of the pieces' results, and all that follows it."""
    graph = kernel.graph
    made, count = graph.instructions[fold], len(graph.inputs)
    shared = tuple([i for i in range(count) if not kernel.is_full(i)])
    given = [Spec((pieces,), made.dtype), *[Spec((1,), made.dtype)] * with_rest]
    build = Builder([*given, *[graph.inputs[i] for i in shared]])
    values = {number: len(given) + place for place, number in enumerate(shared)}
    total = build.emit(made.op, 0, axes=(0,))
    if with_rest:
        total = build.emit(_COMBINE[made.op.name], total, 1)
    for place, step in enumerate(graph.instructions):
        if place == fold:
            values[count + place] = total
        elif step.shape == (1,):
            args = [values[a] for a in step.args]
            values[count + place] = build.emit(step.op, *args, **step.attrs)
    steps = row_major(kernel.outer)
    parts = [Access((*steps, kernel.rows)), *[Access((*steps, 0))] * with_rest]
    reads = [*parts, *[kernel.reads[i] for i in shared]]
    outputs = [values[v] for v in graph.outputs]
    whole = RowKernel(build.finish(outputs), kernel.outer, (pieces,), tuple(reads), kernel.writes)
    return whole, shared
