"""Slices whose bounds change: the same place of a program reads or writes another part each time.

A slice has its bounds as attributes, so that each would be a step of its own, and a graph: one per
position of a cache, one per row of a buffer that is filled. Where a slice has had other bounds
before, its positions become an input.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.dtypes import int64
from plait.core.ir.node import Node
from plait.core.ir.op import Op, leaf
from plait.core.ops.index import PUT_AT, TAKE
from plait.core.ops.view import SLICE, UPDATE_SLICE

_BY_POSITIONS = {SLICE: TAKE, UPDATE_SLICE: PUT_AT}


def at_positions(
    op: Op, operands: tuple[Node, ...], known: dict[str, Any], attrs: dict[str, Any]
) -> tuple[Op, tuple[Node, ...], dict[str, Any]] | None:
    """The same reading or writing of a slice by positions: (op, operands, attributes).

    known: the attributes of the slice that was there before. None for other ops, and for slices
    that differ from it in more than where they lie along one axis, or take less than the whole of
    another axis.
    """
    by_positions = _BY_POSITIONS.get(op)
    if by_positions is None:
        return None
    base = operands[0]
    axis = _moved_axis(base.shape, known, attrs)
    if axis is None:
        return None
    positions = np.arange(attrs["starts"][axis], attrs["stops"][axis], attrs["steps"][axis])
    index = leaf(positions.astype(np.int64), positions.shape, int64)
    return by_positions, (base, index, *operands[1:]), {"axis": axis}


def _moved_axis(shape: tuple[int, ...], known: dict[str, Any], attrs: dict[str, Any]) -> int | None:
    """The axis along which alone two slices differ, in where they begin; None if there is none."""
    found = None
    for axis, extent in enumerate(shape):
        mine = range(attrs["starts"][axis], attrs["stops"][axis], attrs["steps"][axis])
        before = range(known["starts"][axis], known["stops"][axis], known["steps"][axis])
        if mine == before == range(extent):
            continue
        if found is not None or mine.step != before.step or not len(mine) == len(before) > 0:
            return None
        found = axis
    return found
