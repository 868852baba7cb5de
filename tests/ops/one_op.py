"""Graphs of a single op and of its derivatives, made from a sample of its record."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from plait.core.autodiff.rules import apply_vjp, differentiable_inputs, vjp
from plait.core.ir.dtypes import BY_NAME, DType, dtype_of
from plait.core.ir.graph import Graph, capture, trace
from plait.core.ir.node import Node, Spec
from plait.core.ir.op import LEAF, Op, op_by_name
from tests.ops.samples import Sample, all_samples

MAKERS = all_samples()


def samples_of(name: str, dtype: DType) -> list[Sample]:
    """The samples of an op for one dtype; the same on every call."""
    rng = np.random.default_rng(zlib.crc32(f"{name}/{dtype.name}".encode()))
    return MAKERS[name](rng, dtype)


def dtypes_under_test(op: Op) -> tuple[DType, ...]:
    """The dtypes that the record lists; float32 stands for "any" where it lists none."""
    return op.dtypes or (BY_NAME["float32"],)


def specs_of(arrays: Any) -> list[Spec]:
    """The graph types of arrays."""
    return [Spec(x.shape, dtype_of(x.dtype)) for x in arrays]


def forward_graph(op: Op, sample: Sample) -> Graph:
    """op(*inputs) as a graph; several outputs of the op are several outputs of the graph."""
    return trace(lambda *nodes: op(*nodes, **sample.attrs), specs_of(sample.inputs))


def differentiable_outputs(graph: Graph) -> list[int]:
    """Positions of the outputs that take a cotangent."""
    return [i for i, v in enumerate(graph.outputs) if graph.type_of(v).dtype.is_differentiable]


def gradient_graph(graph: Graph, wrt: list[int]) -> Graph:
    """The vjp of a graph as a graph of its own.

    Inputs: those of `graph`, then one cotangent per differentiable output. Outputs: the gradient of
    each input in `wrt`; zeros where there is no path.
    """
    seeds = [graph.type_of(graph.outputs[i]) for i in differentiable_outputs(graph)]

    def gradients(*nodes: Node) -> tuple[Node, ...]:
        given, cotangents = nodes[: len(graph.inputs)], nodes[len(graph.inputs) :]
        outputs = graph.replay(*given)
        chosen = [outputs[i] for i in differentiable_outputs(graph)]
        grads = vjp(chosen, [given[i] for i in wrt], list(cotangents))
        return tuple(
            op_by_name("full")(value=0, shape=given[i].shape, dtype=given[i].dtype)
            if grad is None
            else grad
            for i, grad in zip(wrt, grads)
        )

    return trace(gradients, [*graph.inputs, *seeds])


def float_inputs(op: Op, sample: Sample) -> list[int]:
    """Positions of the operands that a gradient flows to."""
    return list(differentiable_inputs(op, specs_of(sample.inputs)))


def rule_graph(op: Op, sample: Sample, *, hide: bool) -> Graph:
    """What `apply_vjp` records for the op. `hide`: what `saves` does not list is only a Spec."""
    forward = forward_graph(op, sample)
    types = [forward.type_of(v) for v in forward.outputs]
    leaves = [_placeholder(s) for s in (*forward.inputs, *types, *types)]
    count = len(forward.inputs)
    inputs: list[Any] = leaves[:count]
    outputs: list[Any] = leaves[count : count + len(types)]
    grads: list[Any] = [
        g if g.dtype.is_differentiable else None for g in leaves[count + len(types) :]
    ]
    if hide:
        inputs = [
            x if i in op.saved_inputs else Spec(x.shape, x.dtype) for i, x in enumerate(inputs)
        ]
        if not op.saves_output:
            outputs = [Spec(y.shape, y.dtype) for y in outputs]
    single = op.outputs == 1
    result = apply_vjp(
        op,
        sample.attrs,
        tuple(inputs),
        outputs[0] if single else tuple(outputs),
        grads[0] if single else tuple(grads),
    )
    assert len(result) == count, f"{op.name}: {len(result)} gradients for {count} operands"
    return capture([part for part in result if part is not None], leaves=leaves).graph


def _placeholder(spec: Spec) -> Node:
    return Node(LEAF, (), {"shape": spec.shape, "dtype": spec.dtype})
