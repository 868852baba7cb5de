"""Singular values of a matrix from a random subspace.

Source: Halko, Martinsson and Tropp, "Finding structure with randomness" (arXiv:0909.4061),
algorithms 4.4 and 5.1. The subspace is drawn as PyTorch draws it.
"""

from __future__ import annotations

from plait._functions.common import public
from plait._functions.matrix import matmul
from plait._functions.pointwise import sub
from plait._functions.random import randn
from plait._functions.reduction import mean
from plait._functions.shape import transpose
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.ops.linalg import QR, SVD


def _basis(A: Tensor, q: int, turns: int) -> Tensor:
    """Orthonormal columns that nearly span the range of A."""
    found, _ = QR(matmul(A, randn(A.shape[-1], q, dtype=A.dtype)), mode="reduced")
    for _ in range(turns):
        found, _ = QR(matmul(transpose(A, -2, -1), found), mode="reduced")
        found, _ = QR(matmul(A, found), mode="reduced")
    return found


@public
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) with U diag(S) V' near A (A - M), of rank q, after `niter` subspace iterations."""
    rank, turns = 6 if q is None else q, 2 if niter is None else niter
    value = A if M is None else sub(A, M)
    turned = value.shape[-2] < value.shape[-1]
    if turned:
        value = transpose(value, -2, -1)
    basis = _basis(value, rank, turns)
    u, s, vh = SVD(matmul(transpose(basis, -2, -1), value), full=False)
    u, v = matmul(basis, u), transpose(vh, -2, -1)
    return (v, s, u) if turned else (u, s, v)


@public
def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V): the q principal components of A's rows are the columns of V."""
    rows, columns = A.shape[-2:]
    if q is None:
        q = min(6, rows, columns)
    elif not 0 <= q <= min(rows, columns):
        raise error(
            ValueError,
            f"q(={q}) must be non-negative integer and not greater than min(m, n)="
            f"{min(rows, columns)}",
        )
    if niter < 0:
        raise error(ValueError, f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(sub(A, mean(A, -2, keepdim=True)) if center else A, q, niter)
