"""Transposing small square matrices that lie in registers, one row per vector."""

from __future__ import annotations

from collections.abc import Sequence

from plait.core.codegen.text import Function


def transpose(f: Function, element: str, rows: Sequence[str]) -> list[str]:
    """The columns of a matrix whose rows are vectors of `len(rows)` (a power of two) elements.

    Butterfly: in step k rows i and i + k swap the halves of every block of 2 k elements.
    """
    values, count = list(rows), len(rows)
    if count == 1:
        return values
    kind = f"<{count} x {element}>"
    step = 1
    while step < count:
        upper = [i if not i & step else count + i - step for i in range(count)]
        lower = [i + step if not i & step else count + i for i in range(count)]
        for i in range(count):
            if not i & step:
                a, b = values[i], values[i + step]
                values[i] = _shuffle(f, kind, a, b, upper)
                values[i + step] = _shuffle(f, kind, a, b, lower)
        step *= 2
    return values


def _shuffle(f: Function, kind: str, a: str, b: str, places: Sequence[int]) -> str:
    mask = ", ".join(f"i32 {place}" for place in places)
    return f.let(f"shufflevector {kind} {a}, {kind} {b}, <{len(places)} x i32> <{mask}>")
