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
from plait.core.runtime.config import flag
from plait.core.runtime.realize import realize

_SWEEP_NODES = 1024
_SWEEP_BYTES = 64 << 20


def _bytes_of(value: Any) -> int:
    """The bytes of an array, or of the several that one op gave."""
    return sum(part.nbytes for part in value) if type(value) is tuple else value.nbytes


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
        self.nodes: list[ref[Node]] = []
        self.bytes = 0
        self.node_trigger = _SWEEP_NODES
        self.byte_trigger = _SWEEP_BYTES

    def note(self, node: Node) -> None:
        """Remember a node that was just recorded."""
        self.nodes.append(ref(node))
        for operand in node.inputs:
            if operand.value is not None:
                self.bytes += _bytes_of(operand.value)
        if len(self.nodes) > self.node_trigger or self.bytes > self.byte_trigger:
            self.sweep()

    def sweep(self) -> None:
        """Forget what is dead or computed; compute what waits where it passes the bound."""
        alive = self._waiting()
        pinned = {
            id(x): _bytes_of(x.value) for node in alive for x in node.inputs if x.value is not None
        }
        held = sum(pinned.values())
        bound = int(flag("PLAIT_PENDING_NODES"))
        if len(alive) > bound // 2 or held > int(flag("PLAIT_PENDING_MB")) << 20:
            used = {id(operand) for node in alive for operand in node.inputs}
            _compute([node for node in alive if id(node) not in used])
            alive, held = [], 0
        self.nodes = [ref(node) for node in alive]
        self.bytes = 0
        # Twice what waits, so that sweeping costs a constant per recorded node; but not above the
        # bound, which is why it is half full that the waiting ones are computed.
        self.node_trigger = max(_SWEEP_NODES, min(2 * len(alive), bound))
        self.byte_trigger = max(_SWEEP_BYTES, 2 * held)

    def in_order(self) -> list[Node]:
        """The nodes that wait to be computed, as the program recorded them."""
        return self._waiting()

    def _waiting(self) -> list[Node]:
        nodes = [weak() for weak in self.nodes]
        return [node for node in nodes if node is not None and node.value is None]


recorder = Recorder()
