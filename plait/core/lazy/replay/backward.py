"""Backward passes: the nodes that a pass recorded here before, made again at once.

The way to a grad node decides all that lies behind it: a pass from the same grad node at the same
point visits the same nodes and records the same derivatives. What is not decided by the way is
looked at each time: hooks, freed nodes, versions. Where one of these stands in the way, and where a
grad node of another run or a user's function is met, the pass goes the ordinary way.
"""

from __future__ import annotations

from typing import Any

from plait.core.ir.node import Node
from plait.core.lazy.capture import watch
from plait.core.lazy.cell import note_writes
from plait.core.lazy.grad import GradNode, Walk
from plait.core.lazy.modes import grad_mode
from plait.core.lazy.replay.expected import Arrival, QuickPass, Seen
from plait.core.lazy.replay.run import Run
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.replay.tree import Point
from plait.core.lazy.replay.unroll import Recipe, Recipes
from plait.core.runtime.crowd import crowd

#: The uses of a known pass after which it is expected to come as it did, and in how many manners: a
#: loop that adds up the gradients of several batches finds none at first, and then some.
_EXPECTED = (2, 32, 512)
_MOST_QUICK, _MOST_MANNERS = 4, 16


class _Pass:
    """A backward pass as it goes from one point.

    visited: per grad node after the root, the number of a visited one and of its edge that leads
    there. leaves: likewise per leaf tensor that a gradient arrives at, and the place of its
    gradient. saved: (place, number of a visited node, operand or None for the output) of what an
    earlier launch has computed. recipes: the nodes made. following: the point after it. uses: how
    often it was done by them, per kinds of gradients that were there. quick: the same by the
    object machine (see `quick_pass`), as it went last before how it went earlier.
    """

    __slots__ = ("following", "leaves", "quick", "recipes", "saved", "uses", "visited")

    def __init__(self, visited: list, leaves: list, saved: list, recipes: Recipes) -> None:
        self.visited = visited
        self.leaves = leaves
        self.saved = saved
        self.recipes = recipes
        self.following = Point()
        self.uses: dict[tuple, int] = {}
        self.quick: list[QuickPass] = []

    def is_expected(self, leaves: list[Any]) -> bool:
        """Count one more use; whether the next is expected to be as this one."""
        manner = tuple([type(leaf._grad) for leaf in leaves])
        if len(self.uses) > _MOST_MANNERS:
            self.uses.clear()
        self.uses[manner] = uses = self.uses.get(manner, 0) + 1
        return uses in _EXPECTED


class LearningWalk(Walk):
    """A walk that notes which gradient arrives at which leaf."""

    def __init__(self) -> None:
        super().__init__(create_graph=False, wanted=None, accumulate=True)
        self.arrived: list[tuple[Any, Any]] = []

    def _arrive(self, tensor: Any, grad: Any) -> None:
        self.arrived.append((tensor, grad))
        super()._arrive(tensor, grad)


def _key(target: GradNode, number: int) -> tuple:
    return ("backward", target.place, number)


def replay(root: GradNode, number: int) -> bool:
    """Do the backward pass from an output of a grad node, if it is known here."""
    run = threads.run
    if run is None or root.run is not run.token or watch.active is not None:
        return False
    known = run.point.children.get(_key(root, number))
    if known is None:
        return False
    for quick in known.quick:
        done = quick.make(run, watch.era, root)
        if done is not NotImplemented:
            if quick.nbytes:
                threads.bytes += quick.nbytes
            if done is not True:
                _finish(*done)
            return True
    visited = [root]
    for parent, edge in known.visited:
        visited.append(visited[parent].edges[edge][0])
    for made in visited:
        if made.hooks or made.released:
            return False
        for cell, version in made.versions:
            if cell.version != version:
                return False
    leaves = [visited[parent].edges[edge][0] for parent, edge, _ in known.leaves]
    for leaf in leaves:
        if leaf._leaf_hooks:
            return False
    nodes = run.nodes
    for place, holder, operand in known.saved:
        if nodes[place] is None:
            made = visited[holder]
            nodes[place] = made.output if operand is None else made.inputs[operand]
    is_expected = known.is_expected(leaves)
    seen = Seen(len(nodes), visited, known.visited, known.leaves) if is_expected else None
    known.recipes.make(nodes, run.token, len(nodes))
    run.point = known.following
    grads = [nodes[place] for _, _, place in known.leaves]  # adding one up may end the run
    with crowd.lock, grad_mode(False):
        for leaf, node in zip(leaves, grads):
            if seen is not None:
                seen.arrivals.append(Arrival(run, leaf, node.place))
            grad = leaf.plain.of_node(node)
            if leaf._grad is None and leaf.keeps_grads_as_they_are(grad):
                leaf._grad = grad
            else:
                leaf.accumulate_grad(grad, False)
    if seen is not None and threads.run is run and not run.lost:
        from plait.core.lazy.replay.quick_pass import quick_pass  # only once one repeats

        quick = quick_pass(run, seen, list(known.recipes), known.saved)
        if quick is not None:
            known.quick = [quick, *known.quick[: _MOST_QUICK - 1]]
    for made in visited:
        made.release()
    return True


