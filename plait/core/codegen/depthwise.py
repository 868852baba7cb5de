"""Depthwise convolution, one output per channel: channels along the lanes, taps as loops.

In the terms of `conv.py`, with elementwise products in place of matrix products:

    y[n, r, c, o] = sum over t of x[origin + place(n, r, c) + taps[t] + o] * w[t, o]
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen import brgemm, vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.outlet import Outlet, Spot
from plait.core.codegen.text import Function
from plait.core.ir.dtypes import BY_NAME
from plait.core.llvm.target import Target

#: Multiply-adds of a tile up to which taps are written out.
STRAIGHT = 64


class Depthwise(NamedTuple):
    """The structure of a depthwise kernel; see `TapConv`. pixels: of a row that a tile covers."""

    dtype: str
    lanes: int
    taps: tuple[int, ...]
    rows: int
    columns: int
    place: tuple[int, ...]
    origin: int
    channels: int
    pixels: int


def depthwise_kernel(what: Depthwise, outlet: Outlet) -> Kernel:
    """Buffers: the outlet's writes, source, weights (vectors of channels, taps, lanes), the
    outlet's reads; number: channels. A unit is one row of the result."""
    return Kernel(
        "depthwise", (what, outlet.key), lambda symbol, target: _emit(symbol, target, what, outlet)
    )


