"""Numbers that differ from run to run: extents of a batch or a sequence, and what follows of them.

Such a number remembers that it is no constant of the program: what is computed from it is none,
either. Shape rules and lowerings are written for ints and need not know. Where a lowering chooses
between a constant in a kernel's code and a number given at run time, it asks `varies`.

There are two kinds. A `Derived` (`ir/derived.py`) remembers how it was computed, too, so that its
plan serves other numbers. A `Varying` only is marked; it equals the plain int, has its hash and
prints like it, and to lose the mark (by `int`, or by NumPy) is no error: a kernel is then made for
one extent, as it would be anyway.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from plait.core.ir.derived import Derived


class Varying(int):
    """An extent, stride, offset or count that is another one in another run."""

    __slots__ = ()


class VaryingFloat(float):
    """A number that was computed from such extents, as the 1/N of a mean."""

    __slots__ = ()


#: Some extent that varies: of what is a number at run time whatever it is.
ANY_EXTENT = Varying(2)


def varies(*numbers: Any) -> bool:
    """Whether one of the numbers differs from run to run.

    0 and 1 do not, because kernels are others there (no elements, no axis); nor do nan and inf,
    which no extent makes.
    """
    return any(map(_varies, numbers))


def _varies(number: Any) -> bool:
    kind = type(number)
    if kind is Derived:
        if type(number.value) is int:
            return number.decided(f"{number.name} not in (0, 1)", number.value not in (0, 1))
        test = f"isfinite({number.name}) and {number.name} != 0"
        return number.decided(test, math.isfinite(number.value) and number.value != 0)
    return kind is Varying or kind is VaryingFloat


def is_marked(value: Any) -> bool:
    """Whether there is a number in a value, or in tuples of values, that is no plain one."""
    if type(value) is tuple:
        return any(map(is_marked, value))
    return type(value) in (Derived, Varying, VaryingFloat)


def blank(value: Any) -> Any:
    """A value, or tuples of values, with "n" for each varying number: as code knows it that gets
    those at run time."""
    if isinstance(value, tuple):
        parts = [blank(part) for part in value]
        make = getattr(type(value), "_make", tuple)
        return make(parts)
    return "n" if varies(value) else value


def constants_that_vary(value: Any) -> list[int]:
    """The varying numbers that a key of code holds: it was made for just these."""
    if varies(value):
        return [value]
    if is_dataclass(value):
        return constants_that_vary(tuple([getattr(value, f.name) for f in fields(value)]))
    if isinstance(value, tuple):
        return [number for part in value for number in constants_that_vary(part)]
    return []


def varying(number: Any) -> Any:
    """The number with the mark, if it may have one (see `varies`)."""
    if not may_vary(number):
        return number
    return Varying(number) if type(number) is int else VaryingFloat(number)


def may_vary(number: Any) -> bool:
    """Whether a plain number may be marked: see `varies`, and no bool."""
    kind = type(number)
    if kind is int:
        return number not in (0, 1)
    return kind is float and math.isfinite(number) and number != 0


def _marked(result: Any) -> Any:
    if type(result) is tuple:
        return tuple([_marked(part) for part in result])
    return varying(result)


def _keeping(kind: type, name: str) -> Callable[..., Any]:
    """An arithmetic method of int or float whose result has the mark, also with a float operand."""
    plain, as_float = getattr(kind, name), getattr(float, name)

    def method(self: Any, *others: Any) -> Any:
        result = plain(self, *others)
        if result is NotImplemented and others and isinstance(others[0], float):
            result = as_float(float(self), *others)
        return _marked(result)

    return method


_NAMES = ["add", "sub", "mul", "truediv", "floordiv", "mod", "divmod"]
for _name in [f"__{side}{name}__" for name in _NAMES for side in ("", "r")] + ["__neg__"]:
    setattr(Varying, _name, _keeping(int, _name))
    setattr(VaryingFloat, _name, _keeping(float, _name))
