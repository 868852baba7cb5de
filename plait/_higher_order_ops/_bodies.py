"""Functions as graphs: the bodies of control flow, recorded once (see `_traced`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from plait._higher_order_ops._origins import Carried, Origins, require_kept, with_gradient
from plait._higher_order_ops._traced import Outside, TracedTensor, placeholder, recorded
from plait._tensor import Tensor
from plait.core.batching.levels import Level, running
from plait.core.ir.errors import error
from plait.core.ir.graph import Graph, capture
from plait.core.ir.node import Node, Spec
from plait.core.lazy.capture import watch
from plait.utils._pytree import TreeSpec, tree_flatten, tree_unflatten


class Body:
    """A function recorded once. results: its output nodes; tree: how it nests them; draws: what it
    draws, each an input too."""

    def __init__(
        self, results: list[Node], tree: TreeSpec, inputs: list[Node], draws: list[Any]
    ) -> None:
        self.draws = draws
        self.results = results
        self.tree = tree
        self.inputs = inputs

    @property
    def specs(self) -> list[Spec]:
        """The types of the results."""
        return [Spec(node.shape, node.dtype) for node in self.results]

    def graph(self, *, before: Sequence[Node] = (), after: Sequence[Node] = ()) -> Graph:
        """The body's graph, with more inputs before and after its own, and its draws last."""
        draws = [draw.node for draw in self.draws]
        return capture(self.results, leaves=[*before, *self.inputs, *after, *draws]).graph


def record(
    name: str,
    function: Callable[..., Any],
    arguments: Any,
    outside: Outside,
    checked: Callable[[Any], None] | None = None,
    carries: int = 0,
    without_gradient: Collection[int] = (),
) -> Body:
    """Call `function(*arguments)` on traced tensors of the arguments' types.

    carries: how many of the first arguments come back in later turns, and may have a gradient then;
    without_gradient: the places of those that are known to have none. Raises RuntimeError where it
    gives anything but tensors.
    """
    leaves, tree = tree_flatten(tuple(arguments))
    inputs = [placeholder(x) for x in leaves]
    carried = [
        _carried(x, outside, i not in without_gradient) for i, x in enumerate(leaves[:carries])
    ]
    given = []
    for place, (node, x) in enumerate(zip(inputs, leaves)):
        open_ = place < carries and isinstance(carried[place], Carried)
        origins = frozenset([carried[place]]) if open_ else outside.origins_of(x)
        given.append(TracedTensor.of_input(node, outside, origins))
    if outside.draws is not None:
        outside.draws = []
    levels = running()
    levels.append(Level(len(levels) + 1, 1, "error", name, era=watch.new_era()))
    recorded().append(outside)
    try:
        result = function(*tree_unflatten(given, tree))
    finally:
        recorded().pop()
        levels.pop()
    if checked is not None:
        checked(result)
    outside.require_unwritten()
    parts, result_tree = tree_flatten(result)
    for part in parts:
        if not isinstance(part, Tensor):
            raise error(
                RuntimeError,
                f"{name}: bodies must give tensors only, received {type(part).__name__}",
            )
    origins = [outside.origins_of(part) for part in parts]
    idle: dict[Any, int] = {}
    if len(parts) >= carries:
        found = with_gradient(carried, origins[:carries])
        idle = {o: i for i, o in enumerate(carried) if i not in found and isinstance(o, Carried)}
    _require_without(name, without_gradient, origins, idle)
    told = {place for origin, place in idle.items() if origin.asked}
    if told:
        # It was told that these have a gradient: record what it does where they have none.
        known = {*without_gradient, *told}
        return record(name, function, arguments, outside, checked, carries, known)
    nodes = []
    for part, its in zip(parts, origins):
        require_kept(its, lambda origin: origin not in idle)
        nodes.append(outside.node_in(part))
    return Body(nodes, result_tree, inputs, outside.draws or [])


def _carried(value: Any, outside: Outside, may_gain: bool) -> Carried | bool:
    """What is known of a carry's gradient before its turns: whether it has one, or that it may get
    one."""
    if outside.origins_of(value):
        return True
    return Carried() if may_gain and outside.tracks and value.dtype.is_differentiable else False


def _require_without(
    name: str, places: Collection[int], origins: Sequence[Origins], idle: Collection[Any]
) -> None:
    """Raise RuntimeError where a carry has a gradient because its body was told it has none."""
    for place in places:
        if any(origin not in idle for origin in origins[place]):
            raise error(
                RuntimeError,
                f"{name}: the body asks whether carry {place} requires a gradient, and gives one "
                "that does where it does not: the turns would differ, but are recorded once",
            )


def require_tensors(name: str, what: str, values: Sequence[Any]) -> None:
    """Raise RuntimeError unless all are tensors."""
    for value in values:
        if not isinstance(value, Tensor):
            raise error(
                RuntimeError,
                f"{name}: expected {what} to hold tensors only, received {type(value).__name__}",
            )


def text_of(specs: Sequence[Any]) -> str:
    """Types as messages show them."""
    return ", ".join(f"{spec.dtype}{list(spec.shape)}" for spec in specs)
