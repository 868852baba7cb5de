"""Sparse gradients of tables: rows and where they belong, never the whole table.

`SparseTensor` is what `.grad` is after `embedding(sparse=True)`: a COO tensor with one sparse axis.
It offers what optimizers need; other operations on it say that they are not built.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from plait._tensor import Tensor
from plait._types import layout, sparse_coo
from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.core.ir.node import Node
from plait.core.lazy.cell import leaf_of
from plait.core.ops.elementwise import MUL, cast
from plait.core.ops.look_up import ROWS_AT, joined
from plait.core.ops.view import broadcast, reshape


class SparseTensor(Tensor):
    """Rows `values` (n, *row) at the places `index` (n,) int64 of a table `shape`; zeros elsewhere.

    Places may repeat, and then the rows add up. Its memory is that of the values.
    """

    is_sparse = True
    is_dense = False

    @classmethod
    def of_rows(
        cls, index: Tensor, values: Tensor, shape: tuple[int, ...], coalesced: bool = False
    ) -> SparseTensor:
        """A sparse tensor of its parts. coalesced: the places are in order, each there once."""
        self = cls.of_cell(values.storage_cell, shape, values.dtype)
        self._index = index
        self._rows = values
        self._is_coalesced = coalesced
        return self

    @classmethod
    def of_nodes(cls, parts: tuple[Node, Node], shape: tuple[int, ...]) -> SparseTensor:
        """A sparse tensor of the nodes of index and values."""
        index, values = [Tensor.of_node(part) for part in parts]
        return cls.of_rows(index, values, shape)

    def nodes(self) -> tuple[Node, Node]:
        """The nodes of index and values."""
        return self._index.read(), self._rows.read()

    # -- what PyTorch calls its parts ---------------------------------------------------------

    @property
    def layout(self) -> layout:  # type: ignore[override]  # as in Tensor
        return sparse_coo

    def _indices(self) -> Tensor:
        """The places (1, n)."""
        return Tensor.of_node(reshape(self._index.read(), (1, self._nnz())))

    def _values(self) -> Tensor:
        """The rows (n, *row); they share this tensor's memory."""
        return self._rows

    def indices(self) -> Tensor:
        """The places (1, n). Raises RuntimeError unless coalesced."""
        self._require_coalesced("indices")
        return self._indices()

    def values(self) -> Tensor:
        """The rows (n, *row). Raises RuntimeError unless coalesced."""
        self._require_coalesced("values")
        return self._values()

    def _require_coalesced(self, what: str) -> None:
        if not self._is_coalesced:
            raise error(
                RuntimeError,
                f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first",
            )

    def _nnz(self) -> int:
        """How many rows are kept."""
        return self._rows.shape[0]

    def is_coalesced(self) -> bool:
        return self._is_coalesced

    def sparse_dim(self) -> int:
        return 1

    def dense_dim(self) -> int:
        return len(self._shape) - 1

    # -- other tensors of it ------------------------------------------------------------------

    def coalesce(self) -> SparseTensor:
        """Each place once, in order, with the sum of its rows; computes the index."""
        if self._is_coalesced:
            return self
        places, which = np.unique(self._index.compute(), return_inverse=True)
        which = which.reshape(-1).astype(np.int64)
        sums = ROWS_AT(self._rows.read(), leaf_of(which), rows=len(places))
        index, values = Tensor.of_node(leaf_of(places)), Tensor.of_node(sums)
        return SparseTensor.of_rows(index, values, self._shape, coalesced=True)

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
        """The whole table, zeros and all."""
        index, values = self.nodes()
        whole = ROWS_AT(values, index, rows=self._shape[0])
        return Tensor.of_node(cast(whole, dtype) if dtype is not None else whole)

    def clone(self, *, memory_format: Any = None) -> SparseTensor:
        """A copy."""
        copies = self._index.clone(), self._rows.clone()
        return SparseTensor.of_rows(*copies, self._shape, self._is_coalesced)

    def detach(self) -> SparseTensor:
        """The same memory; there is no gradient through a sparse tensor."""
        return SparseTensor.of_rows(self._index, self._rows, self._shape, self._is_coalesced)

    def detach_(self) -> SparseTensor:
        """Itself: there is no gradient through a sparse tensor."""
        return self

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        """Itself. Gradients of sparse tensors are not built."""
        if requires_grad:
            raise not_built("a sparse tensor that requires a gradient")
        return self

    def zero_(self) -> SparseTensor:
        """Drop all rows, in place."""
        empty = SparseTensor.of_rows(self._index[:0].clone(), self._rows[:0].clone(), self._shape)
        self._index, self._rows, self._cell = empty._index, empty._rows, empty._cell
        self._is_coalesced = True
        return self

    def mul_(self, other: Any) -> SparseTensor:
        """Multiply the rows by a number (or a tensor of one element), in place."""
        if isinstance(other, Tensor):
            if other.is_sparse or other.numel() != 1:
                raise not_built("mul_ of a sparse tensor by a tensor of several elements")
            factor = broadcast(reshape(cast(other.read(), self._dtype), ()), self._rows.shape)
            self._rows.assign(MUL(self._rows.read(), factor))
        else:
            self._rows.mul_(other)
        return self

    # -- everything else ----------------------------------------------------------------------

    def value(self) -> NoReturn:
        raise not_built(
            f"this operation on a sparse tensor (shape {list(self._shape)}, "
            f"{self._nnz()} rows): use to_dense(), or its _indices() and _values()"
        )

    def compute(self) -> NoReturn:
        self.value()

    def export(self) -> NoReturn:
        self.value()

    def assign(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.value()

    def view_through(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.value()

    def __repr__(self) -> str:
        return (
            f"tensor(indices={self._indices()!r},\n       values={self._rows!r},\n       "
            f"size={tuple(self._shape)}, nnz={self._nnz()}, layout=torch.sparse_coo)"
        )


def accumulated(held: Tensor | None, parts: tuple[Node, Node], shape: tuple[int, ...]) -> Any:
    """The gradient with rows added to what is held already, which is sparse or nothing."""
    if isinstance(held, SparseTensor):
        parts = joined(held.nodes(), parts)
    return SparseTensor.of_nodes(parts, shape)
