"""Linear algebra under the names of `torch.linalg`."""

from __future__ import annotations

import math
from typing import Any

from plait import return_types
from plait._autocast import full_precision, lower
from plait._functions import decompositions as _matrices
from plait._functions import norms as _norms
from plait._functions import pointwise as _pw
from plait._functions import reduction as _reduction
from plait._functions.common import takes_out, write_out
from plait._functions.decompositions import require_floating, require_square
from plait._functions.matrix import chain_matmul, matmul
from plait._functions.shape import diagonal as _diagonal
from plait._functions.shape import movedim, transpose
from plait._tensor import Tensor
from plait.core.functional.axes import normal_axis
from plait.core.functional.norms import vector_norm as _vector_norm
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops import linalg as _ops
from plait.core.ops.elementwise import cast
from plait.core.ops.view import broadcast, reshape
from plait.linalg._factorizations import (
    eig,
    eigvals,
    householder_product,
    ldl_factor,
    ldl_factor_ex,
    ldl_solve,
    lu,
    lu_factor,
    lu_factor_ex,
    lu_solve,
)

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "ldl_factor",
    "ldl_factor_ex",
    "ldl_solve",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]


LinAlgError = _ops.LinAlgError


def _stored(name: str, out: Any, result: Any) -> Any:
    return result if out is None else write_out(name, out, result)


# -- norms ------------------------------------------------------------------------------------


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    out: Any = None,
) -> Tensor:
    """The `ord`-norm over axes (default all), taken as one vector."""
    axes = (dim,) if isinstance(dim, int) else dim
    return _stored("vector_norm", out, _norms.norm(x, float(ord), axes, keepdim, dtype))


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: tuple[int, int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
    out: Any = None,
) -> Tensor:
    """The norm of matrices on two axes: "fro", "nuc", 1, -1, 2, -2, inf, -inf."""
    require_floating("linalg.matrix_norm", A)
    if A.ndim < 2 or len(dim) != 2:
        raise error(
            RuntimeError,
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions and dim must "
            f"be a 2-tuple, received shape {list(A.shape)} and dim {dim}",
        )
    value = A if dtype is None else cast(A, dtype)
    if ord in ("fro", "nuc"):
        return _stored("matrix_norm", out, _norms.norm(value, ord, dim, keepdim))
    rows, columns = (normal_axis(d, value.ndim, "linalg.matrix_norm") for d in dim)
    if abs(ord) == 2:
        singular = svdvals(movedim(value, (rows, columns), (-2, -1)))
        # Equal ones share the gradient.
        result = (_reduction.amax if ord > 0 else _reduction.amin)(singular, -1)
    elif abs(ord) in (1, math.inf):
        along, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = _vector_norm(value, 1.0, (along,))  # that axis keeps extent 1
        extremes = _reduction.amax if ord > 0 else _reduction.amin
        result = extremes(sums, (along, over))
    else:
        raise error(RuntimeError, f"linalg.matrix_norm: Order {ord} not supported.")
    if keepdim:
        shape = tuple([1 if i in (rows, columns) else n for i, n in enumerate(value.shape)])
        result = reshape(result, shape)
    return _stored("matrix_norm", out, result)


def norm(
    A: Tensor,
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    out: Any = None,
) -> Tensor:
    """A vector norm (all elements or one axis) or a matrix norm (two axes, or with an order)."""
    if isinstance(dim, int):
        dim = (dim,)
    matrix = ord is not None and (
        (dim is not None and len(dim) == 2) or (dim is None and A.ndim == 2) or isinstance(ord, str)
    )
    if matrix:
        return matrix_norm(A, ord, dim or (-2, -1), keepdim, dtype=dtype, out=out)
    order: Any = 2 if ord is None else ord
    return vector_norm(A, order, dim, keepdim, dtype=dtype, out=out)


@full_precision
def cond(A: Tensor, p: Any = None, *, out: Any = None) -> Tensor:
    """The condition number for a matrix norm (default: of singular values)."""
    if p is None or abs(p if not isinstance(p, str) else 0) == 2:
        singular = svdvals(A)
        first, last = singular[..., 0], singular[..., -1]
        return _stored("cond", out, _pw.div(last, first) if p == -2 else _pw.div(first, last))
    return _stored("cond", out, _pw.mul(matrix_norm(A, p), matrix_norm(inv(A), p)))


# -- inverses, determinants, powers -----------------------------------------------------------


@full_precision
def inv(A: Tensor, *, out: Any = None) -> Tensor:
    """The inverse of each square matrix."""
    require_square("linalg.inv", A)
    require_floating("linalg.inv", A)
    return _stored("inv", out, _ops.INV(A))


