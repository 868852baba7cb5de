"""Inverses, determinants, powers and decompositions of square and other matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait import return_types
from plait._functions import pointwise as pw
from plait._functions.common import public
from plait._functions.creation import owned
from plait._functions.matrix import matmul
from plait._functions.shape import transpose
from plait._tensor import Tensor, scalar_type
from plait.core.ir.errors import error
from plait.core.ops import determinants, linalg
from plait.core.ops.view import broadcast


def require_square(name: str, input: Tensor) -> None:
    """Raise RuntimeError, in PyTorch's words, unless the input holds square matrices."""
    if input.ndim < 2:
        raise error(
            RuntimeError,
            f"{name}: The input tensor A must have at least 2 dimensions, received shape "
            f"{list(input.shape)}",
        )
    rows, columns = input._shape[-2:]
    if rows != columns:
        raise error(
            RuntimeError,
            f"{name}: A must be batches of square matrices, but they are {rows} by {columns} "
            "matrices",
        )


def require_floating(name: str, input: Tensor) -> None:
    """Raise RuntimeError unless the input is floating."""
    if input.dtype.kind not in "fc" or input.dtype.is_half:
        raise error(
            RuntimeError,
            f"{name}: Expected a floating point or complex tensor as input. Got "
            f"{scalar_type(input.dtype)}",
        )


@public
def inverse(input: Tensor) -> Tensor:
    """The inverse of each square matrix."""
    require_square("linalg.inv", input)
    require_floating("linalg.inv", input)
    return linalg.INV(input)


@public
def det(input: Tensor) -> Tensor:
    """The determinant of each square matrix."""
    require_square("linalg.det", input)
    require_floating("linalg.det", input)
    return determinants.DET(input)


@public
def slogdet(input: Tensor) -> Any:
    """Sign and logarithm of the size of each determinant."""
    require_square("linalg.slogdet", input)
    require_floating("linalg.slogdet", input)
    return return_types.slogdet(determinants.SLOGDET(input))


@public
def logdet(input: Tensor) -> Tensor:
    """The logarithm of each determinant; nan where it is negative."""
    require_square("linalg.slogdet", input)
    require_floating("linalg.slogdet", input)
    sign, size = determinants.SLOGDET(input)
    return pw.where(pw.lt(sign, 0), math.nan, size)


@public
def matrix_power(input: Tensor, n: int) -> Tensor:
    """The n-th power of each square matrix, by repeated squaring; negative n of the inverse."""
    require_square("linalg.matrix_power", input)
    if n < 0:
        input, n = inverse(input), -n
    result = None
    power = input
    while n:
        if n & 1:
            result = power if result is None else matmul(result, power)
        n >>= 1
        if n:
            power = matmul(power, power)
    if result is None:
        identity = owned(np.eye(input._shape[-1], dtype=input.dtype.numpy))
        return pw.without_slope(broadcast(identity, input._shape), input)
    return result.clone() if result is input else result


@public
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The triangular factor of each symmetric positive-definite matrix."""
    require_square("linalg.cholesky", input)
    require_floating("linalg.cholesky", input)
    return linalg.CHOLESKY(input, upper=upper)


@public
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """The solution of A x = input, where L is the triangular factor of A."""
    first = linalg.TRIANGULAR_SOLVE(L, input, upper=upper, unit=False, trans=upper)
    return linalg.TRIANGULAR_SOLVE(L, first, upper=upper, unit=False, trans=not upper)


@public
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, where L is its triangular factor."""
    product = matmul(transpose(L, -2, -1), L) if upper else matmul(L, transpose(L, -2, -1))
    return inverse(product)


@public
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """The solution of A x = b with triangular A, and A."""
    solution = linalg.TRIANGULAR_SOLVE(A, b, upper=upper, unit=unitriangular, trans=transpose)
    return return_types.triangular_solve((solution, A.clone()))


@public
def qr(input: Tensor, some: bool = True) -> Any:
    """Orthonormal Q and upper triangular R with Q R = input."""
    require_floating("linalg.qr", input)
    return return_types.qr(linalg.QR(input, mode="reduced" if some else "complete"))


@public
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """U, S, V with U diag(S) V^T = input and S falling."""
    require_floating("linalg.svd", input)
    u, s, vh = linalg.SVD(input, full=not some)
    return return_types.svd((u, s, transpose(vh, -2, -1)))


@public
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudo-inverse; singular values below rcond times the largest count as 0."""
    require_floating("linalg.pinv", input)
    u, s, vh = linalg.SVD(input, full=False)
    limit = pw.mul(s[..., :1], rcond)
    inverted = pw.where(pw.gt(s, limit), pw.reciprocal(s), 0.0)
    scaled = pw.mul(transpose(vh, -2, -1), inverted[..., None, :])
    return matmul(scaled, transpose(u, -2, -1))
