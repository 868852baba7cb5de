"""Reductions in registers: how each fold starts, goes on, and is combined in a fixed order."""

from __future__ import annotations

from typing import Any

from plait.core.codegen import pointwise, vectors
from plait.core.codegen.text import Function, spread_constant
from plait.core.codegen.values import Values
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ops import elementwise

_COMBINE = {
    "sum": elementwise.ADD,
    "prod": elementwise.MUL,
    "max": elementwise.MAXIMUM,
    "min": elementwise.MINIMUM,
    "any": elementwise.OR,
    "all": elementwise.AND,
}


def _least(dtype: DType) -> Any:
    if dtype.kind == "f":
        return float("-inf")
    if dtype.kind == "b":
        return False
    return -(1 << (8 * dtype.itemsize - 1)) if dtype.kind == "i" else 0


def _greatest(dtype: DType) -> Any:
    if dtype.kind == "f":
        return float("inf")
    if dtype.kind == "b":
        return True
    bits = 8 * dtype.itemsize
    # Unsigned values are written as the signed ones of the same bits.
    return (1 << (bits - 1)) - 1 if dtype.kind == "i" else -1


#: A place that no element has, and the bit of those that come after all places of nan.
_NOWHERE, _OTHER = -1, -1 << 31


class Fold:
    """A reduction by an associative op; `width` values are carried, of 16-bit floats in float32:
    who takes the result rounds it."""

    width = 1

    def __init__(self, name: str, dtype: DType) -> None:
        self.op = _COMBINE[name]
        self.dtype = dtypes.float32 if dtype.is_half else dtype
        empty = {"sum": 0, "prod": 1, "any": False, "all": True}
        neutral = _least(dtype) if name == "max" else _greatest(dtype)
        self.neutral = empty.get(name, neutral)

    def start(self, lanes: int) -> list[tuple[str, str]]:
        """(type, first value) of what is carried."""
        kind = vectors.register_type(self.dtype, lanes)
        return [(kind, spread_constant(kind, self.neutral))]

    def add(
        self, f: Function, held: list[str], x: str, place: str, mask: str | None, lanes: int
    ) -> list[str]:
        """The carried values after one more vector; lanes outside of `mask` change nothing."""
        if mask is not None:
            kind = vectors.register_type(self.dtype, lanes)
            neutral = spread_constant(kind, self.neutral)
            x = f.let(f"select <{lanes} x i1> {mask}, {kind} {x}, {kind} {neutral}")
        return self.combine(f, held, [x], lanes)

    def combine(self, f: Function, a: list[str], b: list[str], lanes: int) -> list[str]:
        """Two carried sets as one."""
        kinds = [self.dtype, self.dtype]
        return [pointwise.emit_op(f, self.op, {}, kinds, self.dtype, [a[0], b[0]], lanes)]

    def across_lanes(self, f: Function, held: list[str], lanes: int) -> list[str]:
        """All lanes as one, halving the vector."""
        while lanes > 1:
            low = [_half(f, kind, x, lanes, 0) for kind, x in zip(self._kinds(lanes), held)]
            high = [_half(f, kind, x, lanes, 1) for kind, x in zip(self._kinds(lanes), held)]
            lanes //= 2
            held = self.combine(f, low, high, lanes)
        return held

    def _kinds(self, lanes: int) -> list[str]:
        return [kind for kind, _ in self.start(lanes)]

    def result(self, f: Function, held: list[str], lanes: int) -> str:
        """The value of the reduction."""
        return held[0]


def _half(f: Function, kind: str, x: str, lanes: int, side: int) -> str:
    """One half of a vector; of two lanes, an element."""
    half = lanes // 2
    if half == 1:
        return f.let(f"extractelement {kind} {x}, i64 {side}")
    numbers = ", ".join(f"i32 {i}" for i in range(side * half, (side + 1) * half))
    return f.let(f"shufflevector {kind} {x}, {kind} poison, <{half} x i32> <{numbers}>")


class ExtremeFold(Fold):
    """The greatest or least float: of what is no nan, and a nan that was met, if any.

    Nan is asked for beside the chain of comparisons, each of which waits for the one before.
    """

    width = 2

    def start(self, lanes: int) -> list[tuple[str, str]]:
        kind = vectors.register_type(self.dtype, lanes)
        return [(kind, spread_constant(kind, self.neutral)), (kind, spread_constant(kind, 0))]

    def add(
        self, f: Function, held: list[str], x: str, place: str, mask: str | None, lanes: int
    ) -> list[str]:
        if mask is not None:
            kind = vectors.register_type(self.dtype, lanes)
            neutral = spread_constant(kind, self.neutral)
            x = f.let(f"select <{lanes} x i1> {mask}, {kind} {x}, {kind} {neutral}")
        return self.combine(f, held, [x, x], lanes)

    def combine(self, f: Function, a: list[str], b: list[str], lanes: int) -> list[str]:
        v = Values(f, vectors.register_type(self.dtype, lanes))
        # Not taken where b is nan: one instruction of x86.
        ahead = v.fcmp("ogt" if self.op is elementwise.MAXIMUM else "olt", b[0], a[0])
        return [v.select(ahead, b[0], a[0]), v.select(v.fcmp("uno", b[1], b[1]), b[1], a[1])]

    def result(self, f: Function, held: list[str], lanes: int) -> str:
        v = Values(f, vectors.register_type(self.dtype, lanes))
        return v.select(v.fcmp("uno", held[1], held[1]), held[1], held[0])


