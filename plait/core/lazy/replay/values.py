"""What a launch reads from nodes and gives to them, by their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.ir.node import Node
from plait.core.runtime.realize import Runner

#: Uses after which instructions for what a launch reads and gives pay.
_WORTH = 8


class Values:
    """Places of a launch's inputs and outputs, and what runs it.

    donated: (number of an input whose memory an output takes over, the references to its node that
    are known).
    """

    __slots__ = ("_own", "_read", "_uses", "_write", "donated", "inputs", "outputs", "runner")

    runner: Runner
    inputs: list[int]
    outputs: list[int]
    donated: list[tuple[int, int]]

    def __init__(self) -> None:
        self._uses = 0
        self._own: Callable[..., Any] | None = None
        self._read: Callable[..., Any] | None = None
        self._write: Callable[..., Any] | None = None

    def own_arrays(self, nodes: list[Node]) -> list[Any] | None:
        """The values of the inputs, where nothing else holds those to be donated; None where that
        is not so, or not known at once. Only for threads that are alone."""
        found = NotImplemented if self._own is None else self._own(nodes)
        return None if found is NotImplemented else found

    def arrays(self, nodes: list[Node]) -> list[Any]:
        """The values of the inputs."""
        self._uses += 1
        if self._uses == _WORTH:
            # Not at the top, like all that writes instructions: only what repeats needs them.
            from plait.core.lazy.replay.block_assembly import giving, reading

            self._read, self._write = reading(self.inputs, ()), giving(self.outputs)
            self._own = reading(self.inputs, self.donated) if self.donated else self._read
        if self._read is not None:
            found = self._read(nodes)
            if found is not NotImplemented:
                return found
        return [nodes[place].value for place in self.inputs]

    def give(self, nodes: list[Node], results: list[Any]) -> None:
        """Give the outputs their values."""
        if self._write is not None and self._write(nodes, results) is True:
            return
        give_values([nodes[place] for place in self.outputs], results)


def give_values(nodes: list[Node], results: list[Any]) -> None:
    """Values for nodes, but for those that another thread has computed meanwhile."""
    for node, result in zip(nodes, results):
        if node.value is None:
            node.set_value(result)
