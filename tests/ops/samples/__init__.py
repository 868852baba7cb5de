"""Samples of every op record, from which the record tests are made.

Each module of this package covers one family and defines

    SAMPLES: op name -> f(rng, dtype) giving a list of `Sample`s for operands of that dtype;
    TORCH: op name -> f(torch, *tensors, **attrs) giving PyTorch's result, where it has one.

A sample function may ignore the dtype for operands that have a type of their own (indices, masks).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType


@dataclass
class Sample:
    """One call of an op: its operands and attributes."""

    inputs: tuple[np.ndarray, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    grad: bool = True  # smooth enough at these points for finite differences

    def __post_init__(self) -> None:
        # NumPy gives scalars where an operation's result has no axes.
        self.inputs = tuple(np.asarray(x) for x in self.inputs)


SampleMaker = Callable[[np.random.Generator, DType], list[Sample]]


def values(
    rng: np.random.Generator,
    dtype: DType,
    shape: tuple[int, ...],
    low: float = -3.0,
    high: float = 3.0,
) -> np.ndarray:
    """Random values of a dtype: uniform floats in [low, high), integers over the same range."""
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "u":
        return rng.integers(max(0, int(low)), max(1, int(high)) + 4, shape).astype(dtype.numpy)
    if dtype.kind == "i":
        return rng.integers(int(low) - 4, int(high) + 5, shape).astype(dtype.numpy)
    if dtype.kind == "c":
        parts = rng.uniform(low, high, (2, *shape))
        return (parts[0] + 1j * parts[1]).astype(dtype.numpy)
    return rng.uniform(low, high, shape).astype(dtype.numpy)


def _collect(table: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(__path__):
        part = getattr(importlib.import_module(f"{__name__}.{module.name}"), table, {})
        twice = found.keys() & part.keys()
        assert not twice, f"{table} of {sorted(twice)} is defined in two modules"
        found.update(part)
    return found


def all_samples() -> dict[str, SampleMaker]:
    """The sample makers of every family, by op name."""
    return _collect("SAMPLES")


def all_torch() -> dict[str, Callable[..., Any]]:
    """PyTorch's counterparts of the ops, by op name."""
    return _collect("TORCH")
