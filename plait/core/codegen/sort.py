"""Stable sorting of lines, and their first k: by unsigned keys that order as the values do.

Every element becomes an integer key; nan is the greatest, zeros of either sign are one. Short lines
are sorted by counting for each element those that come before it; long ones by their bytes, lowest
first (radix sort: Knuth, *The Art of Computer Programming* 3, 5.2.5), both of which keep the order
of equal keys.
"""

from __future__ import annotations

from typing import NamedTuple

from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function
from plait.core.ir.dtypes import BY_NAME, DType

#: Up to this many elements are sorted by counting, `_SEEN` comparisons at once.
SHORT = 64
_SEEN = 8

#: (bits of infinity, bits of the sign) of the floating types.
_FLOATS = {
    "float16": (0x7C00, 15),
    "bfloat16": (0x7F80, 15),
    "float32": (0x7F800000, 31),
    "float64": (0x7FF0000000000000, 63),
}


class Sort(NamedTuple):
    """The structure of a sort. style: "one" (the first alone), "short" or "long"."""

    dtype: str
    descending: bool
    style: str


def sort_kernel(what: Sort) -> Kernel:
    """values (O, k, I), positions (int64) | x (O, n, I); numbers: n, k, I. A unit is a line."""
    return Kernel("sort", (what, SHORT), lambda symbol, target: _Emitter(symbol, what).emit())


