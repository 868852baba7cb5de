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

from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.codegen.kernel import Launch
from plait.core.ir.derived import is_derived, plain
from plait.core.ir.dtypes import DType
from plait.core.ir.op import elements
from plait.core.llvm.target import Target


class Buffer:
    """Memory for one value: row-major, contiguous. Told apart by identity.

    kind: "input", "output", "temporary" (lives in the arena), "constant" (its `value` is an array).
    root: the buffer whose memory this one is, or a part of, under another shape; None for one of
    its own. start: bytes of the root before this one; kernels only read what begins at another.
    made: of a constant, (function, arguments) that its value is the result of, where these may be
    others in another run. varying: the axes whose extents may be.
    """

    __slots__ = ("dtype", "kind", "made", "root", "shape", "start", "value", "varying")

    def __init__(
        self, shape: tuple[int, ...], dtype: DType, kind: str, value: np.ndarray | None = None
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.kind = kind
        self.value = value
        self.root: Buffer | None = None
        self.start = 0
        self.made: tuple[Callable[..., np.ndarray], tuple[Any, ...]] | None = None
        self.varying: tuple[int, ...] = ()

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

    def computed(
        self,
        make: Callable[..., np.ndarray],
        arguments: tuple[Any, ...],
        shape: tuple[int, ...],
        dtype: DType,
    ) -> Buffer:
        """The array that a function makes of numbers, dicts and tuples of such; of others it makes
        that of another run."""
        buffer = self.constant(make(*plain(arguments)), dtype)
        if is_derived(arguments):
            buffer.shape, buffer.made = shape, (make, arguments)
        return buffer

    def full(self, shape: tuple[int, ...], value: Any, dtype: DType) -> Buffer:
        """One number everywhere."""
        return self.computed(np.full, (shape, value, dtype.numpy), shape, dtype)

    def launch(self, launch: Launch) -> None:
        """Add a call of a kernel. A launch without units does nothing and is dropped."""
        if launch.units > 0:
            self.steps.append(launch)