class ArgFold(Fold):
    """The place of the first extremum; nan counts as the extremum."""

    width = 2

    def __init__(self, name: str, dtype: DType, across: bool) -> None:
        self.greatest = name == "argmax"
        #: Lanes are places along the row; where they are rows, all have the same place.
        self._counts_lanes = not across
        self.dtype = dtype
        self.neutral = _least(dtype) if self.greatest else _greatest(dtype)

    def start(self, lanes: int) -> list[tuple[str, str]]:
        """The neutral value, at the first place of each lane: where nothing is ahead of it, all
        are equal, and the least of these places is that of the first."""
        kind, places = vectors.register_type(self.dtype, lanes), vectors.vector("i64", lanes)
        return [(kind, spread_constant(kind, self.neutral)), (places, self._lane_places(lanes))]

    def _lane_places(self, lanes: int) -> str:
        if lanes == 1 or not self._counts_lanes:
            return spread_constant(vectors.vector("i64", lanes), 0)
        return "<" + ", ".join(f"i64 {i}" for i in range(lanes)) + ">"

    def add(
        self, f: Function, held: list[str], x: str, place: str, mask: str | None, lanes: int
    ) -> list[str]:
        """Places come in order, so what is equal is never taken: the first one stays."""
        kind, places = vectors.register_type(self.dtype, lanes), vectors.vector("i64", lanes)
        bits = vectors.vector("i1", lanes)
        here = place if lanes == 1 else f.splat(places, place)
        if self._counts_lanes and lanes > 1:
            here = f.let(f"add {places} {here}, {self._lane_places(lanes)}")
        word = "gt" if self.greatest else "lt"
        if self.dtype.kind == "f":
            # Ahead, or one of them is nan: x, unless it was nan already.
            ahead = f.let(f"fcmp u{word} {kind} {x}, {held[0]}")
            number = f.let(f"fcmp ord {kind} {held[0]}, {held[0]}")
            takes = f.let(f"and {bits} {ahead}, {number}")
        else:
            sign = "s" if self.dtype.kind == "i" else "u"
            takes = f.let(f"icmp {sign}{word} {kind} {x}, {held[0]}")
        if mask is not None:
            takes = f.let(f"and {bits} {takes}, {mask}")
        return [
            f.let(f"select {bits} {takes}, {kind} {x}, {kind} {held[0]}"),
            f.let(f"select {bits} {takes}, {places} {here}, {places} {held[1]}"),
        ]

    def combine(self, f: Function, a: list[str], b: list[str], lanes: int) -> list[str]:
        kind, places = vectors.register_type(self.dtype, lanes), vectors.vector("i64", lanes)
        bits = vectors.vector("i1", lanes)
        floats, signed = self.dtype.kind == "f", self.dtype.kind == "i"
        word = "fcmp o" if floats else "icmp s" if signed else "icmp u"
        ahead = f.let(f"{word}{'gt' if self.greatest else 'lt'} {kind} {b[0]}, {a[0]}")
        same = f.let(f"{'fcmp oeq' if floats else 'icmp eq'} {kind} {a[0]}, {b[0]}")
        if floats:
            nan_a = f.let(f"fcmp uno {kind} {a[0]}, {a[0]}")
            nan_b = f.let(f"fcmp uno {kind} {b[0]}, {b[0]}")
            only_b = f.let(f"xor {bits} {nan_a}, {spread_constant(bits, 1)}")
            only_b = f.let(f"and {bits} {only_b}, {nan_b}")
            ahead = f.let(f"or {bits} {ahead}, {only_b}")
            both = f.let(f"and {bits} {nan_a}, {nan_b}")
            same = f.let(f"or {bits} {same}, {both}")
        earlier = f.let(f"icmp slt {places} {b[1]}, {a[1]}")
        tie = f.let(f"and {bits} {same}, {earlier}")
        takes = f.let(f"or {bits} {ahead}, {tie}")
        return [
            f.let(f"select {bits} {takes}, {kind} {b[0]}, {kind} {a[0]}"),
            f.let(f"select {bits} {takes}, {places} {b[1]}, {places} {a[1]}"),
        ]

    def result(self, f: Function, held: list[str], lanes: int) -> str:
        return held[1]


