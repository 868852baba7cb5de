"""LU, LDL and Householder factorizations, in LAPACK's storage (`numeric.factor`).

Stacks of float32 or float64 matrices, as in `linalg`. What is made of the factors (the parts of LU,
solutions, products of reflections) is written with ops, and so differentiates by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.complex_parts import CONJ
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import ADD, DIV, EQ, MUL, SUB, WHERE, cast
from plait.core.ops.linalg import (
    FLOATS,
    HOLOMORPHIC,
    SOLVE,
    TRIANGULAR_SOLVE,
    LinAlgError,
    cubic,
    lower_triangle,
    on_diagonal,
    part,
    require_matrices,
    row_and_column,
    transposed,
    upper_triangle,
)
from plait.core.ops.numeric import factor
from plait.core.ops.reduce import SUM
from plait.core.ops.source import constant
from plait.core.ops.view import CONCAT, broadcast, reshape


def _require_pivots(name: str, pivots: Any) -> None:
    if pivots.dtype is not dtypes.int32:
        raise DTypeError(f"{name}: expected int32 pivots, received {pivots.dtype.name}")
    if not pivots.shape:
        raise ShapeError(f"{name}: expected pivots (..., k), received a scalar")


# -- LU ---------------------------------------------------------------------------------------


def _infer_lu_factor(x: Any, *, strict: bool) -> tuple[Any, Any]:
    """(L below the diagonal and U, pivots, info) of P L U = x with partial pivoting.

    info: the 1-based place of the first pivot that is 0, else 0. strict: raise for such a matrix.
    """
    require_matrices("lu_factor", x)
    batch, rank = x.shape[:-2], min(x.shape[-2:])
    return (x.shape, (*batch, rank), batch), (x.dtype, dtypes.int32, dtypes.int32)


def _lu_factor(x: np.ndarray, *, strict: bool) -> tuple[np.ndarray, ...]:
    found = factor.lu_factor(x)
    if strict and found[2].any():
        place = int(found[2].ravel()[np.flatnonzero(found[2])[0]])
        raise LinAlgError(
            f"lu_factor: U[{place},{place}] is zero and using it on lu_solve would result in a "
            f"division by zero (shape {list(x.shape)}); linalg.lu_factor_ex does not raise"
        )
    return found


def _lu_factor_vjp(g: Any, y: Any, x: Any, *, strict: bool) -> Any:
    # With P' x = L U, square: dx = P L^-T (tril(L' dL, -1) + triu(dU U')) U^-T. Of a wide matrix,
    # the columns beyond are L^-1 P' x2; of a tall one, the rows beyond are x2 U^-1.
    packed, pivots, _ = y
    grad = g[0]
    rows, columns = x.shape[-2:]
    rank = min(rows, columns)
    axes = len(x.shape)

    def square(value: Any) -> Any:
        return part(part(value, -2, 0, rank), -1, 0, rank)

    factors, inner = square(packed), square(grad)
    solve = {"upper": False, "unit": True, "trans": True}

    def times_u_inverse(value: Any) -> Any:  # value @ U^-T
        turned = TRIANGULAR_SOLVE(factors, transposed(value), upper=True, unit=False, trans=False)
        return transposed(turned)

    by_l = matmul(transposed(unit_lower(factors)), lower_triangle(inner, strict=True))
    by_u = matmul(upper_triangle(inner), transposed(upper_triangle(factors)))
    if columns > rank:
        beyond, beyond_grad = [part(v, -1, rank, columns) for v in (packed, grad)]
        by_l = SUB(by_l, matmul(beyond_grad, transposed(beyond)))
    if rows > rank:
        beyond, beyond_grad = [part(v, -2, rank, rows) for v in (packed, grad)]
        by_u = SUB(by_u, matmul(transposed(beyond), beyond_grad))
    middle = ADD(lower_triangle(by_l, strict=True), upper_triangle(by_u))
    total = times_u_inverse(TRIANGULAR_SOLVE(factors, middle, **solve))
    if columns > rank:
        total = CONCAT(total, TRIANGULAR_SOLVE(factors, beyond_grad, **solve), axis=axes - 1)
    if rows > rank:
        total = CONCAT(total, times_u_inverse(beyond_grad), axis=axes - 2)
    return matmul(PIVOT_MATRIX(pivots, rows=rows, dtype=x.dtype), total)


def unit_lower(x: Any) -> Any:
    """The lower triangle with 1 on the diagonal."""
    row, column = row_and_column(x)
    return ADD(lower_triangle(x, strict=True), cast(EQ(row, column), x.dtype))


LU_FACTOR = Op(
    "lu_factor",
    infer=_infer_lu_factor,
    lowering=Lowering.OPAQUE,
    reference=_lu_factor,
    vjp=_lu_factor_vjp,
    saves=("y",),
    outputs=3,
    flops=cubic,
    dtypes=FLOATS,
)


def _infer_pivot_matrix(pivots: Any, *, rows: int, dtype: Any) -> tuple[Any, Any]:
    """The permutation matrix P of `lu_factor`'s pivots, for matrices of so many rows."""
    _require_pivots("pivot_matrix", pivots)
    return (*pivots.shape[:-1], rows, rows), dtype


