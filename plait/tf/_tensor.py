"""tf.Tensor: a handle on a tensor of the core, or an array of byte strings.

The operators are attached by `plait.tf._ops.operators`. A tensor holds Plait's own tensor
(`inner`), so that both dialects record into one graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from plait._tensor import Tensor as Inner
from plait._valueless import ValuelessTensor
from plait.core.ir.errors import error
from plait.core.ir.graph import capture
from plait.core.ir.op import LEAF
from plait.core.lazy.capture import Break, current, watch
from plait.core.lazy.cell import leaf_of
from plait.core.reference.executor import run
from plait.tf import errors
from plait.tf._dispatch import state
from plait.tf._dtypes import BY_CORE, DType, string
from plait.tf._shape import TensorShape
from plait.utils._pytree import register_pytree_node

#: Methods of arrays that TensorFlow's tensors do not have.
_ARRAY_METHODS = frozenset(
    [
        "T",
        "astype",
        "ravel",
        "transpose",
        "reshape",
        "clip",
        "size",
        "tolist",
        "data",
        "flatten",
        "sum",
        "mean",
        "max",
        "min",
    ]
)


class Reference:
    """A hashable stand-in for a tensor or variable, equal to others of the same object."""

    __slots__ = ("_object",)

    def __init__(self, referenced: Any) -> None:
        self._object = referenced

    def deref(self) -> Any:
        return self._object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._object is other._object

    def __hash__(self) -> int:
        return id(self._object)

    def __repr__(self) -> str:
        return f"<Reference wrapping {self._object!r}>"


class Tensor:
    """A value with a dtype and a shape, that does not change."""

    __slots__ = ("__weakref__", "_inner", "_keras_logits", "_keras_mask", "_tapes")
    __array_priority__ = 100

    def __init__(self, inner: Any) -> None:
        #: The core's tensor; an object array of bytes for strings.
        self._inner = inner
        #: The tapes that recorded this tensor, or that watch it.
        self._tapes = state.tapes

    # -- reading ------------------------------------------------------------------------------

    def _as_core_tensor(self) -> Any:
        """The core's tensor; an array of byte strings."""
        return self._inner if type(self._inner) is np.ndarray else self.inner()

    def _as_torch_tensor(self) -> Any:
        """The PyTorch-style tensor. Raises TypeError for strings."""
        if type(self._inner) is np.ndarray:
            raise error(TypeError, "a tensor of strings has no counterpart in PyTorch")
        return self.inner()

    def inner(self) -> Any:
        """The core's tensor, without its history where no tape that records now has it."""
        held = self._inner
        if type(held) is np.ndarray:
            raise error(errors.UnimplementedError, "the operation does not take strings")
        now = state.tapes
        if self._tapes is now or not held.requires_grad:
            return held
        for tape in now:
            if tape in self._tapes:
                return held
        return held.detach()

    @property
    def shape(self) -> TensorShape:
        return TensorShape(self._inner.shape)

    def get_shape(self) -> TensorShape:
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Raises ValueError where the tensor has another shape."""
        self.shape.assert_is_compatible_with(shape)

    @property
    def dtype(self) -> DType:
        held = self._inner
        return string if type(held) is np.ndarray else BY_CORE[held._dtype]

    @property
    def ndim(self) -> int:
        return len(self._inner.shape)

    @property
    def device(self) -> str:
        return "/job:localhost/replica:0/task:0/device:CPU:0"

    @property
    def name(self) -> str:
        raise error(AttributeError, "Tensor.name is undefined when eager execution is enabled.")

    @property
    def op(self) -> Any:
        raise error(AttributeError, "Tensor.op is undefined when eager execution is enabled.")

    @property
    def graph(self) -> Any:
        raise error(AttributeError, "Tensor.graph is undefined when eager execution is enabled.")

    def numpy(self) -> Any:
        """A copy of the value as an array; a scalar for a tensor without axes."""
        array = self._array()
        return array[()] if array.ndim == 0 else array.copy()

    def _array(self) -> Any:
        """The value as an array that must not be written."""
        held = self._inner
        if type(held) is np.ndarray:
            return held
        if watch.active is not None and (constant := constant_of(held)) is not None:
            return constant
        try:
            return held.compute()
        except (IndexError, RuntimeError) as fault:
            # Values that an operation does not take are found when it is computed.
            if isinstance(fault, (NotImplementedError, Break)):
                raise
            raise errors.InvalidArgumentError(str(fault)) from None

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value; of a tensor of a graph by the session given, or the default one."""
        return self.numpy()

    def ref(self) -> Reference:
        """A hashable stand-in for this tensor."""
        return Reference(self)

    def experimental_ref(self) -> Reference:
        return self.ref()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self._array()
        return array.copy() if dtype is None else array.astype(dtype)

    def __int__(self) -> int:
        return int(self._one())

    def __float__(self) -> float:
        return float(self._one())

    def __complex__(self) -> complex:
        return complex(self._one())

    def __index__(self) -> int:
        return self._one().__index__()

    def _one(self) -> Any:
        array = self._array()
        if array.ndim:
            raise error(
                TypeError, f"Only scalar tensors can be converted to Python numbers, got {self!r}"
            )
        return array[()]

    def __bool__(self) -> bool:
        array = self._array()
        if array.size != 1:
            raise error(
                ValueError,
                "The truth value of an array with more than one element is ambiguous. Use a.any() "
                "or a.all()",
            )
        return bool(array.reshape(-1)[0])

    def __len__(self) -> int:
        if not self._inner.shape:
            raise error(TypeError, "Scalar tensor has no `len()`")
        return self._inner.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self._inner.shape:
            raise error(TypeError, "Cannot iterate over a scalar tensor.")
        from plait.tf._ops.arrays import unstack

        return iter(unstack(self))

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self._array() == np.asarray(item)))

    def __hash__(self) -> int:
        raise error(TypeError, "Tensor is unhashable. Instead, use tensor.ref() as the key.")

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self

    def __reduce__(self) -> Any:
        return _from_array, (self._array(), self.dtype)

    def __getattr__(self, name: str) -> Any:
        text = f"{type(self).__name__!r} object has no attribute {name!r}"
        if name in _ARRAY_METHODS:
            text += (
                f". If you are looking for the function, it is tf.{name}(x, ...); for NumPy's "
                "method, use x.numpy()"
            )
        raise AttributeError(text)

    def __format__(self, spec: str) -> str:
        array = self._array()
        return format(array[()], spec) if array.ndim == 0 else format(str(self), spec)

    def __str__(self) -> str:
        return (
            f"tf.Tensor({_text(self._array(), str)}, shape={self.shape}, dtype={self.dtype.name})"
        )

    def __repr__(self) -> str:
        return (
            f"<tf.Tensor: shape={self.shape}, dtype={self.dtype.name}, "
            f"numpy={_text(self._array(), repr)}>"
        )


