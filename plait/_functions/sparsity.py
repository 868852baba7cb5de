"""Methods of tensors about sparse ones: conversion, and what dense ones say of the rest."""

from __future__ import annotations

from typing import Any, NoReturn

from plait._functions.common import attach
from plait._tensor import Tensor
from plait._unbuilt import not_built
from plait.core.ir.errors import error


def to_sparse(
    self: Tensor,
    sparse_dim: int | None = None,
    *,
    layout: Any = None,
    blocksize: Any = None,
    dense_dim: int | None = None,
) -> Any:
    """The tensor in coordinate form, with its first `sparse_dim` axes sparse (all by default)."""
    from plait import sparse, sparse_coo, sparse_csr

    if layout is sparse_csr and blocksize is None:
        return to_sparse_csr(self, dense_dim)
    if blocksize is not None or dense_dim is not None or layout not in (None, sparse_coo):
        raise not_built("to_sparse with another layout than torch.sparse_coo")
    return sparse.to_sparse(self, sparse_dim)


def to_sparse_csr(self: Any, dense_dim: int | None = None) -> Any:
    """The matrix by rows (see `torch.sparse_csr_tensor`)."""
    from plait._sparse_csr import to_sparse_csr as converted

    return converted(self, dense_dim)


def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
    """The tensor itself: it is dense."""
    return self if dtype is None else self.to(dtype)


def sparse_dim(self: Tensor) -> int:
    """How many axes are sparse: none."""
    return 0


def dense_dim(self: Tensor) -> int:
    """How many axes are dense: all."""
    return self.ndim


def _refused(name: str) -> Any:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> NoReturn:
        raise error(
            RuntimeError,
            f"{name} expected sparse coordinate tensor layout but got Strided (shape "
            f"{list(self.shape)})",
        )

    method.__name__ = name
    method.__doc__ = "Of sparse tensors only: RuntimeError."
    return method


_OF_SPARSE = ("coalesce", "indices", "is_coalesced", "values")
attach(
    to_sparse=to_sparse,
    to_sparse_csr=to_sparse_csr,
    to_dense=to_dense,
    sparse_dim=sparse_dim,
    dense_dim=dense_dim,
    **{name: _refused(name) for name in _OF_SPARSE},
)
