"""Axis arguments: negative counts, ranges, errors as PyTorch words them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from plait.core.ir.errors import error


def normal_axis(axis: Any, rank: int, name: str = "") -> int:
    """The non-negative axis. Raises IndexError outside [-rank, rank-1] (0-d counts as rank 1)."""
    try:
        axis = axis.__index__()
    except AttributeError:
        raise error(
            TypeError, f"{name}(): dim must be an int, received {type(axis).__name__}"
        ) from None
    limit = max(rank, 1)
    if not -limit <= axis < limit:
        what = f" in {name}" if name else ""
        raise error(
            IndexError,
            f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got "
            f"{axis}){what}",
        )
    return axis + limit if axis < 0 else axis


def normal_axes(axes: Any, rank: int, name: str = "") -> tuple[int, ...]:
    """Sorted distinct non-negative axes; None or () means all of them."""
    if axes is None:
        return tuple(range(rank))
    if not isinstance(axes, Iterable):
        axes = (axes,)
    found = [normal_axis(axis, rank, name) for axis in axes]
    if not found:
        return tuple(range(rank))
    for axis in found:
        if found.count(axis) > 1:
            raise error(
                RuntimeError, f"dim {axis} appears multiple times in the list of dims of {name}"
            )
    return tuple(sorted(found)) if rank else ()
