"""Instructions for the object machine that compare and make what blocks are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait.core.codegen.objects import Do
from plait.core.ir.node import Node, here
from plait.core.lazy.replay.assembly import Steps
from plait.core.lazy.replay.block import Block
from plait.core.lazy.replay.run import Run
from plait.core.runtime.objects import Assembly, Register


class BlockSteps(Steps):
    """Instructions of a function whose first argument is a block.

    A value from outside is told by its type: one that is computed and one that waits in an earlier
    block are the same to it.
    """

    def __init__(self, arguments: int) -> None:
        super().__init__(arguments)
        self.known = self.load(self.run, Block, "outside")
        self.needs = self.load(self.run, Block, "needs")
        self.length(self.load(self.run, Block, "specs"), 0)
        #: Per entry of `outside` the register of its value; None for a constant that the block
        #: takes as its own.
        self.values: list[Register | None] = []

    def place(self, there: Register, node: Node, run: Run, before: int) -> bool:
        assert type(run) is Block, "these are the instructions of blocks"
        inside = node.run is run
        place = node.place if inside else run.outside.get(id(node), -1)
        if place < 0:
            return False
        if place < before:
            self.same(self.item(self.nodes, place), there)
            return True
        for register, other, _ in self.outside:
            if other is node:
                self.same(register, there)
                return True
        value = None
        if not inside:
            value = self._from_elsewhere(there, node, run)
        elif self.full(there, node):
            self.is_now(there, Node, "run", here.owner)
        else:
            return False
        for register, _, _ in self.outside:
            self.differ(register, there)
        self.outside.append((there, node, place))
        self.values.append(value)
        return True

    def _from_elsewhere(self, there: Register, node: Node, block: Block) -> Register:
        """Compare a value that is computed, or waits in another block of this thread; its
        register."""
        self.like(there, node)
        self.differ(self.load(there, Node, "run"), self.token)
        self.do(Do.UNKNOWN, self.known, there)
        value = self.load(there, Node, "value")
        nothing = self.constant(None)
        with self.where(value, nothing, nothing):
            other = self.load(there, Node, "run")
            self.type(other, Block)
            self.is_now(other, Block, "waits", True)
            self.number(self.load(other, Block, "thread"), block.thread)
        return value

    def enter_outside(self) -> None:
        for (register, _, place), value in zip(self.outside, self.values):
            if value is None:
                self.enter(register, place)
                continue
            self.do(Do.ENTER, self.known, register, self.constant(place))
            self.append(self.nodes, register)
            # Where it waits, three words: one more that the block needs.
            self.do(Do.SKIP, value, self.constant(None), 3)
            self.append(self.needs, register)


def reading(places: list[int], donated: Sequence[tuple[int, int]]) -> Callable[..., Any] | None:
    """The function (nodes) -> the values of those in these places.

    donated: as `Donating` has it: nothing else may hold those (see `shared_inputs`).
    """
    steps = Assembly(1)
    (nodes,) = steps.arguments
    held = [steps.item(nodes, place) for place in places]
    for node in held:
        steps.type(node, Node)
    values = [steps.load(node, Node, "value") for node in held]
    for value in values:
        steps.isnt(value, None)
    for number, known in donated:
        steps.alone(held[number], known)
        steps.owns(values[number])
    steps.hold()
    steps.give(steps.list(values))
    return steps.function()


def giving(places: list[int]) -> Callable[..., Any] | None:
    """The function (nodes, results) -> True where the nodes in these places had no values, and have
    got them."""
    steps = Assembly(2)
    nodes, results = steps.arguments
    steps.type(results, list)
    steps.length(results, len(places))
    waiting = [steps.item(nodes, place) for place in places]
    found = [steps.item(results, number) for number in range(len(places))]
    for node in waiting:
        steps.type(node, Node)
        steps.is_now(node, Node, "value", None)
    steps.hold()
    for node, value in zip(waiting, found):
        steps.store(node, Node, "value", value)
        steps.store(node, Node, "inputs", steps.constant(()))
    steps.give(steps.constant(True))
    return steps.function()
