"""From anything to a tensor, by TensorFlow's rules: no cast is ever made of a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._tensor import Tensor as Inner
from plait.core.functional.numbers import number_for
from plait.core.ir.errors import error
from plait.core.lazy.capture import watch
from plait.core.lazy.tensor import LazyTensor
from plait.core.ops.source import full
from plait.tf import errors
from plait.tf._dispatch import state
from plait.tf._dtypes import BY_CORE, DType, as_dtype, bool_, float32, int32, message_name, string
from plait.tf._shape import TensorShape
from plait.tf._tensor import Tensor, constant_of, of_array

_NUMBERS = (bool, int, float, complex)
_KIND_ORDER = "biufc"


def convert(value: Any, dtype: Any = None, hint: Any = None) -> Tensor:
    """The value as a tensor.

    dtype: what it must have (Python values and arrays become it, tensors must have it already);
    hint: what Python values take where they can. Raises TypeError, ValueError as TensorFlow does.
    """
    kind = type(value)
    if kind is Tensor:
        return value if dtype is None else _checked(value, dtype)
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(value, Tensor):
        # A tensor of a graph stands for its value in the run that goes on.
        held = value.present() if state.values is not None and hasattr(value, "present") else value
        return _checked(held, wanted)
    found = _tensor_inside(value)
    if found is not None:
        return _checked(found, wanted)
    if wanted is None and hint is not None:
        try:
            return of_array(_array(value, as_dtype(hint)))
        except (TypeError, ValueError):
            pass
    return of_array(_array(value, wanted))


def _checked(tensor: Tensor, dtype: Any) -> Tensor:
    if dtype is not None and tensor.dtype != dtype:
        raise error(
            ValueError,
            f"Tensor conversion requested dtype {as_dtype(dtype).name} for Tensor with dtype "
            f"{tensor.dtype.name}: {tensor!r}",
        )
    return tensor


def _tensor_inside(value: Any) -> Tensor | None:
    """The tensor that a variable, a PyTorch-style tensor or a Keras variable stands for."""
    read = getattr(value, "_as_tf_tensor", None)
    if read is not None:
        return read()
    if isinstance(value, LazyTensor):
        # What is written into it later is not seen: a tensor of TensorFlow does not change.
        return Tensor(value.frozen())
    held = getattr(value, "value", None)
    if isinstance(held, LazyTensor) and not isinstance(value, np.ndarray):
        return Tensor(held.frozen())
    if isinstance(held, Tensor):
        return held
    return None


def _array(value: Any, dtype: DType | None) -> np.ndarray:
    """A Python value or an array as an array of its own with TensorFlow's dtype."""
    if value is None:
        raise error(
            ValueError,
            "Attempt to convert a value (None) with an unsupported type "
            "(<class 'NoneType'>) to a Tensor.",
        )
    if isinstance(value, (TensorShape,)):
        value = value.as_list()
        if dtype is None:
            dtype = int32
    if isinstance(value, (np.ndarray, np.generic)):
        return _of_numpy(np.asarray(value), dtype)
    if not isinstance(value, (*_NUMBERS, str, bytes, list, tuple, range)) and hasattr(
        value, "__array__"
    ):
        return _of_numpy(np.asarray(value), dtype)
    return _of_python(value, dtype)


def _of_numpy(array: np.ndarray, dtype: DType | None) -> np.ndarray:
    if array.dtype.kind in "SUO":
        if dtype is not None and dtype is not string:
            raise error(TypeError, f"Cannot convert {array.dtype} array to a tensor of {dtype!r}")
        return _bytes(array)
    if dtype is None:
        return array.astype(as_dtype(array.dtype).core.numpy, copy=True)
    if dtype is string:
        raise error(TypeError, f"Cannot convert {array.dtype} array to a tensor of {dtype!r}")
    return array.astype(dtype.core.numpy, copy=True)


def _bytes(array: np.ndarray) -> np.ndarray:
    """Strings of any kind as an object array of bytes."""
    made = np.empty(array.shape, object)
    for place, item in np.ndenumerate(array):
        if isinstance(item, str):
            item = item.encode("utf-8")
        if not isinstance(item, bytes):
            raise error(
                ValueError,
                f"Failed to convert a NumPy array to a Tensor (Unsupported object type "
                f"{type(item).__name__}).",
            )
        made[place] = bytes(item)
    return made


