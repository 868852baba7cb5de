"""Applies one elementwise op by a kernel that does nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plait.core.codegen import pointwise, vectors
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.text import Function
from plait.core.ir.dtypes import DType, dtype_of
from plait.core.ir.graph import Instruction
from plait.core.ir.node import Spec
from plait.core.ir.op import Op
from plait.core.llvm.target import Target, target
from tests.codegen.harness import aligned, function_of


def is_supported(op: Op, dtypes: Sequence[DType], attrs: dict[str, Any]) -> bool:
    shape, dtype = op.infer(*[Spec((4,), d) for d in dtypes], **attrs)
    made = Instruction(op, tuple(range(len(dtypes))), attrs, shape, dtype, None)
    return pointwise.supports(made, dtypes)


def kernel_of(
    op: Op, dtypes: Sequence[DType], result: DType, attrs: dict[str, Any], lanes: int
) -> Kernel:
    """Units are vectors of `lanes` elements."""

    def emit(symbol: str, on: Target) -> Function:
        f = Function(symbol, wide=on.wide)
        pointers = [f.argument(i) for i in range(1 + len(dtypes))]
        with f.loop("%begin", "%end") as loop:
            at = f.mul(loop.index, str(lanes))
            places = [
                f.at(p, at, vectors.memory_type(d)) for p, d in zip(pointers, (result, *dtypes))
            ]
            operands = [
                vectors.load(f, d, p, lanes) for d, p in zip(dtypes, places[1:], strict=True)
            ]
            value = pointwise.emit_op(f, op, attrs, dtypes, result, operands, lanes)
            vectors.store(f, result, value, places[0], lanes)
        f.ret()
        return f

    key = (op.name, tuple(d.name for d in (*dtypes, result)), tuple(attrs.items()), lanes)
    return Kernel("elementwise", key, emit)


def apply(
    op: Op, arrays: Sequence[np.ndarray], attrs: dict[str, Any], isa: str = "", lanes: int = 16
) -> np.ndarray:
    """The op on one-dimensional arrays; what does not fill the last vector is padded with 1."""
    dtypes = [dtype_of(a.dtype) for a in arrays]
    size = arrays[0].size
    units = -(-size // lanes)
    _, result = op.infer(*[Spec((size,), d) for d in dtypes], **attrs)
    held = []
    for a in (np.zeros(size, result.numpy), *arrays):
        data = aligned(units * lanes * a.dtype.itemsize).view(a.dtype)
        data[:size], data[size:] = a, 1
        held.append(data)
    launch = Launch(kernel_of(op, dtypes, result, attrs, lanes), (), (), units)
    args = np.array([a.ctypes.data for a in held], np.int64)
    function_of(launch, target(isa))(args.ctypes.data, 0, units, 0)
    return held[0][:size].copy()
