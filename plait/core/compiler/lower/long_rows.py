"""A single long row with one fold, cut in pieces: rows of their own, whose results are folded.

So it runs on all threads, and the error of a sum stays small: each accumulator adds few terms.
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen.access import Access
from plait.core.codegen.rows import RowKernel, Write, with_width
from plait.core.compiler.rewrite import Builder
from plait.core.ir.graph import Graph
from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering, Op
from plait.core.ops import elementwise

#: Elements of a piece at least, and the most pieces.
_PIECE = 1 << 14
_MOST_PIECES = 256

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


def cut(kernel: RowKernel) -> Cut | None:
    """The kernel (canonical) in pieces; None where it is short, or not of this kind."""
    graph, width = kernel.graph, kernel.width
    folds = [i for i, m in enumerate(graph.instructions) if m.op.lowering is Lowering.REDUCE]
    pieces = min(_MOST_PIECES, width // _PIECE)
    if pieces < 2 or kernel.outer or len(kernel.inner) != 1 or len(folds) != 1:
        return None
    made = graph.instructions[folds[0]]
    guarded = any(access.guards for access in kernel.accesses)
    full = any(kernel.is_full(v) for v in graph.outputs) or kernel.accumulates
    # What 16 bits hold would be rounded between the two folds.
    if made.op.name not in _COMBINE or made.dtype.is_half or guarded or full:
        return None
    before = Graph(
        graph.inputs,
        graph.instructions[: folds[0] + 1],
        (len(graph.inputs) + folds[0],),
    )
    size, left = divmod(width, pieces)
    reads = [Access((a.strides[0] * size, a.strides[0]), a.offset) for a in kernel.reads]
    write = Write(Access((1, 0)), "store")
    main = RowKernel(with_width(before, width, size), (pieces,), (size,), tuple(reads), (write,))
    rest = None
    if left:
        done = pieces * size
        reads = [Access(a.strides, a.offset + a.strides[0] * done) for a in kernel.reads]
        write = Write(Access((0,)), "store")
        rest = RowKernel(with_width(before, width, left), (), (left,), tuple(reads), (write,))
    last, shared = _last(kernel, folds[0], pieces, rest is not None)
    return Cut(Spec((pieces,), made.dtype), main, rest, last, shared)


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
    reads = [Access((1,)), *[Access((0,))] * with_rest, *[kernel.reads[i] for i in shared]]
    outputs = [values[v] for v in graph.outputs]
    return RowKernel(build.finish(outputs), (), (pieces,), tuple(reads), kernel.writes), shared
