"""Masked stores of 8 and 16 bits stay within their buffers, whatever the mask."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.text import Function
from plait.core.compiler.plan import Buffer
from plait.core.ir.dtypes import DType, bfloat16, float16, float32, int8, int16
from plait.core.llvm.target import Target, target
from tests.codegen.harness import Memory, function_of


def convert(dtype: DType, count: int, lanes: int = 16) -> Kernel:
    """The first `count` of 16 float32, a number that LLVM knows, as another type."""

    def emit(symbol: str, on: Target) -> Function:
        f = Function(symbol)
        out, given = f.argument(0), f.argument(1)
        value = vectors.load(f, float32, given, lanes)
        if dtype.kind == "i":
            kinds = [vectors.register_type(d, lanes) for d in (float32, dtype)]
            value = f.let(f"fptosi {kinds[0]} {value} to {kinds[1]}")
        vectors.store(f, dtype, value, out, lanes, f.tail_mask(lanes, str(count)))
        f.ret()
        return f

    return Kernel("narrow", (dtype.name, count, lanes), emit)


@pytest.mark.parametrize("count", [1, 2, 15])
@pytest.mark.parametrize("dtype", [bfloat16, float16, int8, int16], ids=lambda d: d.name)
@pytest.mark.parametrize("isa", ["avx512", "avx2"])
def test_constant_masks(isa: str, dtype: DType, count: int) -> None:
    try:
        on = target(isa)
    except ValueError:
        pytest.skip(f"this machine has no {isa}")
    given, result = Buffer((16,), float32, "input"), Buffer((count,), dtype, "output")
    array = np.arange(3, 19, dtype=np.float32)
    memory = Memory({id(given): array})
    launch = Launch(convert(dtype, count), outputs=(result,), inputs=(given,), units=1)
    args = np.array([memory.address(result), memory.address(given)], np.int64)
    assert function_of(launch, on)(args.ctypes.data, 0, 1, None) == 0
    memory.check_guards()
    assert (memory.array(result) == array[:count].astype(dtype.numpy)).all()
