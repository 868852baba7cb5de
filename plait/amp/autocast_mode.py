"""`autocast`: a region that wants a smaller floating type. Recorded, not yet acted on."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

from plait._types import device
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


class _State(threading.local):
    """Per thread: whether and to what type the CPU's operations would be cast."""

    cpu_enabled = False
    cpu_dtype: DType = dtypes.bfloat16


_state = _State()


def key() -> Any:
    """What of this thread's state a compiled program depends on."""
    return _state.cpu_dtype if _state.cpu_enabled else None


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows this kind of device."""
    return device_type == "cpu"


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether a region of `autocast` is on; without an argument, of CUDA's: never."""
    return device_type == "cpu" and _state.cpu_enabled


def is_autocast_cpu_enabled() -> bool:
    """Whether a region of `autocast("cpu")` is on."""
    return _state.cpu_enabled


def get_autocast_dtype(device_type: str) -> DType:
    """The type that such a region wants."""
    return _state.cpu_dtype if device_type == "cpu" else dtypes.float16


def get_autocast_cpu_dtype() -> DType:
    """The type that a region on the CPU wants."""
    return _state.cpu_dtype


def get_autocast_gpu_dtype() -> DType:
    """PyTorch's default for CUDA."""
    return dtypes.float16


class autocast:
    """A region (or a decorated function) that wants `dtype`, by default bfloat16 on the CPU.

    Operations stay in full precision: results are at least as accurate as PyTorch's, and outputs
    keep the dtype of their inputs. For other devices it warns and is off. Raises RuntimeError for
    an unknown kind of device.
    """

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise error(
                ValueError,
                f"Expected `device_type` of type `str`, got: `{type(device_type)}`",
            )
        self.device = device(device_type).type
        self.fast_dtype = dtype if dtype is not None else get_autocast_dtype(self.device)
        self._enabled = enabled
        if self.device != "cpu":
            if enabled:
                warnings.warn(
                    f"User provided device_type of '{self.device}', but it is not available. "
                    "Disabling",
                    stacklevel=2,
                )
            self._enabled = False
        self._before: list[tuple[bool, DType]] = []

    def __enter__(self) -> autocast:
        self._before.append((_state.cpu_enabled, _state.cpu_dtype))
        if self.device == "cpu":
            _state.cpu_enabled, _state.cpu_dtype = self._enabled, self.fast_dtype
        return self

    def __exit__(self, *exc: object) -> None:
        _state.cpu_enabled, _state.cpu_dtype = self._before.pop()

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return call


def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """Mark the forward of an `autograd.Function`; casts its inputs only inside `autocast`.

    Nothing is cast yet, so it gives the function itself; without one, a decorator.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    return fwd


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Mark an `autograd.Function`'s backward: the function itself; without one, a decorator."""
    return functools.partial(custom_bwd, device_type=device_type) if bwd is None else bwd
