"""Optimizer steps by the object machine: what `_replay.replay` finds and makes, in one call.

The step is expected to go as it did from the same point of the tree: the same parameters with the
same kinds of gradients, the same state, all in their places. What is otherwise is found before
anything is changed, and the step goes the ordinary way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from plait._sparse import SparseTensor
from plait._tensor import Tensor
from plait.core.ir.node import Node
from plait.core.lazy.cell import Cell
from plait.core.lazy.replay.assembly import Steps
from plait.core.lazy.replay.expected import Start
from plait.core.lazy.replay.run import Run
from plait.core.lazy.tensor import LazyTensor
from plait.core.runtime.objects import Assembly, Register

if TYPE_CHECKING:
    from plait.optim._replay import Step


class QuickStep:
    """How a step goes from a point of the tree.

    uses: how often it went from there by its recipes. make: (run, era, the optimizer's groups,
    *keys and values of its state, *the parts of sparse gradients, *the numbers' nodes) -> what is
    to be written, or NotImplemented; None: it is not expected yet. store: (what was to be written
    and is computed) -> True where it has written it. nbytes: of the values from outside.
    """

    __slots__ = ("make", "nbytes", "store", "uses")

    def __init__(self) -> None:
        self.uses = self.nbytes = 0
        self.make: Callable[..., Any] | None = None
        self.store: Callable[..., Any] | None = None


def making(
    run: Run,
    start: Start,
    step: Step,
    state: dict[Any, Any],
    values: list[Node],
    numbers: int,
) -> Callable[..., Any] | None:
    """The function that makes a step as it has just been made, from `start` on.

    state: the optimizer's. values: the nodes of the sources, of the constants and of that many
    numbers, all in their places. None where there is no such function.
    """
    held = (*state, *state.values())
    steps = Steps(1 + len(held) + 2 * len(step.sparse) + numbers)
    groups, *given = steps.given
    for part in held:
        steps.same(given.pop(0), steps.constant(part))
    parts, given = given[: 2 * len(step.sparse)], given[2 * len(step.sparse) :]
    steps.length(steps.nodes, start.nodes)
    grads = _optimizer(steps, groups, step)
    for part in parts:
        steps.type(part, Tensor)
    of_grads: dict[tuple[str, int], Register] = {}
    for number, (param, _) in enumerate(step.sparse):
        of_grads["index", id(param)], of_grads["rows", id(param)] = parts[2 * number :][:2]
    nodes: list[Register] = []
    for (part, owner), node in zip(step.sources, values):
        if part == "value":
            tensor = steps.constant(owner)
        else:
            tensor = grads[id(owner)] if part == "grad" else of_grads[part, id(owner)]
        _, there = steps.contents(tensor)
        if not steps.place(there, node, run, start.nodes):
            return None
        nodes.append(there)
    nodes += [*map(steps.constant, step.constants), *given]
    steps.hold()
    steps.enter_outside()
    first = len(run.nodes)
    entered = nodes[len(step.sources) :]
    for register, place in zip(entered, range(first - len(entered), first)):
        steps.enter(register, place)
    for number, recipe in enumerate(step.recipes):
        nodes.append(steps.node(recipe, [nodes[i] for i in recipe.operands], first + number))
    steps.store(steps.run, Run, "point", steps.constant(run.point))
    written = [steps.tuple([steps.constant(t), nodes[number]]) for t, number in step.writes]
    steps.give(steps.list(written))
    return steps.function()


def _optimizer(steps: Steps, groups: Register, step: Step) -> dict[int, Register]:
    """Compare what `Step.fits` does; the gradients, by the ids of their parameters."""
    grads: dict[int, Register] = {}
    given = iter(step.given)
    steps.type(groups, list)
    steps.length(groups, len(step.groups))
    for number, (group, params) in enumerate(step.groups):
        steps.same(steps.item(groups, number), steps.constant(group))
        held = steps.entry(steps.constant(group), "params")
        steps.type(held, list)
        steps.length(held, len(params))
        for place, param in enumerate(params):
            register = steps.constant(param)
            steps.same(steps.item(held, place), register)
            grads[id(param)] = grad = steps.load(register, LazyTensor, "_grad")
            kind = next(given)
            if kind == "none":
                steps.same(grad, steps.constant(None))
            else:
                steps.type(grad, Tensor if kind == "dense" else SparseTensor)
    for mapping, name, value in step.held:
        steps.same(steps.entry(steps.constant(mapping), name), steps.constant(value))
    return grads


def storing(step: Step) -> Callable[..., Any] | None:
    """The function that writes what a step has made, once it is computed."""
    steps = Assembly(1)
    (written,) = steps.arguments
    cells: list[tuple[Register, Register, Register]] = []
    for number, (tensor, _) in enumerate(step.writes):
        pair = steps.item(written, number)
        owner = steps.constant(tensor)
        steps.same(steps.part(pair, 0), owner)
        node = steps.part(pair, 1)
        steps.isnt(steps.load(node, Node, "value"), None)
        steps.is_now(owner, LazyTensor, "_base", None)
        steps.is_now(owner, LazyTensor, "_silent", False)
        cell = steps.load(owner, LazyTensor, "_cell")
        steps.is_now(cell, Cell, "shared", None)
        cells.append((cell, node, steps.load(cell, Cell, "version")))
    steps.hold()
    for cell, node, version in cells:
        steps.store(cell, Cell, "_node", node)
        steps.store(cell, Cell, "fallback", steps.constant(None))
        steps.store(cell, Cell, "version", steps.plus(version, 1))
    steps.give(steps.constant(True))
    return steps.function()
