"""Elementwise application of an op to tensors and Python numbers of any shapes that broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait.core.functional.numbers import number_for
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import ShapeError, error
from plait.core.ir.node import Node
from plait.core.ir.op import Op
from plait.core.ops.elementwise import cast
from plait.core.ops.source import full
from plait.core.ops.view import broadcast

Number = (bool, int, float, complex)


def broadcast_shapes(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape by NumPy's rule. Raises ShapeError naming the axis that does not match."""
    result: list[int] = []
    for shape in shapes:
        if len(shape) > len(result):
            result = [1] * (len(shape) - len(result)) + result
    rank = len(result)
    for shape in shapes:
        lead = rank - len(shape)
        for i, extent in enumerate(shape):
            axis = lead + i
            if extent == 1 or extent == result[axis]:
                continue
            if result[axis] != 1:
                raise error(
                    ShapeError,
                    f"The size of tensor a ({result[axis]}) must match the size of tensor b "
                    f"({extent}) at non-singleton dimension {axis}: {name} received shapes "
                    f"{', '.join(str(list(s)) for s in shapes)}",
                )
            result[axis] = extent
    return tuple(result)


def elementwise(op: Op, operands: Sequence[Any], dtypes: Sequence[DType]) -> Any:
    """Apply an elementwise op: cast each operand to its dtype, broadcast all to one shape.

    operands: tensors, nodes, or Python numbers (at least one tensor).
    """
    shapes = [x.shape for x in operands if not isinstance(x, Number)]
    first = shapes[0]
    if any(shape != first for shape in shapes):
        first = broadcast_shapes(op.name, *shapes)
    ready = [
        full(number_for(x, dtype), first, dtype)
        if isinstance(x, Number)
        else broadcast(cast(x, dtype), first)
        for x, dtype in zip(operands, dtypes)
    ]
    return op(*ready)


def same_dtype(op: Op, *operands: Any) -> Any:
    """Apply an elementwise op to tensors of one dtype and Python numbers."""
    dtype = next(x.dtype for x in operands if not isinstance(x, Number))
    return elementwise(op, operands, [dtype] * len(operands))


def is_value(x: Any) -> bool:
    """Whether x is a node rather than a tensor."""
    return type(x) is Node
