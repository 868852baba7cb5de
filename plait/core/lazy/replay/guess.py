"""Guesses: what a function of tensors will be called with, checked and made by the object machine.

Where a program calls a function as it did the last time it was at this point, its arguments are in
the same places: the results of the same steps, the same kinds of values from outside. A guess
compares all that a call's key is made of (see `function`), and makes the nodes at once; where
something is otherwise it changes nothing, and the call goes by its key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.codegen.objects import Do
from plait.core.ir.dtypes import DType
from plait.core.ir.node import Node
from plait.core.lazy.cell import Cell
from plait.core.lazy.grad import GradNode, orders
from plait.core.lazy.replay.assembly import Steps
from plait.core.lazy.replay.block import Block
from plait.core.lazy.replay.block_assembly import BlockSteps
from plait.core.lazy.replay.expected import Start
from plait.core.lazy.replay.run import Run, bytes_of
from plait.core.lazy.replay.unroll import Call
from plait.core.lazy.tensor import LazyTensor
from plait.core.runtime.objects import Register

#: Classes whose instances are compared as such.
_COMPARED = (int, bool, str, float)


def expect(
    run: Run, start: Start, values: list[Any], tensors: list[Any], nodes: list[Node], call: Call
) -> Callable[..., Any] | None:
    """The function of a guess: that the next call is as the present one, whose values have got
    their places, but whose nodes are not made yet. None where that cannot be told in advance."""
    writer = _Writer(run, start, len(values))
    found = iter(zip(tensors, nodes))
    for register, value in zip(writer.steps.given, values):
        if isinstance(value, LazyTensor):
            if not writer.tensor(register, value, next(found)[1]):
                return None
        elif type(value) is tuple:  # of ints: see `function._key`
            writer.steps.equal(register, tuple, value)
            for number in range(len(value)):
                writer.steps.type(writer.steps.part(register, number), int)  # (1,) equals (True,)
        elif value is None or type(value) is DType or (type(value) is float and not value):
            # Of zeros this very one: 0.0 equals -0.0.
            writer.steps.same(register, writer.steps.constant(value))
        elif type(value) in _COMPARED:
            writer.steps.equal(register, type(value), value)
        else:
            return None
    return writer.made(call, tensors[0].plain)


class _Writer:
    """The instructions of a guess.

    leaves: the leaf tensors, and the grad nodes of other runs, that get a place; cells, versions,
    nodes, ways: registers of what the tensors are made of, in their order.
    """

    def __init__(self, run: Run, start: Start, count: int) -> None:
        self.run, self.start = run, start
        self.steps = steps = BlockSteps(count) if type(run) is Block else Steps(count)
        self.grads = steps.load(steps.run, Run, "grads")
        self.held = steps.load(steps.run, Run, "held")
        self.targets = steps.load(steps.run, Run, "targets")
        steps.is_now(steps.run, Run, "point", start.reached)
        steps.length(steps.nodes, start.nodes)
        steps.length(self.grads, start.grads)
        steps.length(self.held, start.held)
        self.leaves: list[tuple[Register, Any]] = []
        self.cells: list[Register] = []
        self.versions: list[Register] = []
        self.nodes: list[Register] = []
        self.ways: list[tuple[Register, Any] | None] = []

    def tensor(self, x: Register, value: Any, node: Node) -> bool:
        """Compare a tensor; False where it is one that no guess is made of."""
        steps = self.steps
        steps.type(x, type(value))
        if value._base is not None:
            return self._view(x, value, node)
        cell, there = steps.contents(x)
        self.cells.append(cell)
        self.versions.append(steps.load(cell, Cell, "version"))
        self.nodes.append(there)
        return steps.place(there, node, self.run, self.start.nodes) and self._edge(x, cell, value)

    def _view(self, x: Register, value: Any, node: Node) -> bool:
        """Compare a view of a base. It has been read just before, so that what it keeps is its
        present value (see `LazyTensor.value`)."""
        steps = self.steps
        steps.isnt(steps.load(x, LazyTensor, "_base"), None)
        steps.is_now(x, LazyTensor, "_requires_grad", False)
        cell = steps.load(x, LazyTensor, "_cell")
        steps.type(cell, Cell)
        steps.is_now(cell, Cell, "shared", None)
        kept = steps.load(x, LazyTensor, "_cached")
        steps.type(kept, tuple)
        there, edge = steps.part(kept, 2), steps.part(kept, 3)
        steps.type(there, Node)
        self.cells.append(cell)
        self.versions.append(steps.load(cell, Cell, "version"))
        self.nodes.append(there)
        present = value.edge()
        if present is None:
            steps.same(edge, steps.constant(None))
            self.ways.append(None)
        else:
            made_by, number = present
            steps.type(edge, tuple)
            steps.number(steps.part(edge, 1), number)
            if not self._made_by(steps.part(edge, 0), made_by, number):
                return False
        return steps.place(there, node, self.run, self.start.nodes)

    def _made_by(self, there: Register, made_by: Any, number: int) -> bool:
        """Compare the grad node of a tensor."""
        steps = self.steps
        if type(made_by) is not GradNode:
            return False
        steps.type(there, GradNode)
        owner = steps.load(there, GradNode, "run")
        self.ways.append((there, number))
        if made_by.run is self.run.token:
            steps.same(owner, steps.token)
            steps.number(steps.load(there, GradNode, "place"), made_by.place)
            return True
        if made_by.run is None:  # a pass has freed it: losses that are added up, say
            steps.same(owner, steps.constant(None))
        else:
            steps.differ(owner, steps.token)
            steps.isnt(owner, None)
        self._target(there, made_by)
        return True

    def _edge(self, x: Register, cell: Register, value: Any) -> bool:
        """Compare where the gradient of a tensor goes."""
        steps, made_by = self.steps, value._grad_fn
        if made_by is not None:
            number = steps.load(x, LazyTensor, "_output_number")
            steps.number(number, value._output_number)
            there = steps.load(x, LazyTensor, "_grad_fn")
            return self._made_by(there, made_by, value._output_number)
        steps.is_now(x, LazyTensor, "_grad_fn", None)
        steps.is_now(x, LazyTensor, "_requires_grad", value._requires_grad)
        if not value._requires_grad:
            self.ways.append(None)
            return True
        steps.is_now(cell, Cell, "fallback", None)
        self.ways.append((x, 0))
        self._target(x, value)
        return True

    def _target(self, x: Register, value: Any) -> None:
        """Compare the place of a leaf tensor, or of a grad node of another run."""
        steps = self.steps
        number = (-2 - self.run.targets[id(value)]) // 2
        if number < self.start.held:
            steps.same(steps.item(self.held, number), x)
            return
        for register, other in self.leaves:
            if value is other:
                steps.same(register, x)
                return
        for register, _ in self.leaves:
            steps.differ(register, x)
        steps.do(Do.UNKNOWN, self.targets, x)
        self.leaves.append((x, value))

    def made(self, call: Call, plain: type) -> Callable[..., Any] | None:
        """Go on with what the call makes."""
        steps = self.steps
        steps.hold()
        steps.enter_outside()
        for register, leaf in self.leaves:
            place = steps.constant(self.run.targets[id(leaf)])
            steps.do(Do.ENTER, self.targets, register, place)
            steps.append(self.held, register)
        first = len(self.run.nodes)
        nodes: list[Register] = []
        for number, (point, operands, _, _) in enumerate(call.steps):
            row = [nodes[i] if i >= 0 else self.nodes[-1 - i] for i in operands]
            nodes.append(steps.node(point, row, first + number))
        cells = [steps.cell(nodes[node]) for node, _, _ in call.results]
        grads = self._grad_nodes(call, nodes, cells, plain)
        results = [
            steps.tensor(
                plain, cell, call.steps[node][0], None if grad is None else grads[grad], output
            )
            for cell, (node, grad, output) in zip(cells, call.results)
        ]
        steps.store(steps.run, Run, "point", steps.constant(call.following))
        steps.give(steps.tuple(results) if call.is_tuple else results[0])
        return steps.function()

    def _grad_nodes(
        self, call: Call, nodes: list[Register], cells: list[Register], plain: type
    ) -> list[Register]:
        steps = self.steps
        grads: list[Register] = []
        for number, step in enumerate(call.steps):
            if step[2] is None:
                continue
            own = [cell for cell, (_, grad, _) in zip(cells, call.results) if grad == len(grads)]
            parts = nodes[number + 1 : number + 1 + step[0].several]
            output = steps.tuple(parts) if parts else nodes[number]
            slots = self._grad_slots(step, nodes[number], output, nodes, grads, own)
            slots["cls"] = steps.constant(plain)
            slots["place"] = steps.constant(self.start.grads + len(grads))
            grads.append(steps.make(GradNode, slots))
            steps.append(self.grads, steps.weak(grads[-1]))
        return grads

    def _grad_slots(
        self,
        step: tuple,
        made: Register,
        output: Register,
        nodes: list[Register],
        grads: list[Register],
        own: list[Register],
    ) -> dict[str, Register]:
        """The slots of a step's grad node. made: the step's node; own: the cells of the results
        that it is of."""
        steps = self.steps
        point, operands, ways, saved = step
        plan = point.grad
        kept = steps.rows[made]
        if any(stand_in is not None for stand_in in plan.inputs):
            inputs = [nodes[i] if i >= 0 else self.nodes[-1 - i] for i in operands]
            for number, stand_in in enumerate(plan.inputs):
                if stand_in is not None:
                    inputs[number] = steps.constant(stand_in)
            kept = steps.tuple(inputs)
        versions = [steps.tuple([self.cells[i], self.versions[i]]) for i in saved]
        if point.op.watches_output:
            versions += [steps.tuple([cell, steps.constant(0)]) for cell in own]
        return {
            "op": steps.constant(point.op),
            "attrs": steps.constant(point.attrs),
            "inputs": kept,
            "edges": steps.tuple([self._way(way, grads) for way in ways]),
            "output": output if plan.output is None else steps.constant(plan.output),
            "output_types": steps.constant(plan.output_types),
            "versions": steps.list(versions) if versions else steps.constant(()),
            "hooks": steps.constant(None),
            "released": steps.constant(False),
            "order": steps.next(orders),
            "run": steps.token,
        }

    def _way(self, way: Any, grads: list[Register]) -> Register:
        """An edge: see `Call`."""
        steps = self.steps
        if way is None:
            return steps.constant(None)
        if len(way) == 2:
            return steps.tuple([grads[way[0]], steps.constant(way[1])])
        given = self.ways[way[0]]
        assert given is not None, "a way of an argument that has one"
        return steps.tuple([given[0], steps.constant(given[1])])


def nbytes_from_outside(run: Run, start: Start) -> int:
    """Bytes of the values that have got a place since, or will have once they are computed."""
    return sum(map(_nbytes, run.nodes[start.nodes :]))


def _nbytes(node: Node) -> int:
    if node.value is not None:
        return bytes_of(node.value)
    return 0 if isinstance(node.dtype, tuple) else node.size * node.dtype.itemsize