def _text(array: np.ndarray, how: Any) -> str:
    if array.ndim == 0:
        item = array[()]
        return repr(item) if isinstance(item, bytes) else str(item)
    text = how(array)
    return "\n" + text if "\n" in text else text


#: How many operations a constant may be made of, and how many elements it may have.
_LARGEST = 64, 1024


def constant_of(held: Any) -> np.ndarray | None:
    """In a call that is being captured, the array of a constant: what is made of numbers of the
    call itself, like an extent of a shape. None for what may be another in the next call."""
    active = current()
    if active is None or isinstance(held, ValuelessTensor) or held._base is not None:
        return None
    if held._cell.era < active.era:
        return None
    node = held._cell._node
    if node is None or node.size > _LARGEST[1]:
        return None
    changing = (active.input_nodes, active.providers, active.number_of)
    if node.value is None and not _is_short(node):
        return None
    found = capture([node])
    for leaf in found.leaves:
        if leaf.op is not LEAF or any(id(leaf) in known for known in changing):
            return None
    # The nodes stay as they are: they belong to the call.
    (array,) = run(found.graph, [leaf.value for leaf in found.leaves])
    return array


def _is_short(node: Any) -> bool:
    """Whether a node needs few others."""
    seen = {id(node)}
    stack = [node]
    while stack:
        for operand in stack.pop().inputs:
            if operand.value is None and id(operand) not in seen:
                seen.add(id(operand))
                stack.append(operand)
        if len(seen) > _LARGEST[0]:
            return False
    return True


def of_array(array: np.ndarray) -> Tensor:
    """A tensor over an array that nobody will write to."""
    if array.dtype == object:
        return Tensor(array)
    return Tensor(Inner.of_node(leaf_of(array)))


def _from_array(array: np.ndarray, dtype: DType) -> Tensor:
    return of_array(np.asarray(array, dtype=object if dtype is string else dtype.core.numpy))


def _flatten(tensor: Tensor) -> tuple[list[Any], Any]:
    return [tensor._inner], None


def _unflatten(leaves: Any, context: Any) -> Tensor:
    (inner,) = leaves
    return Tensor(inner)


# Compiled functions take tensors apart to the core's own.
register_pytree_node(Tensor, _flatten, _unflatten)
