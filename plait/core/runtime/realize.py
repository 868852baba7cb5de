"""Computing recorded nodes: capture what is pending, run it as one program, hand out the values.

Besides the nodes asked for, every captured node that something outside the captured region still
holds (a tensor, a saved value of the backward pass) gets its value in the same run, so that nothing
is computed twice. Who holds a node is read from its reference count: more references than the
region itself accounts for. An over-count only keeps a value longer; it never loses one.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.core.ir.graph import Capture, Graph, Instruction, capture
from plait.core.ir.node import Node, Spec
from plait.core.ir.op import ITEM
from plait.core.ir.verify import verify
from plait.core.reference import executor
from plait.core.runtime import tiers
from plait.core.runtime.config import flag

#: Called with each graph before it runs; tests and the profiler count with it.
observers: list[Callable[[Graph], None]] = []


def realize(roots: Sequence[Node]) -> None:
    """Give every root its value.

    Raises what an op's check raises (IndexError, ...), with the user's line that recorded the op;
    then no node has changed.
    """
    pending = [node for node in roots if node.value is None]
    if not pending:
        return
    captured = capture(pending)
    kept = _kept(captured, pending)
    graph, values = _flat(captured, kept)
    results = iter(_run(graph, values))
    for node in kept:
        if isinstance(node.dtype, tuple):
            node.set_value(tuple([_own(next(results)) for _ in node.dtype]))
        else:
            node.set_value(_own(next(results)))


def _flat(captured: Capture, kept: list[Node]) -> tuple[Graph, list[Any]]:
    """The graph of what is kept, and the values of its inputs.

    Of a node with several outputs, each is an input or an output of the graph by itself.
    """
    specs: list[Spec] = []
    values: list[Any] = []
    found: list[Any] = []  # by the captured graph's numbers: a number, or one per output
    for leaf, spec in zip(captured.leaves, captured.graph.inputs):
        if not isinstance(spec.dtype, tuple):
            found.append(len(specs))
            specs.append(spec)
            values.append(leaf.value)
            continue
        shapes: Any = spec.shape
        parts = [Spec(shape, dtype) for shape, dtype in zip(shapes, spec.dtype)]
        found.append(tuple(range(len(specs), len(specs) + len(parts))))
        specs += parts
        values += leaf.value  # type: ignore[arg-type]  # a tuple for several outputs
    made: list[Instruction] = []
    for step in captured.graph.instructions:
        args = [found[arg] for arg in step.args]
        if step.op is ITEM and isinstance(args[0], tuple):
            found.append(args[0][step.attrs["index"]])
            continue
        found.append(len(specs) + len(made))
        made.append(step._replace(args=tuple(args)))
    outputs: list[int] = []
    for node in kept:
        number = found[captured.numbers[id(node)]]
        if not isinstance(node.dtype, tuple):
            outputs.append(number)
            continue
        for i, (shape, dtype) in enumerate(zip(node.shape, node.dtype)):
            outputs.append(len(specs) + len(made))
            made.append(Instruction(ITEM, (number,), {"index": i}, shape, dtype, None))
    return Graph(tuple(specs), tuple(made), tuple(outputs)), values


def _references(nodes: Sequence[Node]) -> list[int]:
    return [sys.getrefcount(node) for node in nodes]


#: What the count shows for an object that only the list passed in holds.
_UNHELD = _references([object()])[0]  # type: ignore[list-item]  # any object serves


def _kept(captured: Capture, pending: list[Node]) -> list[Node]:
    """The nodes whose values outlive the run: the roots and all that is held from outside."""
    nodes = captured.nodes
    inside = Counter(id(operand) for node in nodes for operand in node.inputs)
    wanted = {id(node) for node in pending}
    return [
        node
        for node, count in zip(nodes, _references(nodes))
        if id(node) in wanted or count > _UNHELD + inside[id(node)]
    ]


def held_outside(captured: Capture) -> list[Node]:
    """The nodes of a region that something outside of it holds."""
    return _kept(captured, [])


def compile_graph(
    graph: Graph, donations: dict[int, int]
) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """A function that computes a graph's outputs from its inputs (row-major arrays).

    donations: output -> input whose memory may be written for it, where the caller gives that up.
    Each result is memory of its own, or that of its donated input. The function raises what an op's
    check raises; then no input has been written.
    """

    if flag("PLAIT_BACKEND") == "reference":
        return lambda inputs: [_apart(result) for result in _run(graph, inputs)]
    if flag("PLAIT_VERIFY"):
        verify(graph)
    from plait.core.runtime.compiled import CompiledGraph

    compiled = CompiledGraph(graph, donations)

    def program(inputs: list[np.ndarray]) -> list[np.ndarray]:
        for observe in observers:
            observe(graph)
        try:
            return compiled.run(inputs)
        except executor.OpFailure as failure:
            fault = failure.fault
            raise error(type(fault), str(fault), failure.source or "") from None

    return program


def _apart(result: np.ndarray) -> np.ndarray:
    return result if result.base is None and result.flags.c_contiguous else result.copy()


def _run(graph: Graph, inputs: list[Any]) -> list[Any]:
    if flag("PLAIT_VERIFY"):
        verify(graph)
    for observe in observers:
        observe(graph)
    try:
        return tiers.run(graph, inputs)
    except executor.OpFailure as failure:
        fault = failure.fault
        raise error(type(fault), str(fault), failure.source or "") from None


def _own(value: Any) -> Any:
    """The array itself, or a copy where it is strided or would pin a larger buffer."""
    base = value.base
    pins_more = isinstance(base, np.ndarray) and base.nbytes > 2 * value.nbytes
    if value.flags.c_contiguous and not pins_more:
        return value
    return value.copy()