def _emit(symbol: str, target: Target, what: Depthwise, outlet: Outlet) -> Function:
    f = Function(symbol, wide=target.wide)
    dtype, lanes = BY_NAME[what.dtype], what.lanes
    kept, kind = vectors.memory_type(dtype), vectors.register_type(dtype, lanes)
    writes = [f.argument(i) for i in range(outlet.writes)]
    source, weights = f.argument(outlet.writes), f.argument(outlet.writes + 1)
    reads = [f.argument(outlet.writes + 2 + i) for i in range(outlet.reads)]
    channels = f.argument(outlet.writes + 2 + outlet.reads, "i64")
    bound = outlet.bind(f, writes, reads)
    table = tap_table(f, what.taps)
    count = -(-what.channels // lanes)
    with f.loop("%begin", "%end") as unit:
        image, row = f.div(unit.index, str(what.rows)), f.rem(unit.index, str(what.rows))
        start = f.add(f.mul(image, str(what.place[0])), f.mul(row, str(what.place[1])))
        start = f.add(start, str(what.origin))
        with f.loop("0", str(what.columns), str(what.pixels)) as over:
            column = over.index
            if what.columns % what.pixels:
                column = f.least(column, str(what.columns - what.pixels))
            first = f.add(start, f.mul(column, str(what.place[2])))
            with f.loop("0", str(count)) as vector:
                channel = f.mul(vector.index, str(lanes))
                mask = None
                if what.channels % lanes and lanes > 1:
                    mask = f.tail_mask(lanes, f.sub(channels, channel))
                x = f.at(source, f.add(first, channel), kept)
                panel = f.mul(vector.index, str(len(what.taps) * lanes))
                w = f.at(weights, panel, kept)

                def step(x: str, tap: str, w: str, held: list[str], mask: str | None) -> list[str]:
                    weight = vectors.load(f, dtype, w, lanes)
                    result = []
                    for i, old in enumerate(held):
                        place = f.at(f.at(x, str(i * what.place[2]), kept), tap, kept)
                        value = vectors.load(f, dtype, place, lanes, mask)
                        result.append(brgemm.multiply_add(f, kind, value, weight, old))
                    return result

                zero = "zeroinitializer" if lanes > 1 else "0.0"
                held = [zero] * what.pixels
                if len(what.taps) * what.pixels <= STRAIGHT:
                    for number, tap in enumerate(what.taps):
                        held = step(x, str(tap), f.at(w, str(number * lanes), kept), held, mask)
                else:
                    with f.loop(
                        "0", str(len(what.taps)), carried=[(kind, one) for one in held]
                    ) as taps:
                        tap = f.load("i64", f.at(table, taps.index, "i64"), 8)
                        place = f.at(w, f.mul(taps.index, str(lanes)), kept)
                        taps.next = step(x, tap, place, list(taps.carried), mask)
                    held = taps.results
                here = outlet.here(f, bound, Spot((image, row, column, channel), mask))
                for i, value in enumerate(held):
                    here.store(value, (0, 0, i, 0), lanes, mask)
    f.ret()
    return f


def tap_table(f: Function, taps: tuple[int, ...]) -> str:
    """The offsets of taps as a constant array."""
    table = f"@{f.name}.taps"
    listed = ", ".join(f"i64 {tap}" for tap in taps)
    f.globals.append(f"{table} = private unnamed_addr constant [{len(taps)} x i64] [{listed}]")
    return table


# -- the gradient in the weight ---------------------------------------------------------------


class DepthwiseWeight(NamedTuple):
    """The structure of the kernel for dw[t, o] = sum over pixels of x[... + taps[t] + o] * g[o].

    together: taps whose sums are held in registers at a time.
    """

    dtype: str
    lanes: int
    taps: tuple[int, ...]
    rows: int
    columns: int
    place: tuple[int, ...]
    origin: int
    channels: int
    together: int

    @property
    def vectors(self) -> int:
        return -(-self.channels // self.lanes)


def depthwise_weight_kernel(what: DepthwiseWeight) -> Kernel:
    """Buffers: partial sums (parts, vectors of channels, taps, lanes), source, g; numbers: rows of
    all images, rows per part, channels. A unit is one vector of channels of one part."""
    return Kernel("depthwise_weight", (what,), lambda symbol, target: _emit_weight(symbol, what))


def _emit_weight(symbol: str, what: DepthwiseWeight) -> Function:
    f = Function(symbol)
    dtype, lanes = BY_NAME[what.dtype], what.lanes
    kept, kind = vectors.memory_type(dtype), vectors.register_type(dtype, lanes)
    partial, source, grads = f.argument(0), f.argument(1), f.argument(2)
    rows, per, channels = f.argument(3, "i64"), f.argument(4, "i64"), f.argument(5, "i64")
    zero = "zeroinitializer" if lanes > 1 else "0.0"
    with f.loop("%begin", "%end") as unit:
        part = f.div(unit.index, str(what.vectors))
        channel = f.mul(f.rem(unit.index, str(what.vectors)), str(lanes))
        mask = None
        if what.channels % lanes and lanes > 1:
            mask = f.tail_mask(lanes, f.sub(channels, channel))
        first = f.mul(part, per)
        last = f.least(f.add(first, per), rows)
        result = f.at(partial, f.mul(unit.index, str(len(what.taps) * lanes)), kept)
        for begin in range(0, len(what.taps), what.together):
            taps = what.taps[begin : begin + what.together]
            with f.loop(first, last, carried=[(kind, zero)] * len(taps)) as row:
                image, line = f.div(row.index, str(what.rows)), f.rem(row.index, str(what.rows))
                at = f.add(f.mul(image, str(what.place[0])), f.mul(line, str(what.place[1])))
                x = f.at(source, f.add(f.add(at, str(what.origin)), channel), kept)
                at = f.mul(row.index, str(what.columns * what.channels))
                g = f.at(grads, f.add(at, channel), kept)
                inner = [(kind, one) for one in row.carried]
                with f.loop("0", str(what.columns), carried=inner) as column:
                    place = f.at(g, f.mul(column.index, str(what.channels)), kept)
                    seed = vectors.load(f, dtype, place, lanes, mask)
                    pixel = f.at(x, f.mul(column.index, str(what.place[2])), kept)
                    column.next = [
                        brgemm.multiply_add(
                            f,
                            kind,
                            vectors.load(f, dtype, f.at(pixel, str(tap), kept), lanes, mask),
                            seed,
                            old,
                        )
                        for tap, old in zip(taps, column.carried)
                    ]
                row.next = column.results
            for i, value in enumerate(row.results):
                place = f.at(result, str((begin + i) * lanes), kept)
                vectors.store(f, dtype, value, place, lanes)
    f.ret()
    return f
