"""Applying one op's derivative rule, from its record or through its body."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from plait.core.ir.graph import Graph, order, trace
from plait.core.ir.node import Node, Spec
from plait.core.ir.op import ITEM, Lowering, Op
from plait.core.ops.elementwise import ADD
from plait.core.ops.source import full


def differentiable_inputs(op: Op, inputs: Any) -> tuple[int, ...]:
    """Positions of the operands that a gradient may flow to."""
    if op.differentiable is not None:
        return op.differentiable
    return tuple(
        [
            i
            for i, x in enumerate(inputs)
            if not isinstance(x.dtype, tuple) and x.dtype.is_differentiable
        ]
    )


def apply_vjp(op: Op, attrs: dict[str, Any], inputs: Any, output: Any, grads: Any) -> tuple:
    """The gradients of an op's inputs from those of its outputs: one entry (or None) per input.

    grads: one gradient, or a tuple with an entry (or None) per output, as the op has outputs.
    inputs, output: values, or `Spec`s where the record's `saves` does not list them.
    """
    if op.vjp is None:
        return _through_body(op, attrs, inputs, grads)
    if isinstance(grads, tuple):
        grads = tuple(
            full(0, y.shape, y.dtype) if g is None and y.dtype.is_differentiable else g
            for g, y in zip(grads, output)
        )
    if op.lowering is Lowering.CONTROL:
        attrs = {**attrs, "graph_vjp": graph_vjp}
    result = op.vjp(grads, output, *inputs, **attrs)
    return result if isinstance(result, tuple) else (result,)


def _through_body(op: Op, attrs: dict[str, Any], inputs: Any, grads: Any) -> tuple:
    """Differentiate a composite without a rule: replay its primitive body, then walk it back."""
    body = op.body
    assert body is not None, f"{op.name} has no derivative"
    graph = trace(lambda *nodes: body(*nodes, **attrs), [Spec(x.shape, x.dtype) for x in inputs])
    values: list[Any] = list(inputs)
    for made in graph.instructions:
        args = [values[a] for a in made.args]
        values.append(
            args[0][made.attrs["index"]] if made.op is ITEM else made.op(*args, **made.attrs)
        )
    slots: list[Any] = [None] * len(values)
    parts = grads if isinstance(grads, tuple) else (grads,)
    for output, grad in zip(graph.outputs, parts):
        if grad is not None:
            slots[output] = grad if slots[output] is None else ADD(slots[output], grad)
    first = len(inputs)
    for position in range(len(graph.instructions) - 1, -1, -1):
        made = graph.instructions[position]
        _push(made.op, made.args, made.attrs, values, slots, first + position)
    return tuple(slots[: len(inputs)])


def _push(op: Op, args: Any, attrs: dict, values: list, slots: list, number: int) -> None:
    """Move the gradient of value `number` to its operands."""
    grad = slots[number]
    if grad is None:
        return
    if op is ITEM:
        source = args[0]
        parts = list(slots[source] or [None] * len(values[source]))
        index = attrs["index"]
        parts[index] = grad if parts[index] is None else ADD(parts[index], grad)
        slots[source] = tuple(parts)
        return
    if not op.has_vjp:
        return
    operands = [values[a] for a in args]
    for arg, part in zip(args, apply_vjp(op, attrs, operands, values[number], grad)):
        if part is not None:
            slots[arg] = part if slots[arg] is None else ADD(slots[arg], part)


def vjp(outputs: list[Node], wrt: list[Node], cotangents: list[Node]) -> list[Node | None]:
    """Gradients of sum(outputs * cotangents) with respect to nodes, as nodes.

    Walks the recorded graph from `outputs` back to `wrt`, without recursion; the result is itself
    a graph and can be differentiated again. None: no path, or none that carries a gradient.
    """
    _, nodes = order(outputs, leaves=wrt)
    reached = {id(node) for node in wrt}
    for node in nodes:
        if any(id(operand) in reached for operand in node.inputs):
            reached.add(id(node))
    grads: dict[int, Any] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        _accumulate(grads, output, cotangent)
    parts: dict[int, tuple[Node, ...]] = {}
    for node in reversed(nodes):
        grad = grads.pop(id(node), None)
        if grad is None or id(node) not in reached:
            continue
        if node.op is ITEM:
            _accumulate_part(grads, node, grad)
            continue
        if not node.op.has_vjp:
            continue
        value = _outputs_of(node, parts)
        result = apply_vjp(node.op, node.attrs, node.inputs, value, grad)
        for operand, part in zip(node.inputs, result):
            if part is not None and id(operand) in reached:
                _accumulate(grads, operand, part)
    return [grads.get(id(node)) for node in wrt]


def _outputs_of(node: Node, parts: dict[int, tuple[Node, ...]]) -> Any:
    if not isinstance(node.dtype, tuple):
        return node
    if id(node) not in parts:
        parts[id(node)] = tuple(ITEM(node, index=i) for i in range(len(node.dtype)))
    return parts[id(node)]


def _accumulate(grads: dict[int, Any], node: Node, part: Any) -> None:
    held = grads.get(id(node))
    grads[id(node)] = part if held is None else ADD(held, part)


def _accumulate_part(grads: dict[int, Any], item: Node, grad: Any) -> None:
    source = item.inputs[0]
    index = item.attrs["index"]
    parts = list(grads.get(id(source)) or [None] * len(source.dtype))  # type: ignore[arg-type]  # a tuple for several outputs
    parts[index] = grad if parts[index] is None else ADD(parts[index], grad)
    grads[id(source)] = tuple(parts)


def graph_vjp(graph: Graph) -> Graph:
    """The graph of a graph's gradients, for the ops that hold graphs.

    Inputs: those of `graph`, then a cotangent for each differentiable output. Outputs: a gradient
    for each differentiable input, 0 where none arrives.
    """
    return _graph_vjp(graph, tuple([made.source for made in graph.instructions]))


@lru_cache(maxsize=256)
def _graph_vjp(graph: Graph, lines: tuple[str | int | None, ...]) -> Graph:
    """Equal graphs whose checks name other lines have gradients of their own."""
    outputs = [
        i for i, number in enumerate(graph.outputs) if graph.type_of(number).dtype.is_differentiable
    ]
    wanted = [i for i, spec in enumerate(graph.inputs) if spec.dtype.is_differentiable]
    count = len(graph.inputs)

    def gradients(*values: Node) -> tuple[Node, ...]:
        made = graph.replay(*values[:count])
        wrt = [values[i] for i in wanted]
        found = vjp([made[i] for i in outputs], wrt, list(values[count:]))
        return tuple([full(0, x.shape, x.dtype) if g is None else g for x, g in zip(wrt, found)])

    cotangents = [graph.type_of(graph.outputs[i]) for i in outputs]
    return trace(gradients, [*graph.inputs, *cotangents])
