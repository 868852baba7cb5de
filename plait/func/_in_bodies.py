"""Derivatives inside the bodies of control flow, where what is recorded is a graph of its own.

There a tensor has no place in autograd: the nodes of the body are differentiated as a graph is. The
gradient is more of that graph, so that derivatives nest, and the control flow around is
differentiated through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait._higher_order_ops._traced import Outside, TracedTensor, placeholder, recording
from plait.core.autodiff.rules import vjp
from plait.core.ir.errors import error
from plait.core.ir.graph import order
from plait.core.ir.node import Node
from plait.core.ir.op import ITEM
from plait.core.ops.elementwise import ALIAS
from plait.func._batched import BatchedTensor


class InBody:
    """What a derivative does to tensors in the body that is being recorded."""

    def __init__(self, body: Outside) -> None:
        self.body = body

    def _node(self, value: Any) -> Node:
        own = isinstance(value, TracedTensor) and value._outside is self.body
        return value._node if own else self.body.node_of(value)

    def leaf(self, value: Any) -> Any:
        """The same value, as what is differentiated with respect to."""
        return self._tensor(ALIAS(self._node(value)))

    def grads(
        self, outputs: Sequence[Any], inputs: Sequence[Any], vectors: Sequence[Any]
    ) -> list[Any]:
        """The vectors pulled back to the inputs; None where no way leads to one."""
        if recording() is not self.body:
            raise error(
                NotImplementedError,
                "vjp: to pull back in another body of control flow than the function was called in "
                "is not built in Plait yet",
            )
        ends, starts = [self._node(y) for y in outputs], [self._node(x) for x in inputs]
        if any(isinstance(v, BatchedTensor) for v in vectors):
            stand_ins = [placeholder(v) for v in vectors]
            values = self._values(vjp(ends, starts, stand_ins), stand_ins, vectors)
        else:
            values = vjp(ends, starts, [self._node(v) for v in vectors])
        return [self._tensor(value) if isinstance(value, Node) else value for value in values]

    def _tensor(self, node: Node) -> Any:
        return TracedTensor.of_placeholder(node, self.body)

    def _values(
        self, results: Sequence[Node | None], stand_ins: list[Node], vectors: Sequence[Any]
    ) -> list[Any]:
        """The values of nodes, where vectors are many at once: what depends on them, for each."""
        known: dict[int, Any] = {id(node): v for node, v in zip(stand_ins, vectors)}
        wanted = [node for node in results if node is not None]
        for node in order(wanted, leaves=stand_ins)[1]:
            if id(node) in known or not any(id(x) in known for x in node.inputs):
                continue
            if node.op is ITEM:
                known[id(node)] = known[id(node.inputs[0])][node.attrs["index"]]
            else:
                operands = [
                    known[id(x)] if id(x) in known else self._tensor(x) for x in node.inputs
                ]
                known[id(node)] = node.op(*operands, **node.attrs)
        return [None if node is None else known.get(id(node), node) for node in results]
