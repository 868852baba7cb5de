"""Recording an op: a step of the thread's run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

from plait.core.ir.errors import DTypeError, ShapeError, error, user_location
from plait.core.ir.node import Node
from plait.core.ir.op import ITEM, Op
from plait.core.lazy.capture import watch
from plait.core.lazy.grad import Edge, GradNode, orders, read_operands, record
from plait.core.lazy.replay.positions import at_positions
from plait.core.lazy.replay.run import MOST_NODES, Run
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.replay.tree import GradPlan, Point
from plait.core.reference import executor

_new: Any = object.__new__


def apply(
    op: Op,
    operands: tuple[Node, ...],
    attrs: dict[str, Any],
    edges: tuple[Edge | None, ...] | None,
    cells: Sequence[Any],
    cls: Any,
) -> tuple[Any, GradNode | None]:
    """Record an op: (its node, or a tuple of the parts of several results; its grad node).

    edges: where the operands' gradients go; None where nothing is differentiated. cells: those
    of the operands, for versions. cls: the class of tensors that a derivative is recorded on.
    """
    if watch.active is not None:
        return _alone(op, operands, attrs, edges, cells, cls)
    run = threads.run
    if run is None:
        run = threads.begin()
    if run.lost:
        run.strayed += 1
        if run.strayed > MOST_NODES:
            threads.end()
        return _alone(op, operands, attrs, edges, cells, cls)
    token, nodes = run.token, run.nodes
    key: list[Any] = [op]
    for node in operands:
        place = node.place
        if node.run is token and nodes[place] is not None:
            key.append(place)
        else:
            key.append(run.place_of(node))
    if edges is not None:
        for edge in edges:
            if edge is None:
                key.append(-1)
                continue
            target = edge[0]
            if type(target) is GradNode and target.run is token:
                key.append(target.place)
                key.append(edge[1])
            else:
                key.append(run.place_of_target(target))
                key.append(edge[1])
    if run.lost:
        return _off(run, op, operands, attrs, edges, cells, cls)
    if run.specs:
        way = run.with_specs(tuple(key))
    else:
        way = tuple(key)
    point = run.point.children.get(way)
    if point is not None and (attrs or point.attrs) and not point.takes(attrs):
        if edges is None and point.op is op and type(run) is Run:
            moved = at_positions(op, operands, point.attrs, attrs)
            if moved is not None:
                return apply(*moved, edges, (None,) * len(moved[1]), cls)
        point = run.point.step(way, attrs)
    if point is None or point.op is None:
        if not run.learns(way, attrs):
            return _off(run, op, operands, attrs, edges, cells, cls)
        return _learned(run, way, op, operands, attrs, edges, cells, cls)
    node = _new(Node)
    node.op = op
    node.inputs = operands
    node.attrs = point.attrs
    node.shape = point.shape
    node.dtype = point.dtype
    node.value = None
    node.source = None
    node.run = token
    node.place = len(nodes)
    nodes.append(node)
    run.point = point
    if run.trace is not None:
        run.trace.append((point, operands, edges, cells, node.place))
    if op.check is not None:
        check(node)
    outputs: Any = node
    if point.several:
        outputs = _parts(run, node)
    plan = point.grad
    if plan is None:
        return outputs, None
    made = _new(GradNode)
    made.op = op
    made.attrs = point.attrs
    made.inputs = tuple([x if kept is None else kept for x, kept in zip(operands, plan.inputs)])
    made.edges = edges
    made.output = outputs if plan.output is None else plan.output
    made.output_types = plan.output_types
    made.versions = [(c, c.version) for i in plan.saved if (c := cells[i]) is not None]
    made.cls = cls
    made.hooks = None
    made.released = False
    made.order = next(orders)
    _enter_grad(run, made)
    return outputs, made


def _enter_grad(run: Run, made: GradNode) -> None:
    made.run = run.token
    made.place = len(run.grads)
    run.grads.append(ref(made))


def _parts(run: Run, node: Node) -> tuple[Node, ...]:
    parts = tuple([ITEM(node, index=i) for i in range(len(node.shape))])
    for part in parts:
        if run.trace is not None:
            step = Point(ITEM, part.attrs, part.shape, part.dtype)
            run.trace.append((step, part.inputs, None, None, len(run.nodes)))
        run.enter(part)
    return parts


def _learned(
    run: Run,
    key: tuple,
    op: Op,
    operands: tuple[Node, ...],
    attrs: dict[str, Any],
    edges: tuple[Edge | None, ...] | None,
    cells: Sequence[Any],
    cls: Any,
) -> tuple[Any, GradNode | None]:
    """Record a step that is not in the tree, and make it part of it."""
    node = _made(op, operands, attrs)
    point = run.new_point(op, attrs, node.shape, node.dtype)
    run.add(key, point)
    if run.trace is not None:
        run.trace.append((point, operands, edges, cells, len(run.nodes)))
    run.enter(node)
    outputs: Any = _parts(run, node) if point.several else node
    made = None
    if edges is not None and _leads_on(op, edges, outputs):
        made = record(op, attrs, operands, edges, outputs, cells, cls)
        point.grad = _plan_of(made)
        _enter_grad(run, made)
    return outputs, made


def _off(run: Run, *step: Any) -> tuple[Any, GradNode | None]:
    """Record a step that its run does not take: as the first of the next block, or in no run."""
    if run.branched:
        threads.begin()
        return apply(*step)
    return _alone(*step)


def _alone(
    op: Op,
    operands: tuple[Node, ...],
    attrs: dict[str, Any],
    edges: tuple[Edge | None, ...] | None,
    cells: Sequence[Any],
    cls: Any,
) -> tuple[Any, GradNode | None]:
    """Record an op in no run, as captures want it."""
    node = _made(op, operands, attrs)
    outputs: Any = node
    if isinstance(node.dtype, tuple):
        outputs = tuple([ITEM(node, index=i) for i in range(len(node.shape))])
    if edges is not None and _leads_on(op, edges, outputs):
        return outputs, record(op, attrs, operands, edges, outputs, cells, cls)
    return outputs, None


def _made(op: Op, operands: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
    """The node of an op; faults of shape, dtype and ready values name the user's line."""
    try:
        node = Node(op, operands, attrs)
    except (ShapeError, DTypeError) as fault:
        raise error(type(fault), str(fault)) from None
    if op.check is not None:
        check(node)
    return node


