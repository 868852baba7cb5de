"""`associative_scan`: all prefixes of an associative operation, in a number of steps that is
logarithmic in their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._functions.joining import cat
from plait._higher_order_ops._bodies import require_tensors
from plait.core.functional.axes import normal_axis
from plait.core.ir.errors import error
from plait.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["associative_scan"]


def associative_scan(
    combine_fn: Callable[[Any, Any], Any],
    xs: Any,
    dim: int,
    reverse: bool = False,
    combine_mode: str = "pointwise",
) -> Any:
    """combine(x0, x1, ... xi) for each i along `dim`, of the shapes of `xs`.

    combine_fn takes and gives values like slices of `xs` with the axis kept, and must be
    associative. Raises RuntimeError for values of different extents, ValueError for an unknown
    mode.
    Source: Hillis and Steele, Data parallel algorithms (1986).
    """
    if combine_mode not in ("pointwise", "generic"):
        raise error(
            ValueError, f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}"
        )
    leaves, tree = tree_flatten(xs)
    require_tensors("associative_scan", "xs", leaves)
    if not leaves:
        raise error(RuntimeError, "Expected at least 1 xs leaf")
    axes = [normal_axis(dim, x.ndim, "associative_scan") for x in leaves]
    moved = [x.movedim(axis, 0) for x, axis in zip(leaves, axes)]
    if len({len(x) for x in moved}) != 1:
        raise error(RuntimeError, "associative_scan: xs differ in their extent along dim")
    if reverse:
        moved = [x.flip(0) for x in moved]
    step, length = 1, len(moved[0])
    while step < length:
        earlier = tree_unflatten([x[:-step] for x in moved], tree)
        later = tree_unflatten([x[step:] for x in moved], tree)
        joined = tree_flatten(combine_fn(earlier, later))[0]
        moved = [cat([x[:step], y], 0) for x, y in zip(moved, joined)]
        step *= 2
    if reverse:
        moved = [x.flip(0) for x in moved]
    return tree_unflatten([x.movedim(0, axis) for x, axis in zip(moved, axes)], tree)
