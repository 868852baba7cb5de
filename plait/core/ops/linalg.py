"""Matrix decompositions and solvers, through NumPy's LAPACK.

All take stacks of matrices: leading axes are a batch. float32 and float64 only, but for `solve`
and `inv`. Derivatives follow
Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008), and Walter & Lehmann, "Algorithmic differentiation of linear algebra
functions" (arXiv:1009.6112) for QR; they are written with ops and differentiate again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import ADD, DIV, EQ, GE, GT, MUL, NEG, OR, SUB, WHERE, cast
from plait.core.ops.math import scaled
from plait.core.ops.source import ARANGE, constant
from plait.core.ops.view import CONCAT, broadcast, reshape, slice_axis, transpose

FLOATS = (dtypes.float32, dtypes.float64)
#: Of the ops whose rules hold for complex matrices too.
HOLOMORPHIC = (*FLOATS, *dtypes.COMPLEX)


class LinAlgError(RuntimeError):
    """A matrix for which the result does not exist: singular, or not positive-definite."""


def require_matrices(
    name: str, *values: Any, square: bool = False, kinds: tuple[Any, ...] = FLOATS
) -> None:
    """Raise DTypeError or ShapeError unless all are stacks of float matrices."""
    for x in values:
        if x.dtype not in kinds:
            raise DTypeError(
                f"{name}: dtype {x.dtype.name} is not supported; cast to float32 or float64"
            )
        if len(x.shape) < 2:
            raise ShapeError(f"{name}: expected matrices, received shape {list(x.shape)}")
    if square and values[0].shape[-1] != values[0].shape[-2]:
        raise ShapeError(
            f"{name}: expected square matrices, received shape {list(values[0].shape)}"
        )


def _require_right_side(name: str, a: Any, b: Any, kinds: tuple[Any, ...] = FLOATS) -> None:
    require_matrices(name, a, b, square=True, kinds=kinds)
    if a.dtype is not b.dtype:
        raise DTypeError(
            f"{name}: operands must have one dtype, received {a.dtype.name}, {b.dtype.name}"
        )
    if a.shape[:-1] != b.shape[:-1]:
        raise ShapeError(
            f"{name}: expected right sides (..., n, k) for matrices (..., n, n), received "
            f"{list(b.shape)} for {list(a.shape)}"
        )


def _reporting(name: str, fault: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """NumPy's LinAlgError as ours, which names the op, the shape and what is wrong."""

    def wrap(reference: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(reference)
        def call(*arrays: np.ndarray, **attrs: Any) -> Any:
            try:
                return reference(*arrays, **attrs)
            except np.linalg.LinAlgError:
                raise LinAlgError(f"{name}: {fault} (shape {list(arrays[0].shape)})") from None

        return call

    return wrap


def cubic(x: Any, *others: Any, **attrs: Any) -> int:
    """Work in the order of n^3 a matrix; constants differ by a small factor."""
    return elements(x.shape) * min(x.shape[-2:])


# -- pieces of the rules ----------------------------------------------------------------------


def transposed(x: Any) -> Any:
    """Each matrix transposed."""
    rank = len(x.shape)
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def part(x: Any, axis: int, start: int, stop: int) -> Any:
    """Rows (axis -2) or columns (axis -1) start to stop of each matrix."""
    return slice_axis(x, len(x.shape) + axis, start, stop)


def row_and_column(like: Any) -> tuple[Any, Any]:
    """The numbers of row and column of each element."""
    rows, columns = like.shape[-2:]
    row = ARANGE(start=0, step=1, size=rows, dtype=dtypes.int64)
    column = ARANGE(start=0, step=1, size=columns, dtype=dtypes.int64)
    return broadcast(reshape(row, (rows, 1)), like.shape), broadcast(column, like.shape)


def lower_triangle(x: Any, strict: bool = False) -> Any:
    """The lower triangles, 0 above; strict: without the diagonal."""
    row, column = row_and_column(x)
    return WHERE((GT if strict else GE)(row, column), x, constant(0, x))


def upper_triangle(x: Any, strict: bool = False) -> Any:
    """The upper triangles, 0 below; strict: without the diagonal."""
    row, column = row_and_column(x)
    return WHERE((GT if strict else GE)(column, row), x, constant(0, x))


def on_diagonal(v: Any, size: int) -> Any:
    """Square matrices with the vectors `v` (..., size) on the diagonal."""
    wide = broadcast(reshape(v, (*v.shape, 1)), (*v.shape, size))
    row, column = row_and_column(wide)
    return WHERE(EQ(row, column), wide, constant(0, wide))


def _identity_minus(x: Any) -> Any:
    row, column = row_and_column(x)
    return SUB(cast(EQ(row, column), x.dtype), x)


def _columns_times(x: Any, v: Any) -> Any:
    """Column j of each matrix times v[j]."""
    return MUL(x, broadcast(reshape(v, (*v.shape[:-1], 1, v.shape[-1])), x.shape))


def _columns_over(x: Any, v: Any) -> Any:
    return DIV(x, broadcast(reshape(v, (*v.shape[:-1], 1, v.shape[-1])), x.shape))


def _over_gaps(x: Any, v: Any) -> Any:
    """x_ij / (v_j - v_i); 0 on the diagonal, and where x is 0 whatever the gap."""
    across = broadcast(reshape(v, (*v.shape[:-1], 1, v.shape[-1])), x.shape)
    down = broadcast(reshape(v, (*v.shape, 1)), x.shape)
    row, column = row_and_column(x)
    same = OR(EQ(row, column), EQ(x, constant(0, x)))
    gaps = WHERE(same, constant(1, x), SUB(across, down))
    return WHERE(same, constant(0, x), DIV(x, gaps))


# -- solvers ----------------------------------------------------------------------------------

_SINGULAR = "the matrix is singular, so that there is no result"


def _infer_solve(a: Any, b: Any) -> tuple[Any, Any]:
    """x with a @ x = b; a (..., n, n), b (..., n, k)."""
    _require_right_side("solve", a, b, HOLOMORPHIC)
    return b.shape, b.dtype


def _solve_vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    grad_b = SOLVE(transposed(a), g)
    return NEG(matmul(grad_b, transposed(y))), grad_b


SOLVE = Op(
    "solve",
    infer=_infer_solve,
    lowering=Lowering.OPAQUE,
    reference=_reporting("solve", _SINGULAR)(np.linalg.solve),
    vjp=_solve_vjp,
    saves=(0, "y"),
    flops=cubic,
    dtypes=FLOATS,
)


def _infer_triangular_solve(
    a: Any, b: Any, *, upper: bool, unit: bool, trans: bool
) -> tuple[Any, Any]:
    """x with t @ x = b, t the upper or lower triangle of a, transposed with `trans`.

    unit: the diagonal of t is taken as 1, whatever a holds there.
    """
    _require_right_side("triangular_solve", a, b)
    return b.shape, b.dtype


def _triangular_solve(
    a: np.ndarray, b: np.ndarray, *, upper: bool, unit: bool, trans: bool
) -> np.ndarray:
    triangle = np.triu(a) if upper else np.tril(a)
    if unit:
        places = np.arange(a.shape[-1])
        triangle[..., places, places] = 1
    return np.linalg.solve(np.swapaxes(triangle, -1, -2) if trans else triangle, b)


def _triangular_solve_vjp(
    g: Any, y: Any, a: Any, b: Any, *, upper: bool, unit: bool, trans: bool
) -> tuple[Any, Any]:
    grad_b = TRIANGULAR_SOLVE(a, g, upper=upper, unit=unit, trans=not trans)
    full = matmul(y, transposed(grad_b)) if trans else matmul(grad_b, transposed(y))
    return NEG((upper_triangle if upper else lower_triangle)(full, strict=unit)), grad_b


TRIANGULAR_SOLVE = Op(
    "triangular_solve",
    infer=_infer_triangular_solve,
    lowering=Lowering.OPAQUE,
    reference=_reporting("triangular_solve", _SINGULAR)(_triangular_solve),
    vjp=_triangular_solve_vjp,
    saves=(0, "y"),
    flops=lambda a, b, **attrs: elements(b.shape) * a.shape[-1],
    dtypes=FLOATS,
)


def _infer_inv(x: Any) -> tuple[Any, Any]:
    """The inverse of each matrix."""
    require_matrices("inv", x, square=True, kinds=HOLOMORPHIC)
    return x.shape, x.dtype


INV = Op(
    "inv",
    infer=_infer_inv,
    lowering=Lowering.OPAQUE,
    reference=_reporting("inv", _SINGULAR)(np.linalg.inv),
    vjp=lambda g, y, x: NEG(matmul(transposed(y), matmul(g, transposed(y)))),
    saves=("y",),
    flops=lambda x: 2 * cubic(x),
    dtypes=FLOATS,
)


# -- decompositions ---------------------------------------------------------------------------


def _infer_cholesky(x: Any, *, upper: bool) -> tuple[Any, Any]:
    """l with l @ l^T = x for symmetric positive-definite x, or u with u^T @ u = x.

    Reads the lower (upper) triangle only; the gradient is symmetric.
    """
    require_matrices("cholesky", x, square=True)
    return x.shape, x.dtype


@_reporting("cholesky", "the matrix is not positive-definite")
def _cholesky(x: np.ndarray, *, upper: bool) -> np.ndarray:
    if upper:
        return np.swapaxes(np.linalg.cholesky(np.swapaxes(x, -1, -2)), -1, -2)
    return np.linalg.cholesky(x)


def _cholesky_vjp(g: Any, y: Any, x: Any, *, upper: bool) -> Any:
    factor, grad = (transposed(y), transposed(g)) if upper else (y, g)
    inner = matmul(transposed(factor), grad)
    # The lower triangle and its mirror image; the diagonal counts once.
    mirrored = ADD(lower_triangle(inner), transposed(lower_triangle(inner, strict=True)))
    attrs = {"upper": False, "unit": False, "trans": True}
    half = TRIANGULAR_SOLVE(factor, mirrored, **attrs)
    return scaled(TRIANGULAR_SOLVE(factor, transposed(half), **attrs), 0.5)


CHOLESKY = Op(
    "cholesky",
    infer=_infer_cholesky,
    lowering=Lowering.OPAQUE,
    reference=_cholesky,
    vjp=_cholesky_vjp,
    saves=("y",),
    flops=cubic,
    dtypes=FLOATS,
)


def _infer_qr(x: Any, *, mode: str) -> tuple[Any, Any]:
    """q with orthonormal columns and upper triangular r with q @ r = x; "reduced" or "complete"."""
    require_matrices("qr", x)
    rows, columns = x.shape[-2:]
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode {mode!r} is not one of reduced, complete")
    rank = rows if mode == "complete" else min(rows, columns)
    batch = x.shape[:-2]
    return ((*batch, rows, rank), (*batch, rank, columns)), (x.dtype, x.dtype)


def _qr_vjp(g: Any, y: Any, x: Any, *, mode: str) -> Any:
    rows, columns = x.shape[-2:]
    if mode == "complete" and rows > columns:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols "
            f"(received shape {list(x.shape)})"
        )
    q, r = y
    grad_q, grad_r = g
    if rows >= columns:
        return _square_qr_vjp(q, r, grad_q, grad_r)
    # The columns beyond the square r1 are q r2: r2 = q' x2.
    beyond, grad_beyond = [part(v, -1, rows, columns) for v in (r, grad_r)]
    r, grad_r = [part(v, -1, 0, rows) for v in (r, grad_r)]
    grad_q = ADD(grad_q, matmul(matmul(q, beyond), transposed(grad_beyond)))
    first = _square_qr_vjp(q, r, grad_q, grad_r)
    return CONCAT(first, matmul(q, grad_beyond), axis=len(x.shape) - 1)


