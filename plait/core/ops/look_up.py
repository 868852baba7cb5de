"""Looking up rows of a table whose gradient stays a list of rows.

As `take` along axis 0, but the gradient is of an op of its own, `rows_at`: who receives it can use
the rows as they are (`rows_of`), so that a large table need not be touched where nobody looked.
"""

from __future__ import annotations

from typing import Any

from plait.core.ir import dtypes
from plait.core.ir.errors import ShapeError
from plait.core.ir.node import Node
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import ADD
from plait.core.ops.index import ADD_AT, TAKE
from plait.core.ops.source import full
from plait.core.ops.view import CONCAT, reshape


def _infer_look_up(table: Any, index: Any) -> tuple[Any, Any]:
    """The rows of a table (V, *row) that an int64 index (*) names: (*, *row)."""
    return TAKE.infer(table, index, axis=0)


LOOK_UP = Op(
    "look_up",
    infer=_infer_look_up,
    lowering=Lowering.GATHER,
    body=lambda table, index: TAKE(table, index, axis=0),
    vjp=lambda g, y, table, index: (ROWS_AT(g, index, rows=table.shape[0]), None),
    saves=(1,),
    differentiable=(0,),
    flops=lambda table, index: 0,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def _infer_rows_at(values: Any, index: Any, *, rows: int) -> tuple[Any, Any]:
    """A table (rows, *row) of zeros with each row of values (*, *row) added where index says."""
    rank = len(index.shape)
    if values.shape[:rank] != index.shape:
        raise ShapeError(
            f"rows_at: values of shape {list(values.shape)} do not begin with the axes of an "
            f"index of shape {list(index.shape)}"
        )
    return (rows, *values.shape[rank:]), values.dtype


def _rows_at(values: Any, index: Any, *, rows: int) -> Any:
    base = full(0, (rows, *values.shape[len(index.shape) :]), values.dtype)
    return ADD_AT(base, index, values, axis=0)


ROWS_AT = Op(
    "rows_at",
    infer=_infer_rows_at,
    lowering=Lowering.SCATTER,
    body=_rows_at,
    vjp=lambda g, y, values, index, *, rows: (TAKE(g, index, axis=0), None),
    saves=(1,),
    differentiable=(0,),
    flops=lambda values, index, *, rows: elements(values.shape),
    dtypes=dtypes.COMMON,
)


def is_rows(node: Node) -> bool:
    """Whether `rows_of` gives rows."""
    waiting = [node]
    while waiting:
        term = waiting.pop()
        if not term.inputs or term.op not in (ROWS_AT, ADD):
            return False
        if term.op is ADD:
            waiting.extend(term.inputs)
    return True


def rows_of(node: Node) -> tuple[Node, Node] | None:
    """(index (n,), values (n, *row)) of a value that is nothing but such rows, or a sum of some.

    None for any other value, and for one that has been computed.
    """
    found: tuple[Node, Node] | None = None
    # Last operands first: a long sum that is no such rows is left at its first other term.
    waiting = [node]
    while waiting:
        term = waiting.pop()
        if not term.inputs or term.op not in (ROWS_AT, ADD):
            return None
        if term.op is ADD:
            waiting.extend(term.inputs)
            continue
        values, index = term.inputs
        count = elements(index.shape)
        rows = reshape(index, (count,)), reshape(values, (count, *node.shape[1:]))
        found = rows if found is None else joined(rows, found)
    return found


def joined(first: tuple[Node, Node], second: tuple[Node, Node]) -> tuple[Node, Node]:
    """The rows of both, in order."""
    return CONCAT(first[0], second[0], axis=0), CONCAT(first[1], second[1], axis=0)
