"""Triangles and diagonals of matrices."""

from __future__ import annotations

from typing import Any

from plait._autocast import in_full
from plait._functions.common import public
from plait._functions.reduction import sum
from plait._functions.shape import diagonal, movedim
from plait._tensor import Tensor
from plait.core.functional.axes import normal_axis
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops.elementwise import AND, EQ, GE, LE, WHERE
from plait.core.ops.source import ARANGE, full
from plait.core.ops.view import PAD, broadcast, reshape


def _row_and_column(shape: tuple[int, ...], offset: int) -> tuple[Any, Any]:
    """The row number plus `offset`, and the column number, of each element of such matrices."""
    rows, columns = shape[-2:]
    ones = (1,) * (len(shape) - 2)
    row = ARANGE(start=offset, step=1, size=rows, dtype=dtypes.int64)
    column = ARANGE(start=0, step=1, size=columns, dtype=dtypes.int64)
    return (
        broadcast(reshape(row, (*ones, rows, 1)), shape),
        broadcast(reshape(column, (*ones, 1, columns)), shape),
    )


def _triangle(name: str, compare: Any, doc: str) -> Any:
    def triangle(input: Tensor, diagonal: int = 0) -> Tensor:
        if input.ndim < 2:
            raise error(
                RuntimeError,
                f"{name}: input tensor must have at least 2 dimensions, received shape "
                f"{list(input.shape)}",
            )
        row, column = _row_and_column(input._shape, int(diagonal))
        inside = Tensor.of_node(compare(column, row))
        if input.dtype.kind == "b":
            return AND(input, inside)
        return WHERE(inside, input, full(0, input._shape, input.dtype))

    triangle.__name__ = name
    triangle.__doc__ = doc
    return public(triangle, inplace=True)


tril = _triangle("tril", LE, "Matrices with the elements above the diagonal set to 0.")
triu = _triangle("triu", GE, "Matrices with the elements below the diagonal set to 0.")


@public
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Square matrices, in axes dim1 and dim2 of the result, with the last axis on a diagonal."""
    rank = input.ndim + 1
    first, second = normal_axis(dim1, rank, "diag_embed"), normal_axis(dim2, rank, "diag_embed")
    if first == second:
        raise error(
            RuntimeError, f"diagonal dimensions cannot be identical {dim1}, {dim2} in diag_embed"
        )
    size = input._shape[-1] + abs(offset)
    ends = (0,) * (input.ndim - 1)
    value = PAD(
        input,
        low=(*ends, 0),
        high=(*ends, abs(offset)),
        interior=(*ends, 0),
        value=0,
    )
    # With a positive offset row i holds element i, else column j holds element j.
    lead = input._shape[:-1]
    line = (*lead, size, 1) if offset >= 0 else (*lead, 1, size)
    shape = (*lead, size, size)
    row, column = _row_and_column(shape, offset)
    on_diagonal = Tensor.of_node(EQ(row, column))
    zero = full(False if input.dtype.kind == "b" else 0, shape, input.dtype)
    matrices = WHERE(on_diagonal, broadcast(reshape(value, line), shape), zero)
    return movedim(matrices, (-2, -1), (first, second))


@public
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix with this vector on a diagonal, or the diagonal of this matrix."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return _diagonal(input, diagonal)
    raise error(
        RuntimeError, f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D: {list(input._shape)}"
    )


_diagonal = diagonal


@public
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements on a diagonal."""
    return diag_embed(reshape(input, (input.numel(),)), offset)


@public
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    input = in_full(input)
    if input.ndim != 2:
        raise error(RuntimeError, f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return sum(diagonal(input))
