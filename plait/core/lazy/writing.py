"""Writing through views: what becomes of a base when part of it is written.

The value of a base is replaced as a whole, by one that has the part in it; where nobody else holds
its memory, or everybody is to see it, the part is written into the memory itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.node import Node
from plait.core.lazy.capture import watch
from plait.core.lazy.cell import Cell
from plait.core.lazy.views import apply_to_array, until_taken, write_back, write_taken


def write_at_once(view: Any, base: Any, result: Any) -> bool:
    """Write what is computed into part of computed memory that nothing else holds: no op, and no
    copy of the whole. False where that is not so."""
    if watch.active is not None or base._grad_fn is not None or not view._is_plain():
        return False
    node, edge = (result, None) if type(result) is Node else result.value()
    steps = view._steps
    return edge is None and base._cell.write_part(node, lambda a: apply_to_array(a, steps))


def write_through(view: Any, base: Any, result: Any) -> Any:
    """The base's new value after writing `result` through a view of it."""
    node, edge = base.value()
    value = view.plain.of_value(node, edge)
    steps, taken = until_taken(view._steps)
    levels = []
    for step in steps:
        levels.append(value)
        value = step.op(value, *step.extra, **step.attrs)
    if taken:
        result = write_taken(taken, value, result)
    for step, before in zip(reversed(steps), reversed(levels)):
        result = write_back(step, before, result)
    return result


def write_shared(view: Any, cell: Cell, result: Any) -> None:
    """Write through a view into memory that others see."""
    cell.require_writable()
    node = result if type(result) is Node else result.read()
    value = Cell(node).compute()
    array = cell.compute()
    seen = apply_to_array(array, view._path())
    if np.shares_memory(seen, array):
        np.copyto(seen, value)
        return
    whole = write_through(view, view.plain.of_cell(cell, array.shape, view._dtype), node)
    np.copyto(array, Cell(whole if type(whole) is Node else whole.read()).compute())
