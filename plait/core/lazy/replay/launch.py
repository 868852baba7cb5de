"""Launches: the values of recorded nodes, by graphs remembered in the tree.

Which nodes a launch computes follows from the way to it; which of them outlive it, from who holds
them. Both are known once a launch with the same roots and the same reference counts has been seen
at this point: then its graph is run at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from plait.core.ir.node import Node
from plait.core.lazy.capture import watch
from plait.core.lazy.replay.block_launch import compute_blocks
from plait.core.lazy.replay.counted import references
from plait.core.lazy.replay.donation import donations, shared_inputs
from plait.core.lazy.replay.run import Run
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.replay.tree import Point
from plait.core.lazy.replay.values import Values, give_values
from plait.core.runtime import realize as runtime
from plait.core.runtime.crowd import crowd, let_others_in, several
from plait.core.runtime.realize import Runner

_SCALARS = ((), (1,))

#: Launches of one run. A program that never calls backward starts again from the root.
_MOST_LAUNCHES = 16
#: Launches kept at one point; beyond it they are made anew each time.
_MOST_KINDS = 64


class _Launch(Values):
    """A launch as it goes from one point.

    dead: places of waiting nodes that nobody holds any more. dropped: places that
    nothing waiting refers to afterwards. following: the point after it. is_step: whether it
    computes an optimizer's step. returned: whether a backward pass has come back over it; False
    where none had by the next step, None where that is not known. goes_on: whether another
    optimizer's step has come next, that read what waited still; False where once none has.
    """

    __slots__ = ("dead", "dropped", "following", "goes_on", "is_step", "returned")

    dead: list[int]
    dropped: list[int]
    following: Point
    is_step: bool
    returned: bool | None
    goes_on: bool | None


def realize(roots: Sequence[Node]) -> None:
    """Give the roots their values outside of any run, which this ends."""
    threads.end()
    runtime.realize(roots)


def compute(roots: Sequence[Node], donors: Sequence[Node | None] = ()) -> None:
    """Give every root its value. Raises as `realize` does; then no node has changed.

    donors: per root the node of the cell that the root is going to be written to, if its memory may
    be written where nothing else holds it: the node then has the new contents, too.
    """
    if watch.active is not None:
        realize(roots)
        return
    with crowd.lock:
        done = _launched(roots, donors)
    if not done:
        # By the ordinary way, which finds the user's line, and what can be computed all the same.
        realize(roots)


def _launched(roots: Sequence[Node], donors: Sequence[Node | None]) -> bool:
    """Compute what is pending by a launch of the tree; False where that cannot be."""
    pending = [node for node in roots if node.value is None]
    if not pending:
        return True
    if not threads.in_blocks:
        run = threads.run or threads.begin()  # with which a program may turn to blocks
    if threads.in_blocks:
        return compute_blocks(roots, donors)
    threads.adrift = False
    token = run.token
    for node in pending:
        if node.run is not token:
            if node.run is not None and node.run.is_foreign:
                return False
            run.take_in(node)
    if run.lost or token.disturbed:
        threads.note_stray()
        return False
    threads.note(id(run.point))
    nodes = run.nodes
    key = (*[node.place for node in pending], references(nodes))
    launch = run.point.children.get(key)
    if launch is None:
        waiting = [node for node in nodes if node is not None and node.value is None]
        wanted = pending + _scalars(waiting, pending)
        del waiting
        given = {id(root): donor for root, donor in zip(roots, donors) if donor is not None}
        return _first_time(run, pending, wanted, given, key)
    for place in launch.dead:
        nodes[place] = None
    are_several = several()
    inputs = None if are_several else launch.own_arrays(nodes)
    if inputs is None:
        copies = shared_inputs(launch, nodes) if launch.donated else ()
        inputs = launch.arrays(nodes)
        for number in copies:
            inputs[number] = inputs[number].copy()
    try:
        run_now = launch.runner.run
        results = let_others_in(run_now, inputs) if are_several else run_now(inputs)
    except Exception:
        return False
    launch.give(nodes, results)
    if token.disturbed:
        threads.end()
    else:
        _follow(run, launch)
    return True


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


def _first_time(
    run: Run, pending: list[Node], wanted: list[Node], donors: dict[int, Node], key: tuple
) -> bool:
    """A launch that is not in the tree: run it, and make it part of it; False where that cannot
    be."""
    captured, graph, kept = runtime.region(wanted, holders=1)
    del wanted
    token = run.token
    launch = _Launch()
    launch.is_step = bool(donors)
    launch.returned = launch.goes_on = None
    # Before the question whose they are, and before the program runs: another thread may enter
    # the leaves in a run of its own at any time.
    launch.inputs = [node.place for node in captured.leaves]
    if any(node.run is not token for node in (*captured.leaves, *captured.nodes)):
        return False
    given, launch.donated = donations(captured, graph, kept, donors)
    launch.runner = runner = Runner(graph, given)
    inputs = [node.value for node in captured.leaves]
    for number in given.values():
        # Who else holds them is not known yet.
        inputs[number] = inputs[number].copy()
    try:
        results = let_others_in(runner.run, inputs)
    except Exception:
        return False  # the ordinary way goes without what was not asked for
    give_values(kept, results)
    launch.following = Point()
    launch.outputs = [node.place for node in kept]
    computed = {node.place for node in captured.nodes}
    del captured, kept
    launch.dead, still = _leftover(run.nodes, computed)
    launch.dropped = [p for p, n in enumerate(run.nodes) if n is not None and p not in still]
    if token.disturbed or any(n is not None and n.run is not token for n in run.nodes):
        threads.end()
        return True
    children = run.point.children
    if len(children) < _MOST_KINDS:
        run.point.enter(key, launch)
        threads.points += 1
    _follow(run, launch)
    return True


def _leftover(nodes: list[Any], computed: set[int]) -> tuple[list[int], set[int]]:
    """(places of the waiting nodes that nobody holds, places that what waits still refers to)."""
    waiting = [n for n in nodes if n is not None and n.value is None and n.place not in computed]
    held = runtime.held_besides(waiting, holders=1)
    dead: list[int] = []
    still: set[int] = set()
    # Users come after their operands: what is held is known when an operand is come to.
    for node, is_held in zip(reversed(waiting), reversed(held)):
        if is_held or node.place in still:
            still.add(node.place)
            still.update([operand.place for operand in node.inputs])
        else:
            dead.append(node.place)
    return dead, still


def _follow(run: Run, launch: _Launch) -> None:
    """Go on after a launch: in the same run while a backward pass may come, else from the root."""
    nodes: list[Any] = run.nodes
    if run.went_on is not None:
        run.went_on[0].goes_on = False
        run.went_on = None
    is_all = len(launch.dropped) == len(nodes)
    if is_all and not run.has_open_grads():
        threads.leave(run)
        return
    if is_all:
        nodes[:] = [None] * len(nodes)
    else:
        for place in launch.dropped:
            nodes[place] = None
    run.launches += 1
    run.point = launch.following
    if run.launches >= _MOST_LAUNCHES:
        threads.end()
    elif not run.has_open_grads():
        _after_passes(run, launch)
    elif launch.is_step:
        _after_step(run, launch)


def _after_passes(run: Run, launch: _Launch) -> None:
    """Leave a run that no backward pass can come back to, if no other optimizer's step is to come.

    One of several optimizers computes what its own parameters need. The gradients of the others'
    wait, and are known by their places only here.
    """
    if launch.goes_on and launch.is_step:
        run.went_on = (launch, len(run.nodes))
        return
    run.token.left = launch
    threads.end()


def note_update(nodes: Sequence[Node]) -> None:
    """Note an optimizer's step that begins a run and reads these: whether it goes on from what a
    launch before has left."""
    for node in itertools.chain(nodes, *[read.inputs for read in nodes]):
        if node.value is None and node.run is not None:
            left = node.run.left
            if left is not None and left.goes_on is None:
                left.goes_on = True


def _after_step(run: Run, launch: _Launch) -> None:
    """Leave a run after an optimizer's step where no backward pass has ever come back over it.

    What is open then has only not been dropped yet (the scores that an action was chosen by). To go
    on would make a way of each sequence of steps that the program takes.
    """
    if run.last_step is not None and run.last_step[0].returned is None:
        run.last_step[0].returned = False
    run.last_step = (launch, len(run.grads))
    if launch.returned is False:
        run.token.left = launch
        threads.end()
