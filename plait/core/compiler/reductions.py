"""Split reductions: sums over axes that neither are the last ones nor leave them whole, in two.

A row kernel folds the last axes of its space, or adds up its rows. A sum over (0, 2, 3) is a sum of
rows over (2, 3), then one across rows over (0); a sum over everything is a sum of rows, then their
sum, and so runs on all threads. What a channel has in all images is a row of its own where a cache
holds it and there are enough of them: a norm then goes over it as often as it must, in one kernel.
"""

from __future__ import annotations

import math

from plait.core.compiler.fuse import ROW_ELEMENTS, Axes, Shape, complement, proper
from plait.core.compiler.rewrite import Builder, Value, rewrite
from plait.core.ir.graph import Graph, Instruction
from plait.core.ops.reduce import SUM

#: Rows that there must be, so that threads share them evenly, and neighbours in memory.
_ENOUGH = 16


def split_reductions(graph: Graph) -> Graph:
    """The graph with each such sum as two."""
    if all(m.op is not SUM or len(m.attrs["axes"]) < 2 for m in graph.instructions):
        return graph
    return rewrite(graph, _rule)


def _rule(build: Builder, made: Instruction, args: tuple[Value, ...]) -> Value:
    if made.op is not SUM or made.dtype.is_half:
        return None
    shape = build.spec(args[0]).shape
    axes = proper(shape, made.attrs["axes"])
    every = sorted(proper(shape, tuple(range(len(shape)))))
    tail = [axis for axis in every if axis in axes]
    if len(axes) < 2 or every[-1] not in axes:
        return None
    # The run of folded axes at the end, short of the whole.
    run = []
    for axis in reversed(every):
        if axis not in axes or len(run) == len(tail) - 1:
            break
        run.append(axis)
    if complement(shape, axes) and (len(run) == len(tail) or _are_rows(shape, axes, run)):
        return None
    if not complement(shape, axes):
        run = [every[-1]]
    elif _is_suffix(every, tail):
        return None
    part = build.emit(SUM, args[0], axes=tuple(sorted(run)))
    return build.emit(SUM, part, axes=tuple([axis for axis in tail if axis not in run]))


def _are_rows(shape: Shape, axes: Axes, run: list[int]) -> bool:
    """Whether all that is folded into one value is to be a row, though it lies apart."""
    width = math.prod([shape[axis] for axis in axes])
    beside = math.prod([shape[axis] for axis in run])
    return width <= ROW_ELEMENTS and beside >= _ENOUGH and math.prod(shape) >= _ENOUGH * width


def _is_suffix(every: list[int], tail: list[int]) -> bool:
    return every[len(every) - len(tail) :] == tail
