"""`torch.sparse`: sparse tensors in coordinate form, and products of sparse and dense matrices.

A product gathers the dense rows that the places name, scales them and adds them up where they
belong: no dense copy of the sparse matrix is made, and gradients flow to its values and to the
dense matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._functions.creation import as_tensor, tensor, zeros
from plait._sparse import SparseTensor, flat_places
from plait._sparse_csr import sparse_csr_tensor as sparse_csr_tensor
from plait._tensor import Tensor, scalar_type
from plait._types import require_cpu
from plait._unbuilt import not_built, unbuilt
from plait.core.ir import dtypes
from plait.core.ir.errors import error

__all__ = ["addmm", "mm", "sparse_coo_tensor", "spmm", "sum"]


def sparse_coo_tensor(
    indices: Any,
    values: Any = None,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """A sparse tensor of coordinates and values; equal coordinates add up.

    Args:
        indices: (d, n) ints: the coordinates along the first d axes. Or, without values, the size
            of a tensor that is all zeros.
        values: (n, *row), a number or a row for each; gradients flow to them.
        size: of the whole, (*d extents, *row); by default the least that holds the indices.
        is_coalesced: promise that the places are in order, each there once.

    Raises RuntimeError for indices outside of the size or parts that do not fit. The indices are
    always checked (`check_invariants` changes nothing).
    """
    require_cpu(device)
    if requires_grad:
        raise not_built("sparse_coo_tensor with requires_grad=True (its values may require it)")
    if values is None:
        extents = tuple(indices if size is None else size)
        places = tensor(np.zeros((len(extents), 0), np.int64))
        return _made(places, zeros(0, dtype=dtype), extents, True)
    places: Any = as_tensor(indices).to(dtypes.int64)
    rows: Any = as_tensor(values)
    rows = rows if dtype is None else rows.to(dtype)
    if places.ndim != 2:
        raise error(
            RuntimeError,
            f"indices must be sparse_dim x nnz, but got: {list(places.shape)}",
        )
    if rows.ndim == 0 or places.shape[1] != rows.shape[0]:
        given = rows.shape[0] if rows.ndim else 0
        raise error(
            RuntimeError,
            f"indices and values must have same nnz, but got nnz from indices: {places.shape[1]}, "
            f"nnz from values: {given}",
        )
    found = np.asarray(places.detach().numpy())
    if size is None:
        size = (*(found.max(1) + 1 if found.size else [0] * len(found)), *rows.shape[1:])
    extents = tuple([int(extent) for extent in size])
    _check(found, rows, extents)
    return _made(places, rows, extents, bool(is_coalesced))


def _made(places: Any, rows: Tensor, extents: tuple[int, ...], coalesced: bool) -> SparseTensor:
    axes = places.shape[0]
    index = flat_places(places, extents[:axes])
    return SparseTensor.of_rows(index, rows, extents, coalesced, axes)


def _check(places: np.ndarray, rows: Tensor, extents: tuple[int, ...]) -> None:
    """RuntimeError unless the places lie in the extents and the rest of these is the row's."""
    axes, dense = len(places), rows.ndim - 1
    if len(extents) != axes + dense:
        raise error(
            RuntimeError,
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(extents)}, "
            f"sparse_dim = {axes}, dense_dim = {dense}",
        )
    if tuple(extents[axes:]) != tuple(rows.shape[1:]):
        raise error(
            RuntimeError,
            f"values has incorrect size, expected {[rows.shape[0], *extents[axes:]]}, got "
            f"{list(rows.shape)}",
        )
    for axis, (line, extent) in enumerate(zip(places, extents)):
        if line.size and line.min() < 0:
            raise error(RuntimeError, f"found negative index {line.min()} for dim {axis}")
        if line.size and line.max() >= extent:
            raise error(
                RuntimeError,
                f"size is inconsistent with indices: for dim {axis}, size is {extent} but found "
                f"index {line.max()}",
            )


def to_sparse(dense: Any, sparse_dim: int | None = None) -> SparseTensor:
    """A dense tensor as a sparse one of its first axes (all by default), without zero rows."""
    if dense.is_sparse:
        return dense
    axes = dense.ndim if sparse_dim is None else sparse_dim
    if not 0 <= axes <= dense.ndim or (axes == 0 and dense.ndim):
        raise error(
            RuntimeError,
            f"dense_to_sparse: sparse_dim argument must be in [1,{dense.ndim}] range, but "
            f"{sparse_dim} is given",
        )
    count = int(np.prod(dense.shape[:axes], dtype=np.int64))
    table = dense.reshape(count, *dense.shape[axes:])
    full = np.asarray(table.detach().numpy() != 0).reshape(count, -1).any(1)
    index = tensor(np.flatnonzero(full))
    return SparseTensor.of_rows(index, table.index_select(0, index), tuple(dense.shape), True, axes)


# -- products -------------------------------------------------------------------------------------


def product(name: str, input: Any, other: Any) -> Any:
    """The product of a sparse and a dense matrix (or vector on the right)."""
    if input._has_places and other._has_places:
        raise not_built(f"{name} of two sparse tensors")
    if other._has_places:
        if input.ndim != 2:
            raise not_built(f"{name} of a tensor with {input.ndim} axes and a sparse matrix")
        return product(name, other.t(), input.t()).t()
    if input.ndim != 2 or input.sparse_dim() != 2 or other.ndim not in (1, 2):
        raise error(
            RuntimeError,
            f"{name}: expected a sparse matrix and a dense matrix or vector, received shapes "
            f"{list(input.shape)} and {list(other.shape)}",
        )
    if input.shape[1] != other.shape[0]:
        raise error(
            RuntimeError,
            f"{name}: Argument #3 (dense): Expected dim 0 size {input.shape[1]}, got "
            f"{other.shape[0]}",
        )
    if input.dtype is not other.dtype:
        raise error(
            RuntimeError,
            f"{name}: Expected mat1 and mat2 to have same dtype, got {scalar_type(input.dtype)} "
            f"and {scalar_type(other.dtype)}",
        )
    places: Any = input._indices()
    weights: Any = input._values()
    if other.ndim == 2:
        weights = weights.unsqueeze(1)
    rows = other.index_select(0, places[1]) * weights
    start: Any = zeros((input.shape[0], *other.shape[1:]), dtype=other.dtype)
    return start.index_add(0, places[0], rows)


def mm(mat1: Tensor, mat2: Tensor) -> Any:
    """The product of a sparse matrix (n, m) and a dense one (m, p): a dense (n, p)."""
    return product("sparse.mm", mat1, mat2) if _sparse(mat1, mat2) else mat1 @ mat2


def spmm(input: Tensor, mat2: Tensor) -> Any:
    """`mm` of matrices of which one may be sparse."""
    return mm(input, mat2)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0) -> Any:
    """beta * mat + alpha * (mat1 @ mat2), with a sparse mat1."""
    made = mm(mat1, mat2)
    return (mat if beta == 1 else mat * beta) + (made if alpha == 1 else made * alpha)


def sum(input: SparseTensor, dim: Any = None, dtype: Any = None) -> Tensor:
    """The sum of all values of a sparse tensor."""
    return input.sum(dim) if dtype is None else input.to(dtype).sum(dim)


def _sparse(*tensors: Tensor) -> bool:
    return any(part._has_places for part in tensors)


__getattr__ = unbuilt(
    "torch.sparse",
    (
        "check_sparse_tensor_invariants",
        "log_softmax",
        "sampled_addmm",
        "softmax",
        "spdiags",
        "spsolve",
    ),
)
