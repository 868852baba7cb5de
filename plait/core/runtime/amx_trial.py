"""Whether AMX computes what it should: products in a process of their own, which may die of them.

The process reads a target as JSON from its standard input. It ends with 0 where all products are
right, else with a line on standard error. See `machine.py`.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from plait.core.codegen.kernel import Kernel, Launch
from plait.core.compiler.lower.contract import lower_dot
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.dtypes import bfloat16
from plait.core.ir.graph import Instruction
from plait.core.llvm.target import Target, ask_for_tiles
from plait.core.ops.contract import DOT_GENERAL
from plait.core.runtime import kernels

#: (batch, rows, steps, columns): full tiles and rests; one block of K, several, and parts.
SIZES = ((1, 64, 64, 64), (2, 49, 70, 40), (1, 33, 1200, 80), (1, 16, 1024, 16))
_KIND = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)


def first_wrong(on: Target) -> str:
    """The first product that is wrong, in words; empty where none is."""
    for sizes in SIZES:
        for left in ("mk", "km"):
            for right in ("kn", "nk"):
                if not _is_right(on, sizes, left, right):
                    return f"wrong sums of {left},{right}->mn for (b, m, k, n) = {sizes}"
    return ""


def _is_right(on: Target, sizes: tuple[int, ...], left: str, right: str) -> bool:
    """Whether a product of small integers, whose sums are exact in whatever order, is right."""
    batch, m, k, n = sizes
    random = np.random.RandomState(k)
    a = random.randint(-8, 9, (batch, m, k)).astype(np.float32)
    b = random.randint(-8, 9, (batch, k, n)).astype(np.float32)
    given = [x if name in ("mk", "kn") else x.swapaxes(1, 2) for x, name in ((a, left), (b, right))]
    arrays = [np.ascontiguousarray(x.astype(bfloat16.numpy)) for x in given]
    wanted = np.matmul(a, b).astype(bfloat16.numpy)
    inputs = [Buffer(x.shape, bfloat16, "input") for x in arrays]
    output = Buffer(wanted.shape, bfloat16, "output")
    axes = (1 + left.index("k"),), (1 + right.index("k"),)
    attrs = {"contract": axes, "batch": ((0,), (0,))}
    plan = Plan(on)
    dot = Instruction(DOT_GENERAL, (0, 1), attrs, wanted.shape, bfloat16, None)
    lower_dot(dot, inputs, [output], plan)
    made = np.zeros_like(wanted)
    held = {id(x): y for x, y in zip((*inputs, output), (*arrays, made))}
    _run(plan.steps, held, kernels.addresses([step.kernel for step in plan.steps], on))
    return np.array_equal(made.astype(np.float32), wanted.astype(np.float32))


def _run(
    steps: Sequence[Launch], held: dict[int, np.ndarray], functions: Mapping[Kernel, int]
) -> None:
    """Run launches, each by two threads."""
    for launch in steps:
        for buffer in (*launch.outputs, *launch.inputs):
            if id(buffer) not in held:
                held[id(buffer)] = _aligned(buffer.nbytes)
        words = [held[id(buffer)].ctypes.data for buffer in (*launch.outputs, *launch.inputs)]
        args = np.array([*words, *launch.numbers], np.int64)
        half = -(-launch.units // 2)
        function = _KIND(functions[launch.kernel])

        def part(begin: int, end: int, launch=launch, args=args, function=function) -> None:
            scratch = _aligned(launch.scratch)
            function(args.ctypes.data, begin, end, scratch.ctypes.data)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(part, (0, half), (half, launch.units)))


def _aligned(nbytes: int) -> np.ndarray:
    """Bytes that begin at a line of the caches."""
    raw = np.full(nbytes + 64, 0xFF, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + nbytes]


def main() -> None:
    """What the process does."""
    on = Target(**json.load(sys.stdin))
    ask_for_tiles()  # which a process has to do anew; without it, the first product ends this one
    if wrong := first_wrong(on):
        sys.exit(wrong)


if __name__ == "__main__":
    main()
