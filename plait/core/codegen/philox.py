"""Random bits by Philox4x32-10, eight counters side by side.

The words are those of `ops/numeric/philox.py` (Salmon et al., *Parallel random numbers: as easy as
1, 2, 3*, 2011): the bits of element i follow from (seed, offset, i) alone.
"""

from __future__ import annotations

from plait.core.codegen.text import Function, spread_constant

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LANES = 8
_WORDS = f"<{_LANES} x i64>"
_LOW = 0xFFFF_FFFF

#: Elements that a unit makes: a multiple of the four words of each of eight counters.
PER_UNIT = 1 << 13


def emit_random_bits(symbol: str) -> Function:
    """Arguments: out (n,) uint32, counter int64[2] of seed and offset; n."""
    f = Function(symbol)
    out, counter = f.argument(0), f.argument(1)
    total = f.argument(2, "i64")
    seed = f.load("i64", counter, 8)
    offset = f.load("i64", f.at(counter, "1", "i64"), 8)
    keys = [_half(f, seed, side) for side in (0, 1)]
    fixed = [_half(f, offset, side) for side in (0, 1)]
    numbers = "<" + ", ".join(f"i64 {i}" for i in range(_LANES)) + ">"
    with f.loop("%begin", "%end") as unit:
        start = f.mul(unit.index, str(PER_UNIT))
        stop = f.least(f.add(start, str(PER_UNIT)), total)
        with f.loop(start, stop, str(4 * _LANES)) as turn:
            first = f.splat(_WORDS, f.let(f"udiv i64 {turn.index}, 4"))
            index = f.let(f"add {_WORDS} {first}, {numbers}")
            low, high = [_half_of(f, index, side) for side in (0, 1)]
            made = _rounds(f, [low, high, *fixed], keys)
            mask = f.tail_mask(4 * _LANES, f.sub(stop, turn.index))
            f.masked_store(
                "i32", 4 * _LANES, _woven(f, made), f.at(out, turn.index, "i32"), mask, 4
            )
    f.ret()
    return f


def _half(f: Function, number: str, side: int) -> str:
    """The low (0) or high (1) 32 bits of a number, in every lane."""
    return _half_of(f, f.splat(_WORDS, number), side)


def _half_of(f: Function, words: str, side: int) -> str:
    if side:
        return f.let(f"lshr {_WORDS} {words}, {spread_constant(_WORDS, 32)}")
    return f.let(f"and {_WORDS} {words}, {spread_constant(_WORDS, _LOW)}")


def _rounds(f: Function, c: list[str], keys: list[str]) -> list[str]:
    """Four words of 32 bits in 64, after all rounds."""
    for number in range(_ROUNDS):
        products = [
            f.let(f"mul {_WORDS} {c[2 * i]}, {spread_constant(_WORDS, factor)}")
            for i, factor in enumerate(_MULTIPLIERS)
        ]
        high = [_half_of(f, product, 1) for product in products]
        low = [_half_of(f, product, 0) for product in products]
        key = []
        for held, step in zip(keys, _KEY_STEPS):
            moved = spread_constant(_WORDS, number * step & _LOW)
            key.append(_half_of(f, f.let(f"add {_WORDS} {held}, {moved}"), 0))
        left = f.let(f"xor {_WORDS} {high[1]}, {c[1]}")
        right = f.let(f"xor {_WORDS} {high[0]}, {c[3]}")
        c = [
            f.let(f"xor {_WORDS} {left}, {key[0]}"),
            low[1],
            f.let(f"xor {_WORDS} {right}, {key[1]}"),
            low[0],
        ]
    return c


def _woven(f: Function, words: list[str]) -> str:
    """The four words of each counter one after another."""
    narrow = [f.let(f"trunc {_WORDS} {w} to <{_LANES} x i32>") for w in words]
    kind, double = f"<{_LANES} x i32>", f"<{2 * _LANES} x i32>"
    order = ", ".join(f"i32 {i}" for i in range(2 * _LANES))
    pairs = [
        f.let(f"shufflevector {kind} {a}, {kind} {b}, <{2 * _LANES} x i32> <{order}>")
        for a, b in (narrow[:2], narrow[2:])
    ]
    places = [j + _LANES * word for j in range(_LANES) for word in range(4)]
    woven = ", ".join(f"i32 {p}" for p in places)
    return f.let(
        f"shufflevector {double} {pairs[0]}, {double} {pairs[1]}, <{4 * _LANES} x i32> <{woven}>"
    )
