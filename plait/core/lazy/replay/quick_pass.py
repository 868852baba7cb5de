"""Backward passes by the object machine: what `backward.replay` does, in one call.

The pass is expected to find the grad nodes and leaves of the last one in the same places: no hooks,
nothing freed or written in between, leaves that require a gradient and have none yet. What is
otherwise is found before anything is changed, and the pass goes the ordinary way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.codegen.objects import Do
from plait.core.ir.node import Node
from plait.core.lazy.grad import GradNode
from plait.core.lazy.replay.assembly import Steps, release, target, watched
from plait.core.lazy.replay.expected import Seen
from plait.core.lazy.replay.run import Run
from plait.core.lazy.replay.tree import Point
from plait.core.lazy.replay.unroll import Recipe
from plait.core.lazy.tensor import LazyTensor
from plait.core.runtime.objects import Register


def quick_pass(
    run: Run, seen: Seen, recipes: list[Recipe], saved: list[tuple], following: Point
) -> Callable[..., Any] | None:
    """(run, era, root) -> True where the pass was made. None where there is no such function.

    saved: as `backward` has it.
    """
    steps = Steps(1)
    steps.length(steps.nodes, seen.start)
    grads = _visited(steps, seen)
    leaves = [target(steps, grads[parent], edge) for parent, edge, _ in seen.leaves]
    for register, leaf in zip(leaves, seen.targets):
        steps.type(register, type(leaf))
        steps.is_now(register, LazyTensor, "_leaf_hooks", None)
        steps.is_now(register, LazyTensor, "_grad", None)
        steps.is_now(register, LazyTensor, "_requires_grad", True)
    read = {place for recipe in recipes for place in recipe.operands if place < seen.start}
    read.update(place for _, _, place in seen.leaves if place < seen.start)
    nodes: dict[int, Register] = {}
    for place, holder, operand in saved:
        nodes[place] = _saved(steps, grads[holder], operand)
    for place in sorted(read - nodes.keys()):
        nodes[place] = steps.item(steps.nodes, place)
        steps.isnt(nodes[place], None)
    steps.hold()
    for place, _, _ in saved:
        steps.do(Do.PUT, steps.nodes, place, nodes[place])
    for number, recipe in enumerate(recipes):
        row = [nodes[i] for i in recipe.operands]
        nodes[seen.start + number] = steps.node(recipe, row, seen.start + number)
    for register, leaf, (_, _, place) in zip(leaves, seen.targets, seen.leaves):
        made = run.nodes[place]
        grad = steps.tensor(leaf.plain, steps.cell(nodes[place]), made)
        steps.store(register, LazyTensor, "_grad", grad)
    for grad, op in zip(grads, seen.ops):
        release(steps, grad, op)
    steps.store(steps.run, Run, "point", steps.constant(following))
    steps.give(steps.constant(True))
    return steps.function()


def _saved(steps: Steps, grad: Register, operand: int | None) -> Register:
    """A value that a grad node keeps: its output, or an operand."""
    if operand is None:
        value = steps.load(grad, GradNode, "output")
    else:
        value = steps.part(steps.load(grad, GradNode, "inputs"), operand)
    steps.type(value, Node)
    return value


def _visited(steps: Steps, seen: Seen) -> list[Register]:
    """Find the grad nodes, and compare what `backward.replay` looks at."""
    grads = [steps.given[0]]
    for parent, edge in seen.ways:
        grads.append(target(steps, grads[parent], edge))
    for register, count in zip(grads, seen.versions):
        watched(steps, register, count)
    return grads
