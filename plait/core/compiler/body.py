"""What a fused kernel computes: row graphs and epilogues made from clusters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from plait.core.codegen.access import Access, Epilogue
from plait.core.codegen.rows import RowKernel, Write
from plait.core.compiler import views
from plait.core.compiler.fuse import Cluster, Fusion, folded
from plait.core.compiler.rewrite import Builder
from plait.core.compiler.views import View
from plait.core.ir.dtypes import DType
from plait.core.ir.extents import varies
from plait.core.ir.graph import Instruction
from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering
from plait.core.ops.source import FULL

Escapes = Callable[[int, set[int]], bool]


class _Reads:
    """The values that a kernel reads from memory, each once per way of reading it."""

    def __init__(self) -> None:
        self.views: list[tuple[View, DType, bool]] = []
        self._numbers: dict[tuple[View, bool], int] = {}

    def number(self, view: View, dtype: DType, per_row: bool) -> int:
        """The position of a read among the kernel's inputs."""
        key = (view, per_row)
        if key not in self._numbers:
            self._numbers[key] = len(self.views)
            self.views.append((view, dtype, per_row))
        return self._numbers[key]


def _constant_of(fusion: Fusion, value: int) -> Instruction | None:
    """The `full` that a value is a view of; None for one that varies, which is read from memory."""
    view = fusion.views[value]
    place = view.base - fusion.first
    made = fusion.graph.instructions[place] if place >= 0 else None
    if made is None or made.op is not FULL or view.guards or varies(made.attrs["value"]):
        return None
    return made


class _Body:
    """The graph of a kernel under construction: its inputs are known before its instructions."""

    def __init__(self, fusion: Fusion, places: list[int]) -> None:
        self.fusion = fusion
        self.places = places
        self.mine = set(places)
        self.reads = _Reads()

    def is_mine(self, arg: int) -> bool:
        return self.fusion.base(arg) - self.fusion.first in self.mine

    def outside(self, arg: int) -> bool:
        """Whether an operand is read from memory."""
        return not self.is_mine(arg) and _constant_of(self.fusion, arg) is None