def _of_python(value: Any, dtype: DType | None) -> np.ndarray:
    try:
        plain = np.array(value)
    except ValueError:
        raise error(
            ValueError, "Can't convert non-rectangular Python sequence to Tensor."
        ) from None
    except TypeError:
        plain = np.array(None)
    if plain.dtype.kind == "O" and plain.dtype != np.dtype(object):
        plain = np.array(None)
    if plain.dtype.kind in "SU":
        if dtype is not None and dtype is not string:
            raise error(TypeError, f"Cannot convert {value!r} to EagerTensor of dtype {dtype.name}")
        plain = np.array(value, dtype=object)
        return _bytes(plain)
    if plain.dtype == object:
        if isinstance(value, int):
            raise error(OverflowError, f"Python int too large to convert to a Tensor: {value}")
        raise error(
            ValueError,
            f"Attempt to convert a value ({value!r}) with an unsupported type ({type(value)}) to a "
            "Tensor.",
        )
    if dtype is None:
        return _default(plain, value)
    if dtype is string or not _fits(plain, dtype):
        raise error(TypeError, f"Cannot convert {value!r} to EagerTensor of dtype {dtype.name}")
    return plain.astype(dtype.core.numpy)


def _default(plain: np.ndarray, value: Any) -> np.ndarray:
    """Python numbers in the dtypes that TensorFlow gives them; NumPy scalars keep theirs."""
    if plain.size and _has_numpy(value):
        return plain
    if plain.dtype.kind == "f" or not plain.size:
        return plain.astype(np.float32)
    if plain.dtype.kind in "iu":
        limits = np.iinfo(np.int32)
        if plain.min() >= limits.min and plain.max() <= limits.max:
            return plain.astype(np.int32)
        return plain.astype(np.int64)
    return plain


def _has_numpy(value: Any) -> bool:
    while isinstance(value, (list, tuple)) and len(value):
        value = value[0]
    return isinstance(value, (np.ndarray, np.generic))


def _fits(plain: np.ndarray, dtype: DType) -> bool:
    """Whether Python numbers may become a dtype: no numbers bools, no floats integers."""
    kind = dtype.core.kind
    if not plain.size or plain.dtype.kind == "b":
        return True
    if kind == "b" or (kind in "iu" and plain.dtype.kind not in "iu"):
        return False
    return kind in "iu" or _KIND_ORDER.index(plain.dtype.kind) <= _KIND_ORDER.index(kind)


def inner(value: Any, dtype: Any = None) -> Any:
    """The core's tensor of a value (see `convert`); its graph goes on where a tape records."""
    if type(value) is Tensor and dtype is None:
        return value.inner()
    return convert(value, dtype).inner()


def pair(name: str, x: Any, y: Any, strict: bool = False) -> tuple[Any, Any]:
    """Two operands as the core's tensors of one dtype: that of the tensor among them.

    Raises InvalidArgumentError for tensors of two dtypes, and for Python values that do not become
    the dtype (`strict`: TypeError).
    """
    if type(y) in _ORDINARY:
        first = convert(x)
        number = _filled(y, first)
        if number is not None:
            return first.inner(), number
    elif type(x) in _ORDINARY and _is_tensor(y):
        second = convert(y)
        number = _filled(x, second)
        if number is not None:
            return number, second.inner()
    if not _is_tensor(x) and _is_tensor(y):
        second = convert(y)
        first = convert(x, second.dtype)
    else:
        first = convert(x)
        if strict and not _is_tensor(y):
            second = convert(y, first.dtype)
        else:
            second = convert(y, hint=first.dtype)
    if first.dtype != second.dtype:
        raise mismatch(name, first, second)
    return first.inner(), second.inner()


#: Python's numbers, which an operation can take into itself.
_ORDINARY = frozenset([int, float])


def _filled(number: Any, like: Tensor) -> Any:
    """A Python number as a tensor of the core like another, made without an array; None where the
    dtype does not take it."""
    held = like._inner
    if type(held) is np.ndarray:
        return None
    core = held._dtype
    if core.kind not in ("iufc" if type(number) is int else "fc"):
        return None
    return Inner.of_node(full(number_for(number, core), held._shape, core))


def _is_tensor(value: Any) -> bool:
    return (
        isinstance(value, (Tensor, LazyTensor))
        or hasattr(value, "_as_tf_tensor")
        or isinstance(getattr(value, "value", None), LazyTensor)
    )