def scratch_bytes(what: Sort, count: int) -> int:
    """Memory that a thread needs for lines of `count` elements."""
    if what.style == "one":
        return 0
    if what.style == "short":
        return 8 * (-(-count // _SEEN) * _SEEN)
    return 8 * (4 * count + 256 * BY_NAME[what.dtype].itemsize)


class _Emitter:
    def __init__(self, symbol: str, what: Sort) -> None:
        self.f = f = Function(symbol)
        self.what = what
        self.dtype: DType = BY_NAME[what.dtype]
        self.kind = f"i{8 * self.dtype.itemsize}"
        self.values, self.positions, self.x = [f.argument(i) for i in range(3)]
        self.count, self.kept, self.inner = [f.argument(i, "i64") for i in range(3, 6)]
        self.line = ""
        self.result = ""

    def emit(self) -> Function:
        f = self.f
        with f.loop("%begin", "%end") as unit:
            outer, column = f.div(unit.index, self.inner), f.rem(unit.index, self.inner)
            size = f.mul(self.count, self.inner)
            self.line = f.add(f.mul(outer, size), column)
            self.result = f.add(f.mul(outer, f.mul(self.kept, self.inner)), column)
            getattr(self, f"_{self.what.style}")()
        f.ret()
        return f

    # -- elements ---------------------------------------------------------------------------------

    def _element(self, place: str) -> str:
        f = self.f
        at = f.at(self.x, f.add(self.line, f.mul(place, self.inner)), self.kind)
        return f.load(self.kind, at, self.dtype.itemsize)

    def _key(self, place: str) -> str:
        """The key (i64) of an element of the line; that of the first in order is the least."""
        f, kind, name = self.f, self.kind, self.dtype.name
        bits = self._element(place)
        if name in _FLOATS:
            infinity, last = _FLOATS[name]
            sign = -(1 << last)
            size = f.let(f"and {kind} {bits}, {~sign}")
            negative = f.let(f"icmp slt {kind} {bits}, 0")
            upside = f.let(f"select i1 {negative}, {kind} -1, {kind} {sign}")
            key = f.let(f"xor {kind} {bits}, {upside}")
            is_zero = f.let(f"icmp eq {kind} {size}, 0")
            key = f.let(f"select i1 {is_zero}, {kind} {sign}, {kind} {key}")
            is_nan = f.let(f"icmp ugt {kind} {size}, {infinity}")
            key = f.let(f"select i1 {is_nan}, {kind} -1, {kind} {key}")
        elif self.dtype.kind == "i":
            key = f.let(f"xor {kind} {bits}, {-(1 << (8 * self.dtype.itemsize - 1))}")
        else:
            key = bits
        if self.what.descending:
            key = f.let(f"xor {kind} {key}, -1")
        return key if kind == "i64" else f.let(f"zext {kind} {key} to i64")

    def _put(self, rank: str, place: str) -> None:
        """Element `place` of the line is number `rank` of the result."""
        f = self.f
        at = f.add(self.result, f.mul(rank, self.inner))
        value = self._element(place)
        f.store(self.kind, value, f.at(self.values, at, self.kind), self.dtype.itemsize)
        f.store("i64", place, f.at(self.positions, at, "i64"), 8)

    # -- styles -----------------------------------------------------------------------------------

    def _one(self) -> None:
        f = self.f
        first = self._key("0")
        with f.loop("1", self.count, carried=[("i64", first), ("i64", "0")]) as loop:
            key = self._key(loop.index)
            less = f.let(f"icmp ult i64 {key}, {loop.carried[0]}")
            loop.next = [
                f.let(f"select i1 {less}, i64 {key}, i64 {loop.carried[0]}"),
                f.let(f"select i1 {less}, i64 {loop.index}, i64 {loop.carried[1]}"),
            ]
        self._put("0", loop.results[1])

    def _short(self) -> None:
        f = self.f
        kind = f"<{_SEEN} x i64>"
        padded = f.mul(f.div(f.add(self.count, str(_SEEN - 1)), str(_SEEN)), str(_SEEN))
        with f.loop("0", self.count) as loop:
            f.store("i64", self._key(loop.index), f.at("%scratch", loop.index, "i64"), 8)
        with f.loop(self.count, padded) as loop:
            f.store("i64", "-1", f.at("%scratch", loop.index, "i64"), 8)
        numbers = "<" + ", ".join(f"i64 {i}" for i in range(_SEEN)) + ">"
        with f.loop("0", self.count) as one:
            key = f.splat(kind, f.load("i64", f.at("%scratch", one.index, "i64"), 8))
            own = f.splat(kind, one.index)
            with f.loop("0", padded, str(_SEEN), carried=[("i64", "0")]) as other:
                keys = f.load(kind, f.at("%scratch", other.index, "i64"), 8)
                places = f.let(f"add {kind} {f.splat(kind, other.index)}, {numbers}")
                earlier = f.let(f"icmp ult {kind} {places}, {own}")
                equal = f.let(f"icmp eq {kind} {keys}, {key}")
                tied = f.let(f"and <{_SEEN} x i1> {earlier}, {equal}")
                less = f.let(f"icmp ult {kind} {keys}, {key}")
                before = f.let(f"or <{_SEEN} x i1> {less}, {tied}")
                bits = f.let(f"bitcast <{_SEEN} x i1> {before} to i{_SEEN}")
                bits = f.let(f"zext i{_SEEN} {bits} to i64")
                found = f.call("i64", "llvm.ctpop.i64", ("i64", bits))
                other.next = [f.add(other.carried[0], found)]
            rank = other.results[0]
            with f.when(f.let(f"icmp ult i64 {rank}, {self.kept}")):
                self._put(rank, one.index)

    def _long(self) -> None:
        f = self.f
        arrays = [f.at("%scratch", f.mul(self.count, str(i)), "i64") for i in range(5)]
        keys, places, other_keys, other_places, counts = arrays
        self._count_bytes(keys, places, counts)
        for number in range(self.dtype.itemsize):
            tally = f.at(counts, str(256 * number), "i64")
            some = self._digit(f.load("i64", keys, 8), number)
            # A byte that all keys share moves nothing.
            full = f.load("i64", f.at(tally, some, "i64"), 8)
            moves = f.let(f"icmp ne i64 {full}, {self.count}")
            with f.when(moves):
                self._deal(number, tally, keys, places, other_keys, other_places)
            keys, other_keys = self._swap(moves, keys, other_keys)
            places, other_places = self._swap(moves, places, other_places)
        with f.loop("0", self.kept) as loop:
            self._put(loop.index, f.load("i64", f.at(places, loop.index, "i64"), 8))

    def _swap(self, when: str, a: str, b: str) -> tuple[str, str]:
        f = self.f
        first = f.let(f"select i1 {when}, ptr {b}, ptr {a}")
        return first, f.let(f"select i1 {when}, ptr {a}, ptr {b}")

    def _digit(self, key: str, number: int) -> str:
        f = self.f
        shifted = f.let(f"lshr i64 {key}, {8 * number}") if number else key
        return f.let(f"and i64 {shifted}, 255")

    def _count_bytes(self, keys: str, places: str, counts: str) -> None:
        """Fill in keys and places, and how often each byte of the keys has each value."""
        f, passes = self.f, self.dtype.itemsize
        with f.loop("0", str(256 * passes)) as loop:
            f.store("i64", "0", f.at(counts, loop.index, "i64"), 8)
        with f.loop("0", self.count) as loop:
            key = self._key(loop.index)
            f.store("i64", key, f.at(keys, loop.index, "i64"), 8)
            f.store("i64", loop.index, f.at(places, loop.index, "i64"), 8)
            for number in range(passes):
                place = f.add(self._digit(key, number), str(256 * number))
                at = f.at(counts, place, "i64")
                f.store("i64", f.add(f.load("i64", at, 8), "1"), at, 8)

    def _deal(
        self, number: int, tally: str, keys: str, places: str, to_keys: str, to_places: str
    ) -> None:
        """Order by one byte, those with equal ones as they came."""
        f = self.f
        with f.loop("0", "256", carried=[("i64", "0")]) as loop:
            at = f.at(tally, loop.index, "i64")
            size = f.load("i64", at, 8)
            f.store("i64", loop.carried[0], at, 8)
            loop.next = [f.add(loop.carried[0], size)]
        with f.loop("0", self.count) as loop:
            key = f.load("i64", f.at(keys, loop.index, "i64"), 8)
            place = f.load("i64", f.at(places, loop.index, "i64"), 8)
            at = f.at(tally, self._digit(key, number), "i64")
            rank = f.load("i64", at, 8)
            f.store("i64", f.add(rank, "1"), at, 8)
            f.store("i64", key, f.at(to_keys, rank, "i64"), 8)
            f.store("i64", place, f.at(to_places, rank, "i64"), 8)