def row_kernel(
    fusion: Fusion, cluster: Cluster, escapes: Escapes
) -> tuple[RowKernel, list[int], list[int]]:
    """(kernel, the places whose values it stores, the base values that it reads)."""
    assert cluster.space is not None
    space = cluster.space
    rank = len(space)
    inner, across = cluster.inner, cluster.across
    if inner is not None:
        inside = sorted(inner)
    elif across is not None:
        inside = [axis for axis in range(rank) if axis not in across]
    else:
        inside = [rank - 1] if rank else []
    outside = [axis for axis in range(rank) if axis not in inside]
    order = (*outside, *inside)
    rows = folded(space, inner) if inner is not None else None
    width = math.prod([space[axis] for axis in inside])
    body = _Body(fusion, cluster.places)

    def is_full(shape: tuple[int, ...]) -> bool:
        return shape == space

    def read(arg: int) -> tuple[int, bool]:
        """(number of the input, whether it has one value per row) of an operand from memory."""
        view = fusion.views[arg]
        spec = fusion.graph.type_of(arg)
        full = is_full(spec.shape)
        flat = all(view.strides[axis] == 0 for axis in inside if axis < len(view.strides))
        guarded = any(g.loop in inside for g in view.guards)
        per_row = not full or (flat and not guarded and width > 1 and rank > 0)
        return body.reads.number(view, spec.dtype, per_row), per_row

    for place in cluster.places:
        for arg in fusion.graph.instructions[place].args:
            if body.outside(arg):
                read(arg)
    build = Builder([Spec((1,) if per_row else (width,), d) for _, d, per_row in body.reads.views])
    values: dict[int, int] = {}
    stored: list[tuple[int, int, Write]] = []
    joint = (space, inner, across)

    def shaped(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (width,) if is_full(shape) else (1,)

    def operand(arg: int, wanted: tuple[int, ...]) -> int:
        constant = _constant_of(fusion, arg)
        if constant is not None:
            dtype = fusion.graph.type_of(arg).dtype
            return build.full(constant.attrs["value"], wanted, dtype)
        source = fusion.base(arg) - fusion.first
        number = values[source] if source in body.mine else read(arg)[0]
        return build.broadcast(number, wanted) if build.spec(number).shape != wanted else number

    for place in cluster.places:
        made = fusion.graph.instructions[place]
        if made.op.lowering is Lowering.REDUCE:
            shape = fusion.graph.type_of(made.args[0]).shape
            value = operand(made.args[0], shaped(shape))
            if fusion.is_across(place, joint):
                access = _permuted(views.row_major(made.shape), order)
                stored.append((place, value, Write(access, "accumulate")))
                continue
            attrs: dict[str, Any] = {"axis": 0} if "axis" in made.attrs else {"axes": (0,)}
            values[place] = build.emit(made.op, value, **attrs)
        else:
            wanted = shaped(made.shape)
            args = [operand(arg, wanted) for arg in made.args]
            values[place] = build.emit(made.op, *args, **made.attrs)
        if escapes(place, body.mine):
            strides = views.row_major(made.shape)
            stored.append((place, values[place], Write(_permuted(strides, order), "store")))
    assert rows is None or len(rows) == rank
    kernel = RowKernel(
        build.finish([value for _, value, _ in stored]),
        tuple([space[axis] for axis in outside]),
        tuple([space[axis] for axis in inside]),
        tuple([_read_access(view, order) for view, _, _ in body.reads.views]),
        tuple([write for _, _, write in stored]),
    )
    return kernel, [place for place, _, _ in stored], [v.base for v, _, _ in body.reads.views]


def _permuted(strides: tuple[int, ...], order: tuple[int, ...]) -> Access:
    return Access(tuple([strides[axis] for axis in order]))


def _read_access(view: View, order: tuple[int, ...]) -> Access:
    place = {axis: i for i, axis in enumerate(order)}
    guards = tuple([g._replace(loop=place[g.loop]) for g in view.guards])
    return Access(tuple([view.strides[axis] for axis in order]), view.offset, guards, view.fill)


def epilogue_of(
    fusion: Fusion, anchor: int, tail: Cluster, escapes: Escapes
) -> tuple[Epilogue, list[int], list[int]]:
    """(epilogue, the places whose values it stores, the base values that it reads).

    anchor: the place of the contraction; tail: the elementwise cluster that reads it.
    """
    body = _Body(fusion, [anchor, *tail.places])
    for place in tail.places:
        for arg in fusion.graph.instructions[place].args:
            if body.outside(arg):
                body.reads.number(fusion.views[arg], fusion.graph.type_of(arg).dtype, False)
    dtype = fusion.graph.instructions[anchor].dtype
    build = Builder([Spec((), dtype), *[Spec((), d) for _, d, _ in body.reads.views]])
    values = {anchor: 0}

    def operand(arg: int) -> int:
        constant = _constant_of(fusion, arg)
        spec = fusion.graph.type_of(arg)
        if constant is not None:
            return build.full(constant.attrs["value"], (), spec.dtype)
        source = fusion.base(arg) - fusion.first
        if source in body.mine:
            return values[source]
        return 1 + body.reads.number(fusion.views[arg], spec.dtype, False)

    for place in tail.places:
        made = fusion.graph.instructions[place]
        values[place] = build.emit(made.op, *[operand(a) for a in made.args], **made.attrs)
    stored = [place for place in body.places if escapes(place, body.mine)]
    whole = Access(views.row_major(fusion.graph.instructions[anchor].shape))
    epilogue = Epilogue(
        build.finish([values[place] for place in stored]),
        tuple([view.access() for view, _, _ in body.reads.views]),
        tuple([whole] * len(stored)),
    )
    return epilogue, stored, [view.base for view, _, _ in body.reads.views]
