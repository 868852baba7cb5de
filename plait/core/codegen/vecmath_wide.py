"""Elementary functions on 16 floats at a time, by instructions that AVX-512 has.

A permutation of a register looks a number up in a table of 16 in each lane: powers of 2 for exp,
coefficients of 16 polynomials for tanh and erf. So what is left to approximate is short, and there
is no division. Vectors of other lengths are cut, or filled up: all have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from plait.core.codegen.text import constants
from plait.core.codegen.values import Values
from plait.core.codegen.vecmath_formats import SINGLE
from plait.core.codegen.vecmath_tables import ERF, TANH, TANH_OFFSET

_LANES = 16
_KIND = f"<{_LANES} x float>"
#: 2^(i / 16), and (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 32; error 2e-9.
_POWERS = tuple([2 ** (i / _LANES) for i in range(_LANES)])
#: What they have lost as float32, in shares of them.
_LOST = tuple([(power - float(np.float32(power))) / power for power in _POWERS])
_EXP = (0.5000161899, 0.1666666667)
#: Adding it leaves an integer number of 16ths in the lowest bits of the mantissa.
_SIXTEENTHS = SINGLE.shift / _LANES
#: Where tanh rounds to 1, erf to 1 but for the last bit, and erf to 1.
_TANH_FLAT, _ERF_FLAT, _ERF_ONE = 9.02, 3.8749, 3.919206


def by_sixteens(v: Values, x: str, function: Callable[[Values, str], str]) -> str:
    """A function of `_KIND` on float32 values of any number of lanes."""
    wide = v.of(_KIND)
    if v.lanes == _LANES:
        return function(wide, x)
    if v.lanes < _LANES:
        return _lanes(v, function(wide, _filled(v, x)), _KIND, range(v.lanes))
    parts = [
        function(wide, _lanes(wide, x, v.kind, range(first, first + _LANES)))
        for first in range(0, v.lanes, _LANES)
    ]
    kind = _KIND
    while len(parts) > 1:
        joined = range(2 * int(kind[1:].split(" ")[0]))
        parts = [_lanes(v, a, kind, joined, b) for a, b in zip(parts[::2], parts[1::2])]
        kind = f"<{len(joined)} x float>"
    return parts[0]


def _filled(v: Values, x: str) -> str:
    """Values of fewer lanes in the first of 16."""
    if v.kind[0] != "<":
        return v.f.let(f"insertelement {_KIND} zeroinitializer, float {x}, i64 0")
    places = [min(lane, v.lanes) for lane in range(_LANES)]
    return _lanes(v, x, v.kind, places, "zeroinitializer")


def _lanes(v: Values, x: str, kind: str, places: Sequence[int], y: str = "poison") -> str:
    """These lanes of x and y, which are of one kind; one lane of a scalar's values is a scalar."""
    if v.kind[0] != "<":
        return v.f.let(f"extractelement {kind} {x}, i64 {places[0]}")
    chosen = constants(f"<{len(places)} x i32>", places)
    return v.f.let(f"shufflevector {kind} {x}, {kind} {y}, <{len(places)} x i32> {chosen}")


def _looked_up(v: Values, places: str, table: Sequence[float]) -> str:
    """The table's number at each lane's place, of which the four lowest bits count."""
    given = (v.kind, constants(v.kind, table)), (v.words, places)
    return v.f.call(v.kind, "llvm.x86.avx512.permvar.sf.512", *given)


def _all(v: Values) -> list[tuple[str, str]]:
    """The last operands of an instruction with a mask: all lanes, rounded as usual."""
    return [(v.kind, v.const(0)), ("i16", "-1"), ("i32", "4")]


def exp(v: Values, x: str) -> str:
    """The exponential, within a unit in the last place."""
    return _exp(v, x, exact=False)


def sigmoid(v: Values, x: str) -> str:
    """1 / (1 + exp(-x)), through the exponential of a non-positive number."""
    e = _exp(v, v.neg(v.call("fabs", x)), exact=True)
    above = v.select(v.fcmp("oge", x, v.const(0)), v.const(1), e)
    return v.div(above, v.add(e, v.const(1)))


def _exp(v: Values, x: str, *, exact: bool) -> str:
    """2^n T (1 + r + ...), where x = (n + i / 16) ln 2 + r and T is 2^(i / 16).

    exact: what the table's numbers have lost is added to r: within 0.6 units in the last place.
    """
    shift = v.const(_SIXTEENTHS)
    shifted = v.fma(x, v.const(SINGLE.to_2.high), shift)
    n = v.sub(shifted, shift)
    # The first step is exact: its result has no bits below those of ln 2.
    r = v.fma(n, v.const(-SINGLE.ln2.high), x)
    r = v.fma(n, v.const(-SINGLE.ln2.low), r)
    # The lesser of two in size, with the sign of the first; never nan. What r is for large x does
    # not matter, as n is beyond all powers of 2 there; nan stays in n.
    bound = (v.kind, v.const(1 / 32)), ("i32", "2")
    name = "llvm.x86.avx512.mask.range.ps.512"
    r = v.f.call(v.kind, name, (v.kind, r), *bound, *_all(v))
    table = _looked_up(v, v.bits(shifted), _POWERS)
    if exact:
        r = v.add(r, _looked_up(v, v.bits(shifted), _LOST))
    y = v.fma(v.mul(table, r), v.fma(r, v.polynomial(r, _EXP), v.const(1)), table)
    # y 2^floor(n), rounded once.
    return v.f.call(
        v.kind, "llvm.x86.avx512.mask.scalef.ps.512", (v.kind, y), (v.kind, n), *_all(v)
    )


def _size(v: Values, x: str, most: float) -> str:
    return v.bounded(v.call("fabs", x), None, most)


def tanh(v: Values, x: str) -> str:
    """By the polynomial of the piece that |x| is in."""
    w = v.of(v.words)
    size = _size(v, x, _TANH_FLAT)
    piece = w.do("lshr", v.bits(v.add(size, v.const(TANH_OFFSET))), w.const(21))
    points, *rows = [_looked_up(v, piece, row) for row in TANH]
    d = v.sub(size, points)
    y = rows[-1]
    for row in reversed(rows[:-1]):
        y = v.fma(y, d, row)
    return v.call("copysign", y, x)


def erf(v: Values, x: str) -> str:
    """By the polynomial of the piece that |x| is in; what is added first rounds less.

    Far out it is 1 to the last bit: 1 + erf(x) is a factor beside x of any size.
    """
    beyond = v.fcmp("ogt", v.call("fabs", x), v.const(_ERF_ONE))
    size = _size(v, x, _ERF_FLAT)
    shift = v.const(SINGLE.shift / 4)
    shifted = v.add(size, shift)
    piece = v.bits(shifted)
    d = v.sub(size, v.sub(shifted, shift))
    first, *rows = [_looked_up(v, piece, row) for row in ERF]
    y = rows[-1]
    for row in reversed(rows[:-1]):
        y = v.fma(y, d, row)
    y = v.select(beyond, v.const(1), v.fma(y, d, v.add(first, d)))
    return v.call("copysign", y, x)
