"""Running sums, products and extrema along lines: one element after another, columns along lanes.

Sums and products of floats up to 32 bits are held in float64, as in the reference.
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, number, spread_constant
from plait.core.ir.dtypes import BY_NAME, DType

_LOG_2 = 0.6931471805599453


class Scan(NamedTuple):
    """The structure of a scan.

    mode: "sum", "prod", "max", "min", "logsumexp" or "linear" (the recurrence). lanes: columns of a
    unit; 1 for lines along the last axis. reverse: from the end of the line.
    """

    mode: str
    dtype: str
    lanes: int
    reverse: bool = False


def scan_kernel(what: Scan) -> Kernel:
    """result (O, n, I) (and positions) | x (and factors); numbers: n, I. A unit is `lanes` columns
    of one o."""
    return Kernel("scan", (what,), lambda symbol, target: _Emitter(symbol, what).emit())


class _Emitter:
    def __init__(self, symbol: str, what: Scan) -> None:
        self.f = f = Function(symbol)
        self.what = what
        self.dtype: DType = BY_NAME[what.dtype]
        self.memory = vectors.memory_type(self.dtype)
        self.finds = what.mode in ("max", "min")
        self.recurs = what.mode == "linear"
        buffers = 3 if self.finds or self.recurs else 2
        self.result, self.positions = f.argument(0), f.argument(1)
        self.x, self.factors = f.argument(2 if self.finds else 1), f.argument(2)
        self.count, self.inner = f.argument(buffers, "i64"), f.argument(buffers + 1, "i64")

    def emit(self) -> Function:
        f, lanes = self.f, self.what.lanes
        blocks = f.div(f.add(self.inner, str(lanes - 1)), str(lanes))
        with f.loop("%begin", "%end") as unit:
            column = f.mul(f.rem(unit.index, blocks), str(lanes))
            base = f.mul(f.div(unit.index, blocks), f.mul(self.count, self.inner))
            start = f.add(base, column)
            if lanes == 1:
                self._line(start, 1)
            else:
                self._columns(start, f.sub(self.inner, column))
        f.ret()
        return f

    def _columns(self, start: str, left: str) -> None:
        """All lanes at once where so many columns are left; one by one where they are not."""
        f, lanes = self.f, self.what.lanes
        whole = f.let(f"icmp sge i64 {left}, {lanes}")
        with f.when(whole):
            self._line(start, lanes)
        few = f.let(f"select i1 {whole}, i64 0, i64 {left}")
        with f.loop("0", few) as single:
            self._line(f.add(start, single.index), 1)

    def _line(self, start: str, lanes: int) -> None:
        f = self.f
        kind = self._carrier(lanes)
        wide = vectors.vector("i64", lanes)
        begin, carried = "0", [(kind, self._first(kind))]
        if self.finds or self.recurs:
            # The first element is its own extremum; and it has none before it.
            first = start
            if self.what.reverse:
                first = f.add(start, f.mul(f.sub(self.count, "1"), self.inner))
            value = self._load(self.x, first, lanes)
            self._store(value, first, lanes)
            begin, carried = "1", [(kind, value)]
        if self.finds:
            self._store_position(spread_constant(wide, 0), start, lanes)
            carried.append((wide, spread_constant(wide, 0)))
        with f.loop(begin, self.count, carried=carried) as loop:
            step = loop.index
            if self.what.reverse:
                step = f.sub(f.sub(self.count, "1"), step)
            place = f.add(start, f.mul(step, self.inner))
            value = self._load(self.x, place, lanes)
            if self.finds:
                loop.next = self._extremum(value, loop.carried, step, lanes)
                self._store_position(loop.next[1], place, lanes)
            elif self.recurs:
                between = f.add(place, self.inner) if self.what.reverse else place
                factor = self._load(self.factors, between, lanes)
                scaled = f.let(f"fmul {kind} {loop.carried[0]}, {factor}")
                loop.next = [f.let(f"fadd {kind} {scaled}, {value}")]
            else:
                loop.next = [self._combined(loop.carried[0], value, kind)]
            self._store(loop.next[0], place, lanes)

    # -- elements ---------------------------------------------------------------------------------

    def _carrier(self, lanes: int) -> str:
        """The type of what is carried along."""
        if self.dtype.kind == "f" and not self.finds:
            return vectors.vector("double", lanes)
        return vectors.register_type(self.dtype, lanes)

    def _first(self, kind: str) -> str:
        """What changes nothing."""
        start = {"sum": 0, "prod": 1, "logsumexp": float("-inf")}.get(self.what.mode, 0)
        return spread_constant(kind, start)

    def _load(self, buffer: str, place: str, lanes: int) -> str:
        f = self.f
        value = vectors.load(f, self.dtype, f.at(buffer, place, self.memory), lanes)
        kept, kind = vectors.register_type(self.dtype, lanes), self._carrier(lanes)
        return value if kept == kind else f.let(f"fpext {kept} {value} to {kind}")

    def _store(self, value: str, place: str, lanes: int) -> None:
        f = self.f
        kept, kind = vectors.register_type(self.dtype, lanes), self._carrier(lanes)
        if kept != kind:
            value = f.let(f"fptrunc {kind} {value} to {kept}")
        vectors.store(f, self.dtype, value, f.at(self.result, place, self.memory), lanes)

    def _store_position(self, value: str, place: str, lanes: int) -> None:
        f = self.f
        f.store(vectors.vector("i64", lanes), value, f.at(self.positions, place, "i64"), 8)

    # -- combining --------------------------------------------------------------------------------

    def _combined(self, total: str, value: str, kind: str) -> str:
        f, mode = self.f, self.what.mode
        if mode == "logsumexp":
            return _log_add_exp(f, total, value)
        prefix = "f" if self.dtype.kind == "f" else ""
        return f.let(f"{prefix}{'add' if mode == 'sum' else 'mul'} {kind} {total}, {value}")

    def _extremum(self, value: str, old: list[str], step: str, lanes: int) -> list[str]:
        """The later of equals counts; nan stays once met, at the place of the last."""
        f = self.f
        kind, wide = self._carrier(lanes), vectors.vector("i64", lanes)
        truths = vectors.vector("i1", lanes)
        more = "ge" if self.what.mode == "max" else "le"
        if self.dtype.kind == "f":
            takes = f.let(f"fcmp o{more} {kind} {value}, {old[0]}")
            is_nan = f.let(f"fcmp uno {kind} {value}, {value}")
            takes = f.let(f"or {truths} {takes}, {is_nan}")
        else:
            sign = "u" if self.dtype.kind in "ub" else "s"
            takes = f.let(f"icmp {sign}{more} {kind} {value}, {old[0]}")
        spread = step if lanes == 1 else f.splat(wide, step)
        return [
            f.let(f"select {truths} {takes}, {kind} {value}, {kind} {old[0]}"),
            f.let(f"select {truths} {takes}, {wide} {spread}, {wide} {old[1]}"),
        ]


def _log_add_exp(f: Function, a: str, b: str) -> str:
    """log(exp(a) + exp(b)) of two doubles: the greater plus log1p(exp(-|a - b|))."""
    greater = f.call("double", "llvm.maximum.f64", ("double", a), ("double", b))
    apart = f.let(f"fsub double {a}, {b}")
    distance = f.call("double", "llvm.fabs.f64", ("double", apart))
    small = f.call("double", "exp", ("double", f.let(f"fneg double {distance}")))
    rest = f.call("double", "log1p", ("double", small))
    # Equal ones are apart by log 2 even where they are infinite and their difference is nan.
    equal = f.let(f"fcmp oeq double {a}, {b}")
    rest = f.let(f"select i1 {equal}, double {number(_LOG_2, 'double')}, double {rest}")
    return f.let(f"fadd double {greater}, {rest}")
