"""Products of matrices and tensors, and what `tf.linalg` has of decompositions."""

from __future__ import annotations

from typing import Any

import plait
from plait.core.ir.errors import error
from plait.core.lazy.capture import watch
from plait.tf import errors
from plait.tf._convert import convert, core_dtype, inner, ints, pair, require, same, wrap
from plait.tf._dispatch import op, state


def _flipped(x: Any, transposed: bool, adjoint: bool) -> Any:
    if transposed or adjoint:
        x = x.transpose(-1, -2)
    return plait.conj(x) if adjoint and x._dtype.kind == "c" else x


@op
def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    output_type: Any = None,
) -> Any:
    """Products of matrices in the last two axes; leading axes broadcast."""
    x, y = pair("MatMul", a, b)
    if x.ndim < 2 or y.ndim < 2:
        which = 0 if x.ndim < 2 else 1
        raise error(
            errors.InvalidArgumentError,
            f"In[{which}] ndims must be >= 2: {[x, y][which].ndim} [Op:MatMul]",
        )
    x, y = _flipped(x, transpose_a, adjoint_a), _flipped(y, transpose_b, adjoint_b)
    if x.shape[-1] != y.shape[-2]:
        raise error(
            errors.InvalidArgumentError,
            f"Matrix size-incompatible: In[0]: {_short(x)}, In[1]: {_short(y)} [Op:MatMul]",
        )
    made = plait.matmul(x, y)
    return wrap(made if output_type is None else made.to(core_dtype(output_type)))


def _short(x: Any) -> str:
    return "[" + ",".join(map(str, x.shape)) + "]"


@op
def matvec(a: Any, b: Any, transpose_a: bool = False, adjoint_a: bool = False) -> Any:
    """Products of matrices and vectors."""
    x, y = pair("MatMul", a, b)
    x = _flipped(x, transpose_a, adjoint_a)
    return wrap(plait.matmul(x, y.unsqueeze(-1)).squeeze(-1))


@op
def tensordot(a: Any, b: Any, axes: Any) -> Any:
    """Sums of products over axes: the last n of a with the first n of b, or named ones."""
    x, y = pair("TensorDot", a, b)
    if isinstance(axes, int):
        return wrap(plait.tensordot(x, y, axes))
    first, second = axes
    return wrap(plait.tensordot(x, y, (list(ints(first)), list(ints(second)))))


@op
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Any:
    """Einstein summation."""
    return wrap(plait.einsum(equation, *same("Einsum", inputs)))


@op
def cross(a: Any, b: Any) -> Any:
    """Cross products along the last axis, of extent 3."""
    return wrap(plait.linalg.cross(*pair("Cross", a, b)))


@op
def matrix_transpose(a: Any, conjugate: bool = False) -> Any:
    """The last two axes exchanged."""
    return wrap(_flipped(inner(a), True, conjugate))


@op
def adjoint(matrix: Any) -> Any:
    """The last two axes exchanged, conjugated."""
    return wrap(_flipped(inner(matrix), True, True))


@op
def trace(x: Any) -> Any:
    """The sums of the main diagonals."""
    return wrap(plait.diagonal(inner(x), dim1=-2, dim2=-1).sum(dim=-1))


@op
def diag(
    diagonal: Any,
    k: int = 0,
    num_rows: int = -1,
    num_cols: int = -1,
    padding_value: Any = 0,
    align: str = "RIGHT_LEFT",
) -> Any:
    """Matrices with the given diagonals (of one offset)."""
    return wrap(plait.diag_embed(inner(diagonal), offset=int(k)))


@op
def diag_part(input: Any, k: int = 0, padding_value: Any = 0, align: str = "RIGHT_LEFT") -> Any:
    """The diagonals (of one offset) of matrices."""
    return wrap(plait.diagonal(inner(input), offset=int(k), dim1=-2, dim2=-1).clone())


