"""Scattering to, and gathering from, flattened planes: pooling by int64 positions."""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, number
from plait.core.ir.dtypes import BY_NAME


class Planes(NamedTuple):
    """Scattering to, or gathering from, planes of `size` elements, `count` positions each.

    mode: "scatter" (add) or "gather".
    """

    mode: str
    dtype: str
    size: int
    count: int


def planes_kernel(what: Planes) -> Kernel:
    """Buffers: the result, values, int64 positions (each in its plane). A unit is one plane."""
    return Kernel("pool_planes", (what,), lambda symbol, target: _emit_planes(symbol, what))


def _emit_planes(symbol: str, what: Planes) -> Function:
    f = Function(symbol)
    dtype = BY_NAME[what.dtype]
    kept, kind = vectors.memory_type(dtype), vectors.register_type(dtype, 1)
    result, values, positions = f.argument(0), f.argument(1), f.argument(2)
    adds = what.mode == "scatter"
    taken, given = (what.count, what.size) if adds else (what.size, what.count)
    with f.loop("%begin", "%end") as unit:
        source = f.at(values, f.mul(unit.index, str(taken)), kept)
        target = f.at(result, f.mul(unit.index, str(given)), kept)
        where = f.at(positions, f.mul(unit.index, str(what.count)), "i64")
        if adds:
            with f.loop("0", str(what.size)) as clear:
                zero = number(0, kind)
                vectors.store(f, dtype, zero, f.at(target, clear.index, kept), 1)
        with f.loop("0", str(what.count)) as over:
            at = f.load("i64", f.at(where, over.index, "i64"), 8)
            if adds:
                value = vectors.load(f, dtype, f.at(source, over.index, kept), 1)
                place = f.at(target, at, kept)
                old = vectors.load(f, dtype, place, 1)
                word = "fadd" if dtype.kind == "f" else "add"
                vectors.store(f, dtype, f.let(f"{word} {kind} {old}, {value}"), place, 1)
            else:
                value = f.load(kept, f.at(source, at, kept), dtype.itemsize)
                f.store(kept, value, f.at(target, over.index, kept), dtype.itemsize)
    f.ret()
    return f
