"""What lowering makes of a graph: buffers, and launches of kernels on them.

A lowering is a function

    lower(made, inputs, outputs, plan, epilogue=None) -> bool

It is given an instruction, the buffers of its operands and results, and adds launches (and
temporary buffers) to the plan. It gives False, having added nothing, for what it does not cover
(a dtype, an attribute): the instruction then runs on the reference executor. With an epilogue, the
buffers that it reads follow the op's own inputs, and `outputs` are the epilogue's. Lowerings may
look at shapes, attributes and the target, never at the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.codegen.kernel import Launch
from plait.core.ir.dtypes import DType
from plait.core.ir.op import elements
from plait.core.llvm.target import Target


class Buffer:
    """Memory for one value: row-major, contiguous. Told apart by identity.

    kind: "input", "output", "temporary" (lives in the arena), "constant" (its `value` is an array).
    root: the buffer whose memory this one is, under another shape; None for one of its own.
    """

    __slots__ = ("dtype", "kind", "root", "shape", "value")

    def __init__(
        self, shape: tuple[int, ...], dtype: DType, kind: str, value: np.ndarray | None = None
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.kind = kind
        self.value = value
        self.root: Buffer | None = None

    @property
    def nbytes(self) -> int:
        return elements(self.shape) * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"<{self.kind} {self.dtype.name}{list(self.shape)}>"


class Plan:
    """Launches in an order in which each reads only what earlier ones have written."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.steps: list[Any] = []

    def temporary(self, shape: tuple[int, ...], dtype: DType) -> Buffer:
        """Memory that is free again after its last reader."""
        return Buffer(shape, dtype, "temporary")

    def constant(self, value: np.ndarray, dtype: DType) -> Buffer:
        """An array that never changes."""
        return Buffer(value.shape, dtype, "constant", np.ascontiguousarray(value))

    def launch(self, launch: Launch) -> None:
        """Add a call of a kernel. A launch without units does nothing and is dropped."""
        if launch.units > 0:
            self.steps.append(launch)
