"""`tf.sparse`: functions on sparse tensors. Places are looked at at once; values stay recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dtypes import string
from plait.tf._ops import arrays, creation, elementwise, matrix, reduction, slicing
from plait.tf._sparse import SparseTensor, SparseTensorSpec, checked, places
from plait.tf._tensor import of_array


def from_dense(tensor: Any, name: Any = None) -> SparseTensor:
    """What is not zero (or not the empty string) of a tensor, in the order of its places."""
    dense = convert(tensor)
    array = dense._array()
    found = np.argwhere(array != (b"" if dense.dtype is string else 0)).astype(np.int64)
    values: Any = of_array(array[tuple(found.T)])
    if dense.dtype is not string and len(found):
        values = slicing.gather_nd(dense, of_array(found))  # which has a gradient
    return SparseTensor(of_array(found), values, np.array(array.shape, np.int64))


def to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: Any = None
) -> Any:
    """The tensor, with `default_value` (0, "") elsewhere.

    Raises InvalidArgumentError for places out of order or given twice (`validate_indices`).
    """
    sp = checked(sp_input, "sparse_to_dense")
    found = places(sp, "sparse_to_dense")
    if validate_indices:
        _require_order(found)
    empty = (b"" if sp.dtype is string else 0) if default_value is None else default_value
    if sp.dtype is string:
        words = np.full(tuple(sp.dense_shape.numpy()), convert(empty, string)._array()[()], object)
        words[tuple(found.T)] = sp.values._array()
        return of_array(words)
    base = creation.fill(sp.dense_shape, convert(empty, sp.dtype))
    return slicing.tensor_scatter_nd_update(base, sp.indices, sp.values) if len(found) else base


def _require_order(found: np.ndarray) -> None:
    for row in range(1, len(found)):
        before, here = found[row - 1].tolist(), found[row].tolist()
        if before >= here:
            what = "is repeated" if before == here else "is out of order"
            raise error(
                errors.InvalidArgumentError,
                f"indices[{row}] = {here} {what}. Many sparse ops require sorted indices; "
                "tf.sparse.reorder sorts them",
            )


def _taken(sp: SparseTensor, rows: np.ndarray, indices: np.ndarray, shape: Any) -> SparseTensor:
    """Some of the values, at other places."""
    return SparseTensor(
        of_array(np.ascontiguousarray(indices, np.int64)),
        slicing.gather(sp.values, of_array(np.asarray(rows, np.int64))),
        np.asarray(shape, np.int64),
    )


def reorder(sp_input: Any, name: Any = None) -> SparseTensor:
    """The same, with places in order."""
    sp = checked(sp_input, "sparse_reorder")
    found = places(sp, "sparse_reorder")
    rows = np.lexsort(found.T[::-1]) if len(found) else np.arange(0)
    return _taken(sp, rows, found[rows], sp.dense_shape.numpy())


def transpose(sp_input: Any, perm: Any = None, name: Any = None) -> SparseTensor:
    """The same with its axes in another order (reversed by default)."""
    sp = checked(sp_input, "sparse_transpose")
    rank = len(sp.shape)
    axes = list(range(rank))[::-1] if perm is None else [int(p) for p in perm]
    if sorted(axes) != list(range(rank)):
        raise error(ValueError, f"perm {axes} is no order of {rank} axes")
    moved = SparseTensor(
        of_array(np.ascontiguousarray(sp.indices.numpy()[:, axes])),
        sp.values,
        sp.dense_shape.numpy()[axes],
    )
    return reorder(moved)


def sparse_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: Any = None
) -> Any:
    """The product of a sparse matrix and a dense one (or the other way round).

    Raises InvalidArgumentError where the inner extents differ.
    """
    if isinstance(b, SparseTensor):
        turned = sparse_dense_matmul(b, sp_a, not adjoint_b, not adjoint_a)
        return arrays.transpose(turned)
    sp, dense = checked(sp_a, "sparse_dense_matmul"), convert(b)
    found = places(sp, "sparse_dense_matmul")
    rows, columns = (1, 0) if adjoint_a else (0, 1)
    if adjoint_b:
        dense = arrays.transpose(dense)
    shape = sp.shape.as_list()
    inner, height = shape[columns], shape[rows]
    if dense.shape.rank != 2 or dense.shape[0] != inner:
        raise error(
            errors.InvalidArgumentError,
            f"Cannot multiply A and B because inner dimension does not match: {inner} vs. "
            f"{dense.shape}. Did you forget a transpose?",
        )
    taken = slicing.gather(dense, of_array(np.ascontiguousarray(found[:, columns])))
    parts = taken * arrays.expand_dims(sp.values, 1)
    index = of_array(np.ascontiguousarray(found[:, rows : rows + 1]))
    return slicing.scatter_nd(index, parts, np.array([height, dense.shape[1]], np.int64))


def add(a: Any, b: Any, threshold: Any = 0) -> Any:
    """The sum: sparse of two sparse tensors, dense if one is dense. Where both have a value, one
    below `threshold` is left out. Raises InvalidArgumentError for two shapes."""
    if not isinstance(a, SparseTensor) and not isinstance(b, SparseTensor):
        raise error(
            TypeError, "At least one input should be SparseTensor; do you mean to use tf.add()?"
        )
    if not (isinstance(a, SparseTensor) and isinstance(b, SparseTensor)):
        sparse, dense = (a, b) if isinstance(a, SparseTensor) else (b, a)
        return elementwise.add(_summed(sparse), dense)
    if a.shape != b.shape:
        raise error(
            errors.InvalidArgumentError, f"operands' shapes do not match: {a.shape}, {b.shape}"
        )
    both = np.concatenate([places(a, "sparse_add"), places(b, "sparse_add")])
    found, where, counts = np.unique(both, axis=0, return_inverse=True, return_counts=True)
    values = slicing.scatter_nd(
        of_array(where.reshape(-1, 1).astype(np.int64)),
        arrays.concat([a.values, b.values], 0),
        np.array([len(found)], np.int64),
    )
    total = SparseTensor(of_array(found), values, a.dense_shape)
    limit = convert(threshold, hint=a.dtype)._array()
    return retain(total, (counts == 1) | (np.abs(values._array()) >= limit))


def _summed(sp: SparseTensor) -> Any:
    """The dense tensor; places given twice are added."""
    return slicing.scatter_nd(sp.indices, sp.values, sp.dense_shape)


def retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """The values for which a vector of bools is True."""
    sp = checked(sp_input, "sparse_retain")
    rows = np.flatnonzero(convert(to_retain)._array())
    return _taken(sp, rows, sp.indices.numpy()[rows], sp.dense_shape.numpy())


def slice(sp_input: Any, start: Any, size: Any, name: Any = None) -> SparseTensor:
    """The part that begins at `start` and has extents of at most `size`."""
    sp = checked(sp_input, "sparse_slice")
    first, extents = convert(start)._array(), convert(size)._array()
    found, shape = places(sp, "sparse_slice"), sp.dense_shape.numpy()
    extents = np.clip(np.minimum(extents, shape - first), 0, None)
    rows = np.flatnonzero(((found >= first) & (found < first + extents)).all(1))
    return _taken(sp, rows, found[rows] - first, extents)


def concat(axis: Any, sp_inputs: Any, expand_nonconcat_dims: bool = False, name: Any = None) -> Any:
    """Sparse tensors one after another along an axis."""
    parts = [checked(s, "sparse_concat") for s in sp_inputs]
    rank = len(parts[0].shape)
    place = int(axis) % rank
    shapes = np.stack([p.dense_shape.numpy() for p in parts])
    others = np.delete(shapes, place, 1)
    if not expand_nonconcat_dims and (others != others[0]).any():
        raise error(
            errors.InvalidArgumentError,
            f"Concat dimensions must match, got the shapes {shapes.tolist()}",
        )
    offset, moved = 0, []
    for part in parts:
        found = places(part, "sparse_concat").copy()
        found[:, place] += offset
        offset += int(part.dense_shape.numpy()[place])
        moved.append(found)
    shape = shapes.max(0)
    shape[place] = offset
    values = arrays.concat([p.values for p in parts], 0)
    return reorder(SparseTensor(of_array(np.concatenate(moved)), values, shape))


def reduce_sum(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, output_is_sparse: bool = False,
    name: Any = None,
) -> Any:  # fmt: skip
    """The sum over axes, dense (sparse with `output_is_sparse`)."""
    made = reduction.reduce_sum(_summed(checked(sp_input, "reduce_sum")), axis, bool(keepdims))
    return from_dense(made) if output_is_sparse else made


def reduce_max(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, output_is_sparse: bool = False,
    name: Any = None,
) -> Any:  # fmt: skip
    """The greatest of the values that are there; 0 where none is."""
    sp = checked(sp_input, "reduce_max")
    low = sp.dtype.min
    held = to_dense(reorder(sp), default_value=low)
    there = to_dense(reorder(sp.with_values(creation.ones_like(sp.values))))
    most = reduction.reduce_max(held, axis, bool(keepdims))
    any_there = reduction.reduce_max(there, axis, bool(keepdims))
    made = elementwise.where(any_there > 0, most, creation.zeros_like(most))
    return from_dense(made) if output_is_sparse else made


def map_values(op: Callable[..., Any], *args: Any, **kwargs: Any) -> SparseTensor:
    """A function of the values of sparse tensors that have the same places."""
    sparse = [a for a in (*args, *kwargs.values()) if isinstance(a, SparseTensor)]
    if not sparse:
        raise error(ValueError, "No SparseTensor in argument list of map_values")
    if any((s.indices.numpy() != sparse[0].indices.numpy()).any() for s in sparse[1:]):
        raise error(errors.InvalidArgumentError, "the sparse tensors have different places")

    def inside(value: Any) -> Any:
        return value.values if isinstance(value, SparseTensor) else value

    made = op(*map(inside, args), **{k: inside(v) for k, v in kwargs.items()})
    return sparse[0].with_values(made)


def reshape(sp_input: Any, shape: Any, name: Any = None) -> SparseTensor:
    """The same values in another shape (one extent may be -1)."""
    sp = checked(sp_input, "sparse_reshape")
    old = sp.dense_shape.numpy().tolist()
    wanted = [int(e) for e in convert(shape)._array()]
    try:
        new = np.empty(old, np.bool_).reshape(wanted).shape
    except ValueError:
        raise error(
            errors.InvalidArgumentError,
            f"Input to reshape is a SparseTensor of shape {old}, the requested shape is {wanted}",
        ) from None
    flat: Any = np.ravel_multi_index(tuple(places(sp, "sparse_reshape").T), tuple(old))
    found = np.array(np.unravel_index(flat, new)).T.reshape(flat.shape[0], len(new))
    return SparseTensor(of_array(found.astype(np.int64)), sp.values, np.array(new, np.int64))


def eye(num_rows: Any, num_columns: Any = None, dtype: Any = "float32", name: Any = None) -> Any:
    """Ones on the diagonal."""
    height = int(num_rows)
    width = height if num_columns is None else int(num_columns)
    diagonal = np.arange(min(height, width), dtype=np.int64)
    values = creation.ones([len(diagonal)], dtype)
    return SparseTensor(
        of_array(np.stack([diagonal, diagonal], 1)), values, np.array([height, width], np.int64)
    )


def softmax(sp_input: Any, name: Any = None) -> SparseTensor:
    """The softmax of the values of each row along the last axis."""
    from plait.tf._ops import segments

    sp = checked(sp_input, "sparse_softmax")
    found = places(sp, "sparse_softmax")
    _, rows = np.unique(found[:, :-1], axis=0, return_inverse=True)
    index, count = of_array(rows.reshape(-1).astype(np.int32)), int(rows.max(initial=-1)) + 1
    most = slicing.gather(segments.unsorted_segment_max(sp.values, index, count), index)
    powers = elementwise.exp(sp.values - most)
    total = slicing.gather(segments.unsorted_segment_sum(powers, index, count), index)
    return sp.with_values(powers / total)


__all__ = [
    "SparseTensor", "SparseTensorSpec", "add", "concat", "eye", "from_dense", "map_values",
    "reduce_max", "reduce_sum", "reorder", "reshape", "retain", "slice", "softmax",
    "sparse_dense_matmul", "to_dense", "transpose",
]  # fmt: skip
