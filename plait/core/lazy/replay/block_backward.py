"""Backward passes over blocks: what each block's gradients were made of before, made again.

The passes go from the last block to the first. What one block's pass records is decided by the
block, by which of its results gradients arrive at, and by which leaf tensors have a gradient
already; it is a block by itself. Where a pass comes to what no block holds (a user's function,
hooks), the rest of the way is an ordinary walk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from plait.core.ir.dtypes import DType
from plait.core.ir.node import Node
from plait.core.ir.op import LEAF, leaf
from plait.core.lazy.capture import watch
from plait.core.lazy.grad import Edge, GradNode, Walk
from plait.core.lazy.modes import grad_mode
from plait.core.lazy.replay.block import Block
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.replay.tree import BlockPoint
from plait.core.lazy.replay.unroll import Recipe, Recipes
from plait.core.ops.elementwise import ADD
from plait.core.runtime.crowd import crowd

#: Gradients that have arrived at outputs of the grad nodes of a block: by (place, number).
_Slots = dict[tuple[int, int], list[Node]]

#: The uses of a pass after which it is expected to come as it did.
_EXPECTED = (2, 32, 512)


class Pass:
    """The backward pass of a block.

    visited: places of its grad nodes. Its values: the gradients that arrive, those that leaf
    tensors have already, then `saved`: (number of a visited grad node, operand, or None for the
    output), then, from `start` on, the nodes of `recipes`. outgoing: (number of a visited one, of
    its edge, of the value that goes along it); leaves: likewise what leaf tensors have afterwards.
    following: the points that its block ends at, by which of its values from outside are the same
    one (see `_same`). uses: how often it was made;
    quick: the same by the object machine (see `block_pass`).
    """

    __slots__ = (
        "following",
        "leaves",
        "outgoing",
        "quick",
        "recipes",
        "saved",
        "start",
        "uses",
        "visited",
    )

    def __init__(
        self,
        visited: list[int],
        saved: list[tuple[int, int | None]],
        recipes: Recipes,
        start: int,
        outgoing: list[tuple[int, int, int]],
        leaves: list[tuple[int, int, int]],
    ) -> None:
        self.visited = visited
        self.saved = saved
        self.recipes = recipes
        self.start = start
        self.outgoing = outgoing
        self.leaves = leaves
        self.following: dict[tuple[int, ...], BlockPoint] = {}
        self.uses = 0
        self.quick: Callable[..., Any] | None = None


class _Passes(NamedTuple):
    """The passes from the same results: the edges that lead to leaf tensors, and a pass by which of
    these have a gradient already."""

    ways: list[tuple[int, int]]
    kinds: dict[tuple[bool, ...], Pass | None]


def backward_through_blocks(root: GradNode, number: int, shape: tuple, dtype: DType) -> None:
    """Accumulate gradients from an output of one element of a grad node that a block holds."""
    threads.cut()
    pass_ = _Backward()
    pass_.arrive((root, number), leaf(np.ones(shape, dtype.numpy), shape, dtype))
    pass_.run()


class _Backward:
    """One backward pass on its way. leaves: (leaf tensor, its gradient so far), by its id."""

    def __init__(self) -> None:
        self.blocks: dict[int, tuple[Block, _Slots]] = {}
        self.leaves: dict[int, tuple[Any, Node]] = {}
        #: Gradients that arrived at what no block holds.
        self.others: list[tuple[Edge, Node]] = []

    def arrive(self, edge: Edge, grad: Node) -> None:
        """Note a gradient that goes along an edge to a grad node."""
        target, number = edge
        block = target.run
        if type(block) is not Block:
            self.others.append((edge, grad))
            return
        known = self.blocks.get(block.number)
        if known is None:
            known = self.blocks[block.number] = (block, {})
        known[1].setdefault((target.place, number), []).append(grad)

    def run(self) -> None:
        while self.blocks and not self.others:
            latest = max(self.blocks)
            block, slots = self.blocks[latest]
            if not self._through(block, slots):
                break
            del self.blocks[latest]
        if self.blocks or self.others:
            self._walk()
            return
        with crowd.lock:
            for tensor, grad in self.leaves.values():
                made = tensor.plain.of_node(grad)
                if tensor._grad is None and tensor.keeps_grads_as_they_are(made):
                    tensor._grad = made
                else:
                    tensor.accumulate_grad(made, False)

    def _walk(self) -> None:
        """The rest of the way, as an ordinary walk."""
        starts: list[tuple[Edge, Node]] = []
        for _, (block, slots) in sorted(self.blocks.items(), reverse=True):
            for (place, number), grads in slots.items():
                starts += [((block.grads[place](), number), grad) for grad in grads]
        starts += self.others
        starts += [((tensor, 0), grad) for tensor, grad in self.leaves.values()]
        walk = Walk(create_graph=False, wanted=None, accumulate=True)
        walk.run(starts)
        walk.release()

    def _through(self, block: Block, slots: _Slots) -> bool:
        """The pass of one block; False where it is none that can be repeated."""
        arrived = sorted(slots.items())
        key = ("backward", *[(way, len(grads)) for way, grads in arrived])
        known = block.point.finals.get(key)
        if known is None:
            ways = _ways_to_leaves(block, [place for (place, _), _ in arrived])
            if ways is None:
                return False
            known = block.point.finals[key] = _Passes(ways, {})
        leaves = []
        for place, number in known.ways:
            made = block.grads[place]()
            if made is None:
                return False
            leaves.append(made.edges[number][0])  # type: ignore[index]  # an edge to a leaf
        kind = tuple([id(tensor) in self.leaves for tensor in leaves])
        if kind not in known.kinds:
            known.kinds[kind] = _learn(block, arrived, leaves, kind)
        plan = known.kinds[kind]
        if plan is None:
            return False
        values = [grad for _, grads in arrived for grad in grads]
        values += [self.leaves[id(t)][1] for t, has in zip(leaves, kind) if has]
        visited: list[Any] = [block.grads[place]() for place in plan.visited]
        fresh = Block(threads.block_root, threads)
        if plan.quick is None or plan.quick(fresh, watch.era, visited, values) is not True:
            if not _is_as_before(visited, leaves):
                return False
            _make(plan, known.ways, visited, values, fresh)
        self._enter(plan, visited, values, fresh)
        return True

    def _enter(self, plan: Pass, visited: list[Any], values: list[Node], fresh: Block) -> None:
        """Let the block of a pass wait, and pass the gradients on."""
        given = values[: plan.start]
        same = () if len(set(map(id, given))) == plan.start else _same(given)
        point = plan.following.get(same)
        if point is None:
            point = plan.following[same] = BlockPoint()
        fresh.point = fresh.root = point
        fresh.needs = [node for node in given if node.value is None]
        fresh.nodes = values
        threads.wait_for(fresh)
        for number, edge, value in plan.leaves:
            tensor = visited[number].edges[edge][0]
            self.leaves[id(tensor)] = (tensor, values[value])
        for number, edge, value in plan.outgoing:
            self.arrive(visited[number].edges[edge], values[value])


def _make(plan: Pass, ways: list, visited: list[Any], values: list[Node], fresh: Block) -> None:
    """Make the nodes of a pass."""
    plan.uses += 1
    if plan.uses in _EXPECTED:
        from plait.core.lazy.replay.block_pass import quick_pass  # only once one repeats

        plan.quick = quick_pass(plan, ways, visited, len(values))
    for number, operand in plan.saved:
        made = visited[number]
        values.append(made.output if operand is None else made.inputs[operand])
    plan.recipes.make(values, fresh, len(values))
    for made in visited:
        made.release()


def _same(values: list[Node]) -> tuple[int, ...]:
    """Per value the place of the first that is the same node; nothing where all are different.

    One gradient may arrive on two ways, as that of `x + x` does. A program made for it reads one
    value, and must not be taken for two that differ.
    """
    places = {id(node): place for place, node in reversed(list(enumerate(values)))}
    return () if len(places) == len(values) else tuple([places[id(node)] for node in values])


def _ways_to_leaves(block: Block, places: list[int]) -> list[tuple[int, int]] | None:
    """The edges that lead from these grad nodes, and those behind them in the block, to leaf
    tensors, each leaf once; None where a grad node is gone."""
    found: dict[int, tuple[int, int]] = {}
    seen = set(places)
    stack = list(places)
    while stack:
        place = stack.pop()
        made = block.grads[place]()
        if made is None:
            return None
        for number, edge in enumerate(made.edges):
            if edge is None:
                continue
            target = edge[0]
            if not isinstance(target, GradNode):
                found.setdefault(id(target), (place, number))
            elif target.run is block and target.place not in seen:
                seen.add(target.place)
                stack.append(target.place)
    return list(found.values())


def _is_as_before(visited: list[Any], leaves: list[Any]) -> bool:
    """Whether nothing stands in the way that the block does not decide."""
    for tensor in leaves:
        if tensor._leaf_hooks:
            return False
    for made in visited:
        if made is None or made.hooks or made.released:
            return False
        for cell, version in made.versions:
            if cell.version != version:
                return False
    return True


def _learn(block: Block, arrived: list, leaves: list[Any], kind: tuple[bool, ...]) -> Pass | None:
    """The pass of a block from stand-ins for the gradients that arrive; None where its rules give
    what is no node."""
    walk = _BlockWalk(block)
    for (place, number), grads in arrived:
        for grad in grads:
            walk.add(place, number, walk.stand_in(grad))
    for tensor, has in zip(leaves, kind):
        if has:
            walk.leaves[id(tensor)] = walk.stand_in(tensor)
    try:
        if not walk.run():
            return None
    except RuntimeError:
        return None  # freed, or written in place: the ordinary walk says so
    return walk.plan()


class _BlockWalk:
    """The derivative rules of a block, applied to stand-ins."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.values: dict[int, int] = {}
        self.given: list[Node] = []
        self.slots: dict[int, list[Node | None]] = {}
        self.leaves: dict[int, Node] = {}
        self.ways: dict[int, tuple[int, int]] = {}
        self.outgoing: list[tuple[int, int, Node]] = []
        self.visited: list[int] = []

    def stand_in(self, like: Any) -> Node:
        """A value of this type, numbered after those before."""
        node = Node(LEAF, (), {"shape": like.shape, "dtype": like.dtype})
        self.values[id(node)] = len(self.given)
        self.given.append(node)
        return node

    def add(self, place: int, number: int, grad: Node) -> None:
        slots = self.slots.get(place)
        if slots is None:
            made: Any = self.block.grads[place]()
            slots = self.slots[place] = [None] * len(made.output_types)
        held = slots[number]
        slots[number] = grad if held is None else ADD(held, grad)

    def run(self) -> bool:
        """Apply the rules, from the grad node recorded last to the first."""
        block = self.block
        with grad_mode(False):
            while self.slots:
                place = max(self.slots)
                made = block.grads[place]()
                if type(made) is not GradNode or made.hooks:
                    return False
                self.visited.append(place)
                results = made.apply(self.slots.pop(place), False)
                for number, edge in enumerate(made.edges):
                    if edge is None or number >= len(results) or results[number] is None:
                        continue
                    if type(results[number]) is not Node:
                        return False
                    self._go_on(place, number, edge, results[number])
        return True

    def _go_on(self, place: int, number: int, edge: Edge, grad: Node) -> None:
        target = edge[0]
        if not isinstance(target, GradNode):
            held = self.leaves.get(id(target))
            self.leaves[id(target)] = grad if held is None else ADD(held, grad)
            self.ways[id(target)] = (place, number)
        elif target.run is self.block:
            self.add(target.place, edge[1], grad)
        else:
            self.outgoing.append((place, number, grad))

    def plan(self) -> Pass | None:
        """What was recorded, by numbers of values."""
        kept: dict[int, tuple[int, int | None]] = {}
        for place in self.visited:
            made: Any = self.block.grads[place]()
            for operand, node in enumerate(made.inputs):
                if type(node) is Node:
                    kept.setdefault(id(node), (place, operand))
            if type(made.output) is Node:
                kept.setdefault(id(made.output), (place, None))
        roots = [grad for _, _, grad in self.outgoing]
        roots += [self.leaves[target] for target in self.ways]
        fresh, saved = self._order(roots, kept)
        if fresh is None:
            return None
        for node in (*saved, *fresh):
            self.values[id(node)] = len(self.values)
        recipes = [
            Recipe(n.op, tuple([self.values[id(x)] for x in n.inputs]), n.attrs, n.shape, n.dtype)
            for n in fresh
        ]
        start = len(self.values) - len(fresh)
        at = {place: number for number, place in enumerate(self.visited)}
        return Pass(
            self.visited,
            [(at[place], operand) for place, operand in map(kept.__getitem__, map(id, saved))],
            Recipes(recipes, start),
            start,
            [(at[place], number, self.values[id(grad)]) for place, number, grad in self.outgoing],
            [(at[w[0]], w[1], self.values[id(self.leaves[t])]) for t, w in self.ways.items()],
        )

    def _order(
        self, roots: list[Node], kept: dict[int, Any]
    ) -> tuple[list[Node] | None, list[Node]]:
        """(the nodes that the rules recorded, operands first; the saved values that they read)."""
        fresh: dict[int, Node] = {}
        saved: dict[int, Node] = {}
        stack = list(reversed(roots))
        while stack:
            node = stack[-1]
            if id(node) in self.values or id(node) in fresh or id(node) in saved:
                stack.pop()
                continue
            if id(node) in kept:
                saved[id(node)] = node
                stack.pop()
                continue
            if node.value is not None:
                return None, []
            before = [x for x in node.inputs if not self._is_known(x, fresh, saved)]
            if before:
                stack += reversed(before)
                continue
            fresh[id(node)] = node
            stack.pop()
        return list(fresh.values()), list(saved.values())

    def _is_known(self, node: Node, fresh: dict[int, Node], saved: dict[int, Node]) -> bool:
        return id(node) in self.values or id(node) in fresh or id(node) in saved
