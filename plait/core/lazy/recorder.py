"""The bound on what waits: pending nodes and the values they hold on to.

A program that never reads a value would record for ever. Each thread keeps weak references to what
it recorded; when their number, or the bytes of the values they read, pass a trigger, the dead ones
are dropped, and if those still waiting pass the bound of `PLAIT_PENDING_NODES` / `_MB` they are
computed.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any
from weakref import ref

from plait.core.ir.node import Node
from plait.core.lazy.capture import watch
from plait.core.lazy.replay.launch import realize
from plait.core.lazy.replay.run import bytes_of
from plait.core.lazy.replay.thread import SWEEP_BYTES, SWEEP_NODES, threads
from plait.core.runtime.config import flag
from plait.core.runtime.generator import Generator

_SWEEP_UNCHECKED = 256


def _waits(node: Node | None) -> bool:
    return node is not None and node.value is None


def _compute(nodes: list[Node]) -> None:
    """Compute waiting nodes. One that fails keeps its fault for whoever reads it."""
    try:
        realize(nodes)
    except Exception:
        for node in nodes:
            with contextlib.suppress(Exception):
                realize([node])


class Recorder(threading.local):
    """What this thread has recorded and not yet seen computed or dropped."""

    def __init__(self) -> None:
        #: Nodes whose check has not run yet, and the generator states before later draws, with the
        #: place of each in the order of recording.
        self.unchecked: list[tuple[ref[Node], int]] = []
        self.draws: list[tuple[int, Generator, Any]] = []
        self.place = 0

    def await_check(self, node: Node) -> None:
        """Remember a node that may be refused when it runs."""
        self.place += 1
        if len(self.unchecked) >= _SWEEP_UNCHECKED:
            self._forget_checked()
        self.unchecked.append((ref(node), self.place))

    def before_draw(self, generator: Generator) -> None:
        """Keep the state of a generator about to draw, while an earlier op may still be refused."""
        if self.unchecked:
            self._forget_checked()
        if self.unchecked:
            self.place += 1
            self.draws.append((self.place, generator, Generator.get_state(generator)))

    def undo_draws(self, node: Node) -> None:
        """Put generators back to where they were when a refused node was recorded."""
        start = next((place for weak, place in self.unchecked if weak() is node), None)
        if start is None:
            return
        later = [draw for draw in self.draws if draw[0] > start]
        for _, generator, state in reversed(later):
            Generator.set_state(generator, state)
        self.draws = [draw for draw in self.draws if draw[0] < start]

    def _forget_checked(self) -> None:
        waiting = [(weak, place) for weak, place in self.unchecked if _waits(weak())]
        self.unchecked = waiting
        first = waiting[0][1] if waiting else self.place + 1
        self.draws = [draw for draw in self.draws if draw[0] > first]

    def note(self, node: Node) -> None:
        """Remember a node that was recorded outside of any run."""
        threads.waiting.append(ref(node))
        for operand in node.inputs:
            if operand.value is not None:
                threads.bytes += bytes_of(operand.value)
        full = len(threads.waiting) > threads.most_nodes or threads.bytes > threads.most_bytes
        if full and watch.active is None:  # a call being captured is computed as a whole
            self.sweep()

    def sweep(self) -> None:
        """Forget what is dead or computed; compute what waits where it passes the bound."""
        threads.adrift = True
        threads.end()  # which holds what it has passed
        alive = threads.in_order()
        pinned = {
            id(x): bytes_of(x.value) for node in alive for x in node.inputs if x.value is not None
        }
        held = sum(pinned.values())
        bound = int(flag("PLAIT_PENDING_NODES"))
        if len(alive) > bound // 2 or held > int(flag("PLAIT_PENDING_MB")) << 20:
            used = {id(operand) for node in alive for operand in node.inputs}
            _compute([node for node in alive if id(node) not in used])
            alive, held = [], 0
        threads.waiting = [ref(node) for node in alive]
        threads.bytes = 0
        # Twice what waits, so that sweeping costs a constant per recorded node; but not above the
        # bound, which is why it is half full that the waiting ones are computed.
        threads.most_nodes = max(SWEEP_NODES, min(2 * len(alive), bound))
        threads.most_bytes = max(SWEEP_BYTES, 2 * held)

    def in_order(self) -> list[Node]:
        """The nodes that wait to be computed, as the program recorded them."""
        return threads.in_order()


recorder = Recorder()