def _finish(written: tuple, left: tuple) -> None:
    """What a pass by the object machine has left to do: to note the cells that it has written, and
    to let gradients arrive."""
    note_writes(written)
    with grad_mode(False):
        for leaf, node in left:
            leaf.accumulate_grad(leaf.plain.of_node(node), False)


def learn(root: GradNode, number: int, start: Node) -> None:
    """Do a backward pass the ordinary way, and make it part of the tree where that can be."""
    run = threads.run
    token = None if run is None else run.token
    inside = run is not None and root.run is token and watch.active is None
    visited, ways = _visit(root) if inside else ([root], [])
    if run is not None:
        for made in visited:
            run.note_return(made)
    inside = inside and all(type(m) is GradNode and m.run is token and not m.hooks for m in visited)
    inside = inside and not any(_is_hooked(edge) for made in visited for edge in made.edges)
    walk = LearningWalk()
    if inside:
        # The leaves' own gradients are accumulated when the pass has been entered in the tree.
        assert run is not None
        walk.accumulate = False
        walk.run([((root, number), start)])
        made = _plan(run, visited, ways, walk.arrived)
        if made is not None:
            run.point.enter(_key(root, number), made)
            threads.points += len(made.recipes)
            run.point = made.following
        with grad_mode(False):
            for leaf, grad in walk.arrived:
                leaf.accumulate_grad(walk._tensor(grad, leaf.plain), False)
    else:
        walk.run([((root, number), start)])
    walk.release()


def _is_hooked(edge: Any) -> bool:
    """Whether an edge leads to a leaf tensor that has hooks."""
    return edge is not None and not isinstance(edge[0], GradNode) and bool(edge[0]._leaf_hooks)


def _visit(root: GradNode) -> tuple[list[Any], list[tuple[int, int]]]:
    """All grad nodes behind a root, itself first, and how each other one is reached."""
    visited: list[Any] = [root]
    ways: list[tuple[int, int]] = []
    known = {id(root)}
    for parent, made in enumerate(visited):
        for number, edge in enumerate(made.edges):
            if edge is None or id(edge[0]) in known or not isinstance(edge[0], GradNode):
                continue
            known.add(id(edge[0]))
            visited.append(edge[0])
            ways.append((parent, number))
    return visited, ways


def _plan(run: Run, visited: list[Any], ways: list, arrived: list) -> _Pass | None:
    """The pass that was just walked; None where it depends on more than the way to it."""
    edges = {
        id(edge[0]): (parent, number)
        for parent, made in enumerate(visited)
        for number, edge in enumerate(made.edges)
        if edge is not None
    }
    saved: list[tuple[int, int, int | None]] = []
    recipes: list[Recipe] = []
    start = len(run.nodes)
    if any(type(grad) is not Node for _, grad in arrived):
        return None
    if not _lay_out(run, visited, [grad for _, grad in arrived], recipes, saved):
        return None
    leaves = [(*edges[id(leaf)], grad.place) for leaf, grad in arrived]
    return _Pass(ways, leaves, saved, Recipes(recipes, start))


def _lay_out(run: Run, visited: list, roots: list[Node], recipes: list, saved: list) -> bool:
    """Enter the nodes of a pass in the run, and note what each is made from."""
    token, nodes = run.token, run.nodes
    stack = list(reversed(roots))
    while stack:
        node = stack[-1]
        place = node.place
        if node.run is token:
            stack.pop()
            if nodes[place] is None and not _hold_saved(run, visited, node, place, saved):
                return False
            continue
        if node.value is not None:
            return False
        operands = tuple([x.place for x in node.inputs])
        own = [x.run is token for x in node.inputs]  # asked after the places: see `Run.enter`
        waiting = [
            x
            for x, place, is_own in zip(node.inputs, operands, own)
            if not is_own or nodes[place] is None
        ]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        recipes.append(Recipe(node.op, operands, node.attrs, node.shape, node.dtype))
        run.enter(node)
    return True


def _hold_saved(run: Run, visited: list, node: Node, place: int, saved: list) -> bool:
    """Find a value that an earlier launch has computed among what the grad nodes keep."""
    for number, made in enumerate(visited):
        if made.output is node:
            saved.append((place, number, None))
        elif any(x is node for x in made.inputs):
            position = next(i for i, x in enumerate(made.inputs) if x is node)
            saved.append((place, number, position))
        else:
            continue
        run.nodes[place] = node
        return True
    return False
