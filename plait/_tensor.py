"""PyTorch's Tensor: properties, conversions, operators and autograd methods.

The functions that are also methods (`x.sum()`, `x.view(...)`) are attached by their families in
`plait._functions`; this file holds what only a method can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from plait._array_methods import ArrayMethods
from plait._late import stand_in
from plait._promotion import can_cast
from plait._types import CPU, Size, device, is_meta, layout, memory_format, require_cpu, strided
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType, dtype_of
from plait.core.ir.errors import error
from plait.core.lazy.capture import current, forced, watch
from plait.core.lazy.cell import leaf_of
from plait.core.lazy.modes import grad_mode
from plait.core.lazy.tensor import LazyTensor
from plait.core.lazy.views import is_contiguous
from plait.core.ops.elementwise import ALIAS, cast
from plait.core.ops.view import broadcast

#: PyTorch's names of element types in messages and of tensor types.
_SCALAR_TYPES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int",
    "int64": "Long", "float16": "Half", "bfloat16": "BFloat16", "float32": "Float",
    "float64": "Double", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
    "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
}  # fmt: skip


def scalar_type(dtype: DType) -> str:
    """PyTorch's word for an element type: Float, Long, ..."""
    return _SCALAR_TYPES[dtype.name]


class _TensorMeta(type):
    """`isinstance(x, FloatTensor)`-like checks live with those classes; this one makes
    Tensor(...)."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Tensor:
            from plait._functions.creation import legacy_tensor

            return legacy_tensor(dtypes.float32, *args, **kwargs)
        return super().__call__(*args, **kwargs)


class Tensor(ArrayMethods, metaclass=_TensorMeta):
    """A multi-dimensional array whose operations are recorded, differentiated and compiled."""

    plain: ClassVar[type[Tensor]]

    if TYPE_CHECKING:
        # What `plait._functions` attaches, for type checkers: methods by name, and the operators.
        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...

    # -- shape and type -----------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The extents of the axes."""
        return Size(self._shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one extent of it."""
        if dim is None:
            return Size(self._shape)
        from plait.core.functional.axes import normal_axis

        return self._shape[normal_axis(dim, self.ndim, "size")]

    def dim(self) -> int:
        """Number of axes."""
        return len(self._shape)

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return Size(self._shape).numel()

    nelement = numel

    def __len__(self) -> int:
        if not self._shape:
            raise error(TypeError, "len() of a 0-d tensor")
        return self._shape[0]

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._dtype.itemsize

    @property
    def itemsize(self) -> int:
        return self._dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.numel() * self._dtype.itemsize

    @property
    def device(self) -> device:
        return CPU

    @property
    def layout(self) -> layout:  # type: ignore[override]  # PyTorch's name; the core's is memory()
        return strided

    is_cuda = False
    is_sparse = False
    is_sparse_csr = False
    #: Whether this is a sparse tensor, in whatever form.
    _has_places = False
    is_quantized = False
    is_mps = False
    is_meta = False
    is_nested = False
    is_cpu = True

    def get_device(self) -> int:
        """-1: the CPU."""
        return -1

    def is_floating_point(self) -> bool:
        return self._dtype.is_floating_point

    def is_complex(self) -> bool:
        return self._dtype.is_complex

    def is_signed(self) -> bool:
        return self._dtype.is_signed

    def is_inference(self) -> bool:
        return False

    def is_pinned(self, device: Any = None) -> bool:
        return False

    def is_shared(self) -> bool:
        return False

    # -- memory -------------------------------------------------------------------------------

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours along each axis, in elements."""
        strides = self.memory().strides
        if dim is None:
            return strides
        from plait.core.functional.axes import normal_axis

        return strides[normal_axis(dim, self.ndim, "stride")]

    def storage_offset(self) -> int:
        """Position of the first element in the storage, in elements."""
        if watch.active is not None and (active := current()) is not None:
            active.layout_read(self, offset=True)
        return self.memory().offset

    def is_contiguous(self, memory_format: memory_format | None = None) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        return is_contiguous(self._shape, self.memory().strides)

    def contiguous(self, memory_format: memory_format | None = None) -> Tensor:
        """Itself if contiguous, else a copy that is."""
        return self if self.is_contiguous() else self.clone()

    def clone(self, *, memory_format: memory_format | None = None) -> Tensor:
        """A copy; gradients flow through it."""
        return ALIAS(self)

    def data_ptr(self) -> int:
        """The address of the first element; computes the value first."""
        forced("the address of a tensor is read")
        cell = self.storage_cell
        return cell.compute().__array_interface__["data"][0] + (
            self.storage_offset() * self._dtype.itemsize
        )

    def untyped_storage(self) -> Any:
        """The memory behind this tensor and its views."""
        if watch.active is not None and (active := current()) is not None:
            active.memory_read(self)
        from plait._storage import UntypedStorage

        return UntypedStorage(self.storage_cell)

    def storage(self) -> Any:
        """The memory behind this tensor, with its element type."""
        if watch.active is not None and (active := current()) is not None:
            active.memory_read(self)
        from plait._storage import TypedStorage

        return TypedStorage(self.storage_cell, self._dtype)

    _typed_storage = storage

    def share_memory_(self) -> Tensor:
        """Itself: worker processes receive copies."""
        return self

    def pin_memory(self, device: Any = None) -> Tensor:
        """Itself: there is no device to copy to."""
        return self

    # -- values -------------------------------------------------------------------------------

    def item(self) -> Any:
        """The one element as a Python number. Raises RuntimeError for more or fewer elements."""
        if self.numel() != 1:
            raise error(
                RuntimeError,
                f"a Tensor with {self.numel()} elements cannot be converted to Scalar "
                f"by item (shape {list(self._shape)})",
            )
        value = self.compute().reshape(-1)[0]
        return float(value) if self._dtype.kind == "f" else value.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        array = self.compute()
        if self._dtype.is_half:
            array = array.astype(np.float32)
        return array.tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            what = "no values" if self.numel() == 0 else "more than one value"
            raise error(
                RuntimeError,
                f"Boolean value of Tensor with {what} is ambiguous (shape {list(self._shape)}; use "
                "any() or all())",
            )
        return bool(self.item())

    def _one_element(self) -> Tensor:
        """This tensor. Raises ValueError unless it has one element."""
        if self.numel() != 1:
            raise error(
                ValueError,
                "only one element tensors can be converted to Python scalars (received shape "
                f"{list(self._shape)})",
            )
        return self

    def __int__(self) -> int:
        return int(self._one_element().item())

    def __float__(self) -> float:
        return float(self._one_element().item())

    def __complex__(self) -> complex:
        return complex(self._one_element().item())

    def __index__(self) -> int:
        if self._dtype.kind not in "biu" or self.numel() != 1:
            raise error(
                TypeError,
                "only integer tensors of a single element can be converted to an index, received "
                f"dtype {self._dtype} and shape {list(self._shape)}",
            )
        return int(self._one_element().item())

    def __iter__(self) -> Iterator[Tensor]:
        if not self._shape:
            raise error(TypeError, "iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any().item())

    def __format__(self, spec: str) -> str:
        if not self._shape:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __repr__(self) -> str:
        from plait._printing import tensor_text

        return tensor_text(self)

    def __hash__(self) -> int:
        return id(self)

    def __dir__(self) -> list[str]:
        return sorted(set(object.__dir__(self)))

    # -- conversion ---------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """This tensor in another dtype; itself where nothing changes and `copy` is not asked."""
        where, dtype, copy = parse_to(args, kwargs)
        if where is not None:
            if is_meta(where):
                from plait._meta import meta  # it builds on this module

                return meta(self._shape, dtype or self._dtype)
            require_cpu(where)
        if dtype is None or dtype is self._dtype:
            return self.clone() if copy else self
        return cast(self, dtype)

    def cpu(self, memory_format: memory_format | None = None) -> Tensor:
        """Itself."""
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False, **kwargs: Any) -> NoReturn:
        """Raises what PyTorch built for the CPU raises."""
        require_cpu("cuda")
        raise AssertionError("unreachable")

    def type(self, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
        """The name of this tensor's type, or this tensor as another type."""
        if dtype is None:
            return f"torch.{scalar_type(self._dtype)}Tensor"
        if isinstance(dtype, str):
            from plait._legacy import dtype_of_type_name

            dtype = dtype_of_type_name(dtype)
        return self.to(getattr(dtype, "dtype", dtype) if not isinstance(dtype, DType) else dtype)

    def type_as(self, other: Tensor) -> Tensor:
        """This tensor in the dtype of another."""
        return self.to(other.dtype)

    def as_subclass(self, cls: type) -> Any:
        """This tensor as an instance of a Tensor subclass, over the same memory."""
        return cls._make_subclass(self, self.requires_grad)  # type: ignore[attr-defined]  # a Tensor class

    @classmethod
    def _make_subclass(cls, data: Tensor, require_grad: bool = False) -> Any:
        """An instance of this class over the memory of `data`, detached from its graph."""
        twin = data.detached()
        self = object.__new__(cls)
        for name in LazyTensor.__slots__:
            if name != "__weakref__":
                setattr(self, name, getattr(twin, name))
        if twin._base is None:
            self._cell = data.storage_cell
        if require_grad:
            self.requires_grad_()
        return self

    # -- writing ------------------------------------------------------------------------------

    def assign_result(self, name: str, result: Tensor) -> Tensor:
        """Store the result of an operation in this tensor, in place (see `LazyTensor.assign`)."""
        if not can_cast(result._dtype, self._dtype):
            raise error(
                RuntimeError,
                f"result type {scalar_type(result._dtype)} can't be cast to the desired "
                f"output type "
                f"{scalar_type(self._dtype)} (in {name}: {result._dtype.name} into "
                f"{self._dtype.name})",
            )
        if result._shape != self._shape:
            raise error(
                RuntimeError,
                f"output with shape {list(self._shape)} doesn't match the broadcast shape "
                f"{list(result._shape)} (in {name})",
            )
        return self.assign(result)

    def copy_(self, src: Any, non_blocking: bool = False) -> Tensor:
        """Write the values of another tensor, broadcast to this shape and cast to this dtype."""
        if not isinstance(src, Tensor):
            from plait._functions.creation import as_tensor

            src = as_tensor(src)
        if broadcast_shapes("copy_", self._shape, src._shape) != self._shape:
            raise error(
                RuntimeError,
                f"The expanded size of the tensor {list(self._shape)} must match the existing size "
                f"{list(src._shape)} (in copy_)",
            )
        return self.assign(broadcast(cast(src, self._dtype), self._shape))

    def set_(self, source: Any = None) -> Tensor:
        """Share the memory, shape and strides of another tensor."""
        if source is not None:
            self.adopt(source)
        return self

    def resize_(self, *sizes: Any) -> Tensor:
        """Change the shape in place; kept elements keep their row-major position, new ones
        are 0."""
        from plait._functions.common import shape_argument
        from plait._functions.creation import zeros

        shape = shape_argument("resize_", sizes)
        if shape == self._shape:
            return self
        flat = self.detach().reshape(-1)
        wanted = Size(shape).numel()
        if wanted > flat.numel():
            from plait._functions.joining import cat

            longer = cat([flat, zeros(wanted - flat.numel(), dtype=self._dtype)])
            self.adopt(self.plain.of_node(longer.reshape(shape).read()), with_views=True)
        else:
            self.adopt(flat[:wanted].reshape(shape))
        return self

    def resize_as_(self, other: Tensor) -> Tensor:
        """`resize_` to the shape of another tensor."""
        return self.resize_(other.shape)

    def resize(self, *sizes: Any) -> Tensor:
        """Deprecated: the elements under another shape."""
        from plait._functions.common import shape_argument

        return self.reshape(shape_argument("resize", sizes))

    # -- copying and pickling -----------------------------------------------------------------

    def __copy__(self) -> Any:
        """A leaf of the same kind over the same memory."""
        result = type(self)._make_subclass(self.detached(), False)
        if self._requires_grad or not self.is_leaf:
            result.require_grad(True)
        vars(result).update(vars(self))
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise error(
                RuntimeError,
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment.",
            )
        import copy

        with grad_mode(False):
            cell = self.storage_cell
            held = memo.get(id(cell))
            if held is None:
                base = self if self._base is None else self._settled_base()
                held = memo[id(cell)] = base.detached().clone()
            fresh = held if self._base is None else _same_view(held, self)
        result = type(self)._make_subclass(fresh, False)
        memo[id(self)] = result
        if self._requires_grad:
            result.require_grad(True)
        if self._grad is not None:
            result._grad = copy.deepcopy(self._grad, memo)
        for key, value in vars(self).items():
            vars(result)[key] = copy.deepcopy(value, memo)
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf:
            raise error(
                RuntimeError,
                "cannot pickle a tensor that is a result of recorded operations; pickle its "
                "detach()",
            )
        array = np.ascontiguousarray(self.compute()).reshape(self._shape)
        # bfloat16 travels as its bits: NumPy's pickle of it would need ml-dtypes on the way in.
        payload = array.view(np.uint16) if self._dtype is dtypes.bfloat16 else array
        state = {k: v for k, v in vars(self).items() if not k.startswith("_")}
        return (_rebuild, (type(self), payload, self._dtype.name, self._requires_grad, state))

    # -- bridges for files --------------------------------------------------------------------

    def _storage_key(self) -> int:
        """Identity of the storage: tensors that share memory have the same."""
        return id(self.storage_cell)

    def _storage_numpy(self) -> np.ndarray:
        """The whole storage, flat; not to be written."""
        array = self.storage_cell.compute()
        return np.ascontiguousarray(array).reshape(-1)


stand_in(Tensor)


Tensor.plain = Tensor


def _same_view(base: Tensor, view: Tensor) -> Tensor:
    """The view of `base` by the steps of another view."""
    made = base.plain.of_cell(base._cell, view._shape, view._dtype)
    made._base = base
    made._steps = view._steps
    made._layout = view._layout
    return made


def _rebuild(
    cls: type[Tensor],
    payload: np.ndarray,
    dtype_name: str,
    requires_grad: bool,
    state: dict[str, Any],
) -> Any:
    """Inverse of `Tensor.__reduce_ex__`."""
    dtype = dtypes.BY_NAME[dtype_name]
    array = payload.view(dtype.numpy) if payload.dtype != dtype.numpy else payload
    tensor = Tensor.of_node(leaf_of(array))
    result = tensor if cls is Tensor else cls._make_subclass(tensor, False)
    if requires_grad:
        result.require_grad(True)
    vars(result).update(state)
    return result


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, DType | None, bool]:
    """(device, dtype, copy) from the arguments of `Tensor.to` and `Module.to`."""
    where, dtype = kwargs.get("device"), kwargs.get("dtype")
    other = kwargs.get("other")
    for value in args:
        if isinstance(value, DType):
            dtype = value
        elif isinstance(value, (str, device)) or (
            isinstance(value, int) and not isinstance(value, bool)
        ):
            where = value
        elif isinstance(value, Tensor):
            other = value
    if other is not None:
        where, dtype = other.device, other.dtype
    if dtype is not None and not isinstance(dtype, DType):
        dtype = dtype_of(dtype)
    return where, dtype, bool(kwargs.get("copy", False))
