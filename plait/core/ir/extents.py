"""Numbers that differ from run to run: extents of a batch or a sequence, and what follows of them.

A `Varying` is an int that remembers that it is no constant of the program: what is computed from it
is one, too. Shape rules and lowerings are written for ints and need not know. Where a lowering
chooses between a constant in a kernel's code and a number given at run time, it asks `varies`.

A varying number equals the plain one, has its hash and prints like it. To lose the mark (by `int`,
or by NumPy) is no error: a kernel is then made for one extent, as it would be anyway.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any


class Varying(int):
    """An extent, stride, offset or count that is another one in another run."""

    __slots__ = ()


class VaryingFloat(float):
    """A number that was computed from such extents, as the 1/N of a mean."""

    __slots__ = ()


#: Some extent that varies: of what is a number at run time whatever it is.
ANY_EXTENT = Varying(2)


def varies(*numbers: Any) -> bool:
    """Whether one of the numbers differs from run to run."""
    return any(isinstance(number, (Varying, VaryingFloat)) for number in numbers)


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
    """The number with the mark.

    0 and 1 get none, because kernels are others there (no elements, no axis); nor do nan, inf and
    bool, which no extent makes.
    """
    kind = type(number)
    if kind is int and number not in (0, 1):
        return Varying(number)
    if kind is float and math.isfinite(number) and number != 0:
        return VaryingFloat(number)
    return number


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
