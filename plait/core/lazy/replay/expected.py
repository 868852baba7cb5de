"""What is expected of calls and backward passes at a point of the tree, because it was so before.

Light, as all programs import it; `guess` and `quick_pass` make functions of it once a step repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.ir.node import Node
from plait.core.lazy.replay.run import Run
from plait.core.lazy.replay.tree import Point


class Start:
    """A run as it was before a call, whose views are read first.

    point: where it was before the views among the arguments were read; reached: where it was after,
    which depends on what they are views of. nodes, grads, held: how many nodes, grad nodes and
    leaves it had then.
    """

    __slots__ = ("grads", "held", "nodes", "point", "reached")

    def __init__(self, run: Run, point: Point) -> None:
        self.point = point
        self.reached = run.point
        self.nodes = len(run.nodes)
        self.grads = len(run.grads)
        self.held = len(run.held)


class Guess:
    """What a call is expected to be.

    call: (run, era of cells, *arguments) -> the result, or NotImplemented. known: what the tree
    has of the call. names: of its keyword
    arguments. setting: what `function.setting` is to give. nbytes: of the values from outside.
    checks: places of the nodes that have to be checked. has_views: whether there are
    arguments that are views, which are to be read before. other: another call of the function from
    the same point, as blocks have them: the last one is tried first.
    """

    __slots__ = (
        "call",
        "checks",
        "grad_enabled",
        "has_views",
        "known",
        "names",
        "nbytes",
        "other",
        "setting",
    )

    def __init__(
        self,
        call: Callable[..., Any],
        known: Any,
        names: tuple[str, ...],
        grad_enabled: bool,
        setting: Any,
        nbytes: int,
        checks: list[int],
        has_views: bool,
        other: Guess | None,
    ) -> None:
        self.call = call
        self.known = known
        self.names = names
        self.grad_enabled = grad_enabled
        self.setting = setting
        self.nbytes = nbytes
        self.checks = checks
        self.has_views = has_views
        self.other = _without(other, known)


#: Guesses of one function at one point; beyond it the oldest goes.
_MOST_GUESSES = 4


def _without(guess: Guess | None, known: Any) -> Guess | None:
    """Guesses but for that of a call, and not more than there may be beside another one."""
    kept: list[Guess] = []
    while guess is not None:
        if guess.known is not known:
            kept.append(guess)
        guess = guess.other
    del kept[_MOST_GUESSES - 1 :]
    following = None
    for guess in reversed(kept):
        guess.other, following = following, guess
    return following


class Arrival:
    """A leaf of a pass just before its gradient arrives.

    grad: the place of the gradient. held: the gradient that is there; node, fallback: what its cell
    has, where it is no view. point: where the run is.
    """

    __slots__ = ("fallback", "grad", "held", "leaf", "node", "point")

    def __init__(self, run: Run, leaf: Any, grad: int) -> None:
        self.leaf = leaf
        self.grad = grad
        self.held = held = leaf._grad
        cell = None if held is None or held._base is not None else held._cell
        self.node: Node | None = None if cell is None else cell._node
        self.fallback: Node | None = None if cell is None else cell.fallback
        self.point = run.point


class Seen:
    """A pass as it has just been made.

    start: how many nodes there were before; visited: its grad nodes, and per one after the root the
    number of another and of its edge that leads there; versions: how many values each watches;
    leaves: likewise, with the place of the gradient; arrivals: what was found at each of them.
    """

    def __init__(self, start: int, visited: list[Any], ways: list, leaves: list) -> None:
        self.start = start
        self.visited = visited
        self.ways = ways
        self.leaves = leaves
        self.ops = [made.op for made in visited]
        self.versions = [len(made.versions) for made in visited]
        self.arrivals: list[Arrival] = []


class QuickPass:
    """A pass by the object machine.

    make: (run, era, root) -> True where the pass was made, or (cells that were written, (leaf,
    node of its gradient) of the leaves that are left to Python). nbytes: of the values from
    outside.
    """

    __slots__ = ("make", "nbytes")

    def __init__(self, make: Callable[..., Any], nbytes: int) -> None:
        self.make = make
        self.nbytes = nbytes
