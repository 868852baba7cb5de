"""`tf.ragged`: rows of different lengths."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf._convert import convert
from plait.tf._dtypes import as_dtype
from plait.tf._ops import arrays
from plait.tf._ops.creation import constant as tensor_constant
from plait.tf._ops.slicing import gather
from plait.tf._ragged import RaggedTensor, RaggedTensorSpec
from plait.tf._ragged_functions import map_flat_values


def constant(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    name: Any = None,
    row_splits_dtype: Any = "int64",
) -> Any:
    """Nested lists as a ragged tensor (a tensor for no nesting). Raises ValueError for values and
    lists side by side."""
    depth = _depth(pylist)
    if inner_shape is not None:
        depth -= len(tuple(inner_shape))
    rank = depth - 1 if ragged_rank is None else ragged_rank
    if rank <= 0:
        return tensor_constant(pylist, dtype)
    splits, held = [], pylist
    for _ in itertools.repeat(None, rank):  # `range` is this module's own
        splits.append(np.cumsum([0, *[len(row) for row in held]]))
        held = [item for row in held for item in row]
    kind = as_dtype(dtype) if dtype is not None else None
    if not held:
        values = convert(np.zeros(0, (kind or as_dtype("float32")).core.numpy))
    else:
        values = tensor_constant(held, kind)
    return RaggedTensor.from_nested_row_splits(values, splits)


def _depth(value: Any) -> int:
    """The nesting of lists, which must be the same everywhere."""
    if not isinstance(value, (list, tuple, np.ndarray)) or getattr(value, "ndim", 1) == 0:
        return 0
    depths = {_depth(item) for item in value}
    if len(depths) > 1 and 0 in depths:
        raise error(ValueError, f"all scalar values must have the same nesting depth: {value!r}")
    return 1 + max(depths, default=0)


def stack(values: Any, axis: int = 0, name: Any = None) -> RaggedTensor:
    """Tensors of different lengths as rows."""
    if axis != 0:
        from plait._unbuilt import not_built

        raise not_built(f"tf.ragged.stack with axis={axis}")
    parts = [convert(value) for value in values]
    return RaggedTensor.from_row_lengths(arrays.concat(parts, 0), [int(p.shape[0]) for p in parts])


def range(starts: Any, limits: Any = None, deltas: Any = 1, dtype: Any = None, name: Any = None,
          row_splits_dtype: Any = "int64") -> RaggedTensor:  # fmt: skip
    """A row of evenly spaced numbers for each start, limit and step."""
    if limits is None:
        starts, limits = 0, starts
    given = [np.asarray(convert(x).numpy()) for x in (starts, limits, deltas)]
    kind = np.result_type(*given) if dtype is None else as_dtype(dtype).core.numpy
    whole = np.broadcast_arrays(*[np.atleast_1d(x) for x in given])
    rows = [np.arange(*bounds).astype(kind) for bounds in zip(*whole)]
    flat = np.concatenate(rows) if rows else np.zeros(0, kind)
    return RaggedTensor.from_row_lengths(flat, [len(row) for row in rows])


def boolean_mask(data: Any, mask: Any, name: Any = None) -> RaggedTensor:
    """The values of each row where a mask of the same rows is True."""
    if not isinstance(data, RaggedTensor):
        data = RaggedTensor.from_tensor(data)
    chosen = mask if isinstance(mask, RaggedTensor) else RaggedTensor.from_tensor(mask)
    kept = np.asarray(chosen.flat_values.numpy(), bool)
    rows = data.value_rowids().numpy()[kept]
    held = gather(data.values, np.flatnonzero(kept))
    return RaggedTensor.from_value_rowids(held, rows, len(data))


__all__ = [
    "RaggedTensor",
    "RaggedTensorSpec",
    "boolean_mask",
    "constant",
    "map_flat_values",
    "range",
    "stack",
]
