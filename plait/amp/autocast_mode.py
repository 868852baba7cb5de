"""`autocast`: a region in which contractions compute in a smaller floating type."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from plait._autocast import converted, state
from plait._types import device
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows this kind of device."""
    return device_type == "cpu"


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether a region of `autocast` is on; without an argument, of CUDA's: never."""
    return device_type == "cpu" and state.enabled


def is_autocast_cpu_enabled() -> bool:
    """Whether a region of `autocast("cpu")` is on."""
    return state.enabled


def get_autocast_dtype(device_type: str) -> DType:
    """The type that such a region wants."""
    return state.dtype if device_type == "cpu" else dtypes.float16


def get_autocast_cpu_dtype() -> DType:
    """The type that a region on the CPU wants."""
    return state.dtype


def get_autocast_gpu_dtype() -> DType:
    """PyTorch's default for CUDA."""
    return dtypes.float16


class autocast:
    """A region (or a decorated function) that wants `dtype`, by default bfloat16 on the CPU.

    `plait._autocast` says what that means for an operation. cache_enabled: cast a parameter once
    per region. For other devices it warns and is off. Raises RuntimeError for an unknown kind of
    device.
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
        self._keeps = state.keeps if cache_enabled is None else cache_enabled
        self._before: list[tuple[bool, DType, bool]] = []

    def __enter__(self) -> autocast:
        self._before.append((state.enabled, state.dtype, state.keeps))
        state.depth += 1
        if self.device == "cpu":
            state.enabled, state.dtype = self._enabled, self.fast_dtype
            state.keeps = self._keeps
        return self

    def __exit__(self, *exc: object) -> None:
        state.enabled, state.dtype, state.keeps = self._before.pop()
        state.depth -= 1
        if state.depth == 0:
            state.kept.clear()

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return call


def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: DType | None = None) -> Any:
    """Mark the forward of an `autograd.Function`; without a function, a decorator.

    cast_inputs: inside a region, cast floating arguments (but float64) to this type and run the
    forward as outside of one.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def call(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        used = is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = used and cast_inputs is None
        if cast_inputs is None or not used:
            return fwd(ctx, *args, **kwargs)
        args = tuple([converted(x, cast_inputs) for x in args])
        kwargs = {name: converted(x, cast_inputs) for name, x in kwargs.items()}
        with autocast(device_type, enabled=False):
            return fwd(ctx, *args, **kwargs)

    return call


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Mark an `autograd.Function`'s backward, which then runs under the forward's mode."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def call(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return call
