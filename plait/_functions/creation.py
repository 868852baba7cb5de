"""Making tensors: from data, from memory, filled, ranges."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from plait._functions.common import attach, public, require_dtype, shape_argument
from plait._promotion import get_default_dtype, number_dtype, promote_types, result_type
from plait._tensor import Tensor
from plait._types import CPU, is_meta, require_cpu, strided
from plait.core.functional.broadcasting import Number
from plait.core.functional.numbers import fitting_number
from plait.core.ir import dtypes
from plait.core.ir.dtypes import BY_NAME, DType
from plait.core.ir.errors import error
from plait.core.lazy.cell import leaf_of
from plait.core.ops.elementwise import cast
from plait.core.ops.source import ARANGE
from plait.core.ops.source import full as full_node
from plait.core.ops.view import broadcast


def owned(array: np.ndarray, requires_grad: bool = False) -> Tensor:
    """A tensor of an array that nobody else will write to."""
    made = Tensor.of_node(leaf_of(array))
    return made.requires_grad_() if requires_grad else made


def _finish(made: Tensor, device: Any, requires_grad: bool) -> Tensor:
    if is_meta(device):
        from plait._meta import meta  # only where it is asked for

        return meta(made._shape, made._dtype, requires_grad)
    require_cpu(device)
    return made.requires_grad_() if requires_grad else made


# -- from data --------------------------------------------------------------------------------


@public(method=False)
def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor with a copy of the data: numbers, nested sequences, arrays, tensors."""
    data = _of_another_face(data)
    if isinstance(data, Tensor):
        copy = data.detach().clone()
        device = data.device if device is None and data.is_meta else device
        wanted = require_dtype("tensor", dtype)
        return _finish(copy if wanted is None else copy.to(wanted), device, requires_grad)
    array = array_of(data, require_dtype("tensor", dtype))
    if isinstance(data, np.ndarray) and np.may_share_memory(array, data):
        array = array.copy()
    return _finish(owned(array), device, requires_grad)


def _of_another_face(data: Any) -> Any:
    """The tensor that an object of TensorFlow's face, or of Keras, stands for; others as they
    are."""
    standing_for = getattr(data, "_as_torch_tensor", None)
    return data if standing_for is None else standing_for()