def _leads_on(op: Op, edges: Sequence[Edge | None], outputs: Any) -> bool:
    """Whether a gradient passes from the results to an operand."""
    if op.differentiable is not None and not any(edges[i] for i in op.differentiable):
        return False
    parts = outputs if isinstance(outputs, tuple) else (outputs,)
    return any(part.dtype.is_differentiable for part in parts)


def _plan_of(made: GradNode) -> GradPlan:
    kept = tuple([None if type(x) is Node else x for x in made.inputs])
    output = None if made.op.saves_output else made.output
    # An op's record may name operands that this call has left out.
    saved = tuple([i for i in read_operands(made.op, made.edges) if i < len(kept)])
    return GradPlan(kept, saved, output, made.output_types)


def check(node: Node) -> None:
    """Run an op's check where the values are there; else remember the user's line for later."""
    op = node.op
    assert op.check is not None, "asked only of ops with a check"
    for i in op.checks:
        if node.inputs[i].value is None:
            node.source = node.source or user_location()
            from plait.core.lazy.recorder import recorder  # not at the top: it imports this module

            recorder.await_check(node)
            return
    try:
        executor.check(op, [x.value for x in node.inputs], node.attrs, None)
    except executor.OpFailure as failure:
        threads.end()  # it has been entered already
        raise error(type(failure.fault), str(failure.fault)) from None
