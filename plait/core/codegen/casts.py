"""Conversions between element types, on register values (see `vectors`)."""

from __future__ import annotations

from plait.core.codegen import vectors
from plait.core.codegen.text import Function
from plait.core.codegen.values import Values
from plait.core.ir.dtypes import DType


def cast(f: Function, x: str, source: DType, result: DType, lanes: int) -> str:
    """`x` as the reference's cast gives it; to a 16-bit float it is rounded to that type."""
    if source is result:
        return x
    v = Values(f, vectors.register_type(source, lanes))
    kind = vectors.register_type(result, lanes)
    if result.kind == "b":
        how = ("fcmp", "une") if source.kind == "f" else ("icmp", "ne")
        return f.let(f"{how[0]} {how[1]} {v.kind} {x}, {v.const(0)}")
    if result.kind == "f":
        return _to_float(v, x, source, result, kind)
    if source.kind == "f":
        return _to_integer(v, x, source, result, kind)
    return _resized(v, x, kind, "zext" if source.kind in "bu" else "sext")


def _resized(v: Values, x: str, kind: str, widen: str) -> str:
    """Integers of another width."""
    old, new = int(v.element[1:]), int(v.of(kind).element[1:])
    if old == new:
        return x
    return v.convert(widen if new > old else "trunc", x, kind)


def _to_integer(v: Values, x: str, source: DType, result: DType, kind: str) -> str:
    """As x86-64 converts: to 32 or 64 bits, the least integer where that does not fit; narrower
    types take the low bits."""
    width = 64 if result.itemsize == 8 else 32
    limit = 2.0 ** (width - 1)
    whole = v.call("trunc", x) if source.itemsize == 8 else x
    fits = v.both(v.fcmp("oge", whole, v.const(-limit)), v.fcmp("olt", whole, v.const(limit)))
    held = v.select(fits, whole, v.const(0))
    wide = v.of(v.like(f"i{width}"))
    number = wide.select(
        fits, v.convert("fptosi", held, wide.kind), wide.const(-(2 ** (width - 1)))
    )
    return _resized(wide, number, kind, "sext")


def _to_float(v: Values, x: str, source: DType, result: DType, kind: str) -> str:
    if source.kind != "f":
        x = v.convert("sitofp" if source.kind == "i" else "uitofp", x, kind)
    elif source.itemsize == 8:
        x = _to_odd(v, x, kind) if result.is_half else v.convert("fptrunc", x, kind)
    elif result.itemsize == 8:
        return v.convert("fpext", x, kind)
    if not result.is_half:
        return x
    f, lanes = v.f, v.lanes
    return vectors.to_register(f, result, vectors.to_memory(f, result, x, lanes), lanes)


def _to_odd(v: Values, x: str, kind: str) -> str:
    """float64 to float32 rounded to odd, so that rounding again to 16 bits gives what rounding once
    would (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008)."""
    near = v.convert("fptrunc", x, kind)
    single = v.of(kind)
    w = single.of(single.words)
    back = single.convert("fpext", near, v.kind)
    inexact = v.fcmp("one", back, x)
    away = v.fcmp("ogt", v.call("fabs", back), v.call("fabs", x))
    bits = single.bits(near)
    cut = w.select(away, w.do("sub", bits, w.const(1)), bits)
    return single.from_bits(w.select(inexact, w.do("or", cut, w.const(1)), bits))