@op
def set_diag(input: Any, diagonal: Any, k: int = 0, align: str = "RIGHT_LEFT") -> Any:
    """Matrices with other diagonals."""
    return wrap(plait.diagonal_scatter(inner(input), inner(diagonal), int(k), -2, -1))


@op
def band_part(input: Any, num_lower: Any, num_upper: Any) -> Any:
    """Matrices with zeros outside of a band (-1: all on that side is kept)."""
    value = inner(input)
    low, high = int(num_lower), int(num_upper)
    if low >= 0:
        value = plait.triu(value, -low)
    return wrap(plait.tril(value, high) if high >= 0 else value.clone())


def _square(name: str, x: Any) -> Any:
    value = require(name, x, "f")
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise error(
            errors.InvalidArgumentError,
            f"Input matrix must be square, got {_short(value)} [Op:{name}]",
        )
    return value


def _settle(made: Any) -> None:
    """Compute, so that a matrix without a result is found at the user's line; not where a graph is
    tried out with made-up numbers, or a call is captured."""
    if not state.probing and watch.active is None:
        made.compute()


def _solved(name: str, function: Any, *args: Any) -> Any:
    try:
        made = function(*args)
        _settle(made)
    except RuntimeError:
        raise error(errors.InvalidArgumentError, f"Input is not invertible. [Op:{name}]") from None
    return made


@op
def inv(input: Any, adjoint: bool = False) -> Any:
    """Inverse matrices. Raises InvalidArgumentError for singular ones."""
    value = _solved("MatrixInverse", plait.linalg.inv, _square("MatrixInverse", input))
    return wrap(_flipped(value, adjoint, adjoint))


@op
def det(input: Any) -> Any:
    """Determinants."""
    return wrap(plait.linalg.det(_square("MatrixDeterminant", input)))


@op
def slogdet(input: Any) -> Any:
    """(signs of the determinants, logarithms of their absolute values)."""
    sign, size = plait.linalg.slogdet(_square("LogMatrixDeterminant", input))
    return wrap(sign), wrap(size)


@op
def logdet(matrix: Any) -> Any:
    """The logarithms of determinants of positive definite matrices."""
    factor = plait.linalg.cholesky(_square("Cholesky", matrix))
    return wrap(2 * plait.log(plait.diagonal(factor, dim1=-2, dim2=-1)).sum(dim=-1))


@op
def cholesky(input: Any) -> Any:
    """Lower triangular L with L L^T = input. Raises InvalidArgumentError where there is none."""
    value = _square("Cholesky", input)
    try:
        made = plait.linalg.cholesky(value)
        _settle(made)
    except RuntimeError:
        raise error(
            errors.InvalidArgumentError,
            "Cholesky decomposition was not successful. The input might not be valid. "
            "[Op:Cholesky]",
        ) from None
    return wrap(made)


@op
def cholesky_solve(chol: Any, rhs: Any) -> Any:
    """X with L L^T X = rhs, from L."""
    a, b = pair("CholeskySolve", chol, rhs)
    half = plait.linalg.solve_triangular(a, b, upper=False)
    return wrap(plait.linalg.solve_triangular(a.transpose(-1, -2), half, upper=True))


@op
def solve(matrix: Any, rhs: Any, adjoint: bool = False) -> Any:
    """X with matrix X = rhs. Raises InvalidArgumentError for a singular matrix."""
    a, b = pair("MatrixSolve", matrix, rhs)
    return wrap(_solved("MatrixSolve", plait.linalg.solve, _flipped(a, adjoint, adjoint), b))


@op
def triangular_solve(matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False) -> Any:
    """X with matrix X = rhs, reading one triangle."""
    a, b = pair("MatrixTriangularSolve", matrix, rhs)
    upper = not lower
    if adjoint:
        a, upper = _flipped(a, True, True), lower
    return wrap(plait.linalg.solve_triangular(a, b, upper=upper))