def mismatch(name: str, first: Tensor, second: Tensor, position: int = 1) -> Exception:
    """The error for an operand of another dtype than the first."""
    return error(
        errors.InvalidArgumentError,
        f"cannot compute {name} as input #{position}(zero-based) was expected to be a "
        f"{message_name(first.dtype)} tensor but is a {message_name(second.dtype)} tensor "
        f"[Op:{name}]; convert one of them by tf.cast",
    )


def same(name: str, values: Any) -> list[Any]:
    """Several operands as the core's tensors of one dtype, as `pair` has it."""
    values = list(values)
    kind = next((convert(v).dtype for v in values if _is_tensor(v)), None)
    made = []
    for value in values:
        made.append(convert(value) if _is_tensor(value) else convert(value, kind))
        kind = kind or made[0].dtype
    for place, tensor in enumerate(made):
        if tensor.dtype != made[0].dtype:
            raise mismatch(name, made[0], tensor, place)
    return [tensor.inner() for tensor in made]


def known(value: Any) -> np.ndarray | None:
    """The array of a tensor of the core if it is there already; None where it would have to be
    computed, or a call is being captured (its values are those of one call only)."""
    if watch.active is not None:
        return constant_of(value)
    if value._base is not None:
        return None
    node = value._cell._node
    return None if node is None else node.value


def wrap(value: Any) -> Tensor:
    """A tensor for a result of the core."""
    return Tensor(value)


def ints(value: Any) -> tuple[int, ...]:
    """Integers (a shape, axes) from a list, a shape, a tensor or a list with tensors in it."""
    if isinstance(value, TensorShape):
        return tuple([_int(d) for d in value])
    if isinstance(value, (Tensor, LazyTensor, np.ndarray)) or hasattr(value, "_as_tf_tensor"):
        return tuple([int(v) for v in np.atleast_1d(np.asarray(value)).tolist()])
    if hasattr(value, "__index__"):
        return (int(value),)
    return tuple([_int(v) for v in value])


def _int(value: Any) -> int:
    value = getattr(value, "value", value) if type(value).__name__ == "Dimension" else value
    if value is None:
        raise error(TypeError, "a shape with unknown extents (None) cannot be used here")
    if isinstance(value, float):
        raise error(TypeError, f"Cannot convert {value!r} to EagerTensor of dtype int32")
    return int(value)


def shape_of(value: Any) -> tuple[int, ...]:
    """A shape argument. Raises InvalidArgumentError for negative extents."""
    shape = ints(value)
    for extent in shape:
        if extent < 0:
            raise error(errors.InvalidArgumentError, f"Dimension {extent} must be >= 0")
    return shape


def core_dtype(dtype: Any) -> Any:
    """The core's dtype of one of TensorFlow's. Raises for strings."""
    found = as_dtype(dtype)
    if found.core is None:
        raise error(errors.UnimplementedError, "the operation does not take strings")
    return found.core


def axes_of(axis: Any, rank: int, name: str) -> tuple[int, ...] | None:
    """Axes as non-negative ints; None for all of them.

    Raises InvalidArgumentError for one that is not there.
    """
    if axis is None:
        return None
    found = []
    for a in ints(axis):
        if not -rank <= a < rank:
            raise error(
                errors.InvalidArgumentError,
                f"Invalid reduction dimension ({a} for input with {rank} dimension(s) [Op:{name}]",
            )
        found.append(a % rank)
    return tuple(found)


def one_axis(axis: Any, rank: int, name: str) -> int:
    """An axis as a non-negative int. Raises InvalidArgumentError for one that is not there."""
    (a,) = ints(axis)
    if not -rank <= a < rank:
        raise error(
            errors.InvalidArgumentError,
            f"Expected dimension in the range [{-rank}, {rank}), but got {a} [Op:{name}]",
        )
    return a % rank


def require(name: str, x: Any, kinds: str) -> Any:
    """The core's tensor of a value whose dtype is of one of these kinds.

    Raises InvalidArgumentError for others.
    """
    tensor = convert(x, None if kinds != "b" or _is_tensor(x) else bool_)
    core = tensor.dtype.core
    if core is None or core.kind not in kinds:
        raise error(
            errors.InvalidArgumentError,
            f"Value for attr 'T' of {tensor.dtype.name} is not in the list of allowed values: "
            f"{', '.join(message_name(d) for c, d in BY_CORE.items() if c.kind in kinds)} "
            f"[Op:{name}]",
        )
    return tensor.inner()


__all__ = [
    "Inner", "axes_of", "convert", "core_dtype", "float32", "inner", "ints", "mismatch",
    "one_axis", "pair", "require", "same", "shape_of", "wrap",
]  # fmt: skip
