"""The graph of a model for TensorBoard: the operations it records, in the scopes of its modules."""

from __future__ import annotations

from typing import Any

import plait
from plait.core.ir.node import Node
from plait.nn import Module
from plait.utils.tensorboard._wire import field
from plait.utils.tensorboard.summary import shape_of

_PRODUCER = 22  # of the GraphDef format


def graph(model: Module, inputs: Any) -> bytes:
    """A GraphDef of one call of a model. inputs: its argument, or a tuple of them.

    Every operation is one node in the scope of the module that recorded it, `Model/layer[0]`;
    parameters and buffers are nodes of their own, with the names of the state dict.
    """
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    names: dict[Node, str] = {}
    for number, argument in enumerate(_tensors(arguments)):
        names[argument.read()] = f"input/input.{number + 1}"
    root = type(model).__name__
    state = [*model.named_parameters(), *model.named_buffers()]
    for name, value in state:
        names.setdefault(value.read(), f"{root}/{name.replace('.', '/')}")
    known = set(names)
    order = list(names)
    hooks = [
        module.register_forward_hook(_namer(_scope(root, path), names, order))
        for path, module in model.named_modules()
    ]
    try:
        with plait.no_grad():
            results = model(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
    nodes = [
        _node(names[node], _operation(node, names[node], known), node, names) for node in order
    ]
    for number, result in enumerate(_tensors((results,))):
        node = result.read()
        nodes.append(_entry(f"output/output.{number + 1}", "IO Node", [names[node]], node))
    return b"".join(field(1, node) for node in nodes) + field(4, field(1, _PRODUCER))


def _scope(root: str, path: str) -> str:
    return "/".join([root, *path.split(".")]) if path else root


def _namer(scope: str, names: dict[Node, str], order: list[Node]) -> Any:
    """A forward hook that names what its module recorded; inner modules have named theirs."""

    def hook(module: Module, inputs: Any, output: Any) -> None:
        for tensor in _tensors((output,)):
            for node in _new_ones(tensor.read(), names):
                names[node] = f"{scope}/{node.op.name}_{len(order)}"
                order.append(node)

    return hook


def _new_ones(top: Node, names: dict[Node, str]) -> list[Node]:
    """Nodes under `top` without a name yet, operands first."""
    found: list[Node] = []
    seen = set(names)
    stack = [(top, False)]
    while stack:
        node, done = stack.pop()
        if done:
            found.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(operand, False) for operand in reversed(node.inputs)]
    return found


def _operation(node: Node, name: str, known: set[Node]) -> str:
    if node in known:
        return "IO Node" if name.startswith("input/") else "Parameter"
    return f"plait::{node.op.name}"


def _node(name: str, operation: str, node: Node, names: dict[Node, str]) -> bytes:
    operands = [] if operation in ("IO Node", "Parameter") else [names[n] for n in node.inputs]
    attrs = {} if not operands else node.attrs
    return _entry(name, operation, operands, node, ", ".join(f"{k}={v}" for k, v in attrs.items()))


def _entry(
    name: str, operation: str, operands: list[str], node: Node, attributes: str = ""
) -> bytes:
    """A NodeDef: name, op, inputs, and as attributes its output shapes and those of the op."""
    shapes = node.shape if isinstance(node.dtype, tuple) else (node.shape,)
    listed = b"".join(field(7, shape_of(shape)) for shape in shapes)
    parts = [field(1, name), field(2, operation), *(field(3, operand) for operand in operands)]
    parts.append(field(5, field(1, "_output_shapes") + field(2, field(1, listed))))
    if attributes:
        parts.append(field(5, field(1, "attr") + field(2, field(2, attributes))))
    return b"".join(parts)


def _tensors(values: Any) -> list[plait.Tensor]:
    """The tensors of nested tuples, lists and dicts."""
    if isinstance(values, plait.Tensor):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    if not isinstance(values, (tuple, list)):
        return []
    return [tensor for value in values for tensor in _tensors(value)]
