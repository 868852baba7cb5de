"""Sparse tensors in Keras' functions: what stays sparse, and what becomes dense.

A sparse tensor is `torch.sparse_coo_tensor`'s: rows at places, zeros elsewhere. With all axes
sparse a row is one number; with fewer it is what TensorFlow calls indexed slices. The rules are
those of Keras' TensorFlow and JAX backends: functions that keep zero keep the places, sums have the
places of both, products those of one, and what is not zero at zero is dense. `admit` lets the
functions of a module take sparse tensors by these rules; a function without one says that it takes
none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from keras.src.backend.common import KerasVariable

import plait as torch
from plait._sparse import SparseTensor, flat_places
from plait.core.functional.axes import normal_axis

Function = Callable[..., Any]


def is_sparse(x: Any) -> bool:
    return isinstance(x, SparseTensor)


def dense(x: Any) -> Any:
    """A sparse tensor with all its zeros; anything else as it is."""
    return x.to_dense() if isinstance(x, SparseTensor) else x


def _tensor(x: Any) -> Any:
    return x.value if isinstance(x, KerasVariable) else torch.as_tensor(x)


def made_of(indices: Any, rows: Any, shape: Sequence[int]) -> SparseTensor:
    """The sparse tensor of `rows` (n, ...) at `indices`, one of (n,) for each sparse axis."""
    shape = tuple(shape)
    if len(indices):
        places = flat_places(indices, shape[: len(indices)])
    else:
        places = torch.zeros(rows.shape[0], dtype=torch.int64)
    return SparseTensor.of_rows(places, rows, shape, False, len(indices))


def from_other(x: Any) -> SparseTensor:
    """The sparse tensor of a matrix of SciPy's, or an array of JAX' `BCOO` kind."""
    if hasattr(x, "tocoo"):
        x = x.tocoo()
        return made_of([_integers(x.row), _integers(x.col)], torch.tensor(x.data), x.shape)
    if x.n_batch:
        raise ValueError("a BCOO array with batch axes is not taken; set n_batch=0 in its layout")
    inside = np.flatnonzero((np.asarray(x.indices) < np.array(x.shape[: x.n_sparse])).all(1))
    indices, rows = np.asarray(x.indices)[inside], np.asarray(x.data)[inside]
    return made_of([_integers(i) for i in indices.T], torch.tensor(rows), x.shape)


def _integers(x: Any) -> Any:
    return torch.tensor(np.asarray(x, np.int64))


def coordinates(x: SparseTensor) -> list[Any]:
    """The index of each row along each sparse axis, each (n,)."""
    return list(x._indices().unbind(0)) if x.sparse_dim() else []


def _reshaped(x: SparseTensor, rows: Any, shape: Sequence[int], sparse_dim: int) -> SparseTensor:
    """Other extents for the same table: the numbers of its rows stay."""
    return SparseTensor.of_rows(x._index, rows, tuple(shape), x.is_coalesced(), sparse_dim)


# -- element by element ----------------------------------------------------------------------------


def keeps_zero(function: Function) -> Function:
    """Of a function with f(0) = 0: the same places."""

    def rule(x: SparseTensor, *args: Any, **kwargs: Any) -> Any:
        return x._with(function(x._values(), *args, **kwargs))

    return lambda x, *args, **kwargs: rule(x.coalesce(), *args, **kwargs)


def densifies(function: Function) -> Function:
    """Of a function that is not zero at zero."""
    return lambda *args, **kwargs: function(
        *map(dense, args), **{name: dense(x) for name, x in kwargs.items()}
    )


def _aligned(xs: Sequence[SparseTensor]) -> tuple[Any, list[Any]]:
    """(the places that any of these has, the rows of each there)."""
    places = np.unique(np.concatenate([x._index.compute() for x in xs]))
    rows = []
    for x in xs:
        where = torch.tensor(np.searchsorted(places, x._index.compute()).astype(np.int64))
        rows.append(x._summed(where, len(places)))
    return torch.tensor(places), rows


def _of_one_kind(*xs: Any) -> bool:
    """Whether these are sparse, of one shape, and along the same axes."""
    return all(isinstance(x, SparseTensor) for x in xs) and (
        len({(tuple(x.shape), x.sparse_dim()) for x in xs}) == 1
    )


def union(function: Function) -> Function:
    """Of a function with f(0, 0) = 0: of two sparse tensors the places of both."""

    def rule(x1: Any, x2: Any) -> Any:
        if not _of_one_kind(x1, x2):
            return function(dense(x1), dense(x2))
        places, rows = _aligned([x1, x2])
        return SparseTensor.of_rows(places, function(*rows), tuple(x1.shape), True, x1.sparse_dim())

    return rule


def _at_places(x: Any, of: SparseTensor, name: str) -> Any:
    """The rows of a dense tensor, broadcast to the shape of a sparse one, at its places."""
    x = _tensor(x)
    if torch.broadcast_shapes(tuple(x.shape), tuple(of.shape)) != tuple(of.shape):
        raise ValueError(
            f"{name}: a sparse tensor is not broadcast; received shapes {tuple(of.shape)} (sparse) "
            f"and {tuple(x.shape)}. Expand the sparse one first, or convert it to a dense tensor"
        )
    table = x.broadcast_to(tuple(of.shape)).reshape(of._count, *of._values().shape[1:])
    return table.index_select(0, of._index)


def intersection(function: Function) -> Function:
    """Of a product: the places of the sparse operand, of two sparse ones those that both have."""

    def rule(x1: Any, x2: Any) -> Any:
        if is_sparse(x1) and is_sparse(x2):
            if not _of_one_kind(x1, x2):
                return function(x1.to_dense(), x2.to_dense())
            return _where_both(function, x1.coalesce(), x2.coalesce())
        x, other, turned = (x1, x2, False) if is_sparse(x1) else (x2, x1, True)
        values = other if _is_scalar(other) else _at_places(other, x, "multiply")
        rows = x._values()
        return x._with(function(values, rows) if turned else function(rows, values))

    return rule


def _where_both(function: Function, x1: SparseTensor, x2: SparseTensor) -> SparseTensor:
    first, second = x1._index.compute(), x2._index.compute()
    places, at_first, at_second = np.intersect1d(first, second, True, return_indices=True)
    rows = [
        x._values().index_select(0, _integers(at)) for x, at in ((x1, at_first), (x2, at_second))
    ]
    return x1._with(function(*rows), torch.tensor(places), True)


def _is_scalar(x: Any) -> bool:
    return not getattr(x, "shape", ()) and not isinstance(x, (list, tuple))


def division(function: Function) -> Function:
    """Of a quotient: the places of the dividend, and those where 0 is divided by 0 or by NaN."""

    def rule(x1: Any, x2: Any) -> Any:
        if not is_sparse(x1) or is_sparse(x2):
            return function(dense(x1), dense(x2))
        if _is_scalar(x2):
            return x1._with(function(x1._values(), x2))
        x2 = _tensor(x2)
        shape = tuple(x1.shape)
        odd = ((x2 == 0) | (x2 != x2)).broadcast_to(shape).to(x1.dtype).to_sparse(x1.sparse_dim())
        places, (rows, _) = _aligned([x1, odd])
        x1 = SparseTensor.of_rows(places, rows, shape, True, x1.sparse_dim())
        return x1._with(function(x1._values(), _at_places(x2, x1, "divide")))

    return rule


# -- axes ------------------------------------------------------------------------------------------


def _split(x: SparseTensor, axis: Any) -> tuple[list[int], list[int]]:
    """The axes to reduce: those that are sparse, and those of the rows."""
    given = range(x.ndim) if axis is None else axis
    given = given if isinstance(given, (list, tuple, range)) else (given,)
    axes = sorted({normal_axis(int(a), x.ndim, "reduction") for a in given})
    return [a for a in axes if a < x.sparse_dim()], [a for a in axes if a >= x.sparse_dim()]


def sums(function: Function) -> Function:
    """Of a sum along axes: sparse along those that stay, and of numbers always."""

    def rule(x: SparseTensor, axis: Any = None, keepdims: bool = False) -> Any:
        of_table, of_rows = _split(x, axis)
        kept = [a for a in range(x.sparse_dim()) if a not in of_table]
        if x.dense_dim() and not kept and not keepdims:
            return function(x.to_dense(), axis=axis, keepdims=keepdims)
        rows = x._values()
        of_rows = [a - x.sparse_dim() + 1 for a in of_rows]
        rows = function(rows, axis=tuple(of_rows), keepdims=keepdims)
        indices, shape = coordinates(x), list(x.shape)
        if keepdims:
            shape = [1 if a in of_table else e for a, e in enumerate(shape)]
            indices = [torch.zeros_like(i) if a in of_table else i for a, i in enumerate(indices)]
        else:
            shape, indices = [shape[a] for a in kept], [indices[a] for a in kept]
        return made_of(indices, rows, [*shape[: len(indices)], *rows.shape[1:]])

    return rule


def means(function: Function) -> Function:
    """Of a mean along axes: a sum over the number of elements, zeros and all."""

    def rule(x: SparseTensor, axis: Any = None, keepdims: bool = False) -> Any:
        count = math.prod(x.shape[a] for part in _split(x, axis) for a in part)
        # The mean of single elements has the dtype of the result.
        one_by_one = x._with(function(x._values(), axis=()))
        made = sums(_summed)(one_by_one, axis, keepdims)
        return made._with(made._values() / count) if is_sparse(made) else made / count

    return rule


def _summed(rows: Any, axis: Any, keepdims: bool) -> Any:
    return rows if axis == () else rows.sum(axis, keepdims)


def reshapes(function: Function) -> Function:
    """Of `reshape`, where the axes of the rows stay as they are."""

    def rule(x: SparseTensor, newshape: Any) -> SparseTensor:
        given = newshape if isinstance(newshape, (list, tuple)) else (newshape,)
        known = math.prod(e for e in given if e != -1)
        shape = [math.prod(x.shape) // max(known, 1) if e == -1 else int(e) for e in given]
        if math.prod(shape) != math.prod(x.shape):
            raise ValueError(f"reshape: cannot reshape {tuple(x.shape)} into {tuple(given)}")
        row = x.dense_dim()
        if row and shape[-row:] != list(x.shape)[-row:]:
            raise ValueError(
                f"reshape: the last {row} axes of indexed slices stay as they are; received shape "
                f"{tuple(x.shape)} and newshape {tuple(given)}"
            )
        return _reshaped(x, x._values(), shape, len(shape) - row)

    return rule


def expands(function: Function) -> Function:
    """Of `expand_dims`."""

    def rule(x: SparseTensor, axis: Any) -> SparseTensor:
        given = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
        axes = sorted(normal_axis(a, x.ndim + len(given), "expand_dims") for a in given)
        for one in axes:
            shape = [*x.shape[:one], 1, *x.shape[one:]]
            if one <= x.sparse_dim():
                x = _reshaped(x, x._values(), shape, x.sparse_dim() + 1)
            else:
                rows = x._values().unsqueeze(one - x.sparse_dim() + 1)
                x = _reshaped(x, rows, shape, x.sparse_dim())
        return x

    return rule


def squeezes(function: Function) -> Function:
    """Of `squeeze`."""

    def rule(x: SparseTensor, axis: Any = None) -> SparseTensor:
        ones = [a for a, extent in enumerate(x.shape) if extent == 1]
        of_table, of_rows = _split(x, ones if axis is None else axis)
        for one in (*of_table, *of_rows):
            if x.shape[one] != 1:
                raise ValueError(
                    f"Cannot squeeze axis={one}, because the dimension is not 1. "
                    f"Received: shape={tuple(x.shape)}"
                )
        rows = x._values()
        rows = rows.squeeze([a - x.sparse_dim() + 1 for a in of_rows]) if of_rows else rows
        shape = [e for a, e in enumerate(x.shape) if a not in (*of_table, *of_rows)]
        return _reshaped(x, rows, shape, x.sparse_dim() - len(of_table))

    return rule


def transposes(function: Function) -> Function:
    """Of `transpose`, among the sparse axes and among those of the rows."""

    def rule(x: SparseTensor, axes: Any = None) -> SparseTensor:
        count = x.sparse_dim()
        order = [normal_axis(a, x.ndim, "transpose") for a in axes or range(x.ndim - 1, -1, -1)]
        if sorted(order[:count]) != list(range(count)):
            raise ValueError(
                f"transpose: the axes of the rows of indexed slices stay behind the others; "
                f"received shape {tuple(x.shape)} with {count} sparse axes, and axes {order}"
            )
        rows = x._values()
        if x.dense_dim():
            rows = rows.permute(0, *[a - count + 1 for a in order[count:]])
        indices = coordinates(x)
        return made_of([indices[a] for a in order[:count]], rows, [x.shape[a] for a in order])

    return rule


def concatenates(function: Function) -> Function:
    """Of `concatenate`: sparse if all are."""

    def rule(xs: Any, axis: int | None = 0) -> Any:
        kinds = {(x.ndim, x.sparse_dim()) for x in xs if is_sparse(x)}
        if axis is None or len(kinds) != 1 or not all(map(is_sparse, xs)):
            return function([dense(x) for x in xs], axis)
        axis = normal_axis(axis, xs[0].ndim, "concatenate")
        count = xs[0].sparse_dim()
        if axis >= count:
            places, rows = _aligned(xs)
            joined = function(rows, axis - count + 1)
            shape = [*xs[0].shape[:count], *joined.shape[1:]]
            return SparseTensor.of_rows(places, joined, tuple(shape), True, count)
        shape, start, parts = list(xs[0].shape), 0, []
        for x in xs:
            found = coordinates(x)
            found[axis] = found[axis] + start
            start += x.shape[axis]
            parts.append(found)
        shape[axis] = start
        indices = [torch.cat(lines) for lines in zip(*parts)]
        return made_of(indices, function([x._values() for x in xs], 0), shape)

    return rule


# -- products and choices --------------------------------------------------------------------------


def products(function: Function) -> Function:
    """Of `matmul`: dense, and sparse if both are. Batches of matrices are one matrix with the
    others beside its diagonal."""

    def rule(x1: Any, x2: Any) -> Any:
        x1, x2 = (x if is_sparse(x) else _tensor(x) for x in (x1, x2))
        if min(x1.ndim, x2.ndim) < 2 or any(is_sparse(x) and x.dense_dim() for x in (x1, x2)):
            return function(dense(x1), dense(x2))
        if is_sparse(x1) and is_sparse(x2):
            if x1.shape[:-2] != x2.shape[:-2]:
                return function(x1.to_dense(), x2.to_dense()).to_sparse()
            return _sparse_by_sparse(function, x1, x2)
        if is_sparse(x1):
            return _sparse_by_dense(function, x1, x2)
        turned = _sparse_by_dense(
            lambda a, b: function(b.swapaxes(-1, -2), a.swapaxes(-1, -2)).swapaxes(-1, -2),
            transposes(torch.permute)(x2, [*range(x2.ndim - 2), x2.ndim - 1, x2.ndim - 2]),
            x1.swapaxes(-1, -2),
        )
        return turned.swapaxes(-1, -2)

    return rule


def _as_matrix(x: SparseTensor) -> tuple[Any, Any]:
    """(row, column) of each value in the matrix with those of a batch beside its diagonal."""
    *batch, row, column = coordinates(x)
    number = flat_places(batch, tuple(x.shape[:-2])) if batch else 0
    return number * x.shape[-2] + row, number * x.shape[-1] + column


def _sparse_by_dense(function: Function, x1: SparseTensor, x2: Any) -> Any:
    """Gathers the rows of x2 that the columns name, scales them, and adds them up."""
    batch = tuple(x1.shape[:-2])
    if x1.shape[-1] != x2.shape[-2] or torch.broadcast_shapes(batch, x2.shape[:-2]) != batch:
        return function(x1.to_dense(), x2)  # broadcasts the sparse one, or says what is wrong
    x2 = x2.expand(*batch, *x2.shape[-2:])
    row, column = _as_matrix(x1)
    width = x2.shape[-1]
    picked = x2.reshape(-1, width).index_select(0, column)
    terms = function(x1._values()[:, None, None], picked[:, None, :])[:, 0]
    start = torch.zeros((math.prod(batch) * x1.shape[-2], width), dtype=terms.dtype)
    return start.index_add(0, row, terms).reshape(*batch, x1.shape[-2], width)


def _sparse_by_sparse(function: Function, x1: SparseTensor, x2: SparseTensor) -> SparseTensor:
    """Each value of x1 with each of x2 in the row that its column names."""
    row, inner = (part.compute() for part in _as_matrix(x1))
    outer, column = (part.compute() for part in _as_matrix(x2))
    order = np.argsort(outer, kind="stable")
    start, end = (np.searchsorted(outer[order], inner, side) for side in ("left", "right"))
    count = end - start
    left = np.repeat(np.arange(len(inner)), count)
    right = order[np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - start, count)]
    terms = function(
        x1._values().index_select(0, _integers(left))[:, None, None],
        x2._values().index_select(0, _integers(right))[:, None, None],
    )[:, 0, 0]
    number, row = np.divmod(row[left], x1.shape[-2])
    indices = [*np.unravel_index(number, x1.shape[:-2])] if x1.ndim > 2 else []
    indices += [row, column[right] % x2.shape[-1]]
    shape = [*x1.shape[:-1], x2.shape[-1]]
    return made_of([_integers(i) for i in indices], terms, shape).coalesce()


def takes(function: Function) -> Function:
    """Of `take`: sparse indices name the slice 0 where they have none."""

    def rule(x: Any, indices: Any, axis: int | None = None) -> Any:
        return function(dense(x), dense(indices), axis)

    return rule


def counts(function: Function) -> Function:
    """Of `bincount`: sparse numbers, and with `sparse` any, give sparse counts."""

    def rule(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
        if is_sparse(x) != is_sparse(weights) and weights is not None:
            raise ValueError("bincount: `x` and `weights` must both be sparse, or neither")
        lead: list[Any] = []
        extents: list[int] = list(x.shape[:-1])
        if is_sparse(x):
            lead, values = coordinates(x)[:-1], x._values()
            if weights is not None:
                _, (values, weights) = _aligned([x, weights])
                lead = coordinates(x.coalesce())[:-1]
        else:
            values = _tensor(x)
            lead = [
                i.reshape(-1)
                for i in torch.meshgrid(*[torch.arange(e) for e in values.shape], indexing="ij")
            ][:-1]
            values = values.reshape(-1)
            weights = None if weights is None else _tensor(weights).reshape(-1)
        values = values.to(torch.int64)
        length = max(minlength, int(values.max()) + 1 if values.numel() else 0)
        if weights is None:
            weights = torch.ones(values.shape, dtype=torch.int32)
        weights = weights.to(torch.int32) if weights.dtype is torch.bool else weights
        return made_of([*lead, values], weights, [*extents, length]).coalesce()

    return rule


# -- which function has which rule -----------------------------------------------------------------

_KEEP_ZERO = (
    *("abs", "absolute", "arcsin", "arcsinh", "arctan", "arctanh", "ceil", "conj", "conjugate"),
    *("copy", "digitize", "expm1", "floor", "imag", "isinf", "isnan", "log1p", "negative", "real"),
    *("round", "sign", "signbit", "sin", "sinh", "sqrt", "square", "tan", "tanh"),
)
_DENSIFY = (
    *("arccos", "arccosh", "cos", "cosh", "exp", "exp2", "isfinite", "log", "log10", "log2"),
    "reciprocal",
)
_RULES: dict[str, Callable[[Function], Function]] = {
    **dict.fromkeys(_KEEP_ZERO, keeps_zero),
    **dict.fromkeys(_DENSIFY, densifies),
    **dict.fromkeys(("add", "maximum", "minimum", "subtract"), union),
    "multiply": intersection,
    **dict.fromkeys(("divide", "true_divide"), division),
    "sum": sums,
    "mean": means,
    "reshape": reshapes,
    "expand_dims": expands,
    "squeeze": squeezes,
    "transpose": transposes,
    "concatenate": concatenates,
    "matmul": products,
    "take": takes,
    "bincount": counts,
}


def admit(functions: dict[str, Any]) -> None:
    """Replace the functions that have a rule by ones that take sparse tensors, too."""
    for name, rule in _RULES.items():
        functions[name] = _admitting(functions[name], rule(functions[name]))


def _admitting(function: Function, rule: Function) -> Function:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for given in (*args, *kwargs.values()):
            if given.__class__ is SparseTensor or (
                given.__class__ in (list, tuple) and any(map(is_sparse, given))
            ):
                return rule(*args, **kwargs)
        return rule(*args, **kwargs) if kwargs.get("sparse") else function(*args, **kwargs)

    return call
