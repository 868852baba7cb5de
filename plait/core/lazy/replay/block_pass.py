"""Backward passes of blocks by the object machine: what `block_backward` looks at and makes, in one
call.

The pass is expected to find the grad nodes of its block as they were: no hooks, nothing freed or
written in between. What is otherwise is found before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from plait.core.lazy.grad import GradNode
from plait.core.lazy.replay.assembly import Steps, new_node, release, target, watched
from plait.core.lazy.tensor import LazyTensor
from plait.core.runtime.objects import Register

if TYPE_CHECKING:
    from plait.core.lazy.replay.block_backward import Pass


def quick_pass(
    plan: Pass, ways: list[tuple[int, int]], visited: list[Any], count: int
) -> Callable[..., Any] | None:
    """(block of the pass, era, its grad nodes, its first values) -> True where the nodes were made,
    which are added to the values. None where there is no such function.

    ways: the edges that lead to leaf tensors: (place of a grad node, number of the edge); count: of
    the values that are there.
    """
    at = {place: number for number, place in enumerate(plan.visited)}
    if any(place not in at for place, _ in ways):
        return None
    steps = Steps(2)
    listed, values = steps.given
    steps.length(values, count)
    grads: list[Register] = []
    for number, made in enumerate(visited):
        grads.append(steps.item(listed, number))
        watched(steps, grads[-1], len(made.versions))
    for place, edge in ways:
        leaf = target(steps, grads[at[place]], edge)
        steps.type(leaf, type(visited[at[place]].edges[edge][0]))
        steps.is_now(leaf, LazyTensor, "_leaf_hooks", None)
    read = {i for recipe in plan.recipes for i in recipe.operands if i < count}
    known = {i: steps.item(values, i) for i in sorted(read)}
    saved = [_saved(steps, grads[number], operand) for number, operand in plan.saved]
    known.update((count + i, register) for i, register in enumerate(saved))
    steps.hold()
    for register in saved:
        steps.append(values, register)
    for number, recipe in enumerate(plan.recipes, plan.start):
        row = steps.tuple([known[i] for i in recipe.operands])
        known[number] = new_node(steps, recipe, row, steps.token, steps.constant(number))
        steps.append(values, known[number])
    for register, made in zip(grads, visited):
        release(steps, register, made.op)
    steps.give(steps.constant(True))
    return steps.function()


def _saved(steps: Steps, grad: Register, operand: int | None) -> Register:
    """A value that a grad node keeps."""
    if operand is None:
        return steps.load(grad, GradNode, "output")
    return steps.part(steps.load(grad, GradNode, "inputs"), operand)
