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
#: Runs after which it is looked at how many of them were known from their beginning to their end;
#: a program that strays in a third of them is put together from blocks.
_RUNS_SEEN = 64
_MOST_STRAYED = 20
#: A program of blocks that has come to so few arrangements is known as a whole from then on.
_FEW_ARRANGEMENTS = 24


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
        self.blocks: list[Block] = []
        self.block_nodes = 0
        #: Runs since it was last looked at, those of them that strayed, and what was launched.
        self.seen = self.strayed = 0
        self.arrangements: set[int] = set()
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
        self.points = self.seen = self.strayed = 0
        self.arrangements.clear()
        self.in_blocks = self.forced

    def is_full(self, run: Run) -> bool:
        """Whether more waits than may wait unseen."""
        if self.bytes > self.most_bytes:
            self.bytes = sum(map(_pinned, (*self.blocks, run)))
            if self.bytes > self.most_bytes:
                return True
        if self.in_blocks:
            return len(run.nodes) + self.block_nodes > _MOST_BLOCK_NODES
        return len(run.nodes) > MOST_NODES or len(self.waiting) > self.most_nodes

    def begin(self) -> Run:
        """A new run from the root."""
        if self.in_blocks:
            self.cut()
        else:
            self.end()
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
        self.blocks.append(block)
        self.block_nodes += len(block.nodes)

    def forget(self, block: Block) -> None:
        """A block that does not wait any more."""
        self.blocks.remove(block)
        self.block_nodes -= len(block.nodes)
        block.close()

    def give_up(self, block: Block) -> None:
        """Let the nodes of a block be as any others."""
        self.waiting += [ref(x) for x in block.nodes if x.run is block and x.value is None]
        self.forget(block)

    def give_up_old(self) -> None:
        """Give up blocks that nothing has asked for in a long time."""
        for block in self.blocks[: -_MOST_BLOCKS // 2]:
            self.give_up(block)

    def end(self) -> None:
        """Leave the run, and give up what waits: all nodes are as any others from now on."""
        run = self.run
        self.run = None
        if type(run) is Block:
            self.wait_for(run)
        elif run is not None:
            self.waiting += [ref(x) for x in run.nodes if x is not None and x.value is None]
            run.nodes.clear()  # a frame that still refers to the run must not hold them
            self._look_at(run)
        for block in self.blocks[:]:
            self.give_up(block)
        if not self.waiting:
            self.bytes = 0

    def _look_at(self, run: Run) -> None:
        """Count the runs that strayed: a program may be one that changes its structure."""
        self.seen += 1
        self.strayed += run.learning or (run.lost and not self.adrift)
        if self.seen == _RUNS_SEEN:
            self.in_blocks = self.matches and self.strayed > _MOST_STRAYED
            self.seen = self.strayed = 0

    def launched(self, blocks: list[Block]) -> None:
        """Note what was launched together: a program whose arrangements are few is static."""
        if len(self.blocks) > _MOST_BLOCKS:
            self.give_up_old()
        if not self.blocks:
            self.bytes = 0
        if self.forced:
            return
        self.seen += 1
        self.arrangements.add(hash(tuple([id(block.point) for block in blocks])))
        if self.seen == _RUNS_SEEN:
            if len(self.arrangements) <= _FEW_ARRANGEMENTS:
                self.end()
                self.in_blocks = False
            self.seen = 0
            self.arrangements.clear()


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
