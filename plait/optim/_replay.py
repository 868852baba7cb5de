"""Optimizer steps that repeat: the nodes of a step made at once, from the step recorded before.

A step is learned by recording it with its numbers (learning rate, step count, what follows from
them) as inputs; what Python decided on the way is a guard (`HostProgram`). A later step checks the
guards, computes the numbers, and makes the nodes. Where a guard fails, the step is learned anew.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np

from plait._tensor import Tensor
from plait.core.batching.levels import body_era
from plait.core.ir.node import Node, here
from plait.core.ir.op import leaf
from plait.core.lazy.capture import Capture, Options, watch
from plait.core.lazy.cell import compute_nodes
from plait.core.lazy.replay.expected import Start
from plait.core.lazy.replay.launch import note_update
from plait.core.lazy.replay.run import Run, bytes_of
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.replay.unroll import Recipe, Recipes
from plait.optim._quick_step import QuickStep, making, storing

if TYPE_CHECKING:
    from plait.optim._apply import Update
    from plait.optim.optimizer import Optimizer

#: The uses of a step from one point of the tree after which it is expected to go as it does.
_EXPECTED = (2, 32, 512)
#: Steps that are kept of one optimizer, and how often it may fail to be learned. A net of random
#: depth has one for each depth; where they are too few, each step is learned anew, as a new way.
_MOST_STEPS = 16
_MOST_FAILURES = 4
#: Steps learned, after which one that is unlike them all is made of steps of each parameter:
#: which parameters have a gradient changes from step to step.
_MOST_LEARNED = 16


class _Numbers(Capture):
    """Watches a step for its numbers only: tensors are read and written as without a capture."""

    def read(self, tensor: Any) -> Node:
        return tensor._cell.node

    def derive(self, view: Any) -> None:
        pass

    def handle(self, tensor: Any) -> None:
        pass

    def grad_read(self, tensor: Any) -> None:
        pass

    def wrote(self, cell: Any) -> None:
        self.interrupt("a tensor is written before the step is over")

    def options(self, optimizer: Any, group: dict[str, Any]) -> Options:
        return Options(self.host, group)


class Step:
    """One way that an optimizer's step goes.

    groups: (group, its parameters) as they were; given: per parameter what its gradient was;
    sources: what is read: (part, tensor), see `_part`; recipes: the nodes made, operands by their
    number among sources, constants, numbers and the nodes before; writes: (tensor, number of the
    value).
    """

    __slots__ = (
        "alike",
        "constants",
        "dtypes",
        "given",
        "groups",
        "held",
        "numbers",
        "recipes",
        "sources",
        "sparse",
        "states",
        "types",
        "writes",
    )

    groups: list[tuple[dict[str, Any], tuple[Tensor, ...]]]
    given: list[str]
    held: list[tuple[Any, str, Any]]
    #: Per parameter with a gradient its part of the optimizer's state; None where that is empty.
    states: list[tuple[Tensor, Any]]
    sources: list[tuple[str, Tensor]]
    #: The parameters whose gradients were sparse, with the kinds of these.
    sparse: list[tuple[Tensor, str]]
    #: Numbers of sources that are one value: the gradients of two biases that are added, say.
    alike: list[tuple[int, int]]
    types: list[tuple[Any, Any]]
    constants: list[Node]
    dtypes: list[Any]
    numbers: Callable[[], tuple | None]
    recipes: Recipes
    writes: list[tuple[Tensor, int]]

    def fits(self, optimizer: Optimizer) -> bool:
        """Whether the optimizer still holds what it held when this was learned."""
        groups = optimizer.param_groups
        if len(groups) != len(self.groups):
            return False
        given = iter(self.given)
        for group, (known, params) in zip(groups, self.groups):
            now = group["params"]
            if group is not known or len(now) != len(params) or not all(map(is_, now, params)):
                return False
            for param in params:
                if _kind_of(param._grad) != next(given):
                    return False
        return self.still_holds(optimizer)

    def sparse_parts(self) -> list[Tensor] | None:
        """The present indices and rows of the sparse gradients; None where one is of another
        kind."""
        found: list[Tensor] = []
        for param, kind in self.sparse:
            grad: Any = param._grad
            if grad is None or not grad.is_sparse:
                return None
            if grad._is_coalesced is not (kind == "coalesced"):
                return None
            found += (grad._index, grad._rows)
        return found

    def still_holds(self, optimizer: Optimizer) -> bool:
        """Whether the state is made of the same tensors."""
        state = optimizer.state
        same = all((state.get(param) or None) is known for param, known in self.states)
        return same and all(mapping.get(name) is value for mapping, name, value in self.held)

    def nodes(self) -> list[Node] | None:
        """The present values of the sources; None where one is not as it was."""
        found: list[Node] = []
        for (part, owner), (shape, dtype) in zip(self.sources, self.types):
            tensor = owner if part == "value" else _part(part, owner)
            if tensor._base is not None or tensor._cell.shared is not None:
                return None
            node: Any = tensor._cell._node
            if node is None or node.shape != shape or node.dtype is not dtype:
                return None
            found.append(node)
        # Memory that has come to be shared is written by one after the other.
        if len({id(tensor._cell) for tensor, _ in self.writes}) < len(self.writes):
            return None
        return found if all(found[i] is found[k] for i, k in self.alike) else None


def _kind_of(grad: Any) -> str:
    if grad is None:
        return "none"
    if not grad.is_sparse:
        return "dense"
    # Rows that are in order, each there once, are read as they are.
    return "coalesced" if grad.is_coalesced() else "sparse"


def _part(part: str, tensor: Any) -> Any:
    """The tensor that a source stands for: a parameter or state itself, or what is its gradient's:
    "grad", or the "index" and "rows" of a sparse one."""
    if part == "value":
        return tensor
    if part == "grad":
        return tensor._grad
    return tensor._grad._index if part == "index" else tensor._grad._rows


def replay(optimizer: Optimizer) -> bool:
    """Do a step as one before; False where none of them fits."""
    if watch.active is not None or not threads.matches or body_era():
        return False
    run = threads.run
    if run is not None and run.went_on is not None and run.went_on[1] == len(run.nodes):
        run.went_on = None  # this is what it went on for
    for step in optimizer.__dict__.get("_learned_steps", ()):
        if _quickly(optimizer, step):
            return True
        if not step.fits(optimizer):
            continue
        nodes = step.nodes()
        if nodes is None:
            continue
        numbers = step.numbers()
        if numbers is not None:
            _write(_made(optimizer, step, nodes, numbers))
            return True
    return False


def _quickly(optimizer: Optimizer, step: Step) -> bool:
    """Do a step by the object machine, where it goes as it is expected to."""
    run = threads.run
    if run is None or run.lost:
        return False
    quick = run.point.guesses.get(step)
    if quick is None or quick.make is None:
        return False
    numbers = step.numbers()
    parts = step.sparse_parts() if step.sparse else ()
    if numbers is None or parts is None:
        return False
    given = _number_nodes(step, numbers)
    state = optimizer.state
    # Its parts are compared one by one: to ask for a tensor's would be a call of its `hash`.
    held = (*state, *state.values())
    written = quick.make(run, watch.era, optimizer.param_groups, *held, *parts, *given)
    del parts
    if written is NotImplemented:
        return False
    threads.bytes += quick.nbytes
    _compute(written)
    if quick.store is None or quick.store(written) is not True:
        _store(written)
    return True


def _number_nodes(step: Step, numbers: tuple) -> list[Node]:
    return [
        leaf(np.array(number, dtype.numpy), (), dtype)
        for number, dtype in zip(numbers, step.dtypes)
    ]


def in_parts(optimizer: Optimizer, record: Callable[..., None]) -> bool:
    """Do a step as several, each of the parameters that have had a gradient together so far, for a
    program that changes which of them have one; False where that is not worth it, or where a part
    is not known and cannot be learned.

    record: (update, group, parameter) records the update of one.
    """
    if watch.active is not None or not threads.matches:
        return False
    if optimizer.__dict__.get("_times_learned", 0) < _MOST_LEARNED:
        return False
    ready = []
    for part in _parts(optimizer):
        if part.params[0][1]._grad is None:
            continue
        if part.step is None or not part.fits(optimizer):
            part.step = _learn_part(optimizer, record, part)
        if part.step is None:
            return False
        nodes = part.step.nodes()
        numbers = None if nodes is None else part.step.numbers()
        if nodes is None or numbers is None:
            part.step = None
            return False
        ready.append((part.step, nodes, numbers))
    written = []
    for step, nodes, numbers in ready:
        written += _made(optimizer, step, nodes, numbers)
    del ready
    _write(written)
    return True


class _Part:
    """Parameters, with their groups, that have always had a gradient together; how their step
    goes, if it is known."""

    __slots__ = ("params", "step")

    def __init__(self, params: list[tuple[dict[str, Any], Tensor]]) -> None:
        self.params = params
        self.step: Step | None = None

    def fits(self, optimizer: Optimizer) -> bool:
        step = self.step
        assert step is not None, "only asked of a known step"
        same = all(_kind_of(p._grad) == kind for (_, p), kind in zip(self.params, step.given))
        return same and step.still_holds(optimizer)

    def split(self) -> list[_Part]:
        """The part itself, or the two that have a gradient now and have none."""
        given = [param._grad is not None for _, param in self.params]
        if all(given) or not any(given):
            return [self]
        return [
            _Part([entry for entry, has in zip(self.params, given) if has is wanted])
            for wanted in (True, False)
        ]


def _parts(optimizer: Optimizer) -> list[_Part]:
    """All parameters of an optimizer, in the parts that they have come to."""
    params = [(group, param) for group in optimizer.param_groups for param in group["params"]]
    known = optimizer.__dict__.get("_parts")
    if known is not None and len(known[0]) == len(params):
        is_same = all(a is b and p is q for (a, p), (b, q) in zip(known[0], params))
        if is_same:
            parts = [smaller for part in known[1] for smaller in part.split()]
            optimizer.__dict__["_parts"] = (params, parts)
            return parts
    parts = _Part(params).split() if params else []
    optimizer.__dict__["_parts"] = (params, parts)
    return parts


def _learn_part(optimizer: Optimizer, record: Callable[..., None], part: _Part) -> Step | None:
    """Record the step of a part to learn how it goes; None where that cannot be."""
    from plait.optim._apply import Update  # not at the top: it imports this module

    watched = _Numbers()
    if not watched.begin():
        return None
    update = Update()
    groups: list[tuple[dict[str, Any], tuple[Tensor, ...]]] = []
    try:
        for group, param in part.params:
            record(update, group, param)
            if groups and groups[-1][0] is group:
                groups[-1] = (group, (*groups[-1][1], param))
            else:
                groups.append((group, (param,)))
        if watched.reason or update.creates:
            return None
        return _step(optimizer, watched, update, groups)
    finally:
        watched.close()


def _made(
    optimizer: Optimizer, step: Step, values: list[Node], numbers: tuple
) -> list[tuple[Tensor, Node]]:
    """Make the nodes of a step from those of its sources: what is to be written."""
    # An optimizer's step is a block by itself; else it is one more step of the run.
    if threads.run is None:
        note_update(values)
    run = threads.begin() if threads.in_blocks or threads.run is None else threads.run
    start = Start(run, run.point)
    key: list[Any] = [step]
    if not run.lost:
        for number in range(len(values)):
            key.append(run.place_of(values[number]))
    sources = len(values)
    values += step.constants
    values += _number_nodes(step, numbers)
    run.follow(tuple(key), values[sources:])
    made = len(values)
    if type(run) is Run and not run.lost:
        _expect(optimizer, run, start, step, values, len(numbers))
    step.recipes.make(values, here.owner if run.lost else run.token, len(run.nodes))
    if not run.lost:
        run.nodes += values[made:]
    written = [(tensor, values[number]) for tensor, number in step.writes]
    values.clear()  # what else holds a node when it is computed makes its value stay
    return written


def _expect(
    optimizer: Optimizer,
    run: Run,
    start: Start,
    step: Step,
    values: list[Node],
    numbers: int,
) -> None:
    """Expect that the step goes the next time as it does now, from the same point on, if it has
    gone so often enough."""
    if not start.point.guesses:
        start.point.guesses = {}
    quick = start.point.guesses.setdefault(step, QuickStep())
    quick.uses += 1
    if quick.uses not in _EXPECTED:
        return
    make = making(run, start, step, optimizer.state, values, numbers)
    if make is None:
        return
    entered = run.nodes[start.nodes : start.nodes + len(step.sources)]
    outside = [node for node in entered if any(node is x for x in values[: len(step.sources)])]
    quick.nbytes = sum(bytes_of(node.value) for node in outside if node.value is not None)
    quick.make, quick.store = make, storing(step)


def _write(written: list[tuple[Tensor, Node]]) -> None:
    """Compute the new values, in one run, and write them."""
    _compute(written)
    _store(written)


def _compute(written: list[tuple[Tensor, Node]]) -> None:
    compute_nodes([node for _, node in written], [tensor._cell._node for tensor, _ in written])


def _store(written: list[tuple[Tensor, Node]]) -> None:
    for tensor, node in written:
        tensor._cell.write(node)
        if not tensor._silent:
            tensor._cell.version += 1


def learn(optimizer: Optimizer, record: Callable[[Update], None], update: Update) -> None:
    """Record a step into `update` to learn how it goes, where that can be; else leave it empty."""
    learned = optimizer.__dict__.setdefault("_learned_steps", [])
    failures = optimizer.__dict__.get("_failures", 0)
    watched = _Numbers()
    busy = watch.active is not None or not threads.matches
    if failures >= _MOST_FAILURES or busy or not watched.begin():
        return
    try:
        record(update)
        groups = [(g, tuple(g["params"])) for g in optimizer.param_groups]
        is_known = not (watched.reason or update.creates)
        step = _step(optimizer, watched, update, groups) if is_known else None
    finally:
        watched.close()
    if step is None:
        optimizer.__dict__["_failures"] = failures + (not update.creates)
        update.drop()
    else:
        del learned[: len(learned) - _MOST_STEPS + 1]
        learned.append(step)
        optimizer.__dict__["_times_learned"] = optimizer.__dict__.get("_times_learned", 0) + 1


def _step(
    optimizer: Optimizer,
    watched: _Numbers,
    update: Update,
    groups: list[tuple[dict[str, Any], tuple[Tensor, ...]]],
) -> Step | None:
    """The step that was recorded; None where it reads what cannot be found again."""
    step = Step()
    step.groups = groups
    params = [param for _, held in step.groups for param in held]
    step.given = [_kind_of(param._grad) for param in params]
    step.sparse = [
        (param, kind) for param, kind in zip(params, step.given) if kind not in ("none", "dense")
    ]
    step.held = []
    step.states = []
    step.sources = []
    parts = {"none": [], "dense": ["grad"]}
    for param, kind in zip(params, step.given):
        if kind == "none":
            continue
        step.sources.append(("value", param))
        step.sources += [(part, param) for part in parts.get(kind, ["index", "rows"])]
        state = optimizer.state.get(param) or {}
        step.states.append((param, state or None))
        for name, value in state.items():
            step.held.append((state, name, value))
            if isinstance(value, Tensor) and not _is_number(watched, value):
                step.sources.append(("value", value))
    nodes = _present(step)
    if nodes is None:
        return None
    step.types = [(node.shape, node.dtype) for node in nodes]
    return step if _lay_out(step, nodes, watched, update) else None


def _is_number(watched: _Numbers, value: Tensor) -> bool:
    return any(value is held for group in watched.tensors_of.values() for held in group.tensors)


def _present(step: Step) -> list[Node] | None:
    nodes: list[Node] = []
    for part, owner in step.sources:
        tensor = _part(part, owner)
        if tensor._base is not None or tensor._cell.shared is not None:
            return None
        nodes.append(tensor._cell.node)
    return nodes


def _lay_out(step: Step, nodes: list[Node], watched: _Numbers, update: Update) -> bool:
    """Note how the written values are made from sources, constants and numbers."""
    names, step.dtypes = [], []
    inputs: list[Node] = []
    for (name, dtype), node in watched.numbers.items():
        names.append(name)
        step.dtypes.append(dtype)
        inputs.append(node)
    step.numbers = watched.host.build(names)
    known: dict[int, int] = {}
    step.alike = []
    for number, node in enumerate(nodes):
        first = known.setdefault(id(node), number)
        if first != number:
            step.alike.append((first, number))
    fresh: list[Node] = []
    step.constants = []
    made: dict[int, int] = {}
    numbered = {id(node) for node in inputs}
    stack = [value for _, value in reversed(update.writes)]
    while stack:
        node = stack[-1]
        if id(node) in known or id(node) in made or id(node) in numbered:
            stack.pop()
            continue
        if node.value is not None:
            if node.shape != ():
                return False
            made[id(node)] = -1
            step.constants.append(node)
            stack.pop()
            continue
        waiting = [
            x
            for x in node.inputs
            if id(x) not in known and id(x) not in made and id(x) not in numbered
        ]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        made[id(node)] = 0
        fresh.append(node)
    count = len(nodes)
    for node in (*step.constants, *inputs, *fresh):
        known[id(node)] = count
        count += 1
    recipes = [
        Recipe(n.op, tuple([known[id(x)] for x in n.inputs]), n.attrs, n.shape, n.dtype)
        for n in fresh
    ]
    step.recipes = Recipes(recipes, count - len(fresh))
    step.writes = [(tensor, known[id(value)]) for tensor, value in update.writes]
    return all(t._base is None and t._cell.shared is None for t, _ in step.writes)