def _check_pivots(pivots: np.ndarray, *, rows: int, dtype: Any) -> None:
    if pivots.size and not (pivots.min() >= 1 and pivots.max() <= rows):
        raise ValueError(
            f"pivots out of range: expected 1 to {rows}, received {pivots.min()} to {pivots.max()}"
        )


PIVOT_MATRIX = Op(
    "pivot_matrix",
    infer=_infer_pivot_matrix,
    lowering=Lowering.OPAQUE,
    reference=lambda pivots, *, rows, dtype: factor.pivot_matrix(
        pivots, rows=rows, dtype=dtype.numpy
    ),
    check=_check_pivots,
    checks=(0,),
    differentiable=(),
    flops=lambda pivots, *, rows, dtype: elements(pivots.shape) * rows,
    dtypes=(dtypes.int32,),
)


# -- eigenvalues ------------------------------------------------------------------------------


def _infer_eig(x: Any) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors (columns of length 1) of any square matrices, both complex."""
    require_matrices("eig", x, square=True, kinds=HOLOMORPHIC)
    kind = dtypes.complex_of(x.dtype)
    return (x.shape[:-1], x.shape), (kind, kind)


def _eig(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kind = dtypes.complex_of(dtypes.dtype_of(x.dtype)).numpy
    if not np.isfinite(x).all():
        raise LinAlgError(
            f"eig: the input has infinities or nans, so that it has no eigenvalues (shape "
            f"{list(x.shape)})"
        )
    values, vectors = np.linalg.eig(x)
    return values.astype(kind), vectors.astype(kind)


def _eig_vjp(g: Any, y: Any, x: Any) -> Any:
    # Boeddeker et al., "On the computation of complex-valued gradients" (arXiv:1701.00392), 4.18,
    # with the length and the phase of the vectors held; in the conjugates of the gradients there.
    values, vectors = y
    grad_values, grad_vectors = [CONJ(part) for part in g]
    adjoint = CONJ(transposed(vectors))
    inner = matmul(adjoint, grad_vectors)
    row, column = row_and_column(inner)
    diagonal = EQ(row, column)
    real = cast(SUM(WHERE(diagonal, inner, constant(0, inner)), axes=(len(x.shape) - 2,)), _real(x))
    lengths = broadcast(cast(real, inner.dtype), inner.shape)
    turning = SUB(inner, matmul(adjoint, MUL(vectors, lengths)))
    size = values.shape[-1]
    below = CONJ(values)
    across = broadcast(reshape(below, (*values.shape[:-1], 1, size)), inner.shape)
    down = broadcast(reshape(below, (*values.shape, 1)), inner.shape)
    gaps = WHERE(diagonal, constant(1, inner), SUB(across, down))
    middle = WHERE(diagonal, on_diagonal(grad_values, size), DIV(turning, gaps))
    total = CONJ(SOLVE(adjoint, matmul(middle, adjoint)))
    return total if x.dtype.is_complex else cast(total, x.dtype)


def _real(x: Any) -> Any:
    return dtypes.real_of(x.dtype)


EIG = Op(
    "eig",
    infer=_infer_eig,
    lowering=Lowering.OPAQUE,
    reference=_eig,
    vjp=_eig_vjp,
    saves=("y",),
    outputs=2,
    flops=lambda x: 25 * cubic(x),
    dtypes=HOLOMORPHIC,
)


# -- LDL --------------------------------------------------------------------------------------


def _infer_ldl_factor(x: Any, *, strict: bool) -> tuple[Any, Any]:
    """(L below the blocks of D, pivots, info) of symmetric x, of its lower triangle.

    Pivoting is Bunch and Kaufman's. info: the 1-based place of the first pivot that is 0, else 0.
    strict: raise for such a matrix. Not differentiable, as in PyTorch.
    """
    require_matrices("ldl_factor", x, square=True)
    batch = x.shape[:-2]
    return (x.shape, x.shape[:-1], batch), (x.dtype, dtypes.int32, dtypes.int32)


def _ldl_factor(x: np.ndarray, *, strict: bool) -> tuple[np.ndarray, ...]:
    found = factor.ldl_factor(x)
    if strict and found[2].any():
        place = int(found[2].ravel()[np.flatnonzero(found[2])[0]])
        raise LinAlgError(
            f"ldl_factor: the block matrix D is exactly singular at ({place},{place}) (shape "
            f"{list(x.shape)}); linalg.ldl_factor_ex does not raise"
        )
    return found


LDL_FACTOR = Op(
    "ldl_factor",
    infer=_infer_ldl_factor,
    lowering=Lowering.OPAQUE,
    reference=_ldl_factor,
    differentiable=(),
    outputs=3,
    flops=cubic,
    dtypes=FLOATS,
)


def _infer_ldl_solve(factors: Any, pivots: Any, b: Any) -> tuple[Any, Any]:
    """x with a @ x = b, from `ldl_factor`'s results for a."""
    require_matrices("ldl_solve", factors, b, square=True)
    _require_pivots("ldl_solve", pivots)
    if factors.dtype is not b.dtype:
        raise DTypeError(
            f"ldl_solve: operands must have one dtype, received {factors.dtype.name}, "
            f"{b.dtype.name}"
        )
    if factors.shape[:-1] != b.shape[:-1] or factors.shape[:-1] != pivots.shape:
        raise ShapeError(
            f"ldl_solve: expected pivots (..., n) and right sides (..., n, k) for factors "
            f"{list(factors.shape)}, received {list(pivots.shape)} and {list(b.shape)}"
        )
    return b.shape, b.dtype


