"""The reference executor: runs any graph on NumPy, one op after another.

It is the oracle of every other executor and needs no compiler. A value is freed after its last
use. 16-bit floats are widened to float32 for each op that computes and rounded once to the result's
dtype; BLAS runs on one thread, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plait.core.ir.graph import Graph, Instruction, trace
from plait.core.ir.node import Spec
from plait.core.ir.op import ITEM, Lowering, Op
from plait.core.reference.blas import single_threaded

#: Runs a graph on arrays.
Run = Callable[[Graph, Sequence[np.ndarray]], list[np.ndarray]]

#: Graphs of composite bodies, by op, operand types and attributes.
_bodies: dict[tuple, Graph] = {}


class OpFailure(Exception):
    """An op's check refused its operands' values: the cause, and what the instruction names as its
    source."""

    def __init__(self, fault: Exception, source: str | int | None) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.source = source

    @property
    def line(self) -> str:
        """The user's line; "" where it is not known."""
        return self.source if isinstance(self.source, str) else ""


def run(graph: Graph, inputs: Sequence[np.ndarray], nested: Run | None = None) -> list[np.ndarray]:
    """Compute the outputs of a graph from its input arrays.

    nested: what runs the graphs that ops of control flow hold; None: this function. Raises
    OpFailure where an op's check fails; no input is ever written.
    """
    values: list[Any] = list(inputs)
    last_use = _last_uses(graph)
    with np.errstate(all="ignore"), single_threaded():
        for made in graph.instructions:
            operands = [values[arg] for arg in made.args]
            values.append(_apply(graph, made, operands, nested or run))
            del operands
            number = len(values) - 1
            for arg in made.args:
                if last_use[arg] == number:
                    values[arg] = None
    return [values[output] for output in graph.outputs]


def _last_uses(graph: Graph) -> list[int]:
    """For each value, the number of the last instruction that reads it (-1: keep)."""
    first = len(graph.inputs)
    last = [0] * (first + len(graph.instructions))
    for position, made in enumerate(graph.instructions):
        for arg in made.args:
            last[arg] = first + position
    for output in graph.outputs:
        last[output] = -1
    return last


def _apply(graph: Graph, made: Instruction, operands: list[Any], nested: Run) -> Any:
    op = made.op
    if op is ITEM:
        return operands[0][made.attrs["index"]]
    if op.check is not None:
        check(op, operands, made.attrs, made.source)
    if op.reference is None:
        specs = tuple(graph.type_of(arg) for arg in made.args)
        results = run(body_graph(op, specs, made.attrs), operands, nested)
        return tuple(results) if isinstance(made.dtype, tuple) else results[0]
    return evaluate(op, operands, made.attrs, made.dtype, nested)


def check(op: Op, operands: Sequence[Any], attrs: dict[str, Any], source: str | int | None) -> None:
    """Run an op's check on values; OpFailure carries the fault and the user's line."""
    assert op.check is not None
    watched = [x if i in op.checks else None for i, x in enumerate(operands)]
    try:
        op.check(*watched, **attrs)
    except (IndexError, ValueError, ZeroDivisionError, RuntimeError) as fault:
        raise OpFailure(fault, source) from None


def evaluate(
    op: Op, operands: Sequence[Any], attrs: dict[str, Any], dtype: Any, nested: Run = run
) -> Any:
    """One op on arrays, with the rule for 16-bit floats; the result has the declared dtype."""
    assert op.reference is not None
    if not op.moves_only:
        operands = [_widen(x) for x in operands]
    if op.lowering is Lowering.CONTROL:
        result = op.reference(*operands, **attrs, run=nested)
    else:
        result = op.reference(*operands, **attrs)
    if isinstance(dtype, tuple):
        return tuple(_as_declared(r, d) for r, d in zip(result, dtype, strict=True))
    return _as_declared(result, dtype)


def _widen(x: Any) -> Any:
    if isinstance(x, np.ndarray) and x.dtype.itemsize == 2 and x.dtype.kind not in "iub":
        return x.astype(np.float32)
    return x


def _as_declared(result: Any, dtype: Any) -> np.ndarray:
    wanted = dtype.numpy
    if isinstance(result, np.ndarray) and result.dtype == wanted:
        return result
    return np.asarray(result, wanted)


def body_graph(op: Op, specs: tuple[Spec, ...], attrs: dict[str, Any]) -> Graph:
    """The primitive graph of a composite op for operands of these types."""
    from plait.core.ir.graph import freeze

    assert op.body is not None
    key = (op.name, tuple((s.shape, s.dtype) for s in specs), freeze(attrs))
    graph = _bodies.get(key)
    if graph is None:
        body = op.body
        graph = trace(lambda *nodes: body(*nodes, **attrs), specs)
        if len(_bodies) > 4096:
            _bodies.clear()
        _bodies[key] = graph
    return graph
