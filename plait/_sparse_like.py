"""Sparse tensors like others: `zeros_like`, `empty_like` and their kin of sparse tensors.

As in PyTorch, a new tensor by coordinates has no entries, and cannot be filled with another number
than 0; a matrix by rows (CSR) is filled at the entries of the other one, but `zeros_like` has none.
"""

from __future__ import annotations

from typing import Any

from plait._functions.creation import full, zeros
from plait._sparse import SparseTensor
from plait._sparse_csr import CompressedTensor
from plait._tensor import Tensor
from plait._types import layout, require_cpu, sparse_coo, sparse_csr, strided
from plait._unbuilt import not_built
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error


def without_entries(
    shape: tuple[int, ...], dtype: DType, wanted: layout, sparse_dim: int
) -> SparseTensor:
    """A sparse tensor of zeros. Raises NotImplementedError for layouts that are not built."""
    if wanted is sparse_csr:
        if len(shape) != 2:
            raise not_built(f"a CSR tensor of {len(shape)} axes (shape {list(shape)})")
        begins = zeros(shape[0] + 1, dtype=dtypes.int64)
        columns = zeros(0, dtype=dtypes.int64)
        return CompressedTensor.of_parts(begins, columns, zeros(0, dtype=dtype), shape)
    if wanted is not sparse_coo:
        raise not_built(f"a tensor of layout {wanted}")
    rows = zeros((0, *shape[sparse_dim:]), dtype=dtype)
    return SparseTensor.of_rows(zeros(0, dtype=dtypes.int64), rows, shape, True, sparse_dim)


def filled(
    shape: tuple[int, ...],
    value: Any,
    dtype: DType,
    wanted: layout,
    device: Any,
    requires_grad: bool,
) -> SparseTensor:
    """What `zeros`, `new_empty` and others that make a tensor of one value do for such a layout."""
    require_cpu(device)
    if requires_grad:
        raise not_built("a new sparse tensor with requires_grad=True (its values may require it)")
    if value != 0:
        raise unfillable("fill")
    return without_entries(shape, dtype, wanted, len(shape))


def like(
    name: str,
    input: Tensor,
    value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """What `zeros_like`, `empty_like`, `ones_like` or `full_like` makes of a sparse tensor."""
    wanted, dtype = layout or input.layout, dtype or input.dtype
    if wanted is strided and input.layout is sparse_coo:
        return full(input._shape, value, dtype=dtype, device=device, requires_grad=requires_grad)
    require_cpu(device)
    if requires_grad:
        raise not_built(f"{name} of a sparse tensor with requires_grad=True")
    if name == "zeros_like" and wanted is not strided:
        return without_entries(input._shape, dtype, wanted, input.sparse_dim())
    if wanted is not input.layout:
        raise error(
            RuntimeError,
            f"{name}: empty_like with different sparse layout is not supported (self is "
            f"{input.layout} but you requested {wanted})",
        )
    if isinstance(input, CompressedTensor):
        return input._with(full(input._nnz(), value, dtype=dtype))
    if name == "empty_like":
        return without_entries(input._shape, dtype, wanted, input.sparse_dim())
    raise unfillable(name)


def unfillable(name: str) -> Exception:
    """The NotImplementedError for what would put a number in every place of a sparse tensor."""
    return error(
        NotImplementedError,
        f"{name}: a sparse tensor cannot be filled, in PyTorch neither; layout=torch.strided gives "
        "a dense one",
    )
