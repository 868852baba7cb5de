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


def _emit_reversal(symbol: str, target: Target) -> Function:
    f = Function(symbol)
    out, given = f.argument(0), f.argument(1)
    with f.loop("%begin", "%end") as unit:
        first = f.mul(unit.index, "64")
        last = f.add(first, "63")
        with f.loop("0", "64") as loop:
            value = f.load("float", f.at(given, f.add(first, loop.index), "float"), 4)
            f.store("float", value, f.at("%scratch", loop.index, "float"), 4)
        with f.loop("0", "64") as loop:
            value = f.load("float", f.at("%scratch", loop.index, "float"), 4)
            f.store("float", value, f.at(out, f.sub(last, loop.index), "float"), 4)
    f.ret("0")
    return f


def reversal(out: Buffer, given: Buffer) -> Launch:
    """Reverses each 64 elements, one unit, by way of the scratch memory."""
    kernel = Kernel("reversal", (), _emit_reversal)
    units = out.shape[0] // 64
    return Launch(kernel, (out,), (given,), units=units, scratch=256, flops=1 << 30)


def _emit_meeting(symbol: str, target: Target) -> Function:
    f = Function(symbol)
    out = f.argument(0)
    with f.loop("%begin", "%end") as unit:
        f.line(f"store atomic i32 1, ptr {f.at(out, unit.index, 'i32')} release, align 4")
        other = f.at(out, f.sub("1", unit.index), "i32")
        head, turn, met = f.fresh("head"), f.fresh("turn"), f.fresh("met")
        before = f.block
        f.branch(head)
        f.label(head)
        count = f"%{f.fresh()}"
        f.line(f"{count} = phi i64 [ 0, %{before} ], [ {count}.next, %{turn} ]")
        seen = f.let(f"load atomic i32, ptr {other} acquire, align 4")
        there = f.let(f"icmp eq i32 {seen}, 1")
        f.line(f"br i1 {there}, label %{met}, label %{turn}")
        f.label(turn)
        f.line(f"{count}.next = add i64 {count}, 1")
        late = f.let(f"icmp ugt i64 {count}, {10**10}")
        f.line(f"br i1 {late}, label %{met}, label %{head}")
        f.label(met)
    f.ret("0")
    return f


def meeting(out: Buffer) -> Launch:
    """Two units that each wait for the other to begin: one thread alone would wait for long."""
    kernel = Kernel("meeting", (), _emit_meeting)
    return Launch(kernel, (out,), (), units=2, flops=1 << 40)