def array_of(data: Any, dtype: DType | None) -> np.ndarray:
    """Data as a row-major array of a dtype tensors hold.

    Raises TypeError for objects that are not numbers, ValueError for ragged sequences.
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return _numpy_array(np.asarray(data), dtype)
    if hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        return _numpy_array(np.asarray(data), dtype)
    if isinstance(data, (str, bytes)):
        raise error(TypeError, f"new(): invalid data type '{type(data).__name__}'")
    if isinstance(data, range):
        data = list(data)
    leaves: list[Any] = []
    shape = _walk(data, leaves, 0)
    found = dtype or _common_dtype(leaves)
    if leaves and isinstance(leaves[0], np.ndarray):
        return np.stack([_numpy_array(leaf, found) for leaf in leaves]).reshape(shape)
    if found.kind in "iu":
        leaves = [fitting_number(x, found) if dtype is not None else x for x in leaves]
    try:
        flat = np.array(leaves, dtype=found.numpy)
    except OverflowError:
        raise error(
            RuntimeError, f"value cannot be converted to type {found.name} without overflow"
        ) from None
    return flat.reshape(shape)


def _numpy_array(array: np.ndarray, dtype: DType | None) -> np.ndarray:
    if array.dtype.name not in BY_NAME:
        raise error(
            TypeError,
            f"can't convert np.ndarray of type numpy.{array.dtype.name}. The only supported types "
            f"are: {', '.join(sorted(BY_NAME))}.",
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    wanted = array.dtype if dtype is None else dtype.numpy
    return np.array(array, dtype=wanted, order="C", copy=None)


def _walk(data: Any, leaves: list[Any], depth: int) -> tuple[int, ...]:
    """The shape of nested sequences; their numbers (or arrays) are appended to `leaves`."""
    if isinstance(data, (list, tuple)):
        if depth > 64:
            raise error(ValueError, "tensor(): sequences are nested too deeply (over 64 levels)")
        shapes = [_walk(item, leaves, depth + 1) for item in data]
        for i, shape in enumerate(shapes):
            if shape != shapes[0]:
                wanted = shapes[0][0] if shapes[0] else 0
                got = shape[0] if shape else 0
                raise error(
                    ValueError,
                    f"expected sequence of length {wanted} at dim {depth + 1} (got {got}): item "
                    f"{i} has shape {list(shape)}, item 0 has {list(shapes[0])}",
                )
        return (len(data), *(shapes[0] if shapes else ()))
    if isinstance(data, Number):
        leaves.append(data)
        return ()
    if isinstance(data, Tensor):
        if data.ndim == 0:
            leaves.append(data.item())
            return ()
        leaves.append(data.compute())
        return tuple(data.shape)
    if isinstance(data, np.generic):
        leaves.append(data.item())
        return ()
    if hasattr(data, "__array__"):
        array = np.asarray(data)
        leaves.append(array)
        return array.shape
    if (
        hasattr(data, "__len__")
        and hasattr(data, "__getitem__")
        and not isinstance(data, (str, bytes, dict))
    ):
        return _walk(list(data), leaves, depth)
    if hasattr(data, "__index__"):
        place: Any = data
        leaves.append(operator.index(place))
        return ()
    if isinstance(data, (str, bytes)):
        raise error(ValueError, f"too many dimensions '{type(data).__name__}' in tensor()")
    raise error(RuntimeError, f"Could not infer dtype of {type(data).__name__} in tensor()")


def _common_dtype(leaves: list[Any]) -> DType:
    if not leaves:
        return get_default_dtype()
    kinds = {type(x) for x in leaves}
    if np.ndarray in kinds:
        arrays = [
            dtypes.dtype_of(x.dtype) if isinstance(x, np.ndarray) else number_dtype(x)
            for x in leaves
        ]
        found = arrays[0]
        for other in arrays[1:]:
            found = promote_types(found, other)
        return found
    for kind in (complex, float, int):
        if any(issubclass(k, kind) and k is not bool for k in kinds):
            return number_dtype(kind(0))
    return dtypes.bool_


@public(method=False)
def _shape_as_tensor(input: Tensor) -> Tensor:
    """The extents of a tensor as an int64 tensor."""
    return tensor(list(input._shape), dtype=dtypes.int64)


@public(method=False)
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The data as a tensor; tensors and arrays are shared where no conversion is needed.

    A tensor of TensorFlow's face is what it was recorded as, history included; a variable of
    TensorFlow or Keras is its memory, so that what is written into either is seen in the other.
    """
    wanted = require_dtype("as_tensor", dtype)
    data = _of_another_face(data)
    if is_meta(device):
        return tensor(data, dtype=wanted, device=device)
    require_cpu(device)
    if isinstance(data, Tensor):
        return data if wanted is None else data.to(wanted)
    if isinstance(data, np.ndarray) and data.dtype.name in BY_NAME:
        shared = from_numpy(data)
        return shared if wanted is None else shared.to(wanted)
    return tensor(data, dtype=wanted)


@public(method=False, names=("asarray",))
def _asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Tensor:
    """The object as a tensor, shared where possible unless `copy`. A storage is its elements."""
    if hasattr(obj, "untyped") and hasattr(obj, "nbytes"):
        from plait._storage import TypedStorage  # it builds on this module

        obj = TypedStorage(obj._cell, obj.dtype).tensor()
    return tensor(obj, dtype=dtype) if copy else as_tensor(obj, dtype, device)


