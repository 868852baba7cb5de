"""CUDA as PyTorch built without it presents it: nothing is available, and using it says so."""

from __future__ import annotations

from typing import Any, NoReturn

from plait._unbuilt import unbuilt
from plait.core.ir.errors import error
from plait.cuda import amp

__all__ = ["amp", "current_device", "device", "device_count", "is_available", "manual_seed_all"]

_NO_CUDA = "Torch not compiled with CUDA enabled"


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises AssertionError: there is no CUDA."""
    raise error(AssertionError, _NO_CUDA)


# What asks for a device raises. What a program may call in any case does nothing.
current_device = current_stream = default_stream = set_device = _refuse
get_device_name = get_device_properties = get_device_capability = _refuse
init = memory_summary = mem_get_info = utilization = ipc_collect = _refuse
get_rng_state = set_rng_state = _refuse


def synchronize(device: Any = None) -> None:
    """Raises AssertionError: there is no CUDA."""
    _refuse()


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def is_current_stream_capturing() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def get_arch_list() -> list[str]:
    """No architectures."""
    return []


def get_rng_state_all() -> list[Any]:
    """No states: there are no devices."""
    return []


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Does nothing: there is no device to act on."""


manual_seed = manual_seed_all = seed = seed_all = _nothing
empty_cache = reset_peak_memory_stats = reset_max_memory_allocated = _nothing
reset_accumulated_memory_stats = set_per_process_memory_fraction = _nothing


def _no_bytes(device: Any = None) -> int:
    """0 bytes: nothing is allocated on a device."""
    return 0


memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = _no_bytes
memory_cached = max_memory_cached = _no_bytes


def memory_stats(device: Any = None) -> dict[str, Any]:
    """No statistics."""
    return {}


class device:
    """Context that selects a device; entering it raises AssertionError, but for None or -1."""

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else device

    def __enter__(self) -> None:
        if self.idx != -1:
            _refuse()

    def __exit__(self, *exc: object) -> None:
        return None


class device_of(device):
    """Context that selects the device of a tensor: of a tensor on the CPU, none."""

    def __init__(self, obj: Any) -> None:
        super().__init__(None)


class StreamContext:
    """Context that selects a stream; does nothing for None."""

    def __init__(self, stream: Any = None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


stream = StreamContext


class _Refused:
    """An object that needs CUDA."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise error(RuntimeError, f"torch.cuda.{type(self).__name__} requires CUDA support")


class Stream(_Refused):
    """A queue of work on a device; there is none."""


class Event(_Refused):
    """A mark in a stream; there is none."""


class CUDAGraph(_Refused):
    """A recorded run on a device; there is none."""


class OutOfMemoryError(RuntimeError):
    """A device has no memory left; never raised here."""


class _CudaTensorMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return False

    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise error(
            TypeError,
            f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled.",
        )


def _tensor_type(name: str) -> type:
    return _CudaTensorMeta(name, (), {"__module__": "torch.cuda", "__doc__": "There is no CUDA."})


FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor, ByteTensor, CharTensor = (
    _tensor_type(f"{kind}Tensor")
    for kind in ("Float", "Double", "Half", "BFloat16", "Byte", "Char")
)
ShortTensor, IntTensor, LongTensor, BoolTensor = (
    _tensor_type(f"{kind}Tensor") for kind in ("Short", "Int", "Long", "Bool")
)

#: Whether the driver was started, which programs read before they keep its random state.
_initialized = False

__getattr__ = unbuilt(
    "torch.cuda", ("graph", "graphs", "jiterator", "make_graphed_callables", "nccl", "nvtx")
)
