"""From clusters to launches: gives every value that crosses a kernel's border its buffer.

`lower(graph, target)` walks the clusters in order. Fused clusters become row kernels; contractions
take the elementwise cluster that reads them as their epilogue; the other ops have lowerings of
their own (`lower/table.py`). What has none becomes a host step on the reference executor.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from plait.core.codegen import pointwise, vectors
from plait.core.codegen.access import Access
from plait.core.compiler import views
from plait.core.compiler.body import epilogue_of, row_kernel
from plait.core.compiler.fuse import Cluster, Fusion
from plait.core.compiler.lower.copies import lower_concat, lower_copy
from plait.core.compiler.lower.rows import lower_rows
from plait.core.compiler.lower.table import LOWERINGS
from plait.core.compiler.plan import Buffer, Plan
from plait.core.compiler.rewrite import Builder, Value, rewrite
from plait.core.compiler.steps import HostStep, needed
from plait.core.compiler.views import View
from plait.core.ir.extents import varies
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.op import Lowering, elements
from plait.core.llvm.target import Target
from plait.core.ops.source import FULL
from plait.core.ops.view import CONCAT
from plait.core.reference.executor import evaluate

#: Where memory begins that kernels are given, in bytes (see `codegen/kernel.py`).
PART_ALIGN = 16
#: A smaller part (one in so many) of what the program itself makes is copied: all of it would have
#: to stay in the arena for as long as the part is read.
_LEAST_PART = 3
#: Folds that row kernels know.
_FOLDS = frozenset(("sum", "max", "min", "prod", "any", "all", "argmax", "argmin"))


class Lowered(NamedTuple):
    """A program before it is scheduled.

    inputs and outputs: one buffer per graph input and output. Outputs may share buffers with each
    other and with inputs; `shapes` are the outputs' own shapes. reused: whether all this was made
    of an earlier plan (see `replan`).
    """

    steps: list[Any]
    inputs: list[Buffer]
    outputs: list[Buffer]
    shapes: list[tuple[int, ...]]
    reused: bool = False


def fuses(graph: Graph, made: Instruction) -> bool:
    """Whether an instruction can be part of a row kernel."""
    if isinstance(made.dtype, tuple) or elements(made.shape) == 0:
        return False
    operands = [graph.type_of(arg) for arg in made.args]
    if any(isinstance(o.dtype, tuple) or elements(o.shape) == 0 for o in operands):
        return False
    if not all(vectors.is_supported(d) for d in (made.dtype, *[o.dtype for o in operands])):
        return False
    if made.op.lowering is Lowering.REDUCE:
        return made.op.name in _FOLDS
    if made.op.lowering is not Lowering.ELEMENTWISE:
        return False
    # What is checked of divisors is that integers are not zero.
    if made.op.check is not None and not made.dtype.is_floating_point:
        return False
    return pointwise.supports(made, [o.dtype for o in operands])


class Lowerer:
    """The state of one lowering."""

    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph = graph
        self.plan = Plan(target)
        self.fusion = Fusion(graph, fuses)
        self.buffers: dict[int, Buffer] = {}
        self._parts: dict[int, list[Buffer]] = {}
        self._copies: dict[View, Buffer] = {}
        self._pieces: dict[View, Buffer] = {}
        self.inputs = [Buffer(s.shape, s.dtype, "input") for s in graph.inputs]
        self.buffers.update(enumerate(self.inputs))
        self._wanted = {self.fusion.base(v) for v in graph.outputs}

    def run(self) -> Lowered:
        for place in sorted(self.fusion.cluster_of):
            if self.fusion.cluster_of[place].space is None and self._takes_epilogue(place):
                self.fusion.attach_epilogue(place)
        for cluster in self.fusion.clusters():
            tail = cluster.epilogue
            if tail is None:
                self._lower_cluster(cluster)
            elif not self._lower_with_epilogue(self._anchor(cluster), tail):
                self._lower_alone(self._anchor(cluster))
                self._lower_rows(tail)
        outputs = [self._output(v) for v in self.graph.outputs]
        shapes = [self.graph.type_of(v).shape for v in self.graph.outputs]
        return Lowered(needed(self.plan.steps, outputs), self.inputs, outputs, shapes)

    # -- buffers ----------------------------------------------------------------------------------

    def escapes(self, place: int, among: set[int]) -> bool:
        """Whether a value is read outside of the instructions `among`, or is an output."""
        value = self.fusion.first + place
        users = self.fusion.users(place)
        return value in self._wanted or not users <= among

    def result(self, place: int) -> Buffer:
        """The new buffer of a single result."""
        value = self.fusion.first + place
        made = self.graph.instructions[place]
        buffer = Buffer(made.shape, made.dtype, "temporary")
        self.buffers[value] = buffer
        return buffer

    def results(self, place: int) -> list[Buffer]:
        """The new buffers of an instruction with one or several results."""
        made = self.graph.instructions[place]
        if not isinstance(made.dtype, tuple):
            return [self.result(place)]
        parts = [Buffer(s, d, "temporary") for s, d in zip(made.shape, made.dtype)]
        self._parts[self.fusion.first + place] = parts
        return parts

    def buffer(self, value: int) -> Buffer:
        """The buffer of a value that is not a view."""
        if value not in self.buffers:
            made = self.graph.instructions[value - self.fusion.first]
            if self.fusion.is_item(value):
                self.buffers[value] = self._parts[made.args[0]][made.attrs["index"]]
            else:
                assert made.op is FULL, made.op.name
                self.buffers[value] = self.plan.full(made.shape, made.attrs["value"], made.dtype)
        return self.buffers[value]

    def contiguous(self, value: int) -> Buffer:
        """A buffer that holds a value in row-major order: its own, or a copy of the view."""
        view = self.fusion.views[value]
        spec = self.graph.type_of(value)
        if view.is_whole:
            base = self.buffer(view.base)
            return base if base.shape == spec.shape else alias(base, spec.shape)
        return self._part(view) or self._copied(value)

    def _part(self, view: View) -> Buffer | None:
        """The elements of a view where they are, if they lie one after another and begin where
        kernels may."""
        base = self.buffer(view.base)
        start = view.offset * base.dtype.itemsize
        in_a_row = not view.guards and view.strides == views.row_major(view.shape)
        if not in_a_row or base.kind == "constant" or start % PART_ALIGN != 0:
            return None
        if base.kind != "input" and _LEAST_PART * elements(view.shape) < view.count:
            return None
        if view not in self._pieces:
            self._pieces[view] = alias(base, view.shape, start)
        return self._pieces[view]

    def _copied(self, value: int) -> Buffer:
        """A copy of a view in row-major order."""
        view = self.fusion.views[value]
        spec = self.graph.type_of(value)
        if view not in self._copies:
            made = (
                self.graph.instructions[view.base - self.fusion.first]
                if (view.base >= self.fusion.first)
                else None
            )
            if made is not None and made.op is FULL and not view.guards:
                self._copies[view] = self.plan.full(spec.shape, made.attrs["value"], spec.dtype)
            else:
                target = self.plan.temporary(spec.shape, spec.dtype)
                self._copy(view, target)
                self._copies[view] = target
        return self._copies[view]

    def _read(self, value: int) -> tuple[Buffer, Access, tuple[int, ...]]:
        """(buffer, access, extents) of a value that is copied somewhere else: no copy before."""
        view = self.fusion.views[value]
        place = view.base - self.fusion.first
        made = self.graph.instructions[place] if place >= 0 else None
        if made is not None and made.op is FULL and not view.guards:
            one = self.plan.full((1,), made.attrs["value"], made.dtype)
            return one, Access((0,) * len(view.shape)), view.shape
        if view in self._copies:
            copy = self._copies[view]
            return copy, Access(views.row_major(view.shape)), view.shape
        return self.buffer(view.base), view.access(), view.shape

    def _copy(self, view: View, target: Buffer) -> None:
        source = self.buffer(view.base)
        whole = Access(views.row_major(view.shape))
        lower_copy(self.plan, source, target, view.access(), whole, view.shape)

    def _output(self, value: int) -> Buffer:
        view = self.fusion.views[value]
        buffer = self.contiguous(value) if view.is_whole else self._copied(value)
        root = buffer.root or buffer
        if root.kind == "temporary":
            root.kind = "output"
        return root

    # -- clusters ---------------------------------------------------------------------------------

    def _anchor(self, cluster: Cluster) -> int:
        """The contraction of a cluster with an epilogue."""
        assert cluster.epilogue is not None
        (place,) = set(cluster.places) - set(cluster.epilogue.places)
        return place

    def _lower_cluster(self, cluster: Cluster) -> None:
        if cluster.space is not None:
            self._lower_rows(cluster)
        else:
            self._lower_alone(cluster.first)

    def _lower_rows(self, cluster: Cluster) -> None:
        kernel, places, reads = row_kernel(self.fusion, cluster, self.escapes)
        outputs = [self.result(p) for p in places]
        inputs = [self.buffer(v) for v in reads]
        if not lower_rows(kernel, outputs, inputs, self.plan):
            raise AssertionError(f"no kernel for rows {kernel}")

    def _lower_alone(self, place: int) -> None:
        made = self.graph.instructions[place]
        if made.op.lowering is Lowering.VIEW and self._lower_view(place, made):
            return
        if made.op is CONCAT:
            sources = [self._read(arg) for arg in made.args]
            lower_concat(self.plan, sources, self.result(place), made.attrs["axis"])
            return
        inputs = [self.contiguous(arg) for arg in made.args]
        lower = LOWERINGS.get(made.op.name)
        outputs = self.results(place)
        if lower is not None and lower(made, inputs, outputs, self.plan, None):
            return
        if not made.args:

            def evaluated(attrs: dict[str, Any]) -> np.ndarray:
                return evaluate(made.op, [], attrs, made.dtype)

            self.buffers[self.fusion.first + place] = self.plan.computed(
                evaluated, (made.attrs,), made.shape, made.dtype
            )
            return
        self.plan.steps.append(HostStep(made, tuple(outputs), tuple(inputs)))

    def _lower_view(self, place: int, made: Instruction) -> bool:
        """A reshape that strides cannot say: a copy in the operand's own shape."""
        if made.op.name != "reshape" or elements(made.shape) == 0:
            return False
        view = self.fusion.views[made.args[0]]
        self._copy(view, alias(self.result(place), view.shape))
        return True

    def _takes_epilogue(self, place: int) -> bool:
        made = self.graph.instructions[place]
        takes = made.op.lowering in (Lowering.CONTRACT, Lowering.CONV)
        return takes and made.op.name in LOWERINGS and made.dtype.is_floating_point

    def _lower_with_epilogue(self, place: int, tail: Cluster) -> bool:
        made = self.graph.instructions[place]
        epilogue, places, reads = epilogue_of(self.fusion, place, tail, self.escapes)
        inputs = [self.contiguous(arg) for arg in made.args]
        extra = [self.buffer(v) for v in reads]
        outputs = [
            Buffer(m.shape, m.dtype, "temporary")
            for m in (self.graph.instructions[p] for p in places)
        ]
        before = len(self.plan.steps)
        if not LOWERINGS[made.op.name](made, [*inputs, *extra], outputs, self.plan, epilogue):
            assert len(self.plan.steps) == before, made.op.name
            return False
        for p, buffer in zip(places, outputs):
            self.buffers[self.fusion.first + p] = buffer
        return True


def alias(buffer: Buffer, shape: tuple[int, ...], start: int = 0) -> Buffer:
    """The same memory under another shape, or so much of it from byte `start` on."""
    twin = Buffer(shape, buffer.dtype, buffer.kind, buffer.value)
    twin.root = buffer.root or buffer
    twin.start = buffer.start + start
    twin.made = buffer.made
    return twin


def lower(graph: Graph, target: Target) -> Lowered:
    """The launches and host steps of a graph that has been through the passes."""
    return Lowerer(_single_constants(graph), target).run()


def _single_constants(graph: Graph) -> Graph:
    """The graph with one element in memory for each constant that varies, read by all."""

    def rule(build: Builder, made: Instruction, args: tuple[Value, ...]) -> Value:
        if made.op is not FULL or not varies(made.attrs["value"]) or elements(made.shape) < 2:
            return None
        one = build.full(made.attrs["value"], (1,) * len(made.shape), made.dtype)
        return build.broadcast(one, made.shape)

    varying = (made for made in graph.instructions if made.op is FULL)
    if not any(varies(made.attrs["value"]) for made in varying):
        return graph
    return rewrite(graph, rule)
