"""Linear algebra."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from keras.src.backend.common.symbolic_scope import in_symbolic_scope

import plait as torch
from keras_plait.src.control import without_values
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from keras_plait.src.operands import as_float, axes_of


def cholesky(a: Any, upper: bool = False) -> Any:
    """The Cholesky factor. Raises ValueError where the matrix is not positive definite: at once,
    except where values are not asked for."""
    made = torch.linalg.cholesky(as_float(a), upper=upper)
    if in_symbolic_scope() or without_values(made):
        return made
    try:
        made.compute()
    except torch.linalg.LinAlgError as fault:
        raise ValueError(
            "Cholesky decomposition failed. The input might not be a valid positive definite "
            "matrix."
        ) from fault
    return made


def cholesky_inverse(a: Any, upper: bool = False) -> Any:
    """The inverse of the matrix whose Cholesky factor is `a`."""
    a = as_float(a)
    inverse = torch.linalg.solve_triangular(a, torch.eye(a.shape[-1], dtype=a.dtype), upper=upper)
    return inverse @ inverse.mT if upper else inverse.mT @ inverse


def det(a: Any) -> Any:
    return torch.linalg.det(as_float(a))


def eig(x: Any) -> tuple[Any, Any]:
    return tuple(torch.linalg.eig(as_float(x)))


def eigh(x: Any) -> tuple[Any, Any]:
    return tuple(torch.linalg.eigh(as_float(x)))


def inv(a: Any) -> Any:
    return torch.linalg.inv(as_float(a))


def lu_factor(x: Any) -> tuple[Any, Any]:
    """(L and U in one matrix, row exchanges counted from 0)."""
    factors, pivots = torch.linalg.lu_factor(as_float(x))
    return factors, pivots - 1


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """A vector or matrix norm, as NumPy's."""
    x = as_float(x)
    if axis is None and ord is None:
        made = torch.linalg.vector_norm(x.reshape(-1))
        return made.reshape([1] * x.ndim) if keepdims else made
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ValueError(f"Invalid `ord` argument for vector norm. Received: ord={ord}")
        return torch.linalg.vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError(f"Invalid axis values. Received: axis={axis}")
    known = (None, "fro", "nuc", math.inf, -math.inf, 1, -1, 2, -2)
    if ord not in known:
        raise ValueError(
            f"Invalid `ord` argument for matrix norm. Expected one of {known}. Received: ord={ord}"
        )
    return torch.linalg.matrix_norm(x, "fro" if ord is None else ord, axes, keepdims)


def qr(x: Any, mode: str = "reduced") -> tuple[Any, Any]:
    if mode not in ("reduced", "complete"):
        raise ValueError(
            "`mode` argument value not supported. Expected one of {'reduced', 'complete'}. "
            f"Received: mode={mode}"
        )
    return tuple(torch.linalg.qr(as_float(x), mode=mode))


def solve(a: Any, b: Any) -> Any:
    a, b = as_float(a), as_float(b)
    if b.ndim == a.ndim - 1:
        return torch.linalg.solve(a, b[..., None])[..., 0]
    return torch.linalg.solve(a, b)


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    a, b = as_float(a), as_float(b)
    if b.ndim == a.ndim - 1:
        return torch.linalg.solve_triangular(a, b[..., None], upper=not lower)[..., 0]
    return torch.linalg.solve_triangular(a, b, upper=not lower)


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    x = as_float(x)
    if not compute_uv:
        return torch.linalg.svdvals(x)
    return tuple(torch.linalg.svd(x, full_matrices=full_matrices))


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    a, b = as_float(a), as_float(b)
    columns = b[..., None] if b.ndim == 1 else b
    made = pinv(a, rcond) @ columns
    return made[..., 0] if b.ndim == 1 else made


def matrix_rank(x: Any, tol: Any = None) -> Any:
    x = _matrix(x)
    values = torch.linalg.svdvals(x)
    if tol is None:
        eps = torch.finfo(x.dtype).eps
        tol = torch.amax(values, -1) * max(x.shape[-2:]) * eps
    tol = convert_to_tensor(tol).to(x.dtype)
    return torch.sum(values > tol[..., None], -1).to(torch.int32)


def pinv(x: Any, rcond: Any = None) -> Any:
    x = _matrix(x)
    if rcond is None:
        rcond = 10 * max(x.shape[-2:]) * torch.finfo(x.dtype).eps
    return torch.linalg.pinv(x, rtol=rcond)


def _matrix(x: Any) -> Any:
    x = as_float(x)
    if x.ndim < 2:
        raise ValueError(
            f"Expected input to have rank >= 2. Received input with shape {tuple(x.shape)}."
        )
    return x


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """(value, derivative along `tangents`) of `fun` at `primals`."""
    primals = tuple(convert_to_tensor(x) for x in primals)
    tangents = tuple(
        convert_to_tensor(t).to(to_plait_dtype(x.dtype)) for t, x in zip(tangents, primals)
    )
    return torch.func.jvp(fun, primals, tangents, has_aux=has_aux)
