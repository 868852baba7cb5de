"""What functions of one element at a time share: operands in one dtype."""

from __future__ import annotations

from typing import Any

from plait._functions.common import both_operands
from plait._promotion import result_type
from plait.core.functional.broadcasting import elementwise
from plait.core.ir.dtypes import DType
from plait.core.ir.op import Op


def apply(op: Op, dtype: DType, *operands: Any) -> Any:
    """An elementwise op on operands converted to one dtype."""
    return elementwise(op, operands, [dtype] * len(operands))


def promoted(op: Op, input: Any, other: Any) -> Any:
    """A binary op in the operands' common dtype."""
    input, other = both_operands(op.name, input, other)
    return apply(op, result_type(input, other), input, other)
