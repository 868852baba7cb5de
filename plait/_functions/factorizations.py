"""LU and Householder factorizations of matrices, and what is made of them."""

from __future__ import annotations

from typing import Any

from plait import return_types
from plait._functions.common import public, write_out
from plait._functions.creation import empty, eye
from plait._functions.decompositions import require_floating, require_square
from plait._functions.matrix import matmul
from plait._functions.shape import transpose
from plait._tensor import Tensor
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops import factor
from plait.core.ops.linalg import TRIANGULAR_SOLVE, part, upper_triangle
from plait.core.ops.view import broadcast


def batched_alike(name: str, *values: Tensor) -> list[Tensor]:
    """Matrices with their leading axes broadcast against each other."""
    batch: tuple[int, ...] = ()
    for value in values:
        batch = broadcast_shapes(name, batch, tuple(value.shape[:-2]))
    return [broadcast(value, (*batch, *value.shape[-2:])) for value in values]


# -- LU ---------------------------------------------------------------------------------------


def lu_factored(name: str, A: Tensor, pivot: bool, strict: bool) -> Any:
    """(LU, pivots, info). Raises RuntimeError without pivoting, as PyTorch does on CPU."""
    require_floating(name, A)
    if A.ndim < 2:
        raise error(
            RuntimeError,
            f"{name}: The input tensor A must have at least 2 dimensions.",
        )
    if not pivot:
        raise error(RuntimeError, f"{name}: LU without pivoting is not implemented on the CPU")
    return factor.LU_FACTOR(A, strict=strict)


@public(method=False)
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """(P, L, U) of the factorization that `lu` gave; empty tensors for what is not unpacked."""
    if LU_pivots.dtype is not dtypes.int32:
        raise error(
            RuntimeError,
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype."
            " Note: this function is intended to be used with the output produced by "
            "torch.linalg.lu_factor",
        )
    rows, columns = LU_data.shape[-2:]
    rank = min(rows, columns)
    nothing = empty((0,), dtype=LU_data.dtype)
    permutation = lower = upper = nothing
    if unpack_pivots:
        permutation = factor.PIVOT_MATRIX(LU_pivots, rows=rows, dtype=LU_data.dtype)
    if unpack_data:
        lower = factor.unit_lower(part(LU_data, -1, 0, rank))
        upper = upper_triangle(part(LU_data, -2, 0, rank))
    return return_types.lu_unpack((permutation, lower, upper))


def lu_solution(
    name: str, LU: Tensor, pivots: Tensor, B: Tensor, left: bool = True, adjoint: bool = False
) -> Tensor:
    """X with A X = B (X A = B unless `left`; with A transposed for `adjoint`)."""
    require_floating(name, LU)
    require_square(name, LU)
    if pivots.dtype is not dtypes.int32:
        raise error(RuntimeError, f"{name}: pivots should be a Tensor of scalar type torch.int32")
    if LU.dtype is not B.dtype:
        raise error(
            RuntimeError,
            f"{name}: Expected LU and B to have the same dtype, but found LU of type {LU.dtype} "
            f"and B of type {B.dtype} instead",
        )
    if not left:  # A' X' = B'
        return transpose(
            lu_solution(name, LU, pivots, transpose(B, -2, -1), True, not adjoint), -2, -1
        )
    if LU.shape[:-1] != pivots.shape:
        raise error(
            RuntimeError,
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix",
        )
    if B.ndim < 2 or B.shape[-2] != LU.shape[-1]:
        raise error(
            RuntimeError,
            f"{name}: Incompatible shapes of A and B for the equation AX = B "
            f"({LU.shape[-2]}x{LU.shape[-1]} and {'x'.join(map(str, B.shape[-2:]))})",
        )
    rows = factor.PIVOT_MATRIX(pivots, rows=LU.shape[-1], dtype=LU.dtype)
    LU, rows, B = batched_alike(name, LU, rows, B)
    lower = {"upper": False, "unit": True}
    upper = {"upper": True, "unit": False}
    if adjoint:
        first = TRIANGULAR_SOLVE(LU, B, **upper, trans=True)
        return matmul(rows, TRIANGULAR_SOLVE(LU, first, **lower, trans=True))
    first = TRIANGULAR_SOLVE(LU, matmul(transpose(rows, -2, -1), B), **lower, trans=False)
    return TRIANGULAR_SOLVE(LU, first, **upper, trans=False)


@public
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """The solution of A x = b, from the factorization that `lu` gave of A."""
    return lu_solution("torch.lu_solve", LU_data, LU_pivots, b)


@public
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, *, out: Any = None) -> Any:
    """(L below the diagonal and U, pivots), and with `get_infos` 0 per matrix that is regular."""
    found = tuple(lu_factored("linalg.lu_factor", A, pivot, strict=not get_infos))
    result = found if get_infos else found[:2]
    return result if out is None else write_out("lu", out, result)


# -- Householder ------------------------------------------------------------------------------


@public
def geqrf(input: Tensor) -> Any:
    """(R with Householder vectors below its diagonal, their factors): what `ormqr` takes."""
    require_floating("torch.geqrf", input)
    return return_types.geqrf(factor.GEQRF(input))


def _require_reflections(name: str, input: Tensor, tau: Tensor) -> None:
    require_floating(name, input)
    if input.ndim < 2:
        raise error(RuntimeError, f"{name}: input must have at least 2 dimensions.")
    if input.shape[-1] < tau.shape[-1]:
        raise error(
            RuntimeError,
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]",
        )
    if input.ndim - tau.ndim != 1 or input.shape[:-2] != tau.shape[:-1]:
        raise error(
            RuntimeError,
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.shape[:-1])}",
        )
    if input.dtype is not tau.dtype:
        raise error(
            RuntimeError,
            f"{name}: tau dtype {tau.dtype} does not match input dtype {input.dtype}",
        )


@public
def orgqr(input: Tensor, tau: Tensor) -> Tensor:
    """The first columns of Q, a product of Householder reflections: as many as `input` has."""
    name = "torch.linalg.householder_product"
    _require_reflections(name, input, tau)
    rows, columns = input.shape[-2:]
    if rows < columns:
        raise error(
            RuntimeError,
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]",
        )
    unit = broadcast(eye(rows, columns, dtype=input.dtype), tuple(input.shape))
    return factor.householder(input, tau, unit, trans=False)


@public
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Tensor:
    """Q @ other (other @ Q unless `left`), Q of all the reflections; Q' with `transpose`."""
    name = "torch.ormqr"
    _require_reflections(name, input, tau)
    if other.ndim < 2 or other.shape[-2 if left else -1] != input.shape[-2]:
        raise error(
            RuntimeError,
            f"{name}: other.shape[{-2 if left else -1}] must be equal to input.shape[-2]",
        )
    if left:
        return factor.householder(input, tau, other, trans=transpose)
    turned = factor.householder(input, tau, other.transpose(-2, -1), trans=not transpose)
    return turned.transpose(-2, -1)
