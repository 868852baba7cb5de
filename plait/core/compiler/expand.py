"""Expand: composites without a lowering of their own become their bodies.

Softmax, the norms and the losses are written in elementwise ops, reductions and broadcasts, which
the fusion pass makes one row kernel of; there is nothing to win by keeping them whole.
"""

from __future__ import annotations

from collections.abc import Callable

from plait.core.compiler.rewrite import Builder, Value, rewrite
from plait.core.ir.extents import is_marked
from plait.core.ir.graph import Graph, Instruction, trace
from plait.core.ir.op import Op
from plait.core.reference.executor import body_graph


def expand(graph: Graph, keeps: Callable[[Op], bool]) -> Graph:
    """The graph with the bodies of all composites but those that `keeps` holds back."""

    def rule(build: Builder, made: Instruction, args: tuple[Value, ...]) -> Value:
        if made.op.body is None or keeps(made.op):
            return None
        specs = tuple([build.spec(a) for a in args])
        if any(is_marked(spec.shape) for spec in specs) or is_marked(tuple(made.attrs.values())):
            # Not the body that is kept for equal shapes, which are constants there.
            own = made.op.body
            body = trace(lambda *nodes: own(*nodes, **made.attrs), specs)
        else:
            body = body_graph(made.op, specs, made.attrs)
        return build.inline(expand(body, keeps), args)

    return rewrite(graph, rule)
