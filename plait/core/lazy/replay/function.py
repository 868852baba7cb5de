"""Functions of tensors as single steps: what one records, made again without running its Python.

Marked functions decide what they record by the shapes, dtypes and places in autograd of their
tensors, and by their other arguments, and by nothing else: neither values nor any state. A call
that is known at a point of the tree makes the nodes and grad nodes that the same call made before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import copysign
from typing import Any

from plait.core.ir.dtypes import DType
from plait.core.ir.errors import warned
from plait.core.ir.node import Node
from plait.core.lazy.capture import watch
from plait.core.lazy.grad import GradNode
from plait.core.lazy.modes import modes
from plait.core.lazy.replay.block import Block
from plait.core.lazy.replay.expected import Guess, Start
from plait.core.lazy.replay.learned import Learned
from plait.core.lazy.replay.record import check
from plait.core.lazy.replay.run import Run
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.replay.tree import BlockPoint
from plait.core.lazy.replay.unroll import Call
from plait.core.lazy.tensor import LazyTensor

#: Kinds of arguments whose equal values mean the same call; besides floats but for -0.0, which
#: equals another one, and tuples of ints.
_STATIC = {int, bool, str, type(None), DType}

_INTS = {int}

#: The uses of a known call after which it is expected.
_GUESSED = (2, 32, 512)


class _Setting:
    """ask: gives what functions depend on besides their arguments; None: they depend on more than
    can be told. The face sets it."""

    __slots__ = ("ask",)

    def __init__(self) -> None:
        self.ask: Callable[[], Any] = tuple


setting = _Setting()


def one_step(
    function: Callable[..., Any] | None = None, *, write_out: Callable[..., Any] | None = None
) -> Any:
    """Mark a function of tensors as one step.

    write_out: what takes the name of the function, a result and the arguments where the function is
    called with `out=`; such a call is no step.
    """
    if function is None:
        return functools.partial(one_step, write_out=write_out)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and write_out is not None and "out" in kwargs:
            out = kwargs.pop("out")
            result = call(*args, **kwargs)
            if out is None:
                return result
            return write_out(function.__name__, out, result, (*args, *kwargs.values()))
        run = threads.run
        if watch.active is not None:
            return function(*args, **kwargs)
        if run is None:
            run = threads.begin()
        elif type(run) is Block and run.is_over() and not _has_views((*args, *kwargs.values())):
            run = threads.begin()  # sooner than by a key that nothing can have
        if run.lost or run.trace is not None or run.inside:
            return function(*args, **kwargs)
        point = run.point
        guess = point.guesses.get(function)
        while guess is not None:
            if (
                guess.grad_enabled is modes.grad_enabled
                and guess.names == (tuple(kwargs) if kwargs else ())
                and guess.setting is setting.ask()
            ):
                given = (*args, *kwargs.values()) if kwargs else args
                if guess.has_views and _read_views(run, given):
                    return call(*args, **kwargs)
                result = guess.call(run, watch.era, *given)
                if result is not NotImplemented:
                    if guess.nbytes:
                        threads.bytes += guess.nbytes
                    for place in guess.checks:
                        check(run.nodes[place])
                    return result
            guess = guess.other
        if _read_views(run, (*args, *kwargs.values())):
            return call(*args, **kwargs)
        start = Start(run, point)
        values: list[Any] = [function, modes.grad_enabled, *args]
        if kwargs:
            for name in kwargs:
                values.append(name)
                values.append(kwargs[name])
        key, tensors, nodes, edges = _key(run, values)
        if run.branched:
            threads.begin()
            return call(*args, **kwargs)
        if key is None or not tensors or run.lost:
            return function(*args, **kwargs)
        known = run.point.children.get(key)
        if type(run) is Block and (known is None or type(known) is BlockPoint):
            if known is None and not run.opens(key):
                run.branch()
                threads.begin()
                return call(*args, **kwargs)
            if known is not None and known.way is not _NOT_ONE:
                return _learn(run, key, function, args, kwargs, tensors, nodes, edges, known)
            return _inside(run, known or _first_point(run, key), function, args, kwargs)
        if known is None and not run.learning:
            run.point.enter(key, _ONCE)
            threads.points += 1
            return function(*args, **kwargs)
        if known is None or known is _ONCE:
            return _learn(run, key, function, args, kwargs, tensors, nodes, edges)
        if known is _NOT_ONE:
            return function(*args, **kwargs)
        known.uses += 1
        if known.uses in _GUESSED:
            _guess(run, start, function, args, kwargs, tensors, nodes, known)
        return known.make(run, tensors, nodes, edges)

    return call


def _has_views(values: tuple) -> bool:
    return any(isinstance(value, LazyTensor) and value._base is not None for value in values)


def _read_views(run: Run, values: tuple) -> bool:
    """Take the steps of the views among the arguments of a call; whether they have ended the run.

    Where a block ends with them, they are one by themselves: what they are read for is the
    program's next decision.
    """
    for value in values:
        if isinstance(value, LazyTensor) and value._base is not None:
            value.value()
    if threads.run is run:
        return False
    if type(run) is Block:
        threads.begin()
    return True


def _guess(
    run: Run,
    start: Start,
    function: Callable[..., Any],
    args: tuple,
    kwargs: dict[str, Any],
    tensors: list,
    nodes: list[Node],
    known: Call,
) -> None:
    """Expect that the next call from the same point on is as this one."""
    from plait.core.lazy.replay.guess import expect, nbytes_from_outside  # only once one repeats

    values = [*args, *kwargs.values()]
    call = expect(run, start, values, tensors, nodes, known)
    if call is None:
        return
    first = len(run.nodes)
    checks = [
        first + number
        for number, (point, *_) in enumerate(known.steps)
        if point.op is not None and point.op.check is not None
    ]
    if not start.point.guesses:
        start.point.guesses = {}
    start.point.guesses[function] = Guess(
        call,
        known,
        tuple(kwargs),
        modes.grad_enabled,
        setting.ask(),
        nbytes_from_outside(run, start),
        checks,
        any(x._base is not None for x in tensors),
        start.point.guesses.get(function) if type(run) is Block else None,
    )


def _first_point(run: Block, key: tuple) -> BlockPoint:
    """Where the ops of a function begin that is called for the first time."""
    first = BlockPoint()
    run.point.enter(key, first)
    threads.points += 1
    return first


def _inside(
    run: Block,
    first: BlockPoint,
    function: Callable[..., Any],
    args: tuple,
    kwargs: dict[str, Any],
) -> Any:
    """Call a function whose ops are steps of a block, from a point on that is its own: what they
    are is not the program's choice."""
    run.point = first
    run.inside += 1
    try:
        return function(*args, **kwargs)
    finally:
        run.inside -= 1