LDL_SOLVE = Op(
    "ldl_solve",
    infer=_infer_ldl_solve,
    lowering=Lowering.OPAQUE,
    reference=factor.ldl_solve,
    differentiable=(),
    flops=lambda factors, pivots, b: elements(b.shape) * 2 * b.shape[-2],
    dtypes=FLOATS,
)

# -- Householder ------------------------------------------------------------------------------


def _infer_geqrf(x: Any) -> tuple[Any, Any]:
    """(R with Householder vectors below its diagonal, their factors tau) of Q R = x.

    Not differentiable, as in PyTorch; `householder` makes Q of it.
    """
    require_matrices("geqrf", x)
    return (x.shape, (*x.shape[:-2], min(x.shape[-2:]))), (x.dtype, x.dtype)


GEQRF = Op(
    "geqrf",
    infer=_infer_geqrf,
    lowering=Lowering.OPAQUE,
    reference=factor.geqrf,
    differentiable=(),
    outputs=2,
    flops=cubic,
    dtypes=FLOATS,
)


def householder(packed: Any, tau: Any, other: Any, *, trans: bool) -> Any:
    """Q @ other, Q = H1 H2 ... Hk of the reflections Hi = 1 - tau_i v_i v_i'; Q' with `trans`.

    packed: (..., m, n), v_i in its column i below a diagonal of ones; tau: (..., k), k <= n;
    other: (..., m, p). All reflections at once: Q = 1 - V D (1 + S D)^-1 V', D the diagonal of tau
    and S the part of V' V above the diagonal (Schreiber & Van Loan, "A storage-efficient WY
    representation for products of Householder transformations", 1989).
    """
    count = tau.shape[-1]
    vectors = unit_lower(part(packed, -1, 0, count))
    inner = upper_triangle(matmul(transposed(vectors), vectors), strict=True)
    across = broadcast(reshape(tau, (*tau.shape[:-1], 1, count)), inner.shape)
    system = MUL(inner, across)  # 1 is on its diagonal by `unit`
    turned = matmul(transposed(vectors), other)
    down = broadcast(reshape(tau, (*tau.shape, 1)), turned.shape)
    if trans:
        middle = TRIANGULAR_SOLVE(system, MUL(down, turned), upper=True, unit=True, trans=True)
    else:
        middle = MUL(down, TRIANGULAR_SOLVE(system, turned, upper=True, unit=True, trans=False))
    return SUB(other, matmul(vectors, middle))
