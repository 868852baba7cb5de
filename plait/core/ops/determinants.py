"""Determinants of stacks of square matrices, and their derivatives, the matrices of cofactors.

A determinant is a polynomial, so that it has derivatives at singular matrices too. There they come
from the singular value decomposition x = u diag(s) vh, whose cofactors are, up to the sign of
det(u) det(vh), u diag(p) vh with p_i the product of the other singular values. The first two
derivatives hold for every real matrix, the third where no two singular values are 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering, Op
from plait.core.ops.contract import matmul
from plait.core.ops.elementwise import ABS, DIV, EQ, LE, MUL, NEG, OR, SIGN, SUB, WHERE
from plait.core.ops.linalg import (
    FLOATS,
    HOLOMORPHIC,
    SVD,
    cubic,
    on_diagonal,
    require_matrices,
    row_and_column,
    transposed,
)
from plait.core.ops.math import scaled
from plait.core.ops.reduce import MAX, PROD, SUM
from plait.core.ops.source import constant
from plait.core.ops.view import broadcast, reshape

# -- values -----------------------------------------------------------------------------------


def _half_the_digits(dtype: np.dtype) -> float:
    """Where the smallest singular value is less than this part of the largest, what is divided by
    the determinant has lost half its digits."""
    return math.sqrt(np.finfo(dtype).eps)


def _products_of_others(s: np.ndarray) -> np.ndarray:
    """The product of all elements of a row but one, for each, without a division."""
    one = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([one, s[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([one, s[..., :0:-1]], -1), -1)[..., ::-1]
    return before * after


def _cofactors_by_svd(x: np.ndarray) -> np.ndarray:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    turn = np.linalg.det(u) * np.linalg.det(vh)
    others = _products_of_others(s) * turn[..., None]
    return (np.conj(u) * others[..., None, :]) @ np.conj(vh)


def _inverses(x: np.ndarray, singular: np.ndarray) -> np.ndarray:
    """The inverses, transposed, of the other matrices."""
    kept = np.where(singular[..., None, None], np.eye(x.shape[-1], dtype=x.dtype), x)
    return np.swapaxes(np.linalg.inv(kept), -1, -2)


def _cofactors(x: np.ndarray) -> np.ndarray:
    if 0 in x.shape:
        return np.zeros_like(x)
    det = np.asarray(np.linalg.det(x))
    made = det[..., None, None] * _inverses(x, det == 0)
    size = np.abs(made).max((-1, -2)) * np.abs(x).max((-1, -2))
    poor = (det == 0) | (np.abs(det) < _half_the_digits(x.dtype) * size)
    if poor.any():
        made[poor] = _cofactors_by_svd(x[poor])
    return made


def _inverse_or_infinite(x: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        singular = np.asarray(np.linalg.slogdet(x)[0]) == 0
        made = _inverses(x, singular)
        with np.errstate(all="ignore"):
            made[singular] = _cofactors_by_svd(x[singular]) / x.dtype.type(0)
        return np.swapaxes(made, -1, -2)


# -- cofactors --------------------------------------------------------------------------------


def _infer_cofactors(x: Any) -> tuple[Any, Any]:
    """The matrix of cofactors of each matrix: det(x) times its transposed inverse."""
    require_matrices("cofactors", x, square=True, kinds=HOLOMORPHIC)
    return x.shape, x.dtype


def _over_matrices(op: Any, x: Any) -> Any:
    """A reduction over each matrix, repeated to its shape."""
    rank = len(x.shape)
    return broadcast(op(x, axes=(rank - 2, rank - 1)), x.shape)


def _of_each(number: Any, like: Any) -> Any:
    """One number for each matrix, repeated to its shape."""
    return broadcast(reshape(number, (*number.shape, 1, 1)), like.shape)


def _products_without_two(s: Any) -> Any:
    """(..., i, j): the product of all of a row but its i-th and j-th elements; 0 where i is j."""
    n, batch = s.shape[-1], tuple(s.shape[:-1])
    unit = EQ(*row_and_column(Spec((n, n), s.dtype)))
    first = broadcast(reshape(unit, (n, 1, n)), (*batch, n, n, n))
    second = broadcast(unit, first.shape)
    rows = broadcast(reshape(s, (*batch, 1, 1, n)), first.shape)
    kept = WHERE(OR(first, second), constant(1, rows), rows)
    products = reshape(PROD(kept, axes=(len(kept.shape) - 1,)), (*batch, n, n))
    return WHERE(broadcast(unit, products.shape), constant(0, products), products)


def _through_svd(g: Any, x: Any) -> Any:
    """The gradient through cofactors at any real matrix.

    In the bases u and v a change e of diag(s) changes cofactor ii by the sum over j of q_ij e_jj,
    and cofactor ij by -q_ij e_ji, where q_ij is the product of all s but the i-th and the j-th.
    """
    u, s, vh = SVD(x, full=False)
    n = s.shape[-1]
    inner = matmul(matmul(transposed(u), g), transposed(vh))
    others = _products_without_two(s)
    diagonal = SUM(MUL(inner, on_diagonal(constant(1, s), n)), axes=(len(x.shape) - 1,))
    straight = on_diagonal(reshape(matmul(others, diagonal), tuple(s.shape)), n)
    turned = matmul(u, matmul(SUB(straight, MUL(others, transposed(inner))), vh))
    # A sign, whose slope is 0: the determinants of u and vh are 1 or -1.
    return MUL(_of_each(SIGN(MUL(DET(u), DET(vh))), x), turned)


def _cofactors_vjp(g: Any, y: Any, x: Any) -> Any:
    if 0 in x.shape:
        return constant(0, x)
    det = _of_each(DET(x), x)
    change = SUB(MUL(_over_matrices(SUM, MUL(g, y)), y), matmul(y, matmul(transposed(g), y)))
    if x.dtype.is_complex:
        return DIV(change, det)
    size = MUL(_over_matrices(MAX, ABS(x)), _over_matrices(MAX, ABS(y)))
    poor = LE(ABS(det), scaled(size, _half_the_digits(x.dtype.numpy)))
    far = DIV(change, WHERE(poor, constant(1, det), det))
    return WHERE(poor, _through_svd(g, x), far)


COFACTORS = Op(
    "cofactors",
    infer=_infer_cofactors,
    lowering=Lowering.OPAQUE,
    reference=_cofactors,
    vjp=_cofactors_vjp,
    saves=(0, "y"),
    flops=lambda x: 3 * cubic(x),
    dtypes=FLOATS,
)

# -- determinants -----------------------------------------------------------------------------


def _infer_det(x: Any) -> tuple[Any, Any]:
    """The determinant of each matrix."""
    require_matrices("det", x, square=True, kinds=HOLOMORPHIC)
    return x.shape[:-2], x.dtype


DET = Op(
    "det",
    infer=_infer_det,
    lowering=Lowering.OPAQUE,
    reference=np.linalg.det,
    vjp=lambda g, y, x: MUL(_of_each(g, x), COFACTORS(x)),
    saves=(0,),
    flops=cubic,
    dtypes=FLOATS,
)


def _infer_inverse_or_infinite(x: Any) -> tuple[Any, Any]:
    """The inverse of each matrix; of a singular one its cofactors over 0: infinite, or nan."""
    require_matrices("inverse_or_infinite", x, square=True)
    return x.shape, x.dtype


INVERSE_OR_INFINITE = Op(
    "inverse_or_infinite",
    infer=_infer_inverse_or_infinite,
    lowering=Lowering.OPAQUE,
    reference=_inverse_or_infinite,
    vjp=lambda g, y, x: NEG(matmul(transposed(y), matmul(g, transposed(y)))),
    saves=("y",),
    flops=lambda x: 2 * cubic(x),
    dtypes=FLOATS,
)


def _infer_slogdet(x: Any) -> tuple[Any, Any]:
    """Sign of the determinant of each matrix, and the logarithm of its size."""
    require_matrices("slogdet", x, square=True)
    return (x.shape[:-2], x.shape[:-2]), (x.dtype, x.dtype)


SLOGDET = Op(
    "slogdet",
    infer=_infer_slogdet,
    lowering=Lowering.OPAQUE,
    reference=lambda x: tuple(np.linalg.slogdet(x)),
    vjp=lambda g, y, x: MUL(_of_each(g[1], x), transposed(INVERSE_OR_INFINITE(x))),
    saves=(0,),
    outputs=2,
    flops=cubic,
    dtypes=FLOATS,
)
