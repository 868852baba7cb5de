"""What a call of a compiled program costs beyond its kernels: `python -m bench.calls`.

A program of thirty launches that each add two vectors of sixteen numbers, from ten input arrays:
its kernels take next to no time. Then how far more threads help where there is work for them.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.text import Function
from plait.core.compiler.plan import Buffer
from plait.core.ir.dtypes import float32
from plait.core.llvm.target import Target, target
from plait.core.runtime import native, threads
from plait.core.runtime.program import Program


def _emit(symbol: str, target: Target) -> Function:
    """out[i] = a[i] + b[i]"""
    f = Function(symbol)
    out, a, b = (f.argument(i) for i in range(3))
    with f.loop("%begin", "%end") as loop:
        left = f.load("float", f.at(a, loop.index, "float"), 4)
        right = f.load("float", f.at(b, loop.index, "float"), 4)
        f.store("float", f.let(f"fadd float {left}, {right}"), f.at(out, loop.index, "float"), 4)
    f.ret("0")
    return f


def chain(length: int, launches: int, inputs: int) -> Program:
    """Each launch adds an input to the result of the one before."""
    given = [Buffer((length,), float32, "input") for _ in range(inputs)]
    steps, last = [], given[0]
    for i in range(launches):
        out = Buffer((length,), float32, "temporary")
        kernel = Kernel("bench_add", (), _emit)
        steps.append(Launch(kernel, (out,), (last, given[i % inputs]), units=length, flops=length))
        last = out
    return Program(steps, given, [last], target())


def microseconds(call: Callable[[], Any], number: int) -> float:
    """The fastest of several rounds, per call."""
    return min(timeit.repeat(call, number=number, repeat=7)) / number * 1e6


def main() -> None:
    """Print the times."""
    threads.set_count(1)
    program = chain(16, 30, 10)
    arrays = [np.ones(16, np.float32) for _ in program.inputs]
    time = microseconds(partial(program.run, arrays), 2000)
    print(f"a call of 30 launches on 10 arrays: {time:.2f} us")
    frame = program.new_frame()
    room = np.zeros(16, np.float32)
    frame.words[:] = room.ctypes.data
    time = microseconds(partial(native.load().drive, frame.address, 0, 30), 2000)
    print(f"    of which the driver takes:      {time:.2f} us")
    arrays = [np.ones(1 << 20, np.float32) for _ in range(2)]
    for count in sorted({1, threads.processors()}):
        threads.set_count(count)
        time = microseconds(partial(chain(1 << 20, 8, 2).run, arrays), 5)
        print(f"8 sums of a million numbers on {count} threads: {time:.0f} us")


if __name__ == "__main__":
    main()
