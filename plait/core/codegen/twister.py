"""A kernel for the words of the Mersenne Twister, block by block.

Source: Matsumoto & Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform
pseudo-random number generator", ACM TOMACS 8(1), 1998. Words of a new block depend on none of it
that are fewer than 227 places before them, so that vectors of 16 can be made at once.
"""

from __future__ import annotations

from plait.core.codegen.kernel import Kernel
from plait.core.codegen.text import Function
from plait.core.codegen.values import Values
from plait.core.llvm.target import Target

#: Words of a block.
WORDS = 624
_AHEAD = 397
_LANES = 16
_UPPER, _LOWER = 0x8000_0000, 0x7FFF_FFFF
_MATRIX = 0x9908_B0DF


def twister_kernel() -> Kernel:
    """Arguments: out (blocks * 624,) uint32, state (624,) uint32, both written.

    Unlike those of programs, units follow each other: a call must be given all blocks at once.
    """
    return Kernel("host_twister", (), _emit)


def _emit(symbol: str, on: Target) -> Function:
    f = Function(symbol)
    out, state = f.argument(0), f.argument(1)
    with f.loop("%begin", "%end") as block:
        _twist(f, state, 0, WORDS - _AHEAD, _AHEAD)
        _twist(f, state, WORDS - _AHEAD, WORDS - 1, _AHEAD - WORDS)
        _twist_last(f, state)
        target = f.at(out, f.mul(block.index, str(WORDS)), "i32")
        with f.loop("0", str(WORDS), str(_LANES)) as turn:
            v = Values(f, f"<{_LANES} x i32>")
            words = f.load(v.kind, f.at(state, turn.index, "i32"), 4)
            f.store(v.kind, _tempered(v, words), f.at(target, turn.index, "i32"), 4)
    f.ret()
    return f


def _twist(f: Function, state: str, start: int, stop: int, ahead: int) -> None:
    """New words at [start, stop), from those `ahead` of them."""
    v = Values(f, f"<{_LANES} x i32>")
    whole = start + (stop - start) // _LANES * _LANES
    with f.loop(str(start), str(whole), str(_LANES)) as turn:
        here, following = (
            f.load(v.kind, f.at(state, f.add(turn.index, str(step)), "i32"), 4) for step in (0, 1)
        )
        other = f.load(v.kind, f.at(state, f.add(turn.index, str(ahead)), "i32"), 4)
        f.store(v.kind, _mixed(v, here, following, other), f.at(state, turn.index, "i32"), 4)
    one = Values(f, "i32")
    with f.loop(str(whole), str(stop)) as turn:
        here, following, other = (
            f.load("i32", f.at(state, f.add(turn.index, str(step)), "i32"), 4)
            for step in (0, 1, ahead)
        )
        f.store("i32", _mixed(one, here, following, other), f.at(state, turn.index, "i32"), 4)


def _twist_last(f: Function, state: str) -> None:
    """The last word, whose neighbour is the first new one."""
    places = [f.at(state, str(place), "i32") for place in (WORDS - 1, 0, _AHEAD - 1)]
    words = [f.load("i32", place, 4) for place in places]
    here, following, other = words
    f.store("i32", _mixed(Values(f, "i32"), here, following, other), places[0], 4)


def _mixed(v: Values, here: str, following: str, other: str) -> str:
    joined = v.do(
        "or",
        v.do("and", here, v.const(_UPPER)),
        v.do("and", following, v.const(_LOWER)),
    )
    odd = v.do("sub", v.const(0), v.do("and", following, v.const(1)))
    turned = v.do("xor", v.do("lshr", joined, v.const(1)), v.do("and", odd, v.const(_MATRIX)))
    return v.do("xor", turned, other)


def _tempered(v: Values, y: str) -> str:
    y = v.do("xor", y, v.do("lshr", y, v.const(11)))
    y = v.do("xor", y, v.do("and", v.do("shl", y, v.const(7)), v.const(0x9D2C_5680)))
    y = v.do("xor", y, v.do("and", v.do("shl", y, v.const(15)), v.const(0xEFC6_0000)))
    return v.do("xor", y, v.do("lshr", y, v.const(18)))
