"""Looks at values that may be bad: gives fault code 1 if any is, and the checked values."""

from __future__ import annotations

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.dtypes import DType
from plait.core.llvm.target import Target

#: Elements of a unit, a multiple of every number of lanes.
CHUNK = 8192

#: What a good value is: "index" is in [-n, n) and wrapped to [0, n); "within" is in [low, high];
#: "label" is in [0, n) or a given other value; "nonzero" is not 0.
KINDS = ("index", "within", "label", "nonzero")


def check_kernel(dtype: DType, kind: str, result: DType | None) -> Kernel:
    """(result) | values, numbers: elements, and the two bounds. A unit is `CHUNK` elements.

    The bounds: "index" n, 0; "within" low, high; "label" n, the other value; "nonzero" 0, 0; those
    of floats are the bits of doubles. result: the dtype of the copy that is written: that of the
    values, or int64; None: no copy.
    """
    written = result.name if result is not None else ""
    return Kernel(
        "check",
        (dtype.name, kind, written, CHUNK),
        lambda symbol, target: _emit(symbol, target, dtype, kind, result),
    )


def _emit(symbol: str, target: Target, dtype: DType, kind: str, result: DType | None) -> Function:
    f = Function(symbol)
    shift = int(result is not None)
    out = f.argument(0) if shift else ""
    values = f.argument(shift)
    size, first, second = [f.argument(shift + i, "i64") for i in range(1, 4)]
    wide = target.lanes(8)
    bound = (first, second)
    if dtype.kind == "f":
        bound = (_as_double(f, first), _as_double(f, second))

    def look(place: str, lanes: int) -> str:
        """i1: whether all of these are good; stores their copies."""
        narrow = vectors.load(f, dtype, f.at(values, place, vectors.memory_type(dtype)), lanes)
        value = _widened(f, dtype, narrow, lanes)
        good, wrapped = _judge(f, kind, dtype, value, bound, lanes)
        if result is not None:
            given = wrapped if kind == "index" else narrow
            vectors.store(f, result, given, f.at(out, place, vectors.memory_type(result)), lanes)
        return good if lanes == 1 else _all(f, good, lanes)

    with f.loop("%begin", "%end", carried=[("i1", "true")]) as unit:
        start = f.mul(unit.index, str(CHUNK))
        stop = f.least(f.add(start, str(CHUNK)), size)
        even = f.sub(stop, f.rem(f.sub(stop, start), str(wide)))
        with f.loop(start, even, str(wide), carried=[("i1", unit.carried[0])]) as loop:
            loop.next = [f.let(f"and i1 {loop.carried[0]}, {look(loop.index, wide)}")]
        with f.loop(even, stop, carried=[("i1", loop.results[0])]) as rest:
            rest.next = [f.let(f"and i1 {rest.carried[0]}, {look(rest.index, 1)}")]
        unit.next = rest.results
    f.ret(f.let(f"zext i1 {f.let(f'xor i1 {unit.results[0]}, true')} to i64"))
    return f


def _as_double(f: Function, word: str) -> str:
    return f.let(f"bitcast i64 {word} to double")


def _all(f: Function, truths: str, lanes: int) -> str:
    bits = f.let(f"bitcast <{lanes} x i1> {truths} to i{lanes}")
    return f.let(f"icmp eq i{lanes} {bits}, -1")


def _widened(f: Function, dtype: DType, value: str, lanes: int) -> str:
    """As int64 or double, which hold all values of the narrower types."""
    if dtype.itemsize == 8 and dtype.kind != "b":
        return value
    kind = vectors.register_type(dtype, lanes)
    if dtype.kind == "f":
        return f.let(f"fpext {kind} {value} to {vectors.vector('double', lanes)}")
    extend = "zext" if dtype.kind in "ub" else "sext"
    return f.let(f"{extend} {kind} {value} to {vectors.vector('i64', lanes)}")


def _judge(
    f: Function, kind: str, dtype: DType, value: str, bound: tuple[str, str], lanes: int
) -> tuple[str, str]:
    """(which values are good, the values as they go on), as int64 or double."""
    element = "double" if dtype.kind == "f" else "i64"
    wide, truths = vectors.vector(element, lanes), vectors.vector("i1", lanes)
    zero = spread_constant(wide, 0)
    if kind == "nonzero":
        return f.let(f"icmp ne {wide} {value}, {zero}"), value
    first, second = (f.splat(wide, b) if lanes > 1 else b for b in bound)
    if kind == "index":
        # A negative one counts from the end, unless its type has none. One that is still negative
        # after that is a very large number without a sign.
        if dtype.kind != "u":
            negative = f.let(f"icmp slt {wide} {value}, {zero}")
            moved = f.let(f"add {wide} {value}, {first}")
            value = f.let(f"select {truths} {negative}, {wide} {moved}, {wide} {value}")
        return f.let(f"icmp ult {wide} {value}, {first}"), value
    if kind == "label":
        inside = f.let(f"icmp ult {wide} {value}, {first}")
        other = f.let(f"icmp eq {wide} {value}, {second}")
        return f.let(f"or {truths} {inside}, {other}"), value
    least, most = ("fcmp oge", "fcmp ole") if dtype.kind == "f" else ("icmp sge", "icmp sle")
    above = f.let(f"{least} {wide} {value}, {first}")
    below = f.let(f"{most} {wide} {value}, {second}")
    return f.let(f"and {truths} {above}, {below}"), value
