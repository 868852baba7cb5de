"""What `autocast` does to operations: which ones take a smaller type, which full precision.

PyTorch's lists for the CPU: contractions (products of matrices, convolutions, attention) take the
region's type, losses and a few sensitive functions float32; all else keeps the type of its
operands. Only floating operands other than float64 are cast. A parameter is cast once per region,
so that its gradients add up in the smaller type and are cast back once.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from plait._promotion import Defaults
from plait._tensor import Tensor
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.lazy.modes import modes
from plait.core.lazy.replay.function import setting
from plait.core.ops.elementwise import cast

F = TypeVar("F", bound=Callable[..., Any])


class State(threading.local):
    """Per thread: whether, and to what type, the CPU's operations are cast; the parameters
    already cast, with the values that they had."""

    enabled = False
    dtype: DType = dtypes.bfloat16
    keeps = True
    depth = 0

    def __init__(self) -> None:
        self.kept: dict[int, tuple[Tensor, Any, Tensor]] = {}


state = State()


def _setting() -> Any:
    """What functions depend on besides their arguments (see `core.lazy.replay.function`)."""
    return None if state.enabled else Defaults.float_dtype


setting.ask = _setting


def _eligible(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value._dtype.kind == "f"
        and value._dtype is not dtypes.float64
    )


def converted(value: Any, dtype: DType) -> Any:
    """A value that a region may cast, in a dtype; others as they are."""
    return cast(value, dtype) if _eligible(value) else value


def _lowered(value: Any) -> Any:
    if not _eligible(value) or value._dtype is state.dtype:
        return value
    leaf = value._base is None and value._requires_grad and value._grad_fn is None
    if not (leaf and state.keeps and modes.grad_enabled):
        return cast(value, state.dtype)
    node = value.read()
    held = state.kept.get(id(value))
    if held is not None and held[1] is node and held[2]._dtype is state.dtype:
        return held[2]
    made = cast(value, state.dtype)
    state.kept[id(value)] = (value, node, made)
    return made


def lower(*values: Any) -> tuple[Any, ...]:
    """Operands of a contraction as the region wants them; outside of one, as they are."""
    return tuple([_lowered(value) for value in values]) if state.enabled else values


def in_full(value: Any) -> Any:
    """An operand of a sensitive function: float32 in a region, else as it is."""
    return converted(value, dtypes.float32) if state.enabled else value


def full_precision(function: F) -> F:
    """A function of the face that computes in float32 inside a region."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not state.enabled:
            return function(*args, **kwargs)
        state.enabled = False
        try:
            args = tuple([converted(x, dtypes.float32) for x in args])
            kwargs = {name: converted(x, dtypes.float32) for name, x in kwargs.items()}
            return function(*args, **kwargs)
        finally:
            state.enabled = True

    return call  # type: ignore[return-value]  # the same signature
