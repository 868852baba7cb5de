"""Sparse matrices by rows (CSR): where each row begins, and the columns and values of its entries.

They share what coordinates have (`SparseTensor`): products with dense matrices, arithmetic with
numbers, gradients through the values. Source of the form: Tinney and Walker, 1967; the rules for
its parts are PyTorch's `check_sparse_tensor_invariants`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._functions.creation import as_tensor, tensor
from plait._promotion import get_default_dtype
from plait._sparse import SparseTensor, part_text
from plait._tensor import Tensor
from plait._types import layout, require_cpu, sparse_csr
from plait._unbuilt import not_built
from plait.core.ir import dtypes
from plait.core.ir.errors import error


class CompressedTensor(SparseTensor):
    """A sparse matrix by rows. `_crow` (rows + 1,) and `_col` (n,) are int32 or int64."""

    is_sparse = False  # as in PyTorch: true of coordinates alone
    is_sparse_csr = True

    @classmethod
    def of_parts(
        cls, crow: Tensor, col: Tensor, values: Tensor, shape: tuple[int, ...]
    ) -> CompressedTensor:
        """A matrix of its parts, which fit."""
        begins = np.asarray(crow.detach().numpy(), np.int64)
        rows = np.repeat(np.arange(shape[0], dtype=np.int64), np.diff(begins))
        columns = np.asarray(col.detach().numpy(), np.int64)
        index = tensor(rows * shape[1] + columns)
        self: Any = cls.of_rows(index, values, shape, True, 2)
        self._crow, self._col = crow, col
        return self

    def _with(
        self, values: Tensor, index: Tensor | None = None, coalesced: bool | None = None
    ) -> SparseTensor:
        if index is not None:
            return self.to_sparse_coo()._with(values, index, coalesced)
        return CompressedTensor.of_parts(self._crow, self._col, values, self._shape)

    @property
    def layout(self) -> layout:  # type: ignore[override]  # as in Tensor
        return sparse_csr

    def crow_indices(self) -> Tensor:
        """Where the entries of each row begin, and how many there are (rows + 1,)."""
        return self._crow

    def col_indices(self) -> Tensor:
        """The column of each entry (n,)."""
        return self._col

    def sparse_dim(self) -> int:
        return 2

    def to_sparse_csr(self, dense_dim: int | None = None) -> CompressedTensor:
        return self

    def to_sparse_coo(self) -> SparseTensor:
        """The same by coordinates."""
        return SparseTensor.of_rows(self._index, self._rows, self._shape, True, 2)

    def to_sparse(self, sparse_dim: int | None = None, *, layout: Any = None) -> SparseTensor:
        """The same by coordinates, or as it is for `layout=torch.sparse_csr`."""
        return self if layout is sparse_csr else self.to_sparse_coo()

    def transpose(self, dim0: int, dim1: int) -> SparseTensor:
        raise not_built("transpose of a CSR matrix (a CSC matrix); to_sparse_coo().t() is")

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        parts = []
        named = (("crow_indices", self._crow), ("col_indices", self._col), ("values", self._rows))
        for name, part in named:
            start = "tensor(" if name == "crow_indices" else "       "
            parts.append(f"{start}{name}={part_text(part.detach(), len(start) + len(name) + 1)}")
        size = f"size={tuple(self._shape)}, nnz={self._nnz()}"
        if self._dtype not in (get_default_dtype(), dtypes.int64):
            size += f", dtype={self._dtype}"
        tail = "       layout=torch.sparse_csr"
        if self.requires_grad:
            tail += ", requires_grad=True"
        return ",\n".join(parts) + f", {size},\n{tail})"


def sparse_csr_tensor(
    crow_indices: Any,
    col_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> CompressedTensor:
    """A sparse matrix by rows.

    Args:
        crow_indices: (rows + 1,) ints: where the entries of each row begin among all; the last is
            their number.
        col_indices: (n,) ints: the column of each entry, ascending in each row.
        values: (n,) numbers; gradients flow to them.
        size: (rows, columns); by default as few columns as hold the entries.

    Raises RuntimeError where the parts do not fit, which is always checked (`check_invariants`
    changes nothing); NotImplementedError for batches and for blocks of values.
    """
    require_cpu(device)
    if requires_grad:
        raise not_built("sparse_csr_tensor with requires_grad=True (its values may require it)")
    crow, col = _indices("crow_indices", crow_indices), _indices("col_indices", col_indices)
    entries: Any = as_tensor(values)
    entries = entries if dtype is None else entries.to(dtype)
    if crow.ndim != 1 or col.ndim != 1 or entries.ndim != 1:
        raise not_built("sparse_csr_tensor of batches, or of values that are no vector")
    if crow.dtype is not col.dtype:
        raise error(
            RuntimeError,
            "`crow_indices and col_indices must have the same dtype`: received "
            f"{crow.dtype} and {col.dtype}",
        )
    columns = np.asarray(col.detach().numpy())
    if size is None:
        size = (len(crow) - 1, int(columns.max()) + 1 if columns.size else 0)
    shape = tuple([int(extent) for extent in size])
    _check(np.asarray(crow.detach().numpy()), columns, entries.shape[0], shape)
    return CompressedTensor.of_parts(crow, col, entries, shape)


def _indices(name: str, given: Any) -> Any:
    made: Any = as_tensor(given)
    if made.dtype not in (dtypes.int32, dtypes.int64):
        raise error(
            RuntimeError,
            f"crow_indices and col_indices must be an int32 or int64 type, but got: {made.dtype} "
            f"({name})",
        )
    return made


def _check(crow: np.ndarray, col: np.ndarray, count: int, shape: tuple[int, ...]) -> None:
    """RuntimeError unless the parts are those of a matrix of this shape."""
    columns = shape[1] if len(shape) == 2 else 0
    steps = np.diff(crow)
    # Sorted within each row: where the next entry is of the same row, its column is greater.
    starts = np.zeros(len(col) + 1, bool)
    starts[crow[(crow >= 0) & (crow <= len(col))]] = True
    rules = (
        (len(shape) == 2, "size must be of two extents"),
        (len(crow) == shape[0] + 1, "crow_indices.shape[-1] == nrows + 1"),
        (len(col) == count, "col_indices.shape[-1] == values.shape[0]"),
        (crow.size > 0 and crow[0] == 0, "crow_indices[..., 0] == 0"),
        (crow.size > 0 and crow[-1] == len(col), "crow_indices[..., -1] == nnz"),
        (
            bool(((steps >= 0) & (steps <= columns)).all()),
            "0 <= crow_indices[..., 1:] - crow_indices[..., :-1] <= ncols",
        ),
        (bool(((col >= 0) & (col < columns)).all()), "0 <= col_indices < ncols"),
        (
            bool(((np.diff(col) > 0) | starts[1:-1]).all()),
            "col_indices of each row are sorted and distinct",
        ),
    )
    for holds, rule in rules:
        if not holds:
            raise error(
                RuntimeError,
                f"`{rule}` is not satisfied: sparse_csr_tensor received {len(crow)} crow_indices, "
                f"{len(col)} col_indices and {count} values for size {list(shape)}",
            )


def to_sparse_csr(self: Any, dense_dim: int | None = None) -> CompressedTensor:
    """A matrix by rows: of a dense one its entries that are not zero, of one by coordinates its
    entries added up."""
    if dense_dim:
        raise not_built("to_sparse_csr with dense axes")
    if self.ndim != 2:
        raise not_built(f"to_sparse_csr of a tensor with {self.ndim} axes")
    found = self.coalesce() if self._has_places else self.to_sparse()
    places = np.asarray(found._indices().numpy())
    counts = np.bincount(places[0], minlength=self.shape[0])
    crow = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return CompressedTensor.of_parts(
        tensor(crow), tensor(places[1].copy()), found._values(), tuple(self.shape)
    )