def det(A: Tensor, *, out: Any = None) -> Tensor:
    """The determinant of each square matrix."""
    return _stored("det", out, _matrices.det(A))


def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """Sign and logarithm of the size of each determinant: (sign, logabsdet)."""
    return _stored("slogdet", out, _matrices.slogdet(A))


def matrix_power(A: Tensor, n: int, *, out: Any = None) -> Tensor:
    """The n-th power of each square matrix."""
    return _stored("matrix_power", out, _matrices.matrix_power(*lower(A), n))


def multi_dot(tensors: Any, *, out: Any = None) -> Tensor:
    """The product of matrices; the first and last may be vectors."""
    given = list(tensors)
    if len(given) < 2:
        raise error(
            RuntimeError,
            f"linalg.multi_dot(): expected at least 2 tensors but got {len(given)}",
        )
    first, last = given[0], given[-1]
    if first.ndim == 1:
        given[0] = reshape(first, (1, first.numel()))
    if last.ndim == 1:
        given[-1] = reshape(last, (last.numel(), 1))
    result = chain_matmul(*given)
    shape = result.shape[1 if first.ndim == 1 else 0 :]
    if last.ndim == 1:
        shape = shape[:-1]
    return _stored("multi_dot", out, reshape(result, tuple(shape)))


# -- solvers ----------------------------------------------------------------------------------


