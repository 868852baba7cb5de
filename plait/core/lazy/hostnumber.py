"""Numbers that Python computes anew for each call: learning rates, step counts, what follows
from them.

During a capture such a number is a `HostNumber`: it has its present value and remembers how it was
made. Comparing one is answered with the present value, and the answer becomes a guard. The whole
is a `HostProgram`: lines of Python that a replay runs to have the numbers of its own call, with the
same double-precision operations in the same order.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType


class HostProgram:
    """Lines of Python that compute named numbers; equal expressions are computed once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self._known: dict[str, HostNumber] = {}
        self._objects: dict[int, str] = {}
        self._guards: set[str] = set()

    def name_of(self, value: Any) -> str:
        """A name by which the lines can mention an object."""
        name = self._objects.get(id(value))
        if name is None:
            name = self._objects[id(value)] = f"o{len(self.names)}"
            self.names[name] = value
        return name

    def make(self, text: str, value: Any) -> HostNumber:
        """The number that an expression gives."""
        known = self._known.get(text)
        if known is None:
            known = HostNumber(self, f"v{len(self._known)}", value)
            self._known[text] = known
            self.lines.append(f"{known.name} = {text}")
        return known

    def require(self, condition: str) -> None:
        """Replay only where a condition holds."""
        if condition not in self._guards:
            self._guards.add(condition)
            self.lines.append(f"if not ({condition}): return None")

    def option(self, group: dict[str, Any], key: str) -> Any:
        """An option of a parameter group: numbers as `HostNumber`s, the rest guarded."""
        return self._watched(f"{self.name_of(group)}[{key!r}]", group[key])

    def _watched(self, text: str, value: Any) -> Any:
        kind = type(value)
        if kind is float or kind is int:
            number = self.make(text, value)
            self.require(f"type({number.name}) is {kind.__name__}")
            return number
        if kind is tuple:
            self.require(f"type({text}) is tuple and len({text}) == {len(value)}")
            return tuple([self._watched(f"{text}[{i}]", part) for i, part in enumerate(value)])
        self.require(f"{text} is {self.name_of(value)}")
        return value

    def call(self, function: Callable[..., Any], *args: Any) -> HostNumber:
        """The number that a function of numbers gives."""
        text = f"{self.name_of(function)}({', '.join(self.text_of(a) for a in args)})"
        return self.make(text, function(*[plain(a) for a in args]))

    def text_of(self, value: Any) -> str:
        """How the lines mention a number or another object."""
        if type(value) is HostNumber:
            return value.name
        if type(value) is int or (type(value) is float and math.isfinite(value)):
            return f"({value!r})"
        return self.name_of(value)

    def build(self, results: list[str], inputs: tuple[str, ...] = ()) -> Callable[..., Any]:
        """A function that runs the lines: the tuple of named results, or None where a guard
        fails."""
        lines = [*self.lines, f"return ({''.join(name + ', ' for name in results)})"]
        text = f"def run({', '.join(inputs)}):\n" + "".join(f"    {line}\n" for line in lines)
        scope = dict(self.names)
        exec(_code(text), scope)
        return scope["run"]


@functools.lru_cache(maxsize=256)
def _code(text: str) -> Any:
    """Lines as code: the steps of a program for each batch size have the same."""
    return compile(text, "<numbers of a step>", "exec")


def plain(value: Any) -> Any:
    """A number's present value."""
    return value.value if type(value) is HostNumber else value


def fixed(value: Any) -> Any:
    """A number's present value, as a guard: later calls with another are recorded anew."""
    if type(value) is HostNumber:
        value.program.require(f"{value.name} == {value.program.text_of(value.value)}")
    return plain(value)


def _binary(symbol: str, function: Callable[..., Any]) -> Any:
    def forward(self: HostNumber, other: Any) -> HostNumber:
        text = f"{self.name} {symbol} {self.program.text_of(other)}"
        return self.program.make(text, function(self.value, plain(other)))

    return forward


def _reflected(symbol: str, function: Callable[..., Any]) -> Any:
    def backward(self: HostNumber, other: Any) -> HostNumber:
        text = f"{self.program.text_of(other)} {symbol} {self.name}"
        return self.program.make(text, function(plain(other), self.value))

    return backward


def _compared(symbol: str, function: Callable[..., Any]) -> Any:
    def compare(self: HostNumber, other: Any) -> bool:
        answer = function(self.value, plain(other))
        condition = f"{self.name} {symbol} {self.program.text_of(other)}"
        self.program.require(condition if answer else f"not {condition}")
        return answer

    return compare


class HostNumber:
    """A number of the present call, and the name of what makes it in later ones."""

    __slots__ = ("name", "program", "value")

    def __init__(self, program: HostProgram, name: str, value: Any) -> None:
        self.program = program
        self.name = name
        self.value = value

    __add__ = _binary("+", operator.add)
    __radd__ = _reflected("+", operator.add)
    __sub__ = _binary("-", operator.sub)
    __rsub__ = _reflected("-", operator.sub)
    __mul__ = _binary("*", operator.mul)
    __rmul__ = _reflected("*", operator.mul)
    __truediv__ = _binary("/", operator.truediv)
    __rtruediv__ = _reflected("/", operator.truediv)
    __pow__ = _binary("**", operator.pow)
    __rpow__ = _reflected("**", operator.pow)
    __lt__ = _compared("<", operator.lt)
    __le__ = _compared("<=", operator.le)
    __gt__ = _compared(">", operator.gt)
    __ge__ = _compared(">=", operator.ge)
    __eq__ = _compared("==", operator.eq)
    __ne__ = _compared("!=", operator.ne)
    __hash__ = None  # type: ignore[assignment]  # equality is a guard, so no key of a dict

    def __neg__(self) -> HostNumber:
        return self.program.make(f"-{self.name}", -self.value)

    def __bool__(self) -> bool:
        answer = bool(self.value)
        self.program.require(self.name if answer else f"not {self.name}")
        return answer

    def __repr__(self) -> str:
        return f"<HostNumber {self.name} = {self.value!r}>"


def sqrt(value: Any) -> Any:
    """The square root of a number, in double precision."""
    return value.program.call(math.sqrt, value) if type(value) is HostNumber else math.sqrt(value)


def _rounded(value: Any, kind: Any) -> float:
    return float(kind(value))


def rounded(value: Any, dtype: DType) -> Any:
    """A number as a dtype holds it, as a Python float."""
    if type(value) is HostNumber:
        return value.program.call(_rounded, value, dtype.numpy.type)
    return float(np.asarray(value, dtype.numpy))


def _product(a: Any, b: Any, kind: Any) -> float:
    return float(kind(a) * kind(b))


def product_in(a: Any, b: Any, dtype: DType) -> Any:
    """The product of two numbers, computed in a dtype."""
    for value in (a, b):
        if type(value) is HostNumber:
            return value.program.call(_product, a, b, dtype.numpy.type)
    return _product(a, b, dtype.numpy.type)
