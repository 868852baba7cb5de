"""Tensors, variables and the functions that everything else of the backend uses.

A tensor is Plait's: it records what is done to it, and is computed when its value is asked for. So
shape inference is only recording, and nothing of a layer is computed before it is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable, standardize_dtype
from keras.src.backend.common.dtypes import result_type
from keras.src.backend.common.keras_tensor import KerasTensor
from keras.src.backend.common.stateless_scope import StatelessScope
from keras.src.backend.common.symbolic_scope import SymbolicScope
from keras.src.backend.config import floatx

import plait as torch

# Keras finds control flow here.
from keras_plait.src.control import associative_scan as associative_scan
from keras_plait.src.control import cond as cond
from keras_plait.src.control import fori_loop as fori_loop
from keras_plait.src.control import map as map
from keras_plait.src.control import scan as scan
from keras_plait.src.control import switch as switch
from keras_plait.src.control import while_loop as while_loop
from keras_plait.src.sparse import dense, from_other, is_sparse, made_of

SUPPORTS_SPARSE_TENSORS = True
SUPPORTS_RAGGED_TENSORS = False
SUPPORTS_COMPLEX_DTYPES = True
#: Keras would read the logs of a step from a thread of its own. That works, but where two threads
#: record, steps no longer write parameters in place (docs/design/029-threads.md).
IS_THREAD_SAFE = False

torch.Tensor.arrays_are_copies = True

#: Extents that stand for unknown ones while shapes are inferred. Both are prime, so that a shape
#: that depends on one differs between them.
_EXTENTS = (83, 197)


def to_plait_dtype(dtype: Any) -> Any:
    """Plait's dtype of a name or dtype. Raises ValueError for those it has not."""
    name = standardize_dtype(dtype)
    found = getattr(torch, name, None)
    if found is None:
        raise ValueError(f"Unsupported dtype for the plait backend: {dtype}")
    return found


@contextlib.contextmanager
def device_scope(device_name: str) -> Iterator[str]:
    """The only device is the CPU. Raises ValueError for what is no name of a device."""
    if not isinstance(device_name, str):
        raise ValueError(
            "Invalid value for argument `device_name`. Expected a string like 'gpu:0' or 'cpu'. "
            f"Received: device_name='{device_name}'"
        )
    yield "cpu"


class Variable(KerasVariable):
    """A tensor that lives on and is written in place, so that compiled steps update it."""

    def _initialize(self, value: Any) -> None:
        if isinstance(value, torch.nn.Parameter):
            self._value = value  # shared with the module it belongs to
            return
        held = convert_to_tensor(value, dtype=self._dtype).detach().clone()
        self._value = torch.nn.Parameter(held, requires_grad=self._differentiable)

    def _as_torch_tensor(self) -> Any:
        """The memory itself, as a PyTorch-style leaf."""
        return self._value

    @property
    def _differentiable(self) -> bool:
        return self._trainable and to_plait_dtype(self._dtype).is_floating_point

    def _direct_assign(self, value: Any) -> None:
        with torch.no_grad():
            self._value.copy_(value)

    def _convert_to_tensor(self, value: Any, dtype: Any = None) -> Any:
        return convert_to_tensor(value, dtype=dtype, sparse=False)

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        if self._value is not None:
            self._value.requires_grad_(self._differentiable)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        value = convert_to_numpy(self.value)
        return value.astype(dtype) if dtype else value


def convert_to_tensor(
    x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None
) -> Any:
    """A tensor of numbers, arrays, nested sequences, variables or tensors, or of a sparse matrix of
    SciPy's. Sparse tensors stay sparse, unless `sparse` is False."""
    if ragged:
        raise ValueError("`ragged=True` is not supported with the plait backend")
    if isinstance(x, KerasVariable):
        x = x.value
    elif hasattr(x, "_as_core_tensor"):  # of a TensorFlow program
        if _is_text(x):
            return x  # for a table of words; there is no tensor of strings besides TensorFlow's
        x = x._as_core_tensor()
    if isinstance(x, torch.Tensor):
        x = dense(x) if sparse is False else x
        return x if dtype is None else x.to(to_plait_dtype(dtype))
    if hasattr(x, "todense"):
        return convert_to_tensor(from_other(x), dtype, sparse)
    if dtype is None:
        dtype = _dtype_of(x)
    wanted = to_plait_dtype(dtype)
    if isinstance(x, (list, tuple)):
        if any(isinstance(leaf, (torch.Tensor, KerasVariable)) for leaf in tree.flatten(x)):
            return torch.stack([convert_to_tensor(part, dtype) for part in x])
        x = np.array(x)
        if x.dtype.kind in "OSU":
            raise ValueError(f"Cannot convert to a tensor of dtype {dtype}: {x!r}")
    elif not isinstance(x, (bool, int, float, complex, np.ndarray)):
        x = np.asarray(x)
    return torch.tensor(_in_range(x, wanted), dtype=wanted)


