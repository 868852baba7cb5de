"""Making tensors: constants, filled ones, ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert, core_dtype, inner, pair, shape_of, wrap
from plait.tf._dispatch import op
from plait.tf._dtypes import as_dtype, float32, int32, string
from plait.tf._tensor import Tensor, of_array


@op
def constant(value: Any, dtype: Any = None, shape: Any = None, verify_shape: bool = False) -> Any:
    """A tensor of Python values or an array; `shape` reshapes, or fills with one value."""
    made = convert(value, dtype)
    if shape is None:
        return made
    wanted = shape_of(shape)
    if made.shape == wanted:
        return made
    array = made._array()
    if array.size == 1:
        return of_array(np.full(wanted, array.reshape(-1)[0], array.dtype))
    if array.size != int(np.prod(wanted)):
        raise error(
            TypeError,
            f"Eager execution of tf.constant with unsupported shape. Tensor {array!r} (converted "
            f"from {value!r}) has {array.size:d} elements, but got `shape` {wanted}",
        )
    return of_array(array.reshape(wanted).copy())


@op
def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None) -> Any:
    """The value as a tensor; a tensor must have `dtype` already."""
    if isinstance(value, (list, tuple)) and _any_tensor(value):
        from plait.tf._ops.arrays import stack

        parts = [convert_to_tensor(v, dtype, dtype_hint) for v in value]
        return stack(parts)
    return convert(value, dtype, dtype_hint)


def _any_tensor(values: Any) -> bool:
    return any(
        _any_tensor(v)
        if isinstance(v, (list, tuple))
        else isinstance(v, Tensor) or hasattr(v, "_as_tf_tensor")
        for v in values
    )


def _full(shape: Any, value: Any, dtype: Any) -> Any:
    kind = as_dtype(dtype)
    if kind is string:
        array = np.empty(shape_of(shape), object)
        array[...] = b""
        return of_array(array)
    return wrap(plait.full(shape_of(shape), value, dtype=kind.core))


@op
def zeros(shape: Any, dtype: Any = float32, layout: Any = None) -> Any:
    """All 0 (False, empty strings)."""
    return _full(shape, 0, dtype)


@op
def ones(shape: Any, dtype: Any = float32, layout: Any = None) -> Any:
    """All 1 (True)."""
    return _full(shape, 1, dtype)


@op
def zeros_like(input: Any, dtype: Any = None, layout: Any = None) -> Any:
    """0 in the shape, and unless told otherwise the dtype, of a tensor."""
    like = convert(input)
    return _full(like.shape, 0, dtype or like.dtype)


@op
def ones_like(input: Any, dtype: Any = None, layout: Any = None) -> Any:
    """1 in the shape, and unless told otherwise the dtype, of a tensor."""
    like = convert(input)
    return _full(like.shape, 1, dtype or like.dtype)


@op
def fill(dims: Any, value: Any, layout: Any = None) -> Any:
    """One value everywhere."""
    scalar = convert(value)
    if scalar._array().size != 1:
        raise error(
            errors.InvalidArgumentError,
            f"value must be a scalar. Got shape: {list(scalar.shape)} [Op:Fill]",
        )
    if scalar.dtype is string:
        return of_array(np.full(shape_of(dims), scalar._array()[()], object))
    return wrap(plait.broadcast_to(scalar.inner().reshape(()), shape_of(dims)))


@op
def eye(
    num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = float32
) -> Any:
    """Identity matrices."""
    columns = num_rows if num_columns is None else num_columns
    made = plait.eye(int(num_rows), int(columns), dtype=core_dtype(dtype))
    if batch_shape is not None:
        made = plait.broadcast_to(made, (*shape_of(batch_shape), int(num_rows), int(columns)))
    return wrap(made)


@op
def range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Any:
    """start, start + delta, ... below limit; of the widest dtype among the arguments."""
    if limit is None:
        start, limit = 0, start
    given = [convert(v, hint=dtype) for v in (start, limit, delta)]
    order = ("int32", "int64", "float16", "bfloat16", "float32", "float64")
    if dtype is None:
        names = [g.dtype.name for g in given]
        kind = as_dtype(max(names, key=lambda n: order.index(n) if n in order else 0))
    else:
        kind = as_dtype(dtype)
    first, last, step = (g._array()[()] for g in given)
    if step == 0:
        raise error(errors.InvalidArgumentError, "Requires delta != 0: 0 [Op:Range]")
    if (last - first) / step < 0:
        sign = ("<=", ">") if step > 0 else (">=", "<")
        raise error(
            errors.InvalidArgumentError,
            f"Requires start {sign[0]} limit when delta {sign[1]} 0: {first}/{last} [Op:Range]",
        )
    if kind.is_integer:
        return of_array(np.arange(int(first), int(last), int(step), dtype=kind.core.numpy))
    return of_array(
        np.arange(float(first), float(last), float(step), dtype=np.float64).astype(kind.core.numpy)
    )


@op
def linspace(start: Any, stop: Any, num: Any, axis: int = 0) -> Any:
    """`num` evenly spaced values from start to stop, both included, along a new axis."""
    a, b = pair("LinSpace", start, stop)
    if a.dtype.kind in "iu":
        a, b = a.to(plait.float64), b.to(plait.float64)
    count = int(num)
    a, b = plait.broadcast_tensors(a, b)
    place = axis if axis >= 0 else axis + a.ndim + 1
    steps = plait.linspace(0, 1, count, dtype=a.dtype)
    shape = [1] * (a.ndim + 1)
    shape[place] = count
    w = steps.reshape(shape)
    low, high = a.unsqueeze(place), b.unsqueeze(place)
    return wrap(low + (high - low) * w)


@op
def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: Any = None,
    dtype: Any = None,
) -> Any:
    """on_value where the position along a new axis is the index, off_value elsewhere."""
    places = inner(indices)
    if places.dtype.kind not in "iu":
        raise error(
            errors.InvalidArgumentError,
            f"Value for attr 'TI' of {convert(indices).dtype.name} is not in the list of allowed "
            "values: uint8, int8, int32, int64 [Op:OneHot]",
        )
    kind = as_dtype(dtype) if dtype is not None else None
    if kind is None:
        given = [convert(v).dtype for v in (on_value, off_value) if v is not None]
        kind = given[0] if given else float32
    on = convert(1 if on_value is None else on_value, kind).inner()
    off = convert(0 if off_value is None else off_value, kind).inner()
    rank = places.ndim
    place = rank if axis is None or int(axis) == -1 else int(axis) % (rank + 1)
    shape = [1] * (rank + 1)
    shape[place] = int(depth)
    labels = plait.arange(int(depth), dtype=places.dtype).reshape(shape)
    return wrap(plait.where(places.unsqueeze(place) == labels, on, off))


@op
def identity(input: Any) -> Any:
    """A tensor with the same value."""
    made = convert(input)
    return Tensor(made._inner) if made.dtype is string else wrap(plait.clone(made.inner()))


@op
def stop_gradient(input: Any) -> Any:
    """The same value, as a constant to differentiation."""
    made = convert(input)
    return made if made.dtype is string else wrap(made.inner().detach())


@op
def meshgrid(*args: Any, indexing: str = "xy") -> Any:
    """Grids of coordinates from vectors."""
    vectors = [inner(a).reshape(-1) for a in args]
    return [wrap(g) for g in plait.meshgrid(*vectors, indexing=indexing)]


__all__ = [
    "constant", "convert_to_tensor", "eye", "fill", "identity", "int32", "linspace", "meshgrid",
    "one_hot", "ones", "ones_like", "range", "stop_gradient", "zeros", "zeros_like",
]  # fmt: skip
