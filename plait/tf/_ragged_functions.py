"""Functions of TensorFlow on ragged tensors: on the innermost values, along rows, row after row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.tf._convert import convert
from plait.tf._dispatch import ragged
from plait.tf._ops import arrays, elementwise, segments, slicing
from plait.tf._ops import reduction as reductions
from plait.tf._ops.operators import _BINARY, _COMPARISONS
from plait.tf._ragged import RaggedTensor, places_of, require


def map_flat_values(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A function of the innermost values of ragged arguments, which must have the same rows.

    Raises InvalidArgumentError where they have not.
    """
    found = [x for x in (*args, *kwargs.values()) if isinstance(x, RaggedTensor)]
    if not found:
        return op(*args, **kwargs)
    for other in found[1:]:
        for a, b in zip(found[0].nested_row_splits, other.nested_row_splits):
            require(
                np.array_equal(a.numpy(), b.numpy()),
                "Inputs must have identical ragged splits",
            )
    given = [x.flat_values if isinstance(x, RaggedTensor) else x for x in args]
    named = {k: x.flat_values if isinstance(x, RaggedTensor) else x for k, x in kwargs.items()}
    return found[0].with_flat_values(op(*given, **named))


_REDUCTIONS = {
    "reduce_sum": segments.unsorted_segment_sum,
    "reduce_prod": segments.unsorted_segment_prod,
    "reduce_max": segments.unsorted_segment_max,
    "reduce_min": segments.unsorted_segment_min,
    "reduce_mean": None,  # a sum and a quotient
}


def _reduced(name: str, rows: RaggedTensor, axis: Any = None, keepdims: bool = False) -> Any:
    """A reduction of everything, or along a ragged axis."""
    if axis is None:
        return getattr(reductions, name)(rows.flat_values)
    where = int(axis)
    if keepdims or where == 0 or name not in _REDUCTIONS:
        raise not_built(f"tf.{name} of a ragged tensor with axis={axis}, keepdims={keepdims}")
    inner = rows.values
    if where == 1 and name == "reduce_mean":  # nan for a row without elements
        lengths = elementwise.cast(rows.row_lengths(), rows.dtype)
        return _reduced("reduce_sum", rows, 1) / lengths
    if where == 1 and not isinstance(inner, RaggedTensor):
        return _REDUCTIONS[name](inner, rows.value_rowids(), len(rows))
    if where > 1 and isinstance(inner, RaggedTensor):
        return rows.with_values(_reduced(name, inner, where - 1))
    if where > 1:
        return rows.with_values(getattr(reductions, name)(inner, where - 1))
    raise not_built(f"tf.{name} along an outer axis of rows of rows")


def _counted(
    arr: RaggedTensor,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = None,
    axis: Any = None,
    binary_output: bool = False,
) -> Any:
    """`tf.math.bincount` of ragged rows, with axis=-1 of each."""
    values = arr.flat_values._array()
    if axis != -1:
        return reductions.bincount(
            values, weights, minlength, maxlength, dtype, axis, binary_output
        )
    if arr.ragged_rank > 1:
        raise not_built("tf.math.bincount of rows of rows")
    held = weights.flat_values if isinstance(weights, RaggedTensor) else weights
    amounts = None if held is None else convert(held)._array().reshape(-1)
    rows = arr.value_rowids().numpy()
    bounds = (minlength, maxlength)
    return reductions.counted(values, rows, len(arr), amounts, bounds, dtype, binary_output)


def _dispatched(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """A function of TensorFlow's that has met a ragged tensor. Raises TypeError for those that do
    not take any."""
    name = function.__name__
    if name == "bincount":
        return _counted(*args, **kwargs)
    if name in _REDUCTIONS or name in ("reduce_any", "reduce_all"):
        return _reduced(name, *args, **kwargs)
    if name == "concat":
        return _joined(*args, **kwargs)
    if name in ("size", "rank"):
        held = args[0].flat_values if name == "size" else None
        return arrays.size(held) if name == "size" else convert(len(args[0].shape))
    if function.__module__ == elementwise.__name__ or name in _BY_VALUE:
        return map_flat_values(function, *args, **kwargs)
    raise error(
        TypeError,
        f"tf.{name} does not take ragged tensors; give it a tensor (to_tensor()), or the values "
        "(tf.ragged.map_flat_values)",
    )


_BY_VALUE = frozenset(
    ["relu", "softplus", "gelu", "dropout", "zeros_like", "ones_like", "identity"]
)


def _joined(values: Any, axis: Any = 0) -> RaggedTensor:
    """Rows after rows (axis 0), or each row after the other's (axis 1)."""
    parts = [v if isinstance(v, RaggedTensor) else RaggedTensor.from_tensor(v) for v in values]
    if any(isinstance(p.values, RaggedTensor) for p in parts):
        raise not_built("tf.concat of rows of rows")
    flat = arrays.concat([p.values for p in parts], 0)
    lengths = [np.diff(p._splits) for p in parts]
    if int(axis) == 0:
        return RaggedTensor.from_row_lengths(flat, np.concatenate(lengths))
    if int(axis) != 1:
        raise not_built(f"tf.concat of ragged tensors along axis {axis}")
    require(len({len(p) for p in parts}) == 1, "ragged tensors of different numbers of rows")
    starts = np.cumsum([0, *[int(p._splits[-1]) for p in parts[:-1]]])
    places = [
        places_of(p._splits[row], p._splits[row + 1]) + start
        for row in range(len(parts[0]))
        for p, start in zip(parts, starts)
    ]
    order = np.concatenate(places).astype(np.int64) if places else np.zeros(0, np.int64)
    return RaggedTensor.from_row_lengths(slicing.gather(flat, order), sum(lengths))


ragged["dispatch"] = _dispatched


def _attach() -> None:
    """The operators, on the innermost values."""

    def forward(function: Any) -> Any:
        return lambda self, other: map_flat_values(function, self, other)

    def reflected(function: Any) -> Any:
        return lambda self, other: map_flat_values(function, other, self)

    for name, function in _BINARY.items():
        setattr(RaggedTensor, f"__{name}__", forward(function))
        setattr(RaggedTensor, f"__r{name}__", reflected(function))
    for name, function in _COMPARISONS.items():
        setattr(RaggedTensor, f"__{name}__", forward(function))
    RaggedTensor.__neg__ = lambda self: map_flat_values(elementwise.negative, self)  # type: ignore[attr-defined]  # attached here
    RaggedTensor.__abs__ = lambda self: map_flat_values(elementwise.abs, self)  # type: ignore[attr-defined]  # attached here


_attach()