def _dtype_of(x: Any) -> Any:
    if isinstance(x, bool):
        return "bool"
    if isinstance(x, int):
        return "int32" if -(2**31) <= x < 2**31 else "int64"
    if isinstance(x, float):
        return floatx()
    if isinstance(x, complex):
        return "complex64"
    if isinstance(x, (list, tuple)):
        return result_type(*[getattr(leaf, "dtype", type(leaf)) for leaf in tree.flatten(x)])
    return np.asarray(x).dtype if not hasattr(x, "dtype") else x.dtype


def _in_range(x: Any, dtype: Any) -> Any:
    """Integers that an integer dtype cannot hold wrap, as in arrays."""
    if dtype.is_integer and isinstance(x, int) and not isinstance(x, bool):
        return np.asarray(x).astype(dtype.numpy)
    if isinstance(x, np.ndarray) and x.dtype != dtype.numpy:
        return x.astype(dtype.numpy)
    return x


def convert_to_numpy(x: Any) -> Any:
    """An array of its own, with the values of x."""
    if isinstance(x, (list, tuple)):
        return np.array([convert_to_numpy(part) for part in x])
    if isinstance(x, KerasVariable):
        x = x.value
    if isinstance(x, torch.Tensor):
        return np.array(dense(x).compute())
    return np.array(x)


def is_tensor(x: Any) -> bool:
    return isinstance(x, torch.Tensor) or _is_text(x)


def _is_text(x: Any) -> bool:
    """Whether this is a TensorFlow program's tensor of strings."""
    return hasattr(x, "_as_core_tensor") and x.dtype.name == "string"


def shape(x: Any) -> tuple[int, ...]:
    return tuple(x.shape)


def cast(x: Any, dtype: Any) -> Any:
    if isinstance(x, KerasVariable):
        x = x.value
    if isinstance(x, torch.Tensor):
        return x.to(to_plait_dtype(dtype))
    return convert_to_tensor(x, dtype)


