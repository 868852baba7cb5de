"""PyTorch's small value types: Size, device, finfo, iinfo, memory formats, layouts."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from plait._unbuilt import not_built
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error


class Size(tuple):
    """The shape of a tensor: a tuple of ints with `numel`."""

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements."""
        count = 1
        for extent in self:
            count *= extent
        return count

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, tuple(other)))

    def __reduce__(self):
        return (Size, (tuple(self),))


class device:
    """Where a tensor lives. Plait computes on the CPU; other names exist to be compared with.

    Raises RuntimeError for a string that names no known kind of device.
    """

    __slots__ = ("index", "type")
    _KINDS = ("cpu", "cuda", "mps", "meta", "xpu", "npu", "hpu", "xla", "mtia")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        if isinstance(type, int):
            raise error(RuntimeError, "Cannot access accelerator device when none is available.")
        if not isinstance(type, str):
            raise error(
                TypeError,
                "device(): argument 'type' must be str, int or device, not "
                f"{type.__class__.__name__}",
            )
        kind, colon, number = type.partition(":")
        if kind not in device._KINDS:
            raise error(
                RuntimeError,
                f"Expected one of {', '.join(device._KINDS)} device type at start of device "
                "string: "
                f"{type}",
            )
        if colon and not number.isdigit():
            raise error(RuntimeError, f"Invalid device string: '{type}'")
        self.type = kind
        self.index = int(number) if colon else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type='{self.type}')"
        return f"device(type='{self.type}', index={self.index})"

    def __reduce__(self):
        return (device, (self.type, self.index))

    def __enter__(self) -> device:
        """Make tensors here, unless another device is asked for."""
        if self.type != "meta":
            require_cpu(self)
        _defaults.stack.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _defaults.stack.pop()


CPU, META = device("cpu"), device("meta")


class _Defaults(threading.local):
    """Where this thread makes tensors: the last one holds."""

    def __init__(self) -> None:
        self.stack = [CPU]


_defaults = _Defaults()


def default_device() -> device:
    """Where tensors are made that say nothing about it."""
    return _defaults.stack[-1]


def set_default(where: device) -> None:
    """Make tensors there, but in the contexts of other devices that are open."""
    _defaults.stack[0] = where


def is_meta(where: Any) -> bool:
    """Whether a device, its name, or None for the default one, is the meta device."""
    if where is None:
        return _defaults.stack[-1].type == "meta"
    return (where if isinstance(where, device) else device(where)).type == "meta"


_NO_DEVICE = {
    "cuda": (AssertionError, "Torch not compiled with CUDA enabled"),
    "xpu": (AssertionError, "Torch not compiled with XPU enabled"),
    "mps": (RuntimeError, "PyTorch is not linked with support for mps devices"),
}


def require_cpu(where: Any) -> device:
    """The CPU device. Raises what PyTorch built for the CPU raises for any other."""
    if where is None:
        where = _defaults.stack[-1]
    found = where if isinstance(where, device) else device(where)
    if found.type == "cpu":
        return CPU
    if found.type == "meta":
        raise error(NotImplementedError, "this function makes no tensors on the meta device yet")
    kind, text = _NO_DEVICE.get(found.type, (RuntimeError, f"device {found} is not available"))
    raise error(kind, f"{text} (device {str(found)!r} was asked for; Plait computes on the CPU)")


class finfo:
    """Limits of a floating dtype."""

    def __init__(self, type: DType | None = None) -> None:
        from plait._promotion import get_default_dtype

        dtype = type or get_default_dtype()
        if dtype.kind not in "fc":
            raise error(
                TypeError, f"torch.finfo() requires a floating point input type, got {dtype}"
            )
        dtype = dtypes.real_of(dtype)
        if dtype is dtypes.bfloat16:
            import ml_dtypes

            info: Any = ml_dtypes.finfo(dtype.numpy)
        else:
            info = np.finfo(dtype.numpy)
        self.dtype = dtype.name
        self.bits = dtype.itemsize * 8
        self.eps = float(info.eps)
        self.max = float(info.max)
        self.min = float(info.min)
        self.tiny = float(info.tiny)
        self.smallest_normal = self.tiny
        self.resolution = float(info.resolution)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype."""

    def __init__(self, type: DType) -> None:
        if type.kind not in "iu":
            raise error(TypeError, f"torch.iinfo() requires an integer input type, got {type}")
        info = np.iinfo(type.numpy)
        self.dtype = type.name
        self.bits = info.bits
        self.max = int(info.max)
        self.min = int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


class memory_format:
    """A memory-format name; Plait keeps the row-major order and takes these as hints."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return (_memory_format_by_name, (self.name,))


contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
preserve_format = memory_format("preserve_format")


def _memory_format_by_name(name: str) -> memory_format:
    return globals()[name]


class layout:
    """The layout of a tensor's storage."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return (_layout_by_name, (self.name,))


def _layout_by_name(name: str) -> layout:
    return globals()[name]


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")


class SymInt:
    """A number that a tracer leaves open. None is made here: sizes are ints."""

    def __init__(self, node: Any) -> None:
        raise not_built("torch.SymInt")


class SymFloat:
    """A number that a tracer leaves open. None is made here: values are floats."""

    def __init__(self, node: Any) -> None:
        raise not_built("torch.SymFloat")


class SymBool:
    """A truth value that a tracer leaves open. None is made here: values are bools."""

    def __init__(self, node: Any) -> None:
        raise not_built("torch.SymBool")


class TensorType:
    """The type of tensors in TorchScript. None is made here: no script is compiled."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.TensorType")
