"""Instructions for the object machine that compare and make what recording is made of."""

from __future__ import annotations

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
        if any(node is other for _, other, _ in self.outside):
            return False
        self.differ(self.load(there, Node, "run"), self.token)
        if node.value is not None:
            self.isnt(self.load(there, Node, "value"), None)
        elif not self._constant(there, node):
            return False
        self.equal(self.load(there, Node, "shape"), type(node.shape), node.shape)
        self.is_now(there, Node, "dtype", node.dtype)
        for register, _, _ in self.outside:
            self.differ(register, there)
        self.outside.append((there, node, place))
        return True

    def _constant(self, there: Register, node: Node) -> bool:
        """Compare a waiting constant."""
        value = node.attrs.get("value")
        # Zeros of two signs are equal.
        if node.op is not FULL or type(value) not in (int, float, bool) or not value:
            return False
        self.is_now(there, Node, "op", FULL)
        self.is_now(there, Node, "value", None)
        self.equal(self.load(there, Node, "attrs"), dict, node.attrs)
        return True

    # -- making ----------------------------------------------------------------------------------

    def enter_outside(self) -> None:
        """Give places to the values from outside, and hold again what was dropped."""
        for register, place in self.dropped:
            self.do(Do.PUT, self.nodes, place, register)
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

    def release(self, grad: Register, op: Any) -> None:
        """Let go what a grad node keeps: `GradNode.release`."""
        self.store(grad, GradNode, "run", self.constant(None))
        if op.saved_inputs or op.saves_output or op.vjp is None:
            self.store(grad, GradNode, "released", self.constant(True))
            self.store(grad, GradNode, "inputs", self.constant(()))
            self.store(grad, GradNode, "output", self.constant(()))
            self.store(grad, GradNode, "versions", self.list([]))


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