@public(method=False)
def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor over an array's memory: writes to either are seen by the other.

    Raises TypeError for other objects and element types, ValueError for negative strides.
    """
    if not isinstance(ndarray, np.ndarray):
        raise error(TypeError, f"expected np.ndarray (got {type(ndarray).__name__}) in from_numpy")
    if ndarray.dtype.name not in BY_NAME:
        raise error(
            TypeError,
            f"can't convert np.ndarray of type numpy.{ndarray.dtype.name}. The only supported "
            f"types are: {', '.join(sorted(BY_NAME))}.",
        )
    if not ndarray.dtype.isnative:
        raise error(
            ValueError,
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported.",
        )
    if any(s < 0 for s in ndarray.strides) and ndarray.size:
        raise error(
            ValueError,
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array with array.copy().)",
        )
    if not ndarray.flags.writeable:
        return owned(np.array(ndarray, order="C"))
    return Tensor.of_array(ndarray, dtypes.dtype_of(ndarray.dtype))


@public(method=False)
def frombuffer(
    buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-D tensor over the memory of a buffer object."""
    array = np.frombuffer(buffer, dtype.numpy, count, offset)
    made = Tensor.of_array(array, dtype) if array.flags.writeable else owned(array.copy())
    return made.requires_grad_() if requires_grad else made


@public(method=False)
def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor over the memory of any object with the DLPack protocol."""
    return from_numpy(np.from_dlpack(ext_tensor))


@public(method=False)
def scalar_tensor(
    s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A 0-d tensor; of the default float dtype unless told."""
    made = full((), s, dtype=dtype or get_default_dtype(), device=device)
    return made.requires_grad_() if requires_grad else made


def legacy_tensor(dtype: DType, *args: Any, **kwargs: Any) -> Tensor:
    """PyTorch's old constructors, FloatTensor(...): from sizes, from a sequence, or empty."""
    dtype = get_default_dtype() if dtype is dtypes.float32 else dtype
    require_cpu(kwargs.get("device"))
    if not args:
        return zeros(0, dtype=dtype)
    first = args[0]
    if len(args) == 1 and isinstance(first, Tensor):
        return first.detach() if first.dtype is dtype else first.to(dtype)
    if len(args) == 1 and isinstance(first, tuple) and type(first).__name__ == "Size":
        return zeros(first, dtype=dtype)
    if all(hasattr(a, "__index__") and not isinstance(a, (Tensor, np.ndarray)) for a in args):
        return zeros(*args, dtype=dtype)
    if len(args) > 1 or isinstance(first, Number):
        raise error(
            TypeError,
            f"new(): data must be a sequence (got {', '.join(type(a).__name__ for a in args)})",
        )
    return owned(array_of(first, dtype))


# -- filled -----------------------------------------------------------------------------------


@public(method=False)
def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """One value in every place."""
    shape = shape_argument("full", (size,))
    _nonnegative("full", shape)
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    wanted = require_dtype("full", dtype) or number_dtype(fill_value)
    if layout not in (None, strided):
        from plait._sparse_like import filled

        return filled(shape, fill_value, wanted, layout, device, requires_grad)
    node = full_node(fitting_number(fill_value, wanted), shape, wanted)
    return _finish(Tensor.of_node(node), device, requires_grad)


def _nonnegative(name: str, shape: tuple[int, ...]) -> None:
    for extent in shape:
        if extent < 0:
            raise error(
                RuntimeError,
                f"Trying to create tensor with negative dimension {extent}: {list(shape)} "
                f"in {name}",
            )


def _filled(name: str, value: Any) -> Any:
    def create(*size: Any, **kwargs: Any) -> Tensor:
        if "size" in kwargs:
            size = (kwargs.pop("size"),)
        kwargs.pop("memory_format", None)
        kwargs.pop("names", None)
        shape = shape_argument(name, size)
        dtype = require_dtype(name, kwargs.pop("dtype", None)) or get_default_dtype()
        return full(shape, value, dtype=dtype, **kwargs)

    create.__name__ = name
    create.__doc__ = f"A tensor of a shape, filled with {value}."
    return public(create, method=False)


zeros = _filled("zeros", 0)
ones = _filled("ones", 1)
# Memory without a defined content is zeroed: nothing that was there before can be seen.
empty = _filled("empty", 0)


