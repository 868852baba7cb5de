"""What the call of a function of tensors has recorded, told so that it can be recorded again."""

from __future__ import annotations

from typing import Any

from plait.core.ir.node import Node
from plait.core.lazy.grad import GradNode
from plait.core.lazy.replay.run import Run


class Learned:
    """What a call recorded, as seen by its arguments and its own nodes."""

    def __init__(
        self, run: Run, first: int, first_grad: int, tensors: list, nodes: list[Node], edges: list
    ) -> None:
        self.run = run
        self.first = first
        self.first_grad = first_grad
        self.tensors = tensors
        self.cells = {id(tensor._cell): i for i, tensor in enumerate(tensors)}
        self.arguments = {id(node): -1 - i for i, node in enumerate(nodes)}
        self.edges = edges
        self.own = {}

    def steps(self, trace: list[tuple]) -> list[tuple] | None:
        """The steps of a trace; None where one is made from anything else."""
        if len(self.run.nodes) != self.first + len(trace):
            return None  # values came from elsewhere
        if len(self.cells) != len({id(tensor) for tensor in self.tensors}):
            return None  # two arguments share their memory
        steps = []
        for number, (point, operands, edges, cells, place) in enumerate(trace):
            if place != self.first + number:
                return None
            places = [self._place(node) for node in operands]
            if any(p is None for p in places):
                return None
            ways: Any = None
            saved: list[int] = []
            if point.grad is not None and edges is not None:
                ways = [self._way(edge) for edge in edges]
                if any(way is False for way in ways):
                    return None
                for i in point.grad.saved:
                    if cells[i] is not None and id(cells[i]) in self.cells:
                        saved.append(self.cells[id(cells[i])])
            self.own[id(self.run.nodes[place])] = number
            steps.append((point, tuple(places), None if ways is None else tuple(ways), saved))
        return steps

    def _place(self, node: Node) -> int | None:
        own = self.own.get(id(node))
        return self.arguments.get(id(node)) if own is None else own

    def _way(self, edge: Any) -> Any:
        """Where a gradient goes; False: where it cannot be found again."""
        if edge is None:
            return None
        for number, given in enumerate(self.edges):
            if given is not None and given[0] is edge[0] and given[1] == edge[1]:
                return (number,)
        target = edge[0]
        own = type(target) is GradNode and target.run is self.run.token
        if own and target.place >= self.first_grad:
            return (target.place - self.first_grad, edge[1])
        return False

    def results(self, results: tuple) -> list | None:
        """The results; None where one is not a new tensor of this call."""
        found = []
        for result in results:
            if type(result) is not self.tensors[0].plain or result._base is not None:
                return None
            node = result._cell._node
            grad = result._grad_fn
            if id(node) not in self.own or result._requires_grad or result._layout is not None:
                return None
            if id(result._cell) in self.cells:
                return None
            number = None
            if grad is not None:
                if type(grad) is not GradNode or grad.run is not self.run.token:
                    return None
                number = grad.place - self.first_grad
                if number < 0:
                    return None
            found.append((self.own[id(node)], number, result._output_number))
        return found