def _aligned(name: str, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the same batch axes."""
    from plait.core.functional.broadcasting import broadcast_shapes

    batch = broadcast_shapes(name, tuple(A.shape[:-2]), tuple(B.shape[:-2]))
    return (
        broadcast(A, (*batch, *A.shape[-2:])),
        broadcast(B, (*batch, *B.shape[-2:])),
    )


@full_precision
def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Any = None) -> Tensor:
    """X with A X = B (X A = B unless `left`); B is a batch of vectors where its shape says so."""
    require_square("linalg.solve", A)
    require_floating("linalg.solve", A)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])
    right = reshape(B, (*B.shape, 1)) if vector else B
    if not left and not vector:
        A, right = transpose(A, -2, -1), transpose(right, -2, -1)
    result = _ops.SOLVE(*_aligned("linalg.solve", A, right))
    if vector:
        result = reshape(result, tuple(result.shape[:-1]))
    elif not left:
        result = transpose(result, -2, -1)
    return _stored("solve", out, result)


def solve_triangular(
    A: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
    out: Any = None,
) -> Tensor:
    """X with A X = B (X A = B unless `left`) for triangular A."""
    require_square("linalg.solve_triangular", A)
    right = B if left else transpose(B, -2, -1)
    A, right = _aligned("linalg.solve_triangular", A, right)
    result = _ops.TRIANGULAR_SOLVE(A, right, upper=upper, unit=unitriangular, trans=not left)
    return _stored("solve_triangular", out, result if left else transpose(result, -2, -1))


class _LstsqResult(tuple):
    """(solution, residuals, rank, singular_values)."""

    solution = property(lambda self: self[0])
    residuals = property(lambda self: self[1])
    rank = property(lambda self: self[2])
    singular_values = property(lambda self: self[3])


@takes_out
@full_precision
def lstsq(
    A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None
) -> _LstsqResult:
    """The X that makes A X - B smallest, by the pseudo-inverse (driver "gelsd")."""
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise error(
            RuntimeError,
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), "
            f"received {driver}",
        )
    vector = B.ndim == A.ndim - 1
    right = reshape(B, (*B.shape, 1)) if vector else B
    solution = matmul(pinv(A, rtol=rcond), right)
    rows, columns = A.shape[-2:]
    rank = matrix_rank(A, rtol=rcond)
    empty = residuals = right.new_empty((0,))
    if rows > columns and driver in ("gels", "gelsd", "gelss"):  # PyTorch's default leaves them out
        gap = _pw.sub(matmul(A, solution), right)
        residuals = _reduction.sum(_pw.mul(gap, gap), -2)
    if vector:
        solution = reshape(solution, tuple(solution.shape[:-1]))
    if driver == "gels":  # which takes the rank for full
        return _LstsqResult((solution, residuals, rank.new_empty((0,)), empty))
    singular = svdvals(A).detach() if driver in ("gelsd", "gelss") else empty
    return _LstsqResult((solution, residuals, rank, singular))


def _limit(A: Tensor, largest: Tensor, atol: Any, rtol: Any) -> Any:
    """The size below which a singular value counts as 0."""
    from plait._types import finfo

    if rtol is None:
        given = atol is not None
        rtol = 0.0 if given else max(A.shape[-2:]) * finfo(A.dtype).eps
    relative = _pw.mul(largest, rtol)
    return relative if atol is None else _pw.clamp(relative, min=atol)


@full_precision
def pinv(
    A: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Any = None,
) -> Tensor:
    """The pseudo-inverse; singular values below max(atol, rtol * largest) count as 0."""
    require_floating("linalg.pinv", A)
    if hermitian:  # the lower triangle counts; the gradient is that of any matrix, as in PyTorch
        require_square("linalg.pinv", A)
        mirrored = _ops.lower_triangle(A) + _ops.lower_triangle(A, strict=True).mT
        A = A + (mirrored - A).detach()
    u, s, vh = _ops.SVD(A.detach(), full=False)
    kept = _pw.gt(s, _limit(A, s[..., :1], atol, rcond if rtol is None else rtol))
    inverted = _pw.where(kept, _pw.reciprocal(_pw.where(kept, s, 1.0)), 0.0)
    v = transpose(vh, -2, -1) * kept[..., None, :]
    if not A.requires_grad:
        return _stored("pinv", out, matmul(v * inverted[..., None, :], transpose(u, -2, -1)))
    return _stored("pinv", out, _pinv_near(A, v, inverted, kept))


def _pinv_near(A: Tensor, v: Tensor, inverted: Tensor, kept: Tensor) -> Tensor:
    """The pseudo-inverse as a function of A, from constants: its row space and singular values.

    A = B S C with B = A V S^-1 and C = S^-1 B^+ A, for all matrices near it of its rank. B and C'
    have orthonormal columns here, so that the systems of their pseudo-inverses are unit matrices,
    and equal singular values do no harm, as they would in the rule of the decomposition.
    """
    filled = _ops.on_diagonal(cast(_pw.logical_not(kept), A.dtype), kept.shape[-1])
    left = matmul(A, v * inverted[..., None, :])
    across = transpose(left, -2, -1)
    left_inverse = _ops.SOLVE(matmul(across, left) + filled, across)
    right = inverted[..., None] * matmul(left_inverse, A)
    right_inverse = _ops.SOLVE(matmul(right, transpose(right, -2, -1)) + filled, right)
    return matmul(transpose(right_inverse, -2, -1) * inverted[..., None, :], left_inverse)


@full_precision
def matrix_rank(
    A: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Any = None,
) -> Tensor:
    """How many singular values are above max(atol, rtol * largest)."""
    s = _pw.abs(eigvalsh(A)) if hermitian else svdvals(A)
    largest = _reduction.amax(s, -1, keepdim=True) if s.shape[-1] else s
    limit = _limit(A, largest, atol if tol is None else tol, rtol)
    return _stored("matrix_rank", out, _reduction.sum(_pw.gt(s, limit), -1))


# -- decompositions ---------------------------------------------------------------------------


@full_precision
def cholesky(A: Tensor, *, upper: bool = False, out: Any = None) -> Tensor:
    """The triangular factor of each symmetric positive-definite matrix."""
    return _stored("cholesky", out, _matrices.cholesky(A, upper))


@full_precision
def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """(Q, R) with Q R = A; mode "reduced", "complete", or "r" (Q empty)."""
    require_floating("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise error(
            RuntimeError,
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'",
        )
    q, r = _ops.QR(A, mode="complete" if mode == "complete" else "reduced")
    if mode == "r":
        q = reshape(q[..., :0, :0], (0,))
    return _stored("qr", out, return_types.qr((q, r)))


class _EighResult(tuple):
    """(eigenvalues, eigenvectors)."""

    eigenvalues = property(lambda self: self[0])
    eigenvectors = property(lambda self: self[1])


@full_precision
def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """Eigenvalues, rising, and eigenvectors (columns) of symmetric matrices."""
    require_square("linalg.eigh", A)
    require_floating("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise error(
            RuntimeError,
            f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}",
        )
    return _stored("eigh", out, _EighResult(_ops.EIGH(A, upper=UPLO.upper() == "U")))


@full_precision
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Tensor:
    """The eigenvalues of symmetric matrices, rising."""
    return _stored("eigvalsh", out, eigh(A, UPLO)[0])


class _SvdResult(tuple):
    """(U, S, Vh)."""

    U = property(lambda self: self[0])
    S = property(lambda self: self[1])
    Vh = property(lambda self: self[2])


@full_precision
def svd(
    A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None
) -> Any:
    """(U, S, Vh) with U diag(S) Vh = A and S falling."""
    require_floating("linalg.svd", A)
    return _stored("svd", out, _SvdResult(_ops.SVD(A, full=full_matrices)))


@full_precision
def svdvals(A: Tensor, *, driver: str | None = None, out: Any = None) -> Tensor:
    """The singular values, falling."""
    return _stored("svdvals", out, svd(A, False)[1])


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as a view."""
    return _diagonal(A, offset, dim1, dim2)


# -- products ---------------------------------------------------------------------------------


def cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """The cross product along an axis of extent 3."""
    return _stored("cross", out, _norms.cross(input, other, dim))


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """The dot products along an axis, of the conjugate of x."""
    x, y = lower(x, y)
    return _stored("vecdot", out, _reduction.sum(_pw.mul(_pw.conjugate(x), y), dim))


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers 0 .. N-1 of each element, along a new last axis."""
    from plait._functions.creation import arange

    count = x.shape[-1] if N is None else N
    x = x if x.ndim else reshape(x, (1,))
    return _pw.pow(x[..., None], arange(count, dtype=x.dtype))


def _checked(name: str, compute: Any, A: Tensor, check_errors: bool) -> Any:
    """(result, int32 info per matrix): 0 where it exists; else 1, and nan, unless it must raise."""
    from plait._functions.creation import full, full_like

    info = full(A.shape[:-2], 0, dtype=dtypes.int32)
    try:
        found = compute()
        found.compute()
    except LinAlgError:
        if check_errors:
            raise
        return full_like(A.detach(), math.nan), info + 1
    return found, info


@full_precision
def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """(inverse, info) without raising for a singular matrix, unless `check_errors`."""
    found = _checked("inv_ex", lambda: inv(A), A, check_errors)
    return _stored("inv_ex", out, return_types.linalg_inv_ex(found))


@full_precision
def cholesky_ex(
    input: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """(Cholesky factor, info) without raising where there is none, unless `check_errors`."""
    found = _checked("cholesky_ex", lambda: cholesky(input, upper=upper), input, check_errors)
    return _stored("cholesky_ex", out, return_types.linalg_cholesky_ex(found))


@full_precision
def solve_ex(
    A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """(solution, info) without raising for a singular matrix, unless `check_errors`."""
    found, info = _checked("solve_ex", lambda: solve(A, B, left=left), A, check_errors)
    return _stored("solve_ex", out, return_types.linalg_solve_ex((found, info)))


@full_precision
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Any = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B; `dims`: axes of A that are moved to its end before."""
    if dims is not None:
        A = movedim(A, tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = tuple(A.shape[B.ndim :])
    if math.prod(shape) != B.numel():
        raise error(
            RuntimeError,
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {math.prod(shape)} != {B.numel()}",
        )
    matrix = reshape(A, (B.numel(), B.numel()))
    return _stored("tensorsolve", out, reshape(solve(matrix, reshape(B, (B.numel(),))), shape))


@full_precision
def matrix_exp(A: Tensor) -> Tensor:
    """The matrix exponential, by scaling, a Taylor polynomial of degree 18, and squaring.

    The scaling takes the norm below 1/2, where the remainder is below 2^-19 / 19! (about 1e-23).
    """
    from plait._functions.creation import eye

    require_square("matrix_exp", A)
    require_floating("matrix_exp", A)
    if not A.numel():
        return A.clone()
    precise = dtypes.complex128 if A.dtype.is_complex else dtypes.float64
    wide = cast(A, precise)  # each squaring doubles the error
    unit = eye(A.shape[-1], dtype=precise).expand(A.shape)
    largest = float(A.detach().abs().sum(-2).max().item())
    turns = max(0, math.ceil(math.log2(largest)) + 1) if 0 < largest < math.inf else 0
    scaled = wide * 0.5**turns
    found = unit
    for k in range(18, 0, -1):
        found = unit + matmul(scaled, found) / k
    for _ in range(turns):
        found = matmul(found, found)
    return cast(found, A.dtype)


@full_precision
def tensorinv(A: Tensor, ind: int = 2, *, out: Any = None) -> Tensor:
    """The inverse of A taken as a matrix: its first `ind` axes are the rows."""
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if math.prod(first) != math.prod(last):
        raise error(
            RuntimeError,
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {math.prod(last)} != {math.prod(first)}",
        )
    flat = reshape(A, (math.prod(first), math.prod(last)))
    return _stored("tensorinv", out, reshape(inv(flat), (*last, *first)))
