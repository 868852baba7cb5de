"""Row kernels: fused elementwise ops and reductions, one row after another.

A row kernel runs a *row graph*: values have the shape (C,), a row, or (1,), one per row; ops are
elementwise, `broadcast` from (1,) to (C,), and reductions over axis 0. Its loops are the `outer`
ones, over rows, and the `inner` ones, along a row, whose extents multiply to C.

`canonical` joins loops that every access walks as one, so that kernels are few and shapes do not
matter to them. `rows_emit.py` writes the code.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from plait.core.codegen.access import Access
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.op import Lowering
from plait.core.ops.elementwise import CAST
from plait.core.ops.source import FULL


class Write(NamedTuple):
    """Where an output goes. mode: "store", or "accumulate": the sum over all rows, whose strides
    along the outer loops are 0."""

    access: Access
    mode: str


class RowKernel(NamedTuple):
    """reads, writes: one per graph input and output, over the loops outer + inner."""

    graph: Graph
    outer: tuple[int, ...]
    inner: tuple[int, ...]
    reads: tuple[Access, ...]
    writes: tuple[Write, ...]

    @property
    def rows(self) -> int:
        return math.prod(self.outer)

    @property
    def width(self) -> int:
        return math.prod(self.inner)

    @property
    def extents(self) -> tuple[int, ...]:
        return (*self.outer, *self.inner)

    @property
    def accesses(self) -> tuple[Access, ...]:
        return (*self.reads, *[write.access for write in self.writes])

    @property
    def is_map(self) -> bool:
        """Whether every element is computed by itself."""
        folds = any(made.op.lowering is Lowering.REDUCE for made in self.graph.instructions)
        return not folds and not self.accumulates

    @property
    def accumulates(self) -> bool:
        return any(write.mode == "accumulate" for write in self.writes)

    def is_full(self, value: int) -> bool:
        """Whether a value of the graph has an element for each place of a row."""
        return self.graph.type_of(value).shape == (self.width,) and self.width != 1


def canonical(kernel: RowKernel) -> RowKernel:
    """The same work in as few loops as the accesses allow.

    Of a map, all loops but the last are rows: whatever was said to be a row.
    """
    kernel = kernel._replace(graph=_without_trivial_folds(kernel.graph))
    outer, inner = list(kernel.outer), list(kernel.inner)
    keep = _useful(kernel.extents)
    split = len([i for i in keep if i < len(outer)])
    extents = [kernel.extents[i] for i in keep]
    accesses = [_pick(access, keep) for access in kernel.accesses]
    if kernel.is_map:
        split = max(len(extents) - 1, 0)
        extents, accesses = _join(extents, accesses, 0, len(extents))
        split = max(len(extents) - 1, 0)
        graph = with_width(kernel.graph, math.prod(inner), math.prod(extents[split:]))
    else:
        extents, accesses = _join(extents, accesses, split, len(extents))
        before = len(extents)
        extents, accesses = _join(extents, accesses, 0, split)
        split -= before - len(extents)
        graph = kernel.graph
    count = len(kernel.reads)
    writes = tuple(
        [w._replace(access=a) for w, a in zip(kernel.writes, accesses[count:], strict=True)]
    )
    return RowKernel(
        graph, tuple(extents[:split]), tuple(extents[split:]), tuple(accesses[:count]), writes
    )


def _without_trivial_folds(graph: Graph) -> Graph:
    """Folds of a single element as what they are: the element itself, or the position 0."""

    def plain(made: Instruction) -> Instruction:
        if made.op.lowering is not Lowering.REDUCE or graph.type_of(made.args[0]).shape != (1,):
            return made
        if made.op.name in ("argmax", "argmin"):
            attrs = {"value": 0, "shape": (1,), "dtype": made.dtype}
            return made._replace(op=FULL, args=(), attrs=attrs)
        return made._replace(op=CAST, attrs={"dtype": made.dtype})

    instructions = tuple([plain(made) for made in graph.instructions])
    return Graph(graph.inputs, instructions, graph.outputs)


def _useful(extents: tuple[int, ...]) -> list[int]:
    return [i for i, n in enumerate(extents) if n != 1]


def _pick(access: Access, keep: list[int]) -> Access:
    place = {loop: i for i, loop in enumerate(keep)}
    guards = []
    for guard in access.guards:
        if guard.loop in place:
            guards.append(guard._replace(loop=place[guard.loop]))
        else:
            # A loop of one turn, whose index is 0: kept as a guard that always or never holds.
            holds = guard.low <= 0 < guard.high
            guards.append(guard._replace(loop=-1, low=0, high=1 if holds else 0))
    kept = tuple([g for g in guards if g.loop >= 0 or g.high == 0])
    return access._replace(strides=tuple([access.strides[i] for i in keep]), guards=kept)


def _join(
    extents: list[int], accesses: list[Access], first: int, last: int
) -> tuple[list[int], list[Access]]:
    """Join neighbouring loops among [first, last) that all accesses walk as one."""
    loop = last - 2
    while loop >= first:
        n = extents[loop + 1]
        fits = all(
            a.strides[loop] == a.strides[loop + 1] * n
            and not any(g.loop in (loop, loop + 1) for g in a.guards)
            for a in accesses
        )
        if fits:
            extents = [*extents[:loop], extents[loop] * n, *extents[loop + 2 :]]
            accesses = [_without(a, loop) for a in accesses]
        loop -= 1
    return extents, accesses


def _without(access: Access, loop: int) -> Access:
    strides = (*access.strides[:loop], *access.strides[loop + 1 :])
    guards = [g._replace(loop=g.loop - 1) if g.loop > loop else g for g in access.guards]
    return access._replace(strides=strides, guards=tuple(guards))


def with_width(graph: Graph, old: int, new: int) -> Graph:
    """The graph of a map for rows of another width; all its values become full."""
    if old is new:
        return graph

    def moved(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (new,) if shape == (old,) else shape

    inputs = tuple([type(s)(moved(s.shape), s.dtype) for s in graph.inputs])
    instructions = tuple(
        [
            made._replace(
                shape=moved(made.shape),
                attrs={k: moved(v) if k == "shape" else v for k, v in made.attrs.items()},
            )
            for made in graph.instructions
        ]
    )
    return Graph(inputs, instructions, graph.outputs)