@public(method=False)
def empty_strided(size: Any, stride: Any, **kwargs: Any) -> Tensor:
    """A tensor with explicit strides."""
    from plait._functions.shape import as_strided
    from plait.core.lazy.views import Layout, storage_size

    count = storage_size(tuple(size), Layout(tuple(stride), 0))
    return as_strided(zeros(count, **kwargs), size, stride)


def _beside(other: Tensor, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with another tensor's device where they name none."""
    if kwargs.get("device") is None:
        kwargs["device"] = other.device
    return kwargs


def _like_sparse(name: str, input: Tensor, value: Any, kwargs: dict[str, Any]) -> Tensor:
    from plait._sparse_like import like  # of the sparse tensors, which most programs do without

    return like(name, input, value, **kwargs)


def _like(name: str, value: Any) -> Any:
    fitting = functools.cache(functools.partial(fitting_number, value))

    def create(input: Tensor, **kwargs: Any) -> Tensor:
        if input._has_places:
            return _like_sparse(name, input, value, kwargs)
        if not kwargs and input.device is CPU:
            dtype = input._dtype
            return Tensor.of_node(full_node(fitting(dtype), input._shape, dtype))
        kwargs.pop("memory_format", None)
        dtype = require_dtype(name, kwargs.pop("dtype", None)) or input.dtype
        return full(input._shape, value, dtype=dtype, **_beside(input, kwargs))

    create.__name__ = name
    create.__doc__ = f"A tensor like another, filled with {value}."
    return public(create, method=False)


zeros_like = _like("zeros_like", 0)
ones_like = _like("ones_like", 1)
empty_like = _like("empty_like", 0)


@public(method=False)
def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, **kwargs: Any) -> Tensor:
    """A tensor like another, filled with one value."""
    if input._has_places:
        return _like_sparse("full_like", input, fill_value, {"dtype": dtype, **kwargs})
    kwargs.pop("memory_format", None)
    return full(input._shape, fill_value, dtype=dtype or input.dtype, **_beside(input, kwargs))


def _new(name: str, value: Any) -> None:
    def create(self: Tensor, *size: Any, **kwargs: Any) -> Tensor:
        if "size" in kwargs:
            size = (kwargs.pop("size"),)
        shape = shape_argument(name, size)
        dtype = kwargs.pop("dtype", None) or self.dtype
        if self._has_places:
            kwargs.setdefault("layout", self.layout)
        return full(shape, value, dtype=dtype, **_beside(self, kwargs))

    create.__name__ = name
    create.__doc__ = "A tensor of this dtype and another shape."
    setattr(Tensor, name, create)


for _name, _value in (("new_zeros", 0), ("new_ones", 1), ("new_empty", 0)):
    _new(_name, _value)


def _new_full(self: Tensor, size: Any, fill_value: Any, **kwargs: Any) -> Tensor:
    """A tensor of this dtype filled with one value."""
    dtype = kwargs.pop("dtype", None) or self.dtype
    if self._has_places:
        kwargs.setdefault("layout", self.layout)
    return full(size, fill_value, dtype=dtype, **_beside(self, kwargs))


def _new_tensor(self: Tensor, data: Any, *, dtype: Any = None, **kwargs: Any) -> Tensor:
    """A tensor of this dtype with a copy of the data."""
    return tensor(data, dtype=dtype or self.dtype, **_beside(self, kwargs))


