"""Functions as graphs: what the bodies of control flow are called with, and what they give.

A traced tensor has a shape and a dtype, and no value: ops on it are recorded into the graph of the
body. Tensors from outside that a body uses become operands of the control flow, so that gradients
reach them. Nothing else of a body is kept: it must not look at values, draw random numbers, or
write to what was there before.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from plait._tensor import Tensor
from plait._valueless import ValuelessTensor
from plait.core.batching.levels import Level, running
from plait.core.ir.errors import error
from plait.core.ir.graph import Graph, capture
from plait.core.ir.node import Node, Spec, Unneeded
from plait.core.ir.op import LEAF, Op, binds_first
from plait.core.lazy.views import Layout
from plait.core.ops.elementwise import DETACH, cast
from plait.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

_numbers = itertools.count()


class _Bodies(threading.local):
    """The bodies that are being recorded on this thread, the innermost last."""

    def __init__(self) -> None:
        self.recorded: list[Outside] = []


_bodies = _Bodies()


def recording() -> Outside | None:
    """What is outside of the innermost body that is being recorded; None outside of all."""
    return _bodies.recorded[-1] if _bodies.recorded else None


class Outside:
    """The tensors from outside that the bodies of one control flow use, in this order.

    depth: how many levels of `vmap` and of bodies run when a body begins, its own included.
    """

    def __init__(self) -> None:
        self.depth = len(running()) + 1
        #: Of two control flows being recorded, the one begun later is inside of the other.
        self.number = next(_numbers)
        self.tensors: list[Any] = []
        self.nodes: list[Node] = []
        self._known: dict[int, Node] = {}

    def node_of(self, value: Any) -> Node:
        """The placeholder of a tensor."""
        node = self._known.get(id(value))
        if node is None:
            node = self._known[id(value)] = placeholder(value)
            self.tensors.append(value)
            self.nodes.append(node)
        return node


def placeholder(value: Any) -> Node:
    """A node that stands for an input of a graph."""
    return Node(LEAF, (), {"shape": tuple(value.shape), "dtype": value.dtype})


class TracedTensor(ValuelessTensor):
    """A tensor inside the body of control flow."""

    refusal = (
        "control flow: the value of a tensor is asked for while the body is recorded, and there is "
        "none yet: no .item(), no Python branch and no NumPy array of it. Use torch.cond or "
        "torch.where for a choice by value"
    )

    _node: Node
    _outside: Outside

    @classmethod
    def of_placeholder(cls, node: Node, outside: Outside) -> TracedTensor:
        """The tensor of a node of the body's graph."""
        self = cls.of_type(node.shape, node.dtype)
        self._node = node
        self._outside = outside
        return self

    def bind(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Record an op into the graph of the innermost body that one of the operands is of."""
        innermost = self
        for x in inputs:
            if isinstance(x, TracedTensor) and x._outside.number > innermost._outside.number:
                innermost = x
        if innermost is not self:
            return innermost.bind(op, inputs, attrs)
        for x in inputs:
            batched = isinstance(x, ValuelessTensor) and not isinstance(x, TracedTensor)
            if batched and x._level.number > self._outside.depth:
                return x.bind(op, inputs, attrs)  # of a `vmap` in the body
        nodes = []
        for x in inputs:
            if type(x) is Unneeded:
                return x.bind(op, inputs, attrs)
            if type(x) is Node:
                nodes.append(x)
            elif isinstance(x, TracedTensor) and x._outside is self._outside:
                nodes.append(x._node)
            else:
                nodes.append(self._outside.node_of(x))
        made = op(*nodes, **attrs)
        if isinstance(made, tuple):
            return tuple([TracedTensor.of_placeholder(part, self._outside) for part in made])
        return TracedTensor.of_placeholder(made, self._outside)

    def view_through(self, op: Op, *extra: Node, layout: Layout | None = None, **attrs: Any) -> Any:
        made = self.bind(op, (self, *extra), attrs)
        made._is_part = True
        return made

    def assign(self, result: Any) -> TracedTensor:
        """Write in place: only what the body has made itself, and as a whole."""
        if self._node.op is LEAF or getattr(self, "_is_part", False):
            raise error(
                RuntimeError,
                "control flow: a body must not write to its inputs, nor through a view; make a new "
                "tensor, or clone() first and write to all of it",
            )
        result = cast(result, self._dtype)
        if isinstance(result, TracedTensor):
            self._node = result._node
        else:
            self._node = result if type(result) is Node else self._outside.node_of(result)
        return self

    @property
    def requires_grad(self) -> bool:
        return False

    def detached(self, silent: bool = False) -> Any:
        return DETACH(self) if self._dtype.is_differentiable else self.frozen()

    def frozen(self) -> Any:
        return TracedTensor.of_placeholder(self._node, self._outside)

    def edge(self) -> None:
        return None

    def __repr__(self, **options: Any) -> str:
        return f"TracedTensor(shape={list(self._shape)}, dtype={self._dtype})"


binds_first.add(TracedTensor)


class Body:
    """A function recorded once. results: its output nodes; tree: how it nests them."""

    def __init__(self, results: list[Node], tree: TreeSpec, inputs: list[Node]) -> None:
        self.results = results
        self.tree = tree
        self.inputs = inputs

    @property
    def specs(self) -> list[Spec]:
        """The types of the results."""
        return [Spec(node.shape, node.dtype) for node in self.results]

    def graph(self, *, before: Sequence[Node] = (), after: Sequence[Node] = ()) -> Graph:
        """The body's graph, with more inputs before and after its own."""
        return capture(self.results, leaves=[*before, *self.inputs, *after]).graph


def record(
    name: str,
    function: Callable[..., Any],
    arguments: Any,
    outside: Outside,
    checked: Callable[[Any], None] | None = None,
) -> Body:
    """Call `function(*arguments)` on traced tensors of the arguments' types.

    Raises RuntimeError where it gives anything but tensors.
    """
    leaves, tree = tree_flatten(tuple(arguments))
    inputs = [placeholder(x) for x in leaves]
    given = tree_unflatten([TracedTensor.of_placeholder(x, outside) for x in inputs], tree)
    levels = running()
    levels.append(Level(len(levels) + 1, 1, "error", name))
    _bodies.recorded.append(outside)
    try:
        result = function(*given)
    finally:
        _bodies.recorded.pop()
        levels.pop()
    if checked is not None:
        checked(result)
    parts, result_tree = tree_flatten(result)
    nodes = []
    for part in parts:
        if not isinstance(part, Tensor):
            raise error(
                RuntimeError,
                f"{name}: bodies must give tensors only, received {type(part).__name__}",
            )
        own = isinstance(part, TracedTensor) and part._outside is outside
        nodes.append(part._node if own else outside.node_of(part))
    return Body(nodes, result_tree, inputs)


def require_tensors(name: str, what: str, values: Sequence[Any]) -> None:
    """Raise RuntimeError unless all are tensors."""
    for value in values:
        if not isinstance(value, Tensor):
            raise error(
                RuntimeError,
                f"{name}: expected {what} to hold tensors only, received {type(value).__name__}",
            )


def text_of(specs: Sequence[Any]) -> str:
    """Types as messages show them."""
    return ", ".join(f"{spec.dtype}{list(spec.shape)}" for spec in specs)
