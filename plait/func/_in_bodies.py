"""Derivatives inside the bodies of control flow, where what is recorded is a graph of its own.

There a tensor has no place in autograd: the nodes of the body are differentiated as a graph is. The
gradient is more of that graph, so that derivatives nest, and the control flow around is
differentiated through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait._higher_order_ops._origins import NOWHERE, Origins, require_kept
from plait._higher_order_ops._traced import Outside, TracedTensor, placeholder, recording
from plait.core.autodiff.rules import vjp
from plait.core.ir.errors import error
from plait.core.ir.graph import order
from plait.core.ir.node import Node
from plait.core.ir.op import ITEM
from plait.core.ops.complex_parts import CONJ
from plait.core.ops.elementwise import ALIAS
from plait.func._batched import BatchedTensor


class InBody:
    """What a derivative does to tensors in the body that is being recorded."""

    def __init__(self, body: Outside) -> None:
        self.body = body
        #: Stand for the values that only this derivative is taken with respect to.
        self.own: Origins = NOWHERE

    def leaf(self, value: Any) -> Any:
        """The same value, as what is differentiated with respect to."""
        mark: Origins = frozenset([object()])
        self.own |= mark
        node = ALIAS(self.body.node_in(value))
        return TracedTensor.leaf(node, self.body, self.body.origins_of(value) | mark)

    def untracked(self, value: Any) -> Any:
        """A value whose gradient leads to nothing of this derivative's."""
        if isinstance(value, BatchedTensor):
            rest = self.untracked(value._samples)
            return value if rest is value._samples else BatchedTensor.of_samples(rest, value._level)
        return value.untracked(self.own) if isinstance(value, TracedTensor) else value

    def grads(
        self, outputs: Sequence[Any], inputs: Sequence[Any], vectors: Sequence[Any]
    ) -> list[Any]:
        """The vectors pulled back to the inputs; None where no way leads to one.

        Gradients of complex values are PyTorch's; the rules take and give their conjugates.
        """
        if recording() is not self.body:
            raise error(
                NotImplementedError,
                "vjp: to pull back in another body of control flow than the function was called in "
                "is not built in Plait yet",
            )
        origins = NOWHERE.union(*[self.body.origins_of(x) for x in (*outputs, *vectors)])
        require_kept(origins, self.own.__contains__)
        node_in = self.body.node_in
        ends, starts = [node_in(y) for y in outputs], [node_in(x) for x in inputs]
        batched = any(isinstance(v, BatchedTensor) for v in vectors)
        given = [placeholder(v) if batched else node_in(v) for v in vectors]
        found = _conjugates(vjp(ends, starts, _conjugates(given)))
        if not batched:
            return [None if g is None else self._tensor(g, origins) for g in found]
        values = self._values(found, given, vectors, origins)
        return [self._tensor(v, origins) if isinstance(v, Node) else v for v in values]

    def _tensor(self, node: Node, origins: Origins) -> Any:
        return TracedTensor.of_result(node, self.body, origins)

    def _values(
        self,
        results: Sequence[Node | None],
        stand_ins: list[Node],
        vectors: Sequence[Any],
        origins: Origins,
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
                    known[id(x)] if id(x) in known else self._tensor(x, origins)
                    for x in node.inputs
                ]
                known[id(node)] = node.op(*operands, **node.attrs)
        return [None if node is None else known.get(id(node), node) for node in results]


def _conjugates(grads: Sequence[Any]) -> list[Any]:
    return [CONJ(g) if g is not None and g.dtype.is_complex else g for g in grads]