def _new_legacy(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Deprecated: a tensor of this dtype from sizes or a sequence."""
    return legacy_tensor(self.dtype, *args, **kwargs).to(self.dtype)


attach(new_full=_new_full, new_tensor=_new_tensor, new=_new_legacy)


@public(method=False)
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like `input` with one value everywhere: a number or a tensor without axes."""
    from plait._functions.pointwise import without_slope  # it builds on this module

    if isinstance(value, Tensor):
        if value.ndim:
            raise error(
                RuntimeError,
                "fill only supports 0-dimension value tensor but got tensor with "
                f"{value.ndim} dimensions.",
            )
        return without_slope(broadcast(cast(value, input.dtype), input._shape), input)
    return without_slope(full_like(input.detach(), value), input)


# -- ranges -----------------------------------------------------------------------------------


@public(method=False)
def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """start, start + step, ... below end. Integer arguments give int64."""
    if end is None:
        start, end = 0, start
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    wanted = require_dtype("arange", dtype)
    if wanted is None:
        floating = any(isinstance(x, float) for x in (start, end, step))
        wanted = get_default_dtype() if floating else dtypes.int64
    if step == 0:
        raise error(RuntimeError, f"step must be nonzero in arange, received {step}")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise error(RuntimeError, f"unsupported range: {start} -> {end} (arange)")
    if (end - start) * step < 0:
        raise error(
            RuntimeError,
            f"upper bound and lower bound inconsistent with step sign: start {start}, end {end}, "
            f"step {step} in arange",
        )
    size = max(0, math.ceil((end - start) / step))
    node = ARANGE(start=start, step=step, size=size, dtype=wanted)
    return _finish(Tensor.of_node(node), device, requires_grad)


@public(method=False, names=("range",))
def range_(start: Any = 0, end: Any = 0, step: Any = 1, **kwargs: Any) -> Tensor:
    """Deprecated: like `arange`, with the end included."""
    return arange(float(start), end + step / 2, step, **kwargs)


def _require_ends(name: str, start: Any, end: Any, steps: Any) -> None:
    """Raise as PyTorch does for ends that are no scalars or a number of steps that is no int."""
    if any(isinstance(x, Tensor) and x.ndim for x in (start, end)):
        raise error(RuntimeError, f"{name} only supports 0-dimensional start and end tensors")
    if isinstance(steps, float):
        raise error(TypeError, f"{name}(): argument 'steps' must be int, not float")


@public(method=False)
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """`steps` evenly spaced numbers from start to end, both included."""
    wanted = require_dtype("linspace", dtype) or get_default_dtype()
    _require_ends("linspace", start, end, steps)
    first, last = float(start), float(end)
    if steps < 0:
        raise error(RuntimeError, f"number of steps must be non-negative in linspace, got {steps}")
    work = np.float64 if wanted.itemsize > 4 or wanted.kind in "iu" else np.float32
    index = np.arange(steps, dtype=work)
    step = work((last - first) / max(steps - 1, 1)) if steps > 1 else work(0)
    # Counted from both ends, as PyTorch does, so that the last element is `end` itself.
    low = work(first) + step * index
    high = work(last) - step * (work(steps - 1) - index)
    values = np.where(index < steps // 2, low, high) if steps > 1 else low
    return _finish(owned(values.astype(wanted.numpy)), device, requires_grad)


@public(method=False)
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, **kwargs: Any
) -> Tensor:
    """Powers of `base` with evenly spaced exponents."""
    wanted = require_dtype("logspace", dtype) or get_default_dtype()
    _require_ends("logspace", start, end, steps)
    exponents = linspace(start, end, steps, dtype=dtypes.float64)
    return owned((float(base) ** exponents.compute()).astype(wanted.numpy))


@public(method=False)
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **kwargs: Any,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    for name, extent in (("n", n), ("m", m)):
        if extent is not None and extent < 0:
            raise error(RuntimeError, f"{name} must be greater or equal to 0, got {extent}")
    wanted = require_dtype("eye", dtype) or get_default_dtype()
    return _finish(owned(np.eye(n, m, dtype=wanted.numpy)), device, requires_grad)


@public(method=False)
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, **kwargs: Any
) -> Tensor:
    """Row and column numbers of the lower triangle: (2, count)."""
    found = np.stack(np.tril_indices(row, offset, col))
    return owned(found.astype((dtype or dtypes.int64).numpy))


@public(method=False)
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, **kwargs: Any
) -> Tensor:
    """Row and column numbers of the upper triangle: (2, count)."""
    found = np.stack(np.triu_indices(row, offset, col))
    return owned(found.astype((dtype or dtypes.int64).numpy))


def common_dtype(tensors: Sequence[Tensor]) -> DType:
    """The promoted dtype of several tensors."""
    return result_type(*tensors)