@op
def lstsq(matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True) -> Any:
    """X least in |matrix X - rhs|^2 + l2 |X|^2, by the normal equations."""
    a, b = pair("MatrixSolveLs", matrix, rhs)
    at = a.transpose(-1, -2)
    gram = plait.matmul(at, a)
    if l2_regularizer:
        gram = gram + l2_regularizer * plait.eye(gram.shape[-1], dtype=gram.dtype)
    return wrap(plait.linalg.solve(gram, plait.matmul(at, b)))


@op
def qr(input: Any, full_matrices: bool = False) -> Any:
    """(q, r) with input = q r."""
    q, r = plait.linalg.qr(require("Qr", input, "f"), "complete" if full_matrices else "reduced")
    return QR(wrap(q), wrap(r))


class QR(tuple):
    """(q, r)."""

    q = property(lambda self: self[0])
    r = property(lambda self: self[1])

    def __new__(cls, q: Any, r: Any) -> QR:
        return super().__new__(cls, (q, r))


@op
def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    """(s, u, v) with tensor = u diag(s) v^T; s alone without compute_uv."""
    value = require("Svd", tensor, "f")
    if not compute_uv:
        return wrap(plait.linalg.svdvals(value))
    u, s, vh = plait.linalg.svd(value, full_matrices)
    return wrap(s), wrap(u), wrap(vh.transpose(-1, -2))


def _from_lower(tensor: Any) -> Any:
    """Symmetric matrices by their lower triangles, to which alone gradients flow."""
    value = _square("SelfAdjointEigV2", tensor)
    if not value.requires_grad:
        return value
    return plait.tril(value) + plait.tril(value, -1).transpose(-1, -2)


@op
def eigh(tensor: Any) -> Any:
    """(eigenvalues ascending, eigenvectors in columns) of symmetric matrices."""
    values, vectors = plait.linalg.eigh(_from_lower(tensor))
    return wrap(values), wrap(vectors)


@op
def eigvalsh(tensor: Any) -> Any:
    """Eigenvalues of symmetric matrices, ascending."""
    return wrap(plait.linalg.eigh(_from_lower(tensor))[0])


@op
def expm(input: Any) -> Any:
    """Matrix exponentials."""
    return wrap(plait.linalg.matrix_exp(_square("MatrixExponential", input)))


@op
def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, dim: Any = None) -> Any:
    """x / sqrt(max(sum(x^2), epsilon)) along axes (all by default)."""
    value = require("L2Normalize", x, "f")
    over = axis if axis is not None else dim
    axes = list(range(value.ndim)) if over is None else [a % value.ndim for a in ints(over)]
    squares = (value * value).sum(dim=axes, keepdim=True)
    least = plait.full((), epsilon, dtype=value.dtype)
    return wrap(value * plait.rsqrt(plait.maximum(squares, least)))


@op
def normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None) -> Any:
    """(tensor / norm, norm), with the axes of the norm kept."""
    from plait.tf._ops.reduction import norm

    size = norm(tensor, ord, axis, True)
    return wrap(inner(tensor) / inner(size)), size


@op
def global_norm(t_list: Any) -> Any:
    """The 2-norm of all tensors of a list together; None entries are left out."""
    total = sum([(x * x).sum() for x in (inner(t) for t in t_list if t is not None)])
    return wrap(plait.sqrt(total))  # type: ignore[arg-type]  # a tensor unless the list is empty


@op
def clip_by_global_norm(t_list: Any, clip_norm: Any, use_norm: Any = None) -> Any:
    """(the tensors scaled so that their common norm is at most clip_norm, that norm)."""
    size = global_norm(t_list) if use_norm is None else convert(use_norm)
    length = inner(size)
    limit = inner(convert(clip_norm, hint=size.dtype))
    scale = limit * plait.minimum(1 / length, 1 / limit)
    # An infinite norm makes all nan, as in TensorFlow.
    scale = plait.where(plait.isfinite(length), scale, plait.full_like(length, float("nan")))
    return [None if t is None else wrap(inner(t) * scale) for t in t_list], size
