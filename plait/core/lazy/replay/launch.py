"""Launches: the values of recorded nodes, by graphs remembered in the tree.

Which nodes a launch computes follows from the way to it; which of them outlive it, from who holds
them. Both are known once a launch with the same roots and the same reference counts has been seen
at this point: then its graph is run at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from plait.core.ir.node import Node
from plait.core.lazy.capture import watch
from plait.core.lazy.replay.run import Run, threads
from plait.core.lazy.replay.tree import Point
from plait.core.runtime import realize as runtime
from plait.core.runtime.realize import Runner

_SCALARS = ((), (1,))

#: Launches of one run. A program that never calls backward starts again from the root.
_MOST_LAUNCHES = 16
#: Launches kept at one point; beyond it they are made anew each time.
_MOST_KINDS = 64


class _Launch:
    """A launch as it goes from one point: places of its inputs and outputs, and its program.

    dropped: places that nothing waiting refers to afterwards. following: the point after it.
    """

    __slots__ = ("dropped", "following", "inputs", "outputs", "runner")

    def __init__(
        self, runner: Runner, inputs: list[int], outputs: list[int], dropped: list[int]
    ) -> None:
        self.runner = runner
        self.inputs = inputs
        self.outputs = outputs
        self.dropped = dropped
        self.following = Point()


def realize(roots: Sequence[Node]) -> None:
    """Give the roots their values outside of any run, which this ends."""
    threads.end()
    runtime.realize(roots)


def compute(roots: Sequence[Node]) -> None:
    """Give every root its value. Raises as `realize` does; then no node has changed."""
    run = threads.run
    pending = [node for node in roots if node.value is None]
    if not pending:
        return
    if watch.active is not None:
        realize(pending)
        return
    if run is None:
        run = threads.begin()
    token = run.token
    for node in pending:
        if node.run is not token:
            run.take_in(node)
    if run.lost:
        realize(pending)
        return
    nodes = run.nodes
    waiting = [node for node in nodes if node is not None and node.value is None]
    key = (
        *[node.place for node in pending],
        None,
        *map(sys.getrefcount, waiting),
    )
    launch = run.point.children.get(key)
    if launch is None:
        wanted = pending + _scalars(waiting, pending)
        del waiting
        _first_time(run, pending, wanted, key)
        return
    inputs = [nodes[place].value for place in launch.inputs]
    try:
        results = launch.runner.run(inputs)
    except Exception:
        # By the ordinary way, which finds the user's line, and what can be computed all the same.
        realize(pending)
        return
    for place, result in zip(launch.outputs, results):
        nodes[place].set_value(result)
    _follow(run, launch)


def _scalars(waiting: list[Node], pending: list[Node]) -> list[Node]:
    """The numbers that the program holds, losses above all: to be computed in the same launch.

    They are what programs read most, and come almost for nothing with what they are made with; in
    a launch of their own, most of a forward pass might be done again.
    """
    wanted = {id(node) for node in pending}
    held = runtime.held_besides(waiting, holders=1)
    return [
        node
        for node, is_held in zip(waiting, held)
        if is_held and id(node) not in wanted and node.shape in _SCALARS
    ]


def _first_time(run: Run, pending: list[Node], wanted: list[Node], key: tuple) -> None:
    """A launch that is not in the tree: run it, and make it part of it."""
    captured, graph, kept = runtime.region(wanted, holders=1)
    del wanted
    token = run.token
    if any(node.run is not token for node in (*captured.leaves, *captured.nodes)):
        realize(pending)
        return
    runner = Runner(graph)
    try:
        results = runner.run([node.value for node in captured.leaves])
    except Exception:
        # By the ordinary way, without what was not asked for.
        del captured, kept
        realize(pending)
        return
    for node, result in zip(kept, results):
        node.set_value(result)
    inputs = [node.place for node in captured.leaves]
    outputs = [node.place for node in kept]
    computed = {node.place for node in captured.nodes}
    still: set[int] = set()
    for place, node in enumerate(run.nodes):
        if node is not None and node.value is None and place not in computed:
            still.add(place)
            still.update(operand.place for operand in node.inputs)
    dropped = [p for p, node in enumerate(run.nodes) if node is not None and p not in still]
    launch = _Launch(runner, inputs, outputs, dropped)
    children = run.point.children
    if len(children) < _MOST_KINDS:
        run.point.enter(key, launch)
        threads.points += 1
    del captured, kept
    _follow(run, launch)


def _follow(run: Run, launch: _Launch) -> None:
    """Go on after a launch: in the same run while a backward pass may come, else from the root."""
    nodes: list[Any] = run.nodes
    for place in launch.dropped:
        nodes[place] = None
    run.launches += 1
    run.point = launch.following
    if run.launches >= _MOST_LAUNCHES or not run.has_open_grads():
        threads.end()