def _square_qr_vjp(q: Any, r: Any, grad_q: Any, grad_r: Any) -> Any:
    inner = SUB(matmul(r, transposed(grad_r)), matmul(transposed(grad_q), q))
    mirrored = ADD(lower_triangle(inner), transposed(lower_triangle(inner, strict=True)))
    outer = ADD(grad_q, matmul(q, mirrored))
    # outer @ r^-T, by the transposed system r @ x^T = outer^T.
    return transposed(TRIANGULAR_SOLVE(r, transposed(outer), upper=True, unit=False, trans=False))


QR = Op(
    "qr",
    infer=_infer_qr,
    lowering=Lowering.OPAQUE,
    reference=lambda x, *, mode: tuple(np.linalg.qr(x, mode)),
    vjp=_qr_vjp,
    saves=("y",),
    outputs=2,
    flops=lambda x, *, mode: 2 * cubic(x),
    dtypes=FLOATS,
)


def _infer_eigh(x: Any, *, upper: bool) -> tuple[Any, Any]:
    """Eigenvalues in rising order and eigenvectors (columns) of symmetric matrices.

    Reads the lower triangle only, or the upper.
    """
    require_matrices("eigh", x, square=True)
    return (x.shape[:-1], x.shape), (x.dtype, x.dtype)


