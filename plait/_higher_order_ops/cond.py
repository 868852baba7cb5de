"""`torch.cond`: one of two functions, by a value that is known when the program runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._higher_order_ops._bodies import record, require_tensors, text_of
from plait._higher_order_ops._draws import taken
from plait._higher_order_ops._traced import Outside
from plait._tensor import Tensor
from plait.core.ir.dtypes import bool_
from plait.core.ir.errors import error
from plait.core.ops.control import COND
from plait.core.ops.elementwise import cast
from plait.core.ops.view import reshape
from plait.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["cond"]


def cond(
    pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any = ()
) -> Any:
    """`true_fn(*operands)` where `pred` holds, else `false_fn(*operands)`.

    pred: a tensor of one element, or a Python number, by which the branch is chosen at once. Both
    branches are recorded, one is run; they must give the same shapes and dtypes. Gradients reach
    the operands and all tensors that the branches use. Both take their random numbers, whichever
    runs. Raises RuntimeError for anything else.
    """
    if not callable(true_fn) or not callable(false_fn):
        raise error(RuntimeError, "cond: Expect both branches to be callable.")
    if not isinstance(operands, (tuple, list)):
        raise error(
            RuntimeError,
            "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists "
            f"of tensor leaves, but got {operands}.",
        )
    if not isinstance(pred, Tensor):
        if not isinstance(pred, (bool, int, float)):
            raise error(RuntimeError, f"Expected pred to be bool or tensor, but got {pred}.")
        return (true_fn if pred else false_fn)(*operands)
    if pred.numel() != 1:
        raise error(
            RuntimeError, f"Expected pred to be bool or single-element tensor, but got {pred}."
        )
    leaves = tree_flatten(tuple(operands))[0]
    require_tensors("cond", "operands", leaves)
    outside = Outside(draws=True)
    bodies = [record("cond", branch, operands, outside) for branch in (true_fn, false_fn)]
    types = [[(s.shape, s.dtype) for s in body.specs] for body in bodies]
    if types[0] != types[1] or bodies[0].tree != bodies[1].tree:
        raise error(
            RuntimeError,
            "cond: both branches must give the same: true_fn gives "
            f"({text_of(bodies[0].specs)}), false_fn ({text_of(bodies[1].specs)})",
        )
    draws = [draw for body in bodies for draw in body.draws]
    for body in bodies:
        body.draws = draws  # each takes all operands
    then, orelse = [body.graph(after=outside.nodes) for body in bodies]
    chosen = reshape(cast(pred, bool_), ())
    made = COND(chosen, *leaves, *outside.tensors, *taken(draws), then=then, orelse=orelse)
    return tree_unflatten(list(made), bodies[0].tree)
