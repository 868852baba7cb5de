"""A run: the way of one thread through the tree, and the nodes it has passed.

A node's place in a run is its number in the order of recording; values from outside get a place
where they are first used. Places are decided by the way alone, so that steps, backward passes and
launches can name their operands by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from plait.core.ir.node import Node, Owner
from plait.core.ir.op import LEAF, leaf
from plait.core.lazy.grad import GradNode
from plait.core.lazy.replay.tree import Point
from plait.core.ops.source import FULL
from plait.core.ops.view import BROADCAST
from plait.core.runtime.crowd import crowd
from plait.core.runtime.realize import realize

if TYPE_CHECKING:
    from plait.core.lazy.replay.thread import Threads

_new: Any = object.__new__

#: Nodes of one run; a program that never launches starts again from the root.
MOST_NODES = 1 << 12


class Run(Owner):
    """Where a thread is in its tree.

    token: what the nodes and grad nodes of this run refer to. nodes: by place; None for those that
    a launch has computed, until they are used again. targets: places of leaf tensors and foreign
    grad nodes, by id. grads: the grad nodes made, weakly. launches: how many there were.
    last_step: the last launch that was an optimizer's step, and how many grad nodes there were.
    went_on: the launch after which the run went on for another optimizer's step, and how many nodes
    there were then; None where that has come.

    The tree grows by what is recorded a second time: the first time, an unknown step leads off the
    tree (`lost`), and from there on until the run ends nothing is matched; the second time, the
    rest of the run is learned.
    """

    __slots__ = (
        "grads",
        "held",
        "home",
        "last_step",
        "launches",
        "learning",
        "lost",
        "nodes",
        "point",
        "since",
        "strayed",
        "targets",
        "token",
        "trace",
        "went_on",
    )

    #: What runs that are blocks have besides (see `block`): whether the program took another way
    #: here; the types of values that have got a place since the last step; how many functions are
    #: being recorded op by op.
    branched = False
    specs: Any = ()
    inside = 0

    def __init__(self, root: Point, home: Threads) -> None:
        token = self.token = _new(Owner)
        # Of the thread that the tree is of: to ask for it costs as much as all of this.
        own = home.__dict__
        self.thread = token.thread = own["owner"].thread
        self.disturbed = token.disturbed = False
        self.left = token.left = None
        self.home = home
        self.since = len(own["waiting"])
        self.point = root
        self.nodes: list[Any] = []
        self.targets: dict[int, int] = {}
        self.held: list[Any] = []
        self.grads: list[ref[GradNode]] = []
        self.launches = 0
        self.last_step: tuple[Any, int] | None = None
        self.went_on: tuple[Any, int] | None = None
        self.learning = False
        self.lost = False
        #: Ops recorded off the tree.
        self.strayed = 0
        #: While a function is learned as one step: what is recorded meanwhile.
        self.trace: list[tuple] | None = None

    def learns(self, key: tuple, attrs: dict[str, Any]) -> bool:
        """Whether an unknown step is to be learned; else the run is off the tree."""
        if not self.learning:
            self.learning = self.point.seen_before(key, attrs)
            self.lost = not self.learning
        return self.learning

    def add(self, key: tuple, point: Point) -> None:
        """Take a step that was unknown so far."""
        self.point.add(key, point)
        self.point = point
        self.home.points += 1

    def enter(self, node: Node) -> None:
        """Give a node the next place.

        Of a node that other threads know, both are written at once, with nothing between that
        could let them in, the run first; who asks for a place reads that first. So a place in
        another run is never taken for one in this.
        """
        place = len(self.nodes)
        node.run, node.place = self.token, place
        self.nodes.append(node)

    def place_of(self, node: Node) -> int:
        """The place of an operand. To give one to a value from outside is a step by itself."""
        place = node.place
        if node.run is self.token:
            if self.nodes[place] is None:
                self.nodes[place] = node
            return place
        if node.value is None:
            with crowd.lock:
                self.take_in(node)
            if node.value is None:
                return -1 if self.lost else node.place
        way = (node.shape, node.dtype)
        point = self.point.children.get(way)
        if point is not None and point.op is None and not point.attrs:
            self.point = point
        elif self.learns(way, {}):
            self.add(way, Point())
        else:
            return -1
        place = len(self.nodes)
        self.enter(node)
        self.home.bytes += bytes_of(node.value)
        return place

    def new_point(self, *step: Any) -> Point:
        """A point for a step (see `Point`)."""
        return Point(*step)

    def is_outside(self, node: Node) -> bool:
        """Whether a waiting node is computed elsewhere."""
        return False

    def with_specs(self, key: tuple) -> tuple:
        """A step's key, with the types of the values that have got a place for it."""
        return key

    def place_of_target(self, target: Any) -> int:
        """The place of a leaf tensor (even) or of a grad node of another run (odd), below -1."""
        place = self.targets.get(id(target))
        if place is None:
            foreign = isinstance(target, GradNode)
            place = self.targets[id(target)] = -2 - 2 * len(self.held) - foreign
            self.held.append(target)
        return place

    def take_in(self, root: Node) -> None:
        """Give a waiting node that was made elsewhere a place, and its waiting operands before.

        The caller holds the lock. Nodes of other threads are computed, not taken.
        """
        stack = [root]
        while stack and not self.lost:
            node = stack[-1]
            if node.run is self.token or node.value is not None:
                stack.pop()
                continue
            if node.run is not None and node.run.is_foreign:
                realize([node])
                continue
            waiting = [
                x
                for x in node.inputs
                if x.value is None and x.run is not self.token and not self.is_outside(x)
            ]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            self._step_to(node)

    def _step_to(self, node: Node) -> None:
        """One step along for a node that is already there."""
        if node.op is FULL:
            key = self._constant(node)
        else:
            parts: list[Any] = [None, node.op]
            for operand in node.inputs:
                parts.append(self.place_of(operand))
            key = tuple(parts)
        if self.lost:
            return
        if self.specs:
            key = self.with_specs(key)
        point = self.point.step(key, node.attrs)
        if point is not None:
            self.point = point
        elif self.learns(key, node.attrs):
            self.add(key, self.new_point(node.op, node.attrs, node.shape, node.dtype))
        else:
            return
        if self.trace is not None and node.value is None:  # not a number that has become an input
            self.trace.append((self.point, node.inputs, None, None, len(self.nodes)))
        self.enter(node)

    def _constant(self, node: Node) -> tuple:
        """The key of a constant. One that had another value here before becomes an input: a number
        that changes must not make a new graph each time."""
        key: tuple = (FULL, node.shape, node.dtype)
        if self.specs:
            key = self.with_specs(key)
        first = self.point.children.get(key)
        if first is None or first.op is None or self.point.step(key, node.attrs) is not None:
            return key
        with np.errstate(over="ignore"):  # a number beyond a narrow dtype is an infinity
            value = np.asarray(node.attrs["value"], node.dtype.numpy)
        if node.shape == ():
            # As a leaf, whose attributes tell nothing of its value.
            node.op, node.attrs = LEAF, {"shape": (), "dtype": node.dtype}
            node.value = value
        else:
            number = leaf(value, (), node.dtype)
            self.enter(number)
            node.op, node.inputs, node.attrs = BROADCAST, (number,), {"shape": node.shape}
        return (None, *key)

    def follow(self, key: tuple, entered: list[Node]) -> None:
        """Take a step that makes several nodes by itself, learned at its first sight; its inputs
        from outside get places."""
        if self.lost:
            return
        if self.specs:
            key = self.with_specs(key)
        point = self.point.children.get(key)
        if point is None:
            point = self.new_point()
            self.point.enter(key, point)
            self.home.points += 1
        self.point = point
        for node in entered:
            self.enter(node)

    def note_return(self, made: GradNode) -> None:
        """Note where a backward pass comes back to: before the last step, or to a run that was left
        too early."""
        if made.run is not self.token:
            if made.run is not None and made.run.left is not None:
                made.run.left.returned = True
        elif self.last_step is not None and made.place < self.last_step[1]:
            self.last_step[0].returned = True

    def has_open_grads(self) -> bool:
        """Whether a backward pass may still come back to this run."""
        token = self.token
        for weak in self.grads:
            made = weak()
            if made is not None and made.run is token:
                return True
        return False


def bytes_of(value: Any) -> int:
    """The bytes of an array, or of the several that one op gave."""
    return sum(part.nbytes for part in value) if type(value) is tuple else value.nbytes
