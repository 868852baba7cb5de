"""`scan`: a loop over the slices of tensors, with values carried from turn to turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._higher_order_ops._bodies import record, require_tensors, text_of
from plait._higher_order_ops._draws import rows
from plait._higher_order_ops._traced import Outside, Slice
from plait.core.functional.axes import normal_axis
from plait.core.ir.errors import error
from plait.core.ops.control import SCAN
from plait.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["scan"]


def scan(
    combine_fn: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    *,
    dim: int = 0,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """`carry, y = combine_fn(carry, x)` for each slice x of `xs` along `dim`: (last carry, ys).

    The slices y are stacked along axis 0 (in the places of their x). The loop is one operation,
    recorded once, with a gradient with respect to `init`, `xs` and all tensors that the function
    uses. Random numbers are drawn anew in each turn, as a loop would draw them. Raises RuntimeError
    where shapes and dtypes do not fit.
    """
    if not callable(combine_fn):
        raise error(RuntimeError, f"Combine_fn must be a callable, but got {combine_fn}")
    carried, carry_tree = tree_flatten(init)
    stacked, xs_tree = tree_flatten(xs)
    require_tensors("scan", "init", carried)
    require_tensors("scan", "xs", stacked)
    if not carried:
        raise error(RuntimeError, "scan() operator requires init leaves.")
    moved, length = _leading(stacked, dim)
    slices = [Slice(x) for x in moved]
    outside = Outside(draws=True)
    count = len(carried)

    def turn(carry: Any, x: Any) -> Any:
        return combine_fn(carry, x)

    arguments = (tree_unflatten(carried, carry_tree), tree_unflatten(slices, xs_tree))
    body = record("scan", turn, arguments, outside, _require_pair, count)
    wanted = [(tuple(x.shape), x.dtype) for x in carried]
    if [(s.shape, s.dtype) for s in body.specs[:count]] != wanted:
        raise error(
            RuntimeError,
            f"scan: combine_fn must give a carry as it is given ({text_of(carried)}), received "
            f"({text_of(body.specs[:count])})",
        )
    made = SCAN(
        *outside.tensors,
        *carried,
        *moved,
        *rows(body.draws, length, bool(reverse)),
        body=body.graph(before=outside.nodes),
        constants=len(outside.tensors),
        carries=count,
        length=length,
        reverse=bool(reverse),
    )
    results = tree_unflatten(list(made), body.tree)
    return results[0], results[1]


def _leading(stacked: list[Any], dim: int) -> tuple[list[Any], int]:
    if not stacked:
        raise error(RuntimeError, "scan() operator requires at least one tensor in xs.")
    axes = [normal_axis(dim, x.ndim, "scan") for x in stacked]
    lengths = {x.shape[axis] for x, axis in zip(stacked, axes)}
    if len(lengths) != 1 or 0 in lengths:
        raise error(
            RuntimeError,
            "All xs leaves must at least have one element along the scan dimension, and the same "
            f"number: {text_of(stacked)} along axis {dim}",
        )
    return [x if a == 0 else x.movedim(a, 0) for x, a in zip(stacked, axes)], lengths.pop()


def _require_pair(result: Any) -> None:
    if not (isinstance(result, tuple) and len(result) == 2):
        raise error(
            RuntimeError,
            f"scan: combine_fn must give (carry, y), received {type(result).__name__}",
        )
