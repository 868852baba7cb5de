"""Blocks: the stretches that a program is made of whose structure changes from step to step.

Such a program takes another way through a tree each time. But it is put together from stretches
that repeat: the layers between two decisions, a cell. A block is a run that ends where the program
has gone on in several ways; the next block begins again at the root of a tree that all blocks
share. What comes from outside, computed or waiting in an earlier block, is told by its type alone,
so that a block is the same wherever it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plait.core.ir.node import Node
from plait.core.lazy.grad import GradNode, orders
from plait.core.lazy.replay.run import Run, bytes_of
from plait.core.lazy.replay.tree import BRANCHES, BlockPoint, Point
from plait.core.ops.source import FULL
from plait.core.runtime.crowd import crowd

if TYPE_CHECKING:
    from plait.core.lazy.replay.thread import Threads


#: Nodes, those from outside included, before which a block does not end: what a block costs by
#: itself is the work of some ops.
_SHORTEST = 8


class Block(Run):
    """A stretch of a program, between two of its decisions.

    number: its place in the order of all blocks and grad nodes, of whatever thread. outside: places
    of values from outside, by id. needs: those of them that wait to be computed. waits: whether its
    nodes can still be computed as a block. It is the token of its nodes and grad nodes.
    """

    __slots__ = (
        "branched",
        "inside",
        "needs",
        "number",
        "outside",
        "root",
        "specs",
        "waits",
    )

    point: BlockPoint

    def __init__(self, root: BlockPoint, home: Threads) -> None:
        # All that `Run` sets, in one go: blocks are made by the dozen in each step.
        self.thread = home.owner.thread
        self.disturbed = False
        self.left = self.last_step = self.went_on = None
        self.token = self
        self.home = home
        self.since = len(home.waiting)
        self.point = self.root = root
        self.nodes = []
        self.targets = {}
        self.held = []
        self.grads = []
        self.launches = self.strayed = self.inside = 0
        self.learning = self.lost = self.branched = False
        self.trace = None
        self.number = next(orders)
        self.outside: dict[int, int] = {}
        self.needs: list[Node] = []
        self.specs: list[Any] = []
        self.waits = True

    def learns(self, key: tuple, attrs: dict[str, Any]) -> bool:
        """Whether an unknown step goes on in this block; else the block ends before it."""
        if self.inside or self.trace is not None or self.opens(key):
            first = self.point.children.get(key)
            # The same operands with other attributes: a decision of the program as well.
            other = first is not None and first.op is not None and key[0] is not FULL
            if not other or self._is_short() or self.inside or self.trace is not None:
                return True
        self.branch()
        return False

    def opens(self, key: tuple) -> bool:
        """Whether the block goes on with this step: the program has gone no other way from here so
        far, or the block would be a short one."""
        point = self.point
        if self._is_short():
            return True
        decision = key[1:] if key[0] is None else key
        if point.way is None:
            point.way = decision
        return point.way == decision

    def _is_short(self) -> bool:
        return self.point is self.root or len(self.nodes) < _SHORTEST

    def is_over(self) -> bool:
        """Whether no step goes on from here, whatever it is."""
        if self.point.way is not BRANCHES or self.lost or self.inside or self.trace is not None:
            return False
        return not self._is_short()

    def branch(self) -> None:
        """End the block here, now and whenever it is come to."""
        self.point.way = BRANCHES
        self.point.children = {}
        self.point.guesses = {}
        self.lost = self.branched = True

    def new_point(self, *step: Any) -> Point:
        return BlockPoint(*step)

    def is_outside(self, node: Node) -> bool:
        return waits_in_block(node, self.thread)

    def place_of(self, node: Node) -> int:
        """The place of an operand; one from outside gets it here."""
        if node.run is self:
            return node.place
        place = self.outside.get(id(node))
        if place is None:
            value = node.value
            if value is None:
                if waits_in_block(node, self.thread):
                    self.needs.append(node)
                else:
                    with crowd.lock:
                        self.take_in(node)
                    if node.value is None:
                        return -1 if self.lost else node.place
                    if node.run is self:
                        return node.place  # a number that has become an input
            else:
                self.home.bytes += bytes_of(value)
            place = self.outside[id(node)] = len(self.nodes)
            self.nodes.append(node)
            self.specs += (node.shape, node.dtype)
        return place

    def place_of_target(self, target: Any) -> int:
        place = self.targets.get(id(target))
        if place is not None:
            return place
        if isinstance(target, GradNode) and target.run is None and target.order > self.number:
            # Made in the midst of this block and in none itself, by a user's function say: what
            # comes after it must not be in one block with what comes before.
            self.lost = self.branched = True
            return -1
        return super().place_of_target(target)

    def with_specs(self, key: tuple) -> tuple:
        if not self.specs:
            return key
        key = (*key, tuple(self.specs))
        self.specs.clear()
        return key

    def close(self) -> None:
        """Let the nodes go; they are as any others from now on. Grad nodes keep their places."""
        self.waits = False
        self.token = None  # itself: no cycle outlives it
        self.nodes = []
        self.needs = []
        self.outside = {}
        self.held = []
        self.targets = {}


def waits_in_block(node: Node, thread: int) -> bool:
    """Whether a waiting node will be computed with a block of this thread."""
    block = node.run
    return type(block) is Block and block.waits and block.thread == thread