def compute_output_spec(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `fn` gives, as `KerasTensor`s. It is recorded and not computed; where extents are
    unknown it is recorded twice, and the extents that differ are unknown."""

    def record(extent: int) -> Any:
        def stand_in(x: Any) -> Any:
            if not isinstance(x, KerasTensor):
                return x
            extents = [extent if e is None else e for e in _extents(x)]
            dtype = to_plait_dtype(x.dtype)
            if x.sparse:  # with one value, at the origin
                return made_of(
                    [torch.zeros(1, dtype=torch.int64)] * x.ndim,
                    torch.ones(1, dtype=dtype),
                    extents,
                )
            return torch.ones(extents, dtype=dtype)

        given: Any = tree.map_structure(stand_in, (args, kwargs))
        made = fn(*given[0], **given[1])
        # A TensorFlow program's function gives its own tensors.
        return tree.map_structure(
            lambda x: convert_to_tensor(x) if hasattr(x, "_as_core_tensor") else x, made
        )

    def spec(first: Any, second: Any) -> Any:
        if not isinstance(first, torch.Tensor):
            return first
        extents = [a if a == b else None for a, b in zip(first.shape, second.shape)]
        return KerasTensor(extents, standardize_dtype(first.dtype), sparse=is_sparse(first))

    with StatelessScope(), SymbolicScope(), torch.no_grad():
        first = second = record(_EXTENTS[0])
        unknown = any(
            isinstance(x, KerasTensor) and None in x.shape for x in tree.flatten((args, kwargs))
        )
        if unknown:
            second = record(_EXTENTS[1])
        return tree.map_structure(spec, first, second)


def _extents(x: Any) -> tuple[int | None, ...]:
    """The shape of a symbolic tensor."""
    return tuple(x.shape)


def vectorized_map(function: Callable[..., Any], elements: Any) -> Any:
    return torch.vmap(function)(elements)


def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Zeros of `shape` with `values` added at `indices` (..., axes indexed)."""
    values = convert_to_tensor(values)
    return _put(torch.zeros(tuple(shape), dtype=values.dtype), indices, values, accumulate=True)


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """`inputs` with `updates` put at `indices` (n, axes indexed), or combined with what is there.

    reduction: None, "add", "max", "min" or "mul". Raises ValueError for others.
    """
    inputs = convert_to_tensor(inputs)
    updates = convert_to_tensor(updates, dtype=inputs.dtype)
    if reduction in (None, "add"):
        return _put(inputs.clone(), indices, updates, accumulate=reduction == "add")
    named = {"max": "amax", "min": "amin", "mul": "prod"}.get(reduction)
    if named is None:
        raise ValueError(f"Unsupported reduction: {reduction}")
    rows, flat = _rows(inputs.shape, indices)
    flat_updates = updates.reshape(rows.shape[0], -1)
    place = rows[:, None].expand(flat_updates.shape)
    flat_inputs = inputs.reshape(-1, flat)
    return flat_inputs.scatter_reduce(0, place, flat_updates, named).reshape(inputs.shape)


def _rows(extents: Any, indices: Any) -> tuple[Any, int]:
    """(row numbers, elements of a row) where leading axes are indexed and the rest is a row."""
    indices = convert_to_tensor(indices, dtype="int64")
    axes = indices.shape[-1]
    indices = indices.reshape(-1, axes)
    number = torch.zeros(indices.shape[0], dtype=torch.int64)
    for axis in range(axes):
        index = indices[:, axis]
        index = torch.where(index < 0, index + extents[axis], index)
        number = number * extents[axis] + index
    row = 1
    for extent in extents[axes:]:
        row *= extent
    return number, row


def _put(target: Any, indices: Any, values: Any, accumulate: bool) -> Any:
    indices = convert_to_tensor(indices, dtype="int64")
    axes = indices.shape[-1]
    indices = indices.reshape(-1, axes)
    values = values.reshape(-1, *target.shape[axes:])
    return target.index_put(tuple(indices.unbind(1)), values, accumulate=accumulate)


def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """The block of `shape` that begins at `start_indices`, moved inside where it reaches out."""
    inputs = convert_to_tensor(inputs)
    for axis, (start, extent) in enumerate(zip(_starts(start_indices), shape)):
        extent = int(extent)
        if isinstance(start, int):
            inputs = inputs.narrow(axis, start, min(extent, inputs.shape[axis] - start))
        else:
            inputs = inputs.index_select(axis, _window(start, extent, inputs.shape[axis]))
    return inputs


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """`inputs` with the block that begins at `start_indices` replaced by `updates`."""
    inputs = convert_to_tensor(inputs)
    updates = convert_to_tensor(updates, dtype=inputs.dtype)
    index = []
    for axis, start in enumerate(_starts(start_indices)):
        extent = updates.shape[axis]
        if isinstance(start, int):
            place = torch.arange(start, start + extent)
        else:
            place = _window(start, extent, inputs.shape[axis])
        index.append(place.reshape([-1 if a == axis else 1 for a in range(updates.ndim)]))
    return inputs.index_put(tuple(index), updates)


def _starts(start_indices: Any) -> list[Any]:
    """Integers where they are known, 0-d tensors otherwise."""
    if isinstance(start_indices, (list, tuple)):
        return [int(x) if isinstance(x, (int, np.integer)) else x for x in start_indices]
    if isinstance(start_indices, np.ndarray):
        return [int(x) for x in start_indices.reshape(-1)]
    return list(convert_to_tensor(start_indices).reshape(-1).unbind(0))


def _window(start: Any, extent: int, length: int) -> Any:
    start = convert_to_tensor(start, dtype="int64").reshape(())
    return torch.arange(extent) + start.clamp(0, length - extent)


def stop_gradient(variable: Any) -> Any:
    return convert_to_tensor(variable).detach()


def unstack(x: Any, num: int | None = None, axis: int = 0) -> Any:
    return convert_to_tensor(x).unbind(axis)


def random_seed_dtype() -> str:
    return "int64"


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, whose inner values are computed again for its gradient instead of kept."""

    def recomputed(*args: Any, **kwargs: Any) -> Any:
        return torch.utils.checkpoint.checkpoint(f, *args, use_reentrant=False, **kwargs)

    return recomputed


class custom_gradient:
    """A function (inputs) -> (output, gradient function), differentiated by the latter."""

    def __init__(self, forward_fn: Callable[..., Any]) -> None:
        self.forward_fn = forward_fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given: Any = tree.map_structure(
            lambda x: x.value if isinstance(x, KerasVariable) else x, args, none_is_leaf=False
        )
        return _CustomGradient.apply(self.forward_fn, kwargs, *given)


class _CustomGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, forward_fn: Any, kwargs: Any, *args: Any) -> Any:
        output, ctx.gradient = forward_fn(*args, **kwargs)
        ctx.count = len(args)
        return output

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        upstream = grads[0] if len(grads) == 1 else grads
        found = ctx.gradient(upstream=upstream)
        found = tuple(found) if isinstance(found, (list, tuple)) else (found,)
        return (None, None, *found, *([None] * (ctx.count - len(found))))