def _eigh_vjp(g: Any, y: Any, x: Any, *, upper: bool) -> Any:
    values, vectors = y
    grad_values, grad_vectors = g
    turning = _over_gaps(matmul(transposed(vectors), grad_vectors), values)
    inner = ADD(turning, on_diagonal(grad_values, x.shape[-1]))
    return matmul(vectors, matmul(inner, transposed(vectors)))


EIGH = Op(
    "eigh",
    infer=_infer_eigh,
    lowering=Lowering.OPAQUE,
    reference=_reporting("eigh", "the iteration did not converge")(
        lambda x, *, upper: tuple(np.linalg.eigh(x, "U" if upper else "L"))
    ),
    vjp=_eigh_vjp,
    saves=("y",),
    outputs=2,
    flops=lambda x, *, upper: 9 * cubic(x),
    dtypes=FLOATS,
)


def _infer_svd(x: Any, *, full: bool) -> tuple[Any, Any]:
    """u, s, vh with u @ diag(s) @ vh = x and s falling; square u and vh with `full`."""
    require_matrices("svd", x)
    rows, columns = x.shape[-2:]
    rank = min(rows, columns)
    batch = x.shape[:-2]
    left, right = (rows, columns) if full else (rank, rank)
    shapes = ((*batch, rows, left), (*batch, rank), (*batch, right, columns))
    return shapes, (x.dtype,) * 3


