"""The run and the tree of each thread."""

from __future__ import annotations

import threading
from weakref import ref

from plait.core.ir.node import Node, Owner
from plait.core.lazy.replay.block import Block
from plait.core.lazy.replay.run import MOST_NODES, Run, bytes_of
from plait.core.lazy.replay.tree import BlockPoint, Point
from plait.core.runtime.config import flag
from plait.core.runtime.crowd import Presence
from plait.core.runtime.realize import held_besides

#: Points of one thread's tree; beyond it the tree is grown anew.
_MOST_POINTS = 1 << 13
#: Nodes of blocks that wait; a step of a program that changes structure may be long.
_MOST_BLOCK_NODES = 1 << 16
#: Blocks that wait beside those that are launched, before the older ones are given up.
_MOST_BLOCKS = 64
#: Nodes that wait, and bytes that they hold on to, before what is dead among them is dropped.
SWEEP_NODES = 1024
SWEEP_BYTES = 64 << 20
#: Launches after which it is looked at in how many arrangements they came. A program of
#: more is put together from blocks, one of few is known as a whole.
_LAUNCHES_SEEN = 64
_MANY_ARRANGEMENTS, _FEW_ARRANGEMENTS = 28, 16


class Threads(threading.local):
    """The run and the tree of each thread; the blocks that wait, oldest first."""

    def __init__(self) -> None:
        self._presence = Presence()
        self.root = Point()
        self.block_root = BlockPoint()
        self.points = 0
        self.owner = Owner()
        self.run: Run | None = None
        #: Whether runs are matched at all, and whether they are blocks, always so if forced.
        self.matches = bool(flag("PLAIT_REPLAY"))
        self.forced = int(flag("PLAIT_REPLAY")) == 2
        self.in_blocks = self.forced
        #: By their numbers, which grow.
        self.blocks: dict[int, Block] = {}
        self.block_nodes = 0
        #: Launches since it was last looked at, and what they were, as a hash each; whether it is
        #: time to change between runs and blocks.
        self.seen = 0
        self.arrangements: set[int] = set()
        self.turns = False
        #: Whether the last run came to no launch: what follows does not begin where a program
        #: repeats itself, and is not worth to be learned.
        self.adrift = False
        #: Nodes recorded outside of the present run that may wait, and the bounds on all that wait.
        self.waiting: list[ref[Node]] = []
        self.most_nodes = SWEEP_NODES
        self.bytes = 0
        self.most_bytes = SWEEP_BYTES

    def keep_to_blocks(self) -> None:
        """Put the program together from blocks, whether or not it changes its structure."""
        self.end()
        self.in_blocks = self.forced = True

    def forget_the_program(self) -> None:
        """Begin as a thread that has recorded nothing yet."""
        self.end()
        self.root, self.block_root = Point(), BlockPoint()
        self.points = self.seen = 0
        self.arrangements.clear()
        self.in_blocks, self.turns = self.forced, False

    def is_full(self, run: Run) -> bool:
        """Whether more waits than may wait unseen."""
        if self.bytes > self.most_bytes:
            self.bytes = sum(map(_pinned, (*self.blocks.values(), run)))
            if self.bytes > self.most_bytes:
                return True
        if self.in_blocks:
            return len(run.nodes) + self.block_nodes > _MOST_BLOCK_NODES
        return len(run.nodes) > MOST_NODES or len(self.waiting) > self.most_nodes

    def begin(self) -> Run:
        """A new run from the root."""
        # By the dict: what a thread has of its own costs as much to look up as several entries.
        own = self.__dict__
        usual = own["run"] is None and not own["blocks"] and not own["in_blocks"]
        if usual and not own["turns"] and own["points"] <= _MOST_POINTS:
            if not own["waiting"]:
                own["bytes"] = 0
            run = own["run"] = Run(own["root"], self)
            run.lost = own["adrift"] or not own["matches"]
            return run
        if self.in_blocks and not self.turns:
            self.cut()
        else:
            self.end()
        if self.turns:
            self.in_blocks, self.turns = not self.in_blocks, False
        if self.points > _MOST_POINTS:
            self.root, self.block_root = Point(), BlockPoint()
            self.points = 0
        if self.in_blocks:
            self.run = Block(self.block_root, self)
            return self.run
        self.run = Run(self.root, self)
        self.run.lost = self.adrift or not self.matches
        return self.run

    def cut(self) -> None:
        """End the present block; it waits to be computed."""
        block = self.run
        self.run = None
        if type(block) is Block and block.nodes:
            self.wait_for(block)

    def wait_for(self, block: Block) -> None:
        """Let a block wait that has been recorded to its end."""
        self.blocks[block.number] = block
        self.block_nodes += len(block.nodes)

    def forget(self, block: Block) -> None:
        """A block that does not wait any more."""
        del self.blocks[block.number]
        self.block_nodes -= len(block.nodes)
        block.close()

    def give_up(self, block: Block) -> None:
        """Let the nodes of a block be as any others."""
        self._set_free(block)
        self.forget(block)

    def _set_free(self, run: Run) -> None:
        """Let the nodes of a run wait by themselves, behind those that were there before it."""
        token = run.token
        free = [
            ref(node)
            for node in run.nodes
            if node is not None and node.run is token and node.value is None
        ]
        if not free:
            return
        self.waiting[run.since : run.since] = free
        later = False
        for other in (*self.blocks.values(), self.run):
            if later and other is not None:
                other.since += len(free)
            later = later or other is run

    def in_order(self) -> list[Node]:
        """The nodes that wait to be computed, as the program recorded them."""
        nodes: list[Node | None] = []
        done = 0
        for run in (*self.blocks.values(), self.run):
            if run is not None:
                nodes += [weak() for weak in self.waiting[done : run.since]]
                nodes += [node for node in run.nodes if node is not None and node.run is run.token]
                done = run.since
        nodes += [weak() for weak in self.waiting[done:]]
        # A run that uses a node that waited before it has a place for it too.
        first = {id(node): node for node in nodes if node is not None and node.value is None}
        return list(first.values())

    def give_up_old(self) -> None:
        """Give up blocks that nothing has asked for in a long time."""
        for block in list(self.blocks.values())[: -_MOST_BLOCKS // 2]:
            self.give_up(block)

    def end(self) -> None:
        """Leave the run, and give up what waits: all nodes are as any others from now on."""
        run = self.run
        if type(run) is Block:
            self.wait_for(run)
        elif run is not None:
            self._set_free(run)
            run.nodes.clear()  # a frame that still refers to the run must not hold them
        self.run = None
        for block in list(self.blocks.values()):
            self.give_up(block)
        if not self.waiting:
            self.bytes = 0

    def leave(self, run: Run) -> None:
        """Leave a run of which nothing waits any more."""
        own = self.__dict__
        if own["blocks"]:
            self.end()
            return
        run.nodes.clear()  # as `end` does
        own["run"] = None
        if not own["waiting"]:
            own["bytes"] = 0

    def note(self, arrangement: int) -> None:
        """Note how a launch went: a program that comes in many arrangements is put together from
        blocks, one that comes in few is known as a whole."""
        own = self.__dict__
        if not own["matches"] or own["forced"]:
            return
        own["arrangements"].add(arrangement)
        own["seen"] += 1
        if own["seen"] == _LAUNCHES_SEEN:
            bound = _FEW_ARRANGEMENTS if self.in_blocks else _MANY_ARRANGEMENTS
            self.turns = (len(self.arrangements) > bound) != self.in_blocks
            self.seen = 0
            self.arrangements.clear()

    def note_stray(self) -> None:
        """Note a launch that is like no other: the program has strayed from what is known."""
        self.note(-1 - self.seen)

    def note_blocks(self, blocks: list[Block]) -> None:
        """Note what was launched together."""
        self.note(hash(tuple([id(block.point) for block in blocks])))
        if len(self.blocks) > _MOST_BLOCKS:
            self.give_up_old()
        if not self.blocks:
            self.bytes = 0


def _pinned(run: Run) -> int:
    """Bytes of the values that only this run, and what waits in it, hold on to."""
    nodes = [node for node in run.nodes if node is not None]
    held = held_besides(nodes, holders=1)
    return sum(
        bytes_of(node.value)
        for node, is_held in zip(nodes, held)
        if node.value is not None and not is_held
    )


threads = Threads()
