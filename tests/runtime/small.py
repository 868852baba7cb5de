"""Small kernels and programs to test the runtime with."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.text import Function, number
from plait.core.compiler.plan import Buffer
from plait.core.ir.dtypes import float32
from plait.core.llvm.target import Target


def vector(count: int, kind: str = "temporary") -> Buffer:
    """A buffer of float32."""
    return Buffer((count,), float32, kind)


def constant(values: Any) -> Buffer:
    """A constant of float32."""
    array = np.asarray(values, np.float32)
    return Buffer(array.shape, float32, "constant", array)


def _emit_axpy(factor: float, terms: int) -> Any:
    def emit(symbol: str, target: Target) -> Function:
        f = Function(symbol)
        out, *given = [f.argument(i) for i in range(1 + terms)]
        with f.loop("%begin", "%end") as loop:
            total = number(1.0, "float")
            for pointer in given:
                value = f.load("float", f.at(pointer, loop.index, "float"), 4)
                scaled = f.let(f"fmul float {total}, {number(factor, 'float')}")
                total = f.let(f"fadd float {scaled}, {value}")
            f.store("float", total, f.at(out, loop.index, "float"), 4)
        f.ret("0")
        return f

    return emit


def horner(out: Buffer, *given: Buffer, factor: float = 2.0, grain: int = 1, **more: Any) -> Launch:
    """out[i] = ((1 * factor + given[0][i]) * factor + given[1][i]) ..., one unit per element."""
    kernel = Kernel("horner", (factor, len(given)), _emit_axpy(factor, len(given)))
    pairs = tuple((0, i) for i in range(len(given)))
    return Launch(kernel, (out,), given, units=out.shape[0], grain=grain, in_place=pairs, **more)


def horner_of(*given: Any, factor: float = 2.0) -> np.ndarray:
    """What `horner` computes, in NumPy."""
    total = np.ones_like(given[0])
    for value in given:
        total = total * np.float32(factor) + value
    return total


def _emit_guard(symbol: str, target: Target) -> Function:
    f = Function(symbol)
    out, given = f.argument(0), f.argument(1)
    with f.loop("%begin", "%end") as loop:
        value = f.load("float", f.at(given, loop.index, "float"), 4)
        f.store("float", value, f.at(out, loop.index, "float"), 4)
        bad = f.let(f"fcmp oeq float {value}, {number(0.0, 'float')}")
        with f.when(bad):
            f.ret("7")
            f.label(f.fresh("dead"))
    f.ret("0")
    return f


def guard(out: Buffer, given: Buffer, fault: Any = None) -> Launch:
    """Copies; stops with fault code 7 at a zero."""
    kernel = Kernel("guard", (), _emit_guard)
    return Launch(kernel, (out,), (given,), units=out.shape[0], fault=fault)
