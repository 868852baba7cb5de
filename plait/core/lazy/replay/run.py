"""A run: the way of one thread through the tree, and the nodes it has passed.

A node's place in a run is its number in the order of recording; values from outside get a place
where they are first used. Places are decided by the way alone, so that steps, backward passes and
launches can name their operands by them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from plait.core.ir.errors import DTypeError, ShapeError, error, user_location
from plait.core.ir.node import Node, Owner
from plait.core.ir.op import ITEM, LEAF, Op, leaf
from plait.core.lazy.capture import watch
from plait.core.lazy.grad import Edge, GradNode, read_operands, record
from plait.core.lazy.replay.tree import GradPlan, Point
from plait.core.ops.source import FULL
from plait.core.ops.view import BROADCAST
from plait.core.reference import executor
from plait.core.runtime.config import flag
from plait.core.runtime.crowd import Presence, crowd
from plait.core.runtime.realize import held_besides, realize

#: Points of one thread's tree; beyond it the tree is grown anew.
_MOST_POINTS = 1 << 13
#: Nodes of one run; a program that never launches starts again from the root.
_MOST_NODES = 1 << 12
#: Nodes that wait, and bytes that they hold on to, before what is dead among them is dropped.
SWEEP_NODES = 1024
SWEEP_BYTES = 64 << 20


class Run:
    """Where a thread is in its tree.

    token: what the nodes and grad nodes of this run refer to. nodes: by place; None for those that
    a launch has computed, until they are used again. targets: places of leaf tensors and foreign
    grad nodes, by id. grads: the grad nodes made, weakly. launches: how many there were.

    The tree grows by what is recorded a second time: the first time, an unknown step leads off the
    tree (`lost`), and from there on until the run ends nothing is matched; the second time, the
    rest of the run is learned.
    """

    __slots__ = (
        "grads",
        "held",
        "launches",
        "learning",
        "lost",
        "nodes",
        "point",
        "strayed",
        "targets",
        "token",
        "trace",
    )

    def __init__(self, root: Point) -> None:
        self.token = Owner()
        self.point = root
        self.nodes: list[Any] = []
        self.targets: dict[int, int] = {}
        self.held: list[Any] = []
        self.grads: list[ref[GradNode]] = []
        self.launches = 0
        self.learning = False
        self.lost = False
        #: Ops recorded off the tree.
        self.strayed = 0
        #: While a function is learned as one step: what is recorded meanwhile.
        self.trace: list[tuple] | None = None

    def learns(self, key: tuple, attrs: dict[str, Any]) -> bool:
        """Whether an unknown step is to be learned; else the run is off the tree."""
        if not self.learning:
            self.learning = self.point.seen_before(key, attrs)
            self.lost = not self.learning
        return self.learning

    def add(self, key: tuple, point: Point) -> None:
        """Take a step that was unknown so far."""
        self.point.add(key, point)
        self.point = point
        threads.points += 1

    def enter(self, node: Node) -> None:
        """Give a node the next place.

        Of a node that other threads know, both are written at once, with nothing between that
        could let them in, the run first; who asks for a place reads that first. So a place in
        another run is never taken for one in this.
        """
        place = len(self.nodes)
        node.run, node.place = self.token, place
        self.nodes.append(node)

    def place_of(self, node: Node) -> int:
        """The place of an operand. To give one to a value from outside is a step by itself."""
        place = node.place
        if node.run is self.token:
            if self.nodes[place] is None:
                self.nodes[place] = node
            return place
        if node.value is None:
            with crowd.lock:
                self.take_in(node)
            if node.value is None:
                return -1 if self.lost else node.place
        way = (node.shape, node.dtype)
        point = self.point.children.get(way)
        if point is not None and point.op is None and not point.attrs:
            self.point = point
        elif self.learns(way, {}):
            self.add(way, Point())
        else:
            return -1
        place = len(self.nodes)
        self.enter(node)
        threads.bytes += bytes_of(node.value)
        return place

    def place_of_target(self, target: Any) -> int:
        """The place of a leaf tensor (even) or of a grad node of another run (odd), below -1."""
        place = self.targets.get(id(target))
        if place is None:
            foreign = isinstance(target, GradNode)
            place = self.targets[id(target)] = -2 - 2 * len(self.held) - foreign
            self.held.append(target)
        return place

    def take_in(self, root: Node) -> None:
        """Give a waiting node that was made elsewhere a place, and its waiting operands before.

        The caller holds the lock. Nodes of other threads are computed, not taken.
        """
        stack = [root]
        while stack and not self.lost:
            node = stack[-1]
            if node.run is self.token or node.value is not None:
                stack.pop()
                continue
            if node.run is not None and node.run.is_foreign:
                realize([node])
                continue
            waiting = [x for x in node.inputs if x.value is None and x.run is not self.token]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            self._step_to(node)

    def _step_to(self, node: Node) -> None:
        """One step along for a node that is already there."""
        if node.op is FULL:
            key = self._constant(node)
        else:
            parts: list[Any] = [None, node.op]
            for operand in node.inputs:
                parts.append(self.place_of(operand))
            key = tuple(parts)
        if self.lost:
            return
        point = self.point.step(key, node.attrs)
        if point is not None:
            self.point = point
        elif self.learns(key, node.attrs):
            self.add(key, Point(node.op, node.attrs, node.shape, node.dtype))
        else:
            return
        if self.trace is not None and node.value is None:  # not a number that has become an input
            self.trace.append((self.point, node.inputs, None, None, len(self.nodes)))
        self.enter(node)

    def _constant(self, node: Node) -> tuple:
        """The key of a constant. One that had another value here before becomes an input: a number
        that changes must not make a new graph each time."""
        key = (FULL, node.shape, node.dtype)
        first = self.point.children.get(key)
        if first is None or first.op is None or self.point.step(key, node.attrs) is not None:
            return key
        value = np.asarray(node.attrs["value"], node.dtype.numpy)
        if node.shape == ():
            # As a leaf, whose attributes tell nothing of its value.
            node.op, node.attrs = LEAF, {"shape": (), "dtype": node.dtype}
            node.value = value
        else:
            number = leaf(value, (), node.dtype)
            self.enter(number)
            node.op, node.inputs, node.attrs = BROADCAST, (number,), {"shape": node.shape}
        return (None, *key)

    def follow(self, key: tuple, entered: list[Node]) -> None:
        """Take a step that makes several nodes by itself, learned at its first sight; its inputs
        from outside get places."""
        if self.lost:
            return
        point = self.point.children.get(key)
        if point is None:
            point = Point()
            self.point.enter(key, point)
            threads.points += 1
        self.point = point
        for node in entered:
            self.enter(node)

    def pinned(self) -> int:
        """Bytes of the values that only this run, and what waits in it, hold on to."""
        nodes = [node for node in self.nodes if node is not None]
        held = held_besides(nodes, holders=1)
        return sum(
            bytes_of(node.value)
            for node, is_held in zip(nodes, held)
            if node.value is not None and not is_held
        )

    def has_open_grads(self) -> bool:
        """Whether a backward pass may still come back to this run."""
        token = self.token
        for weak in self.grads:
            made = weak()
            if made is not None and made.run is token:
                return True
        return False


class _Threads(threading.local):
    """The run and the tree of each thread."""

    def __init__(self) -> None:
        self._presence = Presence()
        self.root = Point()
        self.points = 0
        self.run: Run | None = None
        #: Whether runs are matched at all.
        self.matches = bool(flag("PLAIT_REPLAY"))
        #: Whether the last run came to no launch: what follows does not begin where a program
        #: repeats itself, and is not worth to be learned.
        self.adrift = False
        #: Nodes recorded outside of the present run that may wait, and the bounds on all that wait.
        self.waiting: list[ref[Node]] = []
        self.most_nodes = SWEEP_NODES
        self.bytes = 0
        self.most_bytes = SWEEP_BYTES

    def is_full(self, run: Run) -> bool:
        """Whether more waits than may wait unseen."""
        if self.bytes > self.most_bytes:
            self.bytes = run.pinned()
            return self.bytes > self.most_bytes
        return len(run.nodes) > _MOST_NODES or len(self.waiting) > self.most_nodes

    def begin(self) -> Run:
        """A new run from the root."""
        self.end()
        if self.points > _MOST_POINTS:
            self.root = Point()
            self.points = 0
        self.run = Run(self.root)
        self.run.lost = self.adrift or not self.matches
        return self.run

    def end(self) -> None:
        """Leave the run: its nodes are as any others from now on."""
        run = self.run
        if run is not None:
            self.waiting += [ref(x) for x in run.nodes if x is not None and x.value is None]
            if not self.waiting:
                self.bytes = 0
            run.nodes.clear()  # a frame that still refers to the run must not hold them
            self.run = None


def bytes_of(value: Any) -> int:
    """The bytes of an array, or of the several that one op gave."""
    return sum(part.nbytes for part in value) if type(value) is tuple else value.nbytes


threads = _Threads()

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
        if run.strayed > _MOST_NODES:
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
        return _alone(op, operands, attrs, edges, cells, cls)
    way = tuple(key)
    point = run.point.children.get(way)
    if point is not None and (attrs or point.attrs) and not point.takes(attrs):
        point = run.point.step(way, attrs)
    if point is None or point.op is None:
        if not run.learns(way, attrs):
            return _alone(op, operands, attrs, edges, cells, cls)
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
    _enter_grad(run, made)
    return outputs, made


def _enter_grad(run: Run, made: GradNode) -> None:
    made.run = run.token
    made.place = len(run.grads)
    run.grads.append(ref(made))


def _parts(run: Run, node: Node) -> tuple[Node, ...]:
    parts = tuple([ITEM(node, index=i) for i in range(len(node.shape))])
    for part in parts:
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
    point = Point(op, attrs, node.shape, node.dtype)
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
    if any(node.inputs[i].value is None for i in op.checks):
        node.source = node.source or user_location()
        from plait.core.lazy.recorder import recorder  # not at the top: it imports this module

        recorder.await_check(node)
        return
    try:
        executor.check(op, [x.value for x in node.inputs], node.attrs, None)
    except executor.OpFailure as failure:
        threads.end()  # it has been entered already
        raise error(type(failure.fault), str(failure.fault)) from None
