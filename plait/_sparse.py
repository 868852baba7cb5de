"""Sparse tensors in coordinate form: rows and where they belong, never the whole tensor.

`SparseTensor` is what `.grad` is after `embedding(sparse=True)`, with one sparse axis, and what
`torch.sparse_coo_tensor` and `Tensor.to_sparse` make, with several. It offers what optimizers need,
products with dense tensors (`_sparse_products`) and a little arithmetic; gradients flow through its
values. Other operations on it say that they are not built.
"""

from __future__ import annotations

import math
import re
from typing import Any, NoReturn

import numpy as np

from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait._types import layout, sparse_coo
from plait._unbuilt import not_built
from plait.core.functional.axes import normal_axis
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ir.node import Node
from plait.core.lazy.cell import leaf_of
from plait.core.ops.elementwise import MUL, cast
from plait.core.ops.look_up import ROWS_AT, joined
from plait.core.ops.view import broadcast, reshape


class SparseTensor(Tensor):
    """Rows `values` (n, *row) at the places `index` (n,) int64 of a table; zeros elsewhere.

    The table's rows are the elements of the first `sparse_dim` axes of `shape`, counted row-major.
    Places may repeat, and then the rows add up. Its memory is that of the values.
    """

    is_sparse = True
    is_dense = False
    _has_places = True
    _sparse_dim = 1

    @classmethod
    def of_rows(
        cls,
        index: Tensor,
        values: Tensor,
        shape: tuple[int, ...],
        coalesced: bool = False,
        sparse_dim: int = 1,
    ) -> SparseTensor:
        """A sparse tensor of its parts. coalesced: the places are in order, each there once."""
        self = cls.of_cell(values.storage_cell, shape, values.dtype)
        self._index = index
        self._rows = values
        self._is_coalesced = coalesced
        self._sparse_dim = sparse_dim
        return self

    def _with(
        self, values: Tensor, index: Tensor | None = None, coalesced: bool | None = None
    ) -> SparseTensor:
        """One of the same shape and axes with other values, and maybe other places."""
        return SparseTensor.of_rows(
            self._index if index is None else index,
            values,
            self._shape,
            self._is_coalesced if coalesced is None else coalesced,
            self._sparse_dim,
        )

    @property
    def requires_grad(self) -> bool:  # type: ignore[override]  # as in Tensor
        """Whether gradients flow through the values."""
        return self._rows.requires_grad

    @property
    def _count(self) -> int:
        """How many rows the table has."""
        return math.prod(self._shape[: self._sparse_dim])

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
        """The places (sparse_dim, n)."""
        if self._sparse_dim > 1:
            return self._places()
        line: Any = Tensor.of_node(reshape(self._index.read(), (1, self._nnz())))
        return line if self._sparse_dim else line[:0]

    def _places(self) -> Any:
        """The coordinates of each place, from its number in the table."""
        from plait._functions.joining import stack

        left: Any = self._index
        found = []
        for extent in reversed(self._shape[1 : self._sparse_dim]):
            found.append(left % extent)
            left = left // extent
        return stack([left, *reversed(found)])

    def _values(self) -> Tensor:
        """The rows (n, *row); they share this tensor's memory."""
        return self._rows

    def indices(self) -> Tensor:
        """The places (sparse_dim, n). Raises RuntimeError unless coalesced."""
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
        return self._sparse_dim

    def dense_dim(self) -> int:
        return len(self._shape) - self._sparse_dim

    # -- other tensors of it ------------------------------------------------------------------

    def coalesce(self) -> SparseTensor:
        """Each place once, in order, with the sum of its rows; computes the index."""
        if self._is_coalesced:
            return self
        places, which = np.unique(self._index.compute(), return_inverse=True)
        which = Tensor.of_node(leaf_of(which.reshape(-1).astype(np.int64)))
        values = self._summed(which, len(places))
        return self._with(values, Tensor.of_node(leaf_of(places)), coalesced=True)

    def _summed(self, index: Tensor, count: int) -> Tensor:
        """A table of `count` rows with each row added at its place."""
        if not self._rows.requires_grad:
            return Tensor.of_node(ROWS_AT(self._rows.read(), index.read(), rows=count))
        from plait._functions.creation import zeros

        table: Any = zeros((count, *self._rows.shape[1:]), dtype=self._dtype)
        return table.index_add(0, index, self._rows)

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
        """The whole table, zeros and all."""
        whole: Any = self._summed(self._index, self._count).reshape(self._shape)
        return whole if dtype is None else whole.to(dtype)

    def clone(self, *, memory_format: Any = None) -> SparseTensor:
        """A copy."""
        return self._with(self._rows.clone(), self._index.clone())

    def detach(self) -> SparseTensor:
        """The same memory, without gradient."""
        return self._with(self._rows.detach())

    def detach_(self) -> SparseTensor:
        """Stop gradients here, in place."""
        self._rows = self._rows.detach()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        """Itself. A sparse tensor as a leaf is not built; gradients flow to its values."""
        if requires_grad and not self.requires_grad:
            raise not_built("a sparse tensor that requires a gradient (its values may)")
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

    # -- arithmetic -----------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> SparseTensor:
        """The same with another dtype; the device is the CPU."""
        return self._with(self._rows.to(*args, **kwargs))

    def neg(self) -> SparseTensor:
        """All values negated."""
        return self._with(-self._rows)

    def mul(self, other: Any) -> SparseTensor:
        """Times a number, or a dense tensor of the same shape or one that is expanded to it."""
        if not isinstance(other, Tensor) or (other.numel() == 1 and not other.is_sparse):
            return self._with(self._rows * other)
        if other.is_sparse:
            raise not_built("a product of sparse tensors")
        if other.shape != self.shape:
            other = other.expand(self._shape)  # or says that the shapes do not fit
        table: Any = other.reshape(self._count, *self._rows.shape[1:])
        return self._with(self._rows * table.index_select(0, self._index))

    def div(self, other: Any) -> SparseTensor:
        """Over a number."""
        if isinstance(other, Tensor) and (other.is_sparse or other.numel() != 1):
            raise not_built("a sparse tensor over a tensor of several elements")
        return self._with(self._rows / other)

    def add(self, other: Any, *, alpha: Any = 1) -> SparseTensor:
        """The sum of two sparse tensors of one shape. Raises RuntimeError for a dense one."""
        from plait._functions.joining import cat

        if not isinstance(other, SparseTensor):
            raise error(
                RuntimeError,
                "add(sparse, dense) is not supported. Use add(dense, sparse) instead.",
            )
        if other.shape != self.shape or other._sparse_dim != self._sparse_dim:
            raise error(
                RuntimeError,
                "add: expected 'self' and 'other' to have same sizes and sparse axes, but "
                f"{list(self.shape)} != {list(other.shape)}",
            )
        rows = cat([self._rows, other._rows * alpha if alpha != 1 else other._rows])
        both = self._with(rows, cat([self._index, other._index]), coalesced=False)
        return both.coalesce() if self._is_coalesced and other._is_coalesced else both

    def __add__(self, other: Any) -> SparseTensor:
        return self.add(other)

    def __radd__(self, other: Any) -> Any:
        return other + self.to_dense()

    def __sub__(self, other: Any) -> SparseTensor:
        return self.add(other, alpha=-1)

    def __mul__(self, other: Any) -> SparseTensor:
        return self.mul(other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> SparseTensor:
        return self.div(other)

    def __neg__(self) -> SparseTensor:
        return self.neg()

    def sum(self, dim: Any = None, **kwargs: Any) -> Tensor:
        """The sum of all values."""
        if dim is not None:
            raise not_built("the sum of a sparse tensor along an axis")
        return self._rows.sum(**kwargs)  # type: ignore[attr-defined]  # attached by _functions

    def transpose(self, dim0: int, dim1: int) -> SparseTensor:
        """Two sparse axes exchanged."""
        axes = [normal_axis(dim, self.ndim, "transpose") for dim in (dim0, dim1)]
        if max(axes) >= self._sparse_dim:
            raise not_built("transpose of a dense axis of a sparse tensor")
        order = list(range(self._sparse_dim))
        order[axes[0]], order[axes[1]] = order[axes[1]], order[axes[0]]
        indices: Any = self._indices()[order]
        shape = (*[self._shape[axis] for axis in order], *self._shape[self._sparse_dim :])
        sizes = shape[: self._sparse_dim]
        return SparseTensor.of_rows(
            flat_places(indices, sizes), self._rows, shape, False, self._sparse_dim
        )

    def t(self) -> SparseTensor:
        """The transposed matrix."""
        if self.ndim != 2:
            raise error(RuntimeError, f"t() expects a matrix, but self is {self.ndim}D")
        return self.transpose(0, 1)

    T = property(t)

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

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        parts = []
        for name, part in (("indices", self._indices()), ("values", self._rows.detach())):
            start = "tensor(" if name == "indices" else "       "
            parts.append(f"{start}{name}={part_text(part, len(start) + len(name) + 1)}")
        size = f"       size={tuple(self._shape)}, nnz={self._nnz()}"
        if self._dtype not in (get_default_dtype(), dtypes.int64):
            size += f", dtype={self._dtype}"
        size += ", layout=torch.sparse_coo"
        if self.requires_grad:
            size += ",\n       requires_grad=True"
        return ",\n".join([*parts, size]) + ")"


def part_text(part: Tensor, indent: int) -> str:
    """A part of a sparse tensor, without its dtype, its further lines indented."""
    if not part.numel():
        return f"tensor([], size={tuple(part.shape)})"
    text = re.sub(r",\s+dtype=torch\.\w+\)$", ")", repr(part))
    first, *others = text.split("\n")
    return "\n".join([first, *(" " * indent + line if line else "" for line in others)])


def accumulated(held: Tensor | None, parts: tuple[Node, Node], shape: tuple[int, ...]) -> Any:
    """The gradient with rows added to what is held already, which is sparse or nothing."""
    if isinstance(held, SparseTensor):
        parts = joined(held.nodes(), parts)
    return SparseTensor.of_nodes(parts, shape)


def flat_places(indices: Any, sizes: tuple[int, ...]) -> Tensor:
    """Coordinates (d, n) as numbers in a table of these extents, row-major."""
    if not sizes:
        from plait._functions.creation import zeros

        return zeros(indices.shape[1], dtype=dtypes.int64)
    flat = indices[0]
    for axis in range(1, len(sizes)):
        flat = flat * sizes[axis] + indices[axis]
    return flat
