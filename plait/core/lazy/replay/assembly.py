"""Instructions for the object machine that compare and make what recording is made of."""

from __future__ import annotations

from math import copysign
from typing import Any

from plait.core.codegen.objects import Do
from plait.core.ir.node import Node
from plait.core.lazy.cell import Cell
from plait.core.lazy.grad import GradNode
from plait.core.lazy.replay.run import Run
from plait.core.lazy.tensor import LazyTensor
from plait.core.ops.source import FULL
from plait.core.runtime.objects import Assembly, Register


class Steps(Assembly):
    """Instructions of a function whose first argument is the run, and whose second is the era of
    new cells.

    nodes: of the run. outside: (register, node, place) of the values from outside that are to get
    places.
    """

    def __init__(self, arguments: int) -> None:
        super().__init__(2 + arguments)
        self.run, self.era, *self.given = self.arguments
        self.token = self.load(self.run, Run, "token")
        self.nodes = self.load(self.run, Run, "nodes")
        self.outside: list[tuple[Register, Node, int]] = []
        #: Per node made the register of its operands.
        self.rows: dict[Register, Register] = {}
        #: (register, place) of nodes of the run that it may have dropped after a launch.
        self.dropped: list[tuple[Register, int]] = []

    # -- comparing -------------------------------------------------------------------------------

    def contents(self, tensor: Register) -> tuple[Register, Register]:
        """(cell, node) of a tensor that is no view, and whose memory nothing else sees."""
        self.is_now(tensor, LazyTensor, "_base", None)
        cell = self.load(tensor, LazyTensor, "_cell")
        self.type(cell, Cell)
        self.is_now(cell, Cell, "shared", None)
        node = self.load(cell, Cell, "_node")
        self.type(node, Node)
        return cell, node

    def place(self, there: Register, node: Node, run: Run, before: int) -> bool:
        """Compare where a value is: in the run, or outside if it got its place after so many;
        False where that cannot be told in advance."""
        place = node.place
        # Asked after the place: another thread may enter the node in a run of its own at any time.
        if node.run is not run.token:
            return False
        if place < before:
            self.same(self.load(there, Node, "run"), self.token)
            self.number(self.load(there, Node, "place"), place)
            held = self.item(self.nodes, place)
            if node.value is None:
                self.same(held, there)
            else:
                self.do(Do.EITHER, held, there, self.constant(None))
                self.dropped.append((there, place))
            return True
        for register, other, _ in self.outside:
            if other is node:
                self.same(register, there)
                return True
        self.differ(self.load(there, Node, "run"), self.token)
        if node.value is not None:
            self.isnt(self.load(there, Node, "value"), None)
        elif not self.full(there, node):
            return False
        self.like(there, node)
        for register, _, _ in self.outside:
            self.differ(register, there)
        self.outside.append((there, node, place))
        return True

    def like(self, there: Register, node: Node) -> None:
        """Require a node of this one's type."""
        self.equal(self.load(there, Node, "shape"), type(node.shape), node.shape)
        self.is_now(there, Node, "dtype", node.dtype)

    def full(self, there: Register, node: Node) -> bool:
        """Compare a waiting constant."""
        value = node.attrs.get("value")
        if node.op is not FULL or type(value) not in (int, float, bool):
            return False
        self.is_now(there, Node, "op", FULL)
        self.is_now(there, Node, "value", None)
        attrs = self.load(there, Node, "attrs")
        self.equal(attrs, dict, node.attrs)
        there = self.entry(attrs, "value")
        self.type(there, type(value))
        if type(value) is float and not value:
            # Zeros of two signs are equal; the bits of this one are none.
            self.do(Do.EMPTY, there, object.__basicsize__)
            return copysign(1.0, value) > 0
        return True

    # -- making ----------------------------------------------------------------------------------

    def hold_dropped(self) -> None:
        """Hold again what the run has dropped."""
        for register, place in self.dropped:
            self.do(Do.PUT, self.nodes, place, register)

    def enter_outside(self) -> None:
        """Give places to the values from outside, and hold again what was dropped."""
        self.hold_dropped()
        for register, _, place in self.outside:
            self.enter(register, place)

    def enter(self, node: Register, place: int) -> None:
        """Give a node that is there a place; the run first: see `Run.enter`."""
        self.store(node, Node, "run", self.token)
        self.store(node, Node, "place", self.constant(place))
        self.append(self.nodes, node)

    def node(self, made: Any, operands: list[Register], place: int) -> Register:
        """The node of a recipe, or of a point of the tree."""
        row = self.tuple(operands)
        node = new_node(self, made, row, self.token, self.constant(place))
        self.rows[node] = row
        self.append(self.nodes, node)
        return node

    def cell(self, node: Register) -> Register:
        nothing = self.constant(None)
        slots = {"_node": node, "era": self.era, "version": self.constant(0)}
        return self.make(Cell, {**slots, "shared": nothing, "fallback": nothing})

    def tensor(
        self, plain: type, cell: Register, made: Any, grad: Register | None = None, output: int = 0
    ) -> Register:
        """A base tensor over a cell, of what a recipe or point makes; its gradient goes to an
        output of a grad node."""
        nothing, no = self.constant(None), self.constant(False)
        slots = {
            "_cell": cell,
            "_shape": self.constant(made.shape),
            "_dtype": self.constant(made.dtype),
            "_grad_fn": nothing if grad is None else grad,
            "_output_number": self.constant(output),
            "_steps": self.constant(()),
        }
        slots.update(
            dict.fromkeys(("_base", "_layout", "_cached", "_grad", "_leaf_hooks"), nothing)
        )
        slots.update(dict.fromkeys(("_requires_grad", "_moved", "_silent"), no))
        return self.make(plain, slots)


def release(steps: Assembly, grad: Register, op: Any) -> None:
    """Let go what a grad node keeps: `GradNode.release`."""
    steps.store(grad, GradNode, "run", steps.constant(None))
    if op.saved_inputs or op.saves_output or op.vjp is None:
        nothing = steps.constant(())
        steps.store(grad, GradNode, "released", steps.constant(True))
        for slot in ("inputs", "output", "versions"):
            steps.store(grad, GradNode, slot, nothing)


def watched(steps: Assembly, grad: Register, count: int) -> None:
    """Compare what a walk looks at in a grad node: no hooks, not freed, and none of the so many
    values that it watches written."""
    steps.type(grad, GradNode)
    steps.is_now(grad, GradNode, "hooks", None)
    steps.is_now(grad, GradNode, "released", False)
    versions = steps.load(grad, GradNode, "versions")
    steps.length(versions, count)
    if count:
        steps.type(versions, list)
    for number in range(count):
        kept = steps.item(versions, number)
        cell = steps.part(kept, 0)
        steps.type(cell, Cell)
        steps.equal_to(steps.load(cell, Cell, "version"), steps.part(kept, 1))


def target(steps: Assembly, grad: Register, edge: int) -> Register:
    """What an edge of a grad node leads to."""
    edges = steps.load(grad, GradNode, "edges")
    return steps.part(steps.part(edges, edge), 0)


def new_node(
    steps: Assembly, made: Any, operands: Register, token: Register, place: Register
) -> Register:
    """The instructions for the node of a recipe, or of a point of the tree."""
    nothing = steps.constant(None)
    slots = {
        "op": steps.constant(made.op),
        "inputs": operands,
        "attrs": steps.constant(made.attrs),
        "shape": steps.constant(made.shape),
        "dtype": steps.constant(made.dtype),
        "value": nothing,
        "source": nothing,
        "run": token,
        "place": place,
    }
    return steps.make(Node, slots)
