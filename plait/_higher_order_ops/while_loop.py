"""`torch.while_loop`: a function applied to its own results, as long as a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait._higher_order_ops._bodies import Body, record, require_tensors, text_of
from plait._higher_order_ops._draws import LoopDraws, taken
from plait._higher_order_ops._traced import Outside, recording
from plait.core.ir.dtypes import bool_, int64
from plait.core.ir.errors import error
from plait.core.ir.graph import Graph, trace
from plait.core.ir.node import Spec
from plait.core.lazy.capture import forced
from plait.core.ops.control import WHILE
from plait.core.ops.elementwise import cast
from plait.core.ops.view import reshape
from plait.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["while_loop"]


def while_loop(
    cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Any
) -> tuple[Any, ...]:
    """`carried = body_fn(*carried)` while `cond_fn(*carried)` holds; the last ones.

    cond_fn gives a bool tensor of one element; body_fn as many tensors as it is given, of the same
    shapes and dtypes. How often it runs is known only when it runs: a gradient through the loop
    raises RuntimeError (`scan` has one). Random numbers are drawn anew in each turn; with those of
    PyTorch's own stream (`rand`, `randn`, ...) the turns are recorded one after another, as a loop
    of Python's, and NotImplementedError is raised where this is itself in a body of control flow.
    Raises RuntimeError where the types do not fit.
    """
    if not callable(cond_fn) or not callable(body_fn):
        raise error(RuntimeError, "Expect cond_fn and body_fn to be callable.")
    if not isinstance(carried_inputs, (tuple, list)):
        raise error(
            RuntimeError,
            "Expect carried_inputs to be a tuple of possibly nested dict/list/tuple that only "
            f"consists of tensor, int, or float leaves, but got {type(carried_inputs).__name__}",
        )
    leaves, tree = tree_flatten(tuple(carried_inputs))
    require_tensors("while_loop", "carried_inputs", leaves)
    outside = Outside(draws=True)
    condition = record("while_loop", cond_fn, carried_inputs, outside)
    body = record("while_loop", body_fn, carried_inputs, outside)
    if len(condition.specs) != 1 or condition.specs[0].dtype is not bool_:
        raise error(
            RuntimeError,
            f"while_loop: cond_fn must give one bool tensor, received {text_of(condition.specs)}",
        )
    given = [(tuple(x.shape), x.dtype) for x in leaves]
    if [(s.shape, s.dtype) for s in body.specs] != given:
        raise error(
            RuntimeError,
            f"while_loop: body_fn must give what it is given ({text_of(leaves)}), received "
            f"({text_of(body.specs)})",
        )
    if not all(draw.counts for draw in (*condition.draws, *body.draws)):
        return tree_unflatten(_turn_by_turn(leaves, condition, body, outside), tree)
    kept = len(leaves)
    # What is used from outside is carried too, as it is.
    state = (*leaves, *outside.tensors)
    goes_on = condition.graph(after=outside.nodes)
    turn = body.graph(after=outside.nodes)
    draws = LoopDraws()
    of_condition, of_body = draws.add(condition.draws), draws.add(body.draws)
    if draws:
        specs = [*goes_on.inputs[: len(state)], Spec((2,), int64)]
        state = (*state, draws.first())
        goes_on = _drawing(goes_on, specs, of_condition)
        turn = _drawing(turn, specs, of_body)
    goes_on = _as_predicate(goes_on)
    turn = _with_rest(turn, kept, draws)
    made = WHILE(*state, condition=goes_on, body=turn)
    return tree_unflatten(list(made[:kept]), tree)


def _turn_by_turn(
    state: Sequence[Any], condition: Body, body: Body, outside: Outside
) -> Sequence[Any]:
    """The last state of a loop that draws numbers of PyTorch's stream. Each turn takes its own, and
    what is drawn after the loop follows them: how many they are has to be known by then."""
    if recording() is not None:
        raise error(
            NotImplementedError,
            "while_loop: PyTorch's own random numbers (rand, randn, ...) in a loop that is in the "
            "body of another are not built in Plait yet: nobody knows how many it draws. Use "
            "`scan` with a fixed length for the loop, or draw outside and hand the numbers in",
        )
    forced("a while_loop draws numbers, and how many is known when it has ended")
    goes_on, turn = condition.graph(after=outside.nodes), body.graph(after=outside.nodes)
    held = [*state, *outside.tensors]
    while goes_on.replay(*state, *outside.tensors, *taken(condition.draws))[0]:
        state = turn.replay(*state, *outside.tensors, *taken(body.draws))
    results: list[Any] = []
    for x in state:
        # A tensor of its own, also where no turn has made it or it is given twice.
        results.append(x.clone() if any(x is other for other in (*held, *results)) else x)
    return results


def _as_predicate(graph: Graph) -> Graph:
    return trace(lambda *x: reshape(cast(graph.replay(*x)[0], bool_), ()), graph.inputs)


def _with_rest(graph: Graph, kept: int, draws: LoopDraws) -> Graph:
    """The graph, with its inputs after the first `kept` handed through; the last is the next
    turn's counter where the loop draws."""

    def turn(*x: Any) -> tuple[Any, ...]:
        results = (*graph.replay(*x), *x[kept:])
        return (*results[:-1], draws.next(x[-1])) if draws else results

    return trace(turn, graph.inputs)


def _drawing(graph: Graph, specs: Sequence[Spec], counters: Callable[[Any], list[Any]]) -> Graph:
    """The graph of the state, the last of which is the counter that the draws begin with."""
    return trace(lambda *x: graph.replay(*x[:-1], *counters(x[-1])), specs)
