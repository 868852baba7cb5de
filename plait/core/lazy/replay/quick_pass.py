"""Backward passes by the object machine: what `backward.replay` does, in one call.

The pass is expected to find the grad nodes and leaves of the last one in the same places: no hooks,
nothing freed or written in between, leaves that require a gradient as they did and have one where
they had one. What is otherwise is found before anything is changed, and the pass goes the ordinary
way.
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen.objects import Do
from plait.core.ir.node import Node
from plait.core.lazy.cell import Cell
from plait.core.lazy.grad import GradNode
from plait.core.lazy.replay.assembly import Steps, release, target, watched
from plait.core.lazy.replay.expected import Arrival, QuickPass, Seen
from plait.core.lazy.replay.run import Run, bytes_of
from plait.core.lazy.replay.tree import Point
from plait.core.lazy.replay.unroll import Recipe
from plait.core.lazy.tensor import LazyTensor
from plait.core.ops.elementwise import ADD
from plait.core.runtime.objects import Register


def quick_pass(run: Run, seen: Seen, recipes: list[Recipe], saved: list[tuple]) -> QuickPass | None:
    """The function of a pass that has just been made; None where there is none.

    saved: as `backward` has it.
    """
    steps = Steps(1)
    steps.length(steps.nodes, seen.start)
    grads = _visited(steps, seen)
    leaves = [target(steps, grads[parent], edge) for parent, edge, _ in seen.leaves]
    ends = _Ends(steps, run, seen.start)
    for register, arrival in zip(leaves, seen.arrivals):
        ends.compare(register, arrival)
    read = {place for recipe in recipes for place in recipe.operands if place < seen.start}
    read.update(place for _, _, place in seen.leaves if place < seen.start)
    nodes: dict[int, Register] = {}
    for place, holder, operand in saved:
        nodes[place] = _saved(steps, grads[holder], operand)
    for place in sorted(read - nodes.keys()):
        nodes[place] = steps.item(steps.nodes, place)
        steps.isnt(nodes[place], None)
    steps.hold()
    for place, _, _ in saved:
        steps.do(Do.PUT, steps.nodes, place, nodes[place])
    for number, recipe in enumerate(recipes):
        row = [nodes[i] for i in recipe.operands]
        nodes[seen.start + number] = steps.node(recipe, row, seen.start + number)
    done = ends.make(nodes)
    for grad, op in zip(grads, seen.ops):
        release(steps, grad, op)
    steps.store(steps.run, Run, "point", steps.constant(ends.following))
    steps.give(done)
    function = steps.function()
    return None if function is None else QuickPass(function, ends.nbytes)


class _Sum(NamedTuple):
    """A gradient that is added to one that is held. cell, version, before: registers of what holds
    it; node: what is there now, the sum; enters: whether what was there came from outside."""

    cell: Register
    version: Register
    before: Register
    fallback: Register
    node: Node
    enters: bool


class _Ends:
    """The leaves of a pass: compared, and given their gradients.

    following: the point after all that is done here.
    """

    def __init__(self, steps: Steps, run: Run, start: int) -> None:
        self.steps, self.run, self.start = steps, run, start
        self.following: Point = run.point
        self.nbytes = 0
        self._kept: list[tuple[Register, Arrival]] = []
        self._sums: list[tuple[_Sum, Arrival]] = []
        self._left: list[tuple[Register, Arrival]] = []
        #: The nodes that were added to so far.
        self._known: set[int] = set()

    def compare(self, register: Register, arrival: Arrival) -> None:
        """Compare a leaf with what was found there."""
        steps, leaf, held = self.steps, arrival.leaf, arrival.held
        steps.type(register, type(leaf))
        steps.is_now(register, LazyTensor, "_leaf_hooks", None)
        steps.is_now(register, LazyTensor, "_requires_grad", leaf._requires_grad)
        there = steps.load(register, LazyTensor, "_grad")
        if held is None:
            steps.same(there, steps.constant(None))
            if type(leaf._grad) is leaf.plain:
                self._kept.append((register, arrival))
            else:
                self._leave(register, arrival)
            return
        steps.type(there, type(held))
        added = self._sum(there, arrival) if self.following is self.run.point else None
        if added is None:
            self._leave(register, arrival)
        else:
            self._sums.append((added, arrival))

    def _leave(self, register: Register, arrival: Arrival) -> None:
        """Leave a leaf to Python. What that records may be steps, which come after all others."""
        self._left.append((register, arrival))
        if self.following is self.run.point:
            self.following = arrival.point

    def _sum(self, there: Register, arrival: Arrival) -> _Sum | None:
        """Compare the gradient that a leaf holds, which is added to; None where that is not what
        happened, or cannot be told in advance."""
        held, before = arrival.held, arrival.node
        if before is None:
            return None
        node = held._cell._node
        is_sum = (
            type(held) is arrival.leaf.plain
            and held._base is None
            and type(node) is Node
            and node.op is ADD
            and node.run is self.run.token
            and node.inputs == (before, self.run.nodes[arrival.grad])
            and id(before) not in self._known
        )
        if not is_sum or held._grad_fn is not None or held._requires_grad or held._silent:
            return None
        steps, entered = self.steps, len(self.steps.outside)
        cell, held_node = steps.contents(there)
        steps.is_now(there, LazyTensor, "_grad_fn", None)
        for slot in ("_requires_grad", "_silent"):
            steps.is_now(there, LazyTensor, slot, False)
        if not steps.place(held_node, before, self.run, self.start):
            return None
        self._known.add(id(before))
        enters = len(steps.outside) > entered
        if enters and before.value is not None:
            self.nbytes += bytes_of(before.value)
        fallback = steps.load(cell, Cell, "fallback")
        value = steps.load(held_node, Node, "value")
        nothing = steps.constant(None)
        if before.value is not None:
            steps.differ(value, nothing)
            fallback = held_node
        else:
            steps.same(value, nothing)
            if arrival.fallback is None:
                steps.same(fallback, nothing)
                fallback = held_node
            else:
                steps.differ(fallback, nothing)
        version = steps.load(cell, Cell, "version")
        return _Sum(cell, version, held_node, fallback, node, enters)

    def make(self, nodes: dict[int, Register]) -> Register:
        """Let the gradients arrive; what the function is to give (see `QuickPass`).

        nodes: by place, those of the gradients among them.
        """
        steps = self.steps
        steps.hold_dropped()
        written: list[Register] = []
        for added, arrival in self._sums:
            place = added.node.place
            if added.enters:
                steps.enter(added.before, place - 1)
            made = steps.node(added.node, [added.before, nodes[arrival.grad]], place)
            # As `Cell.write` does.
            steps.store(added.cell, Cell, "_node", made)
            steps.store(added.cell, Cell, "fallback", added.fallback)
            steps.store(added.cell, Cell, "version", steps.plus(added.version, 1))
            written.append(added.cell)
        for register, arrival in self._kept:
            node = self.run.nodes[arrival.grad]
            grad = steps.tensor(arrival.leaf.plain, steps.cell(nodes[arrival.grad]), node)
            steps.store(register, LazyTensor, "_grad", grad)
        if not written and not self._left:
            return steps.constant(True)
        left = [steps.tuple([leaf, nodes[arrival.grad]]) for leaf, arrival in self._left]
        return steps.tuple([steps.tuple(written), steps.tuple(left)])


def _saved(steps: Steps, grad: Register, operand: int | None) -> Register:
    """A value that a grad node keeps: its output, or an operand."""
    if operand is None:
        value = steps.load(grad, GradNode, "output")
    else:
        value = steps.part(steps.load(grad, GradNode, "inputs"), operand)
    steps.type(value, Node)
    return value


def _visited(steps: Steps, seen: Seen) -> list[Register]:
    """Find the grad nodes, and compare what `backward.replay` looks at."""
    grads = [steps.given[0]]
    for parent, edge in seen.ways:
        grads.append(target(steps, grads[parent], edge))
    for register, count in zip(grads, seen.versions):
        watched(steps, register, count)
    return grads