class NearArgFold(ArgFold):
    """`ArgFold` of 32-bit floats in rows of fewer than 2^31 elements: half as much to carry.

    What is carried: the greatest (least) of what is no nan; where the vector began that it was in;
    where the first began that had a nan in this lane. Lanes are added to places at the end, and nan
    is asked for beside the chain of comparisons.
    """

    width = 3

    def start(self, lanes: int) -> list[tuple[str, str]]:
        kind, places = vectors.register_type(self.dtype, lanes), vectors.vector("i32", lanes)
        return [
            (kind, spread_constant(kind, self.neutral)),
            (places, spread_constant(places, 0)),
            (places, spread_constant(places, _NOWHERE)),
        ]

    def _values(self, f: Function, lanes: int) -> tuple[Values, Values]:
        """(those of the floats, those of places)."""
        kind = vectors.register_type(self.dtype, lanes)
        return Values(f, kind), Values(f, vectors.vector("i32", lanes))

    def add(
        self, f: Function, held: list[str], x: str, place: str, mask: str | None, lanes: int
    ) -> list[str]:
        v, p = self._values(f, lanes)
        here = f.let(f"trunc i64 {place} to i32")
        here = here if lanes == 1 else f.splat(p.kind, here)
        # Places come in order, so what is equal is never taken; nor is nan.
        ahead = v.fcmp("ogt" if self.greatest else "olt", x, held[0])
        nan = v.fcmp("uno", x, x)
        if mask is not None:
            ahead, nan = v.both(ahead, mask), v.both(nan, mask)
        first = p.call("umin", here, held[2])
        return [
            v.select(ahead, x, held[0]),
            p.select(ahead, here, held[1]),
            p.select(nan, first, held[2]),
        ]

    def combine(self, f: Function, a: list[str], b: list[str], lanes: int) -> list[str]:
        v, p = self._values(f, lanes)
        ahead = v.fcmp("ogt" if self.greatest else "olt", b[0], a[0])
        tie = v.both(v.fcmp("oeq", a[0], b[0]), p.icmp("ult", b[1], a[1]))
        takes = v.either(ahead, tie)
        return [
            v.select(takes, b[0], a[0]),
            p.select(takes, b[1], a[1]),
            p.call("umin", a[2], b[2]),
        ]

    def across_lanes(self, f: Function, held: list[str], lanes: int) -> list[str]:
        """First the extremum alone, then the least of the places that have it."""
        if lanes == 1:
            return held
        v, p = self._values(f, lanes)
        numbers = "<" + ", ".join(f"i32 {i}" for i in range(lanes)) + ">"
        most, count = held[0], lanes
        while count > 1:
            kind = vectors.register_type(self.dtype, count)
            low, high = (_half(f, kind, most, count, side) for side in (0, 1))
            count //= 2
            half, _ = self._values(f, count)
            ahead = half.fcmp("ogt" if self.greatest else "olt", high, low)
            most = half.select(ahead, high, low)
        has = v.fcmp("oeq", held[0], f.splat(v.kind, most))
        nowhere = p.const(_NOWHERE)
        # A place of a nan comes before all others: these have the highest bit.
        other = p.do("or", p.do("add", held[1], numbers), p.const(_OTHER))
        other = p.select(has, other, nowhere)
        nan = p.select(p.icmp("eq", held[2], nowhere), nowhere, p.do("add", held[2], numbers))
        least, count = p.call("umin", other, nan), lanes
        while count > 1:
            kind = vectors.vector("i32", count)
            low, high = (_half(f, kind, least, count, side) for side in (0, 1))
            count //= 2
            least = Values(f, vectors.vector("i32", count)).call("umin", low, high)
        return [most, f.let(f"and i32 {least}, {~_OTHER}"), str(_NOWHERE)]

    def result(self, f: Function, held: list[str], lanes: int) -> str:
        _, p = self._values(f, lanes)
        found = p.select(p.icmp("eq", held[2], p.const(_NOWHERE)), held[1], held[2])
        return p.convert("zext", found, vectors.vector("i64", lanes))


def fold_of(name: str, dtype: DType, across: bool, near: bool = False) -> Fold:
    """The fold of a reduction's name over values of a dtype; across: lanes are rows; near: rows
    have fewer than 2^31 elements."""
    if name.startswith("arg"):
        narrow = near and vectors.register_type(dtype, 1) == "float"
        return (NearArgFold if narrow else ArgFold)(name, dtype, across)
    extreme = name in ("max", "min") and dtype.kind == "f"
    return ExtremeFold(name, dtype) if extreme else Fold(name, dtype)