def _svd_vjp(g: Any, y: Any, x: Any, *, full: bool) -> Any:
    u, s, vh = y
    grad_u, grad_s, grad_vh = g
    if full:
        # The vectors beyond the rank are arbitrary: nothing passes through them, as in PyTorch.
        rank = s.shape[-1]
        u, grad_u = [part(v, -1, 0, rank) for v in (u, grad_u)]
        vh, grad_vh = [part(v, -2, 0, rank) for v in (vh, grad_vh)]
    squares = MUL(s, s)

    def turning(vectors: Any, grad: Any) -> Any:
        inner = matmul(transposed(vectors), grad)
        return _over_gaps(SUB(inner, transposed(inner)), squares)

    by_u = _columns_times(turning(u, grad_u), s)
    by_v = transposed(_columns_times(transposed(turning(transposed(vh), transposed(grad_vh))), s))
    inner = ADD(ADD(by_u, by_v), on_diagonal(grad_s, s.shape[-1]))
    total = matmul(u, matmul(inner, vh))
    if x.shape[-2] > s.shape[-1]:  # what of grad_u lies outside the columns of u
        outside = matmul(_identity_minus(matmul(u, transposed(u))), grad_u)
        total = ADD(total, matmul(_columns_over(outside, s), vh))
    if x.shape[-1] > s.shape[-1]:
        outside = matmul(_identity_minus(matmul(transposed(vh), vh)), transposed(grad_vh))
        total = ADD(total, matmul(u, transposed(_columns_over(outside, s))))
    return total


SVD = Op(
    "svd",
    infer=_infer_svd,
    lowering=Lowering.OPAQUE,
    reference=_reporting("svd", "the iteration did not converge")(
        lambda x, *, full: tuple(np.linalg.svd(x, full_matrices=full))
    ),
    vjp=_svd_vjp,
    saves=("y",),
    outputs=3,
    flops=lambda x, *, full: 20 * cubic(x),
    dtypes=FLOATS,
)
