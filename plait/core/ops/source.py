"""Ops without inputs: constants and ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.node import Node
from plait.core.ir.op import Lowering, Op


def _infer_full(*, value: Any, shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
    """One value in every place."""
    return shape, dtype


FULL = Op(
    "full",
    infer=_infer_full,
    lowering=Lowering.SOURCE,
    # One element under zero strides: a constant costs no memory and no time.
    reference=lambda *, value, shape, dtype: np.broadcast_to(np.asarray(value, dtype.numpy), shape),
    moves_only=True,
    flops=lambda **attrs: 0,
)


def _infer_arange(*, start: Any, step: Any, size: int, dtype: Any) -> tuple[Any, Any]:
    """start + i * step for i in 0 .. size-1."""
    return (size,), dtype


def _arange(*, start: Any, step: Any, size: int, dtype: Any) -> np.ndarray:
    # Computed from the index, not by repeated addition; in double as PyTorch does for floats.
    wide = np.float64 if dtype.kind == "f" else np.int64
    return (np.asarray(start, wide) + np.arange(size, dtype=wide) * np.asarray(step, wide)).astype(
        dtype.numpy
    )


ARANGE = Op(
    "arange",
    infer=_infer_arange,
    lowering=Lowering.SOURCE,
    reference=_arange,
    moves_only=True,
)


def constant(value: Any, like: Any) -> Node:
    """A node that holds `value` everywhere, with the shape and dtype of `like`."""
    return Node(FULL, (), {"value": value, "shape": like.shape, "dtype": like.dtype})


def full(value: Any, shape: tuple[int, ...], dtype: Any) -> Node:
    """A node that holds `value` everywhere."""
    return Node(FULL, (), {"value": value, "shape": shape, "dtype": dtype})