def _key(run: Run, values: list[Any]) -> tuple[tuple | None, list, list, list]:
    """(what a call depends on, its tensors, their nodes, their edges); (None, ...) where a call
    cannot be one step."""
    key: list[Any] = []
    tensors: list[Any] = []
    nodes: list[Node] = []
    edges: list[Any] = []
    token, places, targets = run.token, run.nodes, run.targets
    for value in values:
        kind = type(value)
        if kind in _STATIC:
            key += (kind, value)
            continue
        if not isinstance(value, LazyTensor):
            if kind is float:
                is_plain = value != 0 or copysign(1.0, value) > 0
            else:
                is_plain = kind is tuple and set(map(type, value)) <= _INTS
            if is_plain:
                key += (kind, value)
                continue
            if key:
                return None, tensors, nodes, edges
            key.append(value)  # the function itself
            continue
        cell = value._cell
        if value._base is not None:
            found = _view(run, value, key)
            if found is None:
                return None, tensors, nodes, edges
            tensors.append(value)
            nodes.append(found[0])
            edges.append(found[1])
            continue
        node: Any = cell._node if value._base is None and kind.is_dense else None
        if node is None or cell.shared is not None:
            return None, tensors, nodes, edges
        place = node.place
        if node.run is token and places[place] is not None:
            key.append(place)
        else:
            key.append(run.place_of(node))
            if run.lost:
                return None, tensors, nodes, edges
        target = value._grad_fn
        if target is not None:
            number = value._output_number
            if type(target) is GradNode and target.run is token:
                key += (target.place, number)
            else:
                place = targets.get(id(target))
                key += (run.place_of_target(target) if place is None else place, number)
            edges.append((target, number))
        elif value._requires_grad:
            if cell.fallback is not None and modes.grad_enabled:
                return None, tensors, nodes, edges  # which ends the run: see `LazyTensor.bind`
            place = targets.get(id(value))
            key.append(run.place_of_target(value) if place is None else place)
            edges.append((value, 0))
        else:
            key.append(-1)
            edges.append(None)
        tensors.append(value)
        nodes.append(node)
    present = setting.ask()
    if present is None:
        return None, tensors, nodes, edges
    key.append(present)
    way = tuple(key)
    return run.with_specs(way) if run.specs else way, tensors, nodes, edges


def _view(run: Run, value: Any, key: list[Any]) -> tuple[Node, Any] | None:
    """Node and edge of a view, whose places are added to a key; None where it is more than steps
    from a base. The steps of a view are steps of the run, taken before the call."""
    cell = value._cell
    if cell.shared is not None or not type(value).is_dense or value._requires_grad:
        return None
    if value.storage_cell is not cell:
        return None
    node, edge = value.value()
    if run is not threads.run:
        run.lost = True
        if type(run) is Block:
            run.branched = True
        return None
    if run.lost:
        return None
    key.append(run.place_of(node))
    if edge is None:
        key.append(-1)
    elif type(edge[0]) is GradNode and edge[0].run is run.token:
        key += (edge[0].place, edge[1])
    else:
        key += (run.place_of_target(edge[0]), edge[1])
    return node, edge


def _learn(
    run: Run,
    key: tuple,
    function: Callable[..., Any],
    args: tuple,
    kwargs: dict[str, Any],
    tensors: list,
    nodes: list[Node],
    edges: list,
    start: BlockPoint | None = None,
) -> Any:
    """Run a function, and make what it recorded one step where that can be.

    start: where its ops begin in a block.
    """
    point, first, first_grad = run.point, len(run.nodes), len(run.grads)
    if start is not None:
        run.point = start
    run.trace = trace = []
    before = warned.times
    try:
        result = function(*args, **kwargs)
    finally:
        run.trace = None
    if run is not threads.run or run.lost:
        return result
    learned = Learned(run, first, first_grad, tensors, nodes, edges)
    written = any(_present(t) is not node for t, node in zip(tensors, nodes))
    # A call that warns has to warn again.
    steps = None if written or warned.times != before else learned.steps(trace)
    is_tuple = type(result) is tuple
    results = None if steps is None else learned.results(result if is_tuple else (result,))
    # Entered by hand: what could not be learned must not be tried again at each call.
    if steps is None or results is None:
        if start is not None:
            start.way = _NOT_ONE
        else:
            point.enter(key, _NOT_ONE)
    else:
        point.enter(key, Call(steps, results, is_tuple, run.point))
    return result


def _present(tensor: Any) -> Any:
    return tensor._cell._node if tensor._base is None else tensor.read()


#: What stands for calls that cannot be one step, and for those that were made once.
_NOT_ONE, _ONCE = object(), object()
