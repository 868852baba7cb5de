"""LU, LDL and Householder factorizations under the names of `torch.linalg`."""

from __future__ import annotations

from typing import Any

from plait import return_types
from plait._autocast import full_precision
from plait._functions.common import write_out
from plait._functions.decompositions import require_floating, require_square
from plait._functions.factorizations import (
    batched_alike,
    lu_factored,
    lu_solution,
    lu_unpack,
    orgqr,
)
from plait._tensor import Tensor
from plait.core.ops import factor
from plait.core.ops.view import broadcast


def _stored(name: str, out: Any, result: Any) -> Any:
    return result if out is None else write_out(name, out, result)


@full_precision
def eig(A: Tensor, *, out: Any = None) -> Any:
    """(eigenvalues, eigenvectors) of square matrices that need not be symmetric, complex.

    Vectors are the columns, of length 1. Gradients do not see their free phase: PyTorch raises
    where a function depends on it.
    """
    require_square("linalg.eig", A)
    require_floating("linalg.eig", A)
    return _stored("eig", out, return_types.linalg_eig(factor.EIG(A)))


@full_precision
def eigvals(A: Tensor, *, out: Any = None) -> Tensor:
    """The eigenvalues of square matrices that need not be symmetric, complex."""
    require_square("linalg.eigvals", A)
    require_floating("linalg.eigvals", A)
    return _stored("eigvals", out, factor.EIG(A)[0])


@full_precision
def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """(P, L, U) with P L U = A: a permutation, and triangles below (ones on it) and above."""
    packed, pivots, _ = lu_factored("linalg.lu", A, pivot, strict=False)
    return _stored("lu", out, return_types.linalg_lu(lu_unpack(packed, pivots)))


@full_precision
def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """(L below the diagonal and U, pivots). Raises LinAlgError where a pivot is 0."""
    packed, pivots, _ = lu_factored("linalg.lu_factor", A, pivot, strict=True)
    return _stored("lu_factor", out, return_types.linalg_lu_factor((packed, pivots)))


@full_precision
def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """`lu_factor` that gives the 1-based place of the first pivot that is 0 in `info`."""
    found = lu_factored("linalg.lu_factor_ex", A, pivot, strict=check_errors)
    return _stored("lu_factor_ex", out, return_types.linalg_lu_factor_ex(found))


@full_precision
def lu_solve(
    LU: Tensor,
    pivots: Tensor,
    B: Tensor,
    *,
    left: bool = True,
    adjoint: bool = False,
    out: Any = None,
) -> Tensor:
    """X with A X = B (X A = B unless `left`), from A's factors; A transposed for `adjoint`."""
    found = lu_solution("linalg.lu_solve", LU, pivots, B, left, adjoint)
    return _stored("lu_solve", out, found)


@full_precision
def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> Any:
    """(L below the blocks of D, pivots) of symmetric A. Raises LinAlgError for singular D."""
    packed, pivots, _ = _ldl_factored("torch.linalg.ldl_factor", A, strict=True)
    return _stored("ldl_factor", out, return_types.linalg_ldl_factor((packed, pivots)))


@full_precision
def ldl_factor_ex(
    A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """`ldl_factor` that gives the 1-based place where D is singular in `info`."""
    found = _ldl_factored("torch.linalg.ldl_factor_ex", A, strict=check_errors)
    return _stored("ldl_factor_ex", out, return_types.linalg_ldl_factor_ex(found))


def _ldl_factored(name: str, A: Tensor, strict: bool) -> Any:
    require_square(name, A)
    require_floating(name, A)
    return factor.LDL_FACTOR(A, strict=strict)


@full_precision
def ldl_solve(
    LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Any = None
) -> Tensor:
    """X with A X = B, from what `ldl_factor` gave of A."""
    require_square("torch.linalg.ldl_solve", LD)
    LD, B = batched_alike("torch.linalg.ldl_solve", LD, B)
    places = broadcast(pivots, tuple(LD.shape[:-1]))
    return _stored("ldl_solve", out, factor.LDL_SOLVE(LD, places, B))


@full_precision
def householder_product(A: Tensor, tau: Tensor, *, out: Any = None) -> Tensor:
    """The first columns of a product of Householder reflections: as many as A has."""
    return _stored("householder_product", out, orgqr(A, tau))
