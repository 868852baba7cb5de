"""Numbers that remember how they were computed, and what was decided by them.

A `Derived` stands for an int or a float while a program is planned: it computes, compares and is
counted with as that number, and its `Derivation` writes down each operation and the outcome of each
comparison. Afterwards the same plan can be had for other numbers: `Derivation.source` is Python
that computes all that was derived, and gives up where a decision would fall otherwise.

Nothing of a `Derived` can be used unnoticed, because it is no int: C code gets at its value by
`__index__`, `__int__` or `__float__` alone. Where it is used so, as by `range` or by NumPy, the
plan is for this very value, and that is written down as a decision, too. Its hash is the same for
all, so that a dict asks `==`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

#: (name, what it is computed by, the names in it); a decision has no name.
_Line = tuple[str, str, tuple[str, ...]]

#: Functions that lines may call.
_KNOWN = (math.ceil, math.floor, math.isfinite)


class Derivation:
    """What was computed from some numbers, step by step.

    Until `close`, what is asked of its numbers is written down; afterwards they are as good as
    plain ones.
    """

    def __init__(self) -> None:
        self.roots: list[Derived] = []
        self.is_open = True
        #: What the lines call besides operators.
        self.functions: dict[str, Any] = {f.__name__: f for f in _KNOWN}
        #: Roots whose value itself was asked for: others need not be tried.
        self.fixed: dict[int, int | float] = {}
        self._called: dict[Callable[..., Any], str] = {}
        self._lines: list[_Line] = []
        self._known: dict[str, Derived] = {}
        self._asked: set[str] = set()

    def root(self, value: int | float) -> Derived:
        """A number that all others are derived from."""
        made = Derived(self, f"r{len(self.roots)}", value)
        self.roots.append(made)
        return made

    def computed(self, text: str, names: tuple[str, ...], value: int | float) -> Derived:
        """The number that an expression gives; the same object for the same expression."""
        made = self._known.get(text)
        if made is None:
            made = Derived(self, f"t{len(self._known)}", value)
            if self.is_open:
                self._known[text] = made
                self._lines.append((made.name, text, names))
        return made

    def decided(self, text: str, names: tuple[str, ...], outcome: bool) -> None:
        """Note that a plan depends on an expression being true, or false."""
        if self.is_open and text not in self._asked:
            self._asked.add(text)
            self._lines.append(("", f"not ({text})" if outcome else text, names))

    def called(self, function: Callable[..., Any], numbers: Sequence[Any]) -> Any:
        """What a function makes of numbers, of which some are derived: a number, or a tuple."""
        value = function(*[plain(number) for number in numbers])
        name = self._called.get(function)
        if name is None and self.is_open:
            name = self._called[function] = f"f{len(self._called)}"
            self.functions[name] = function
        names = tuple([n.name for n in numbers if type(n) is Derived and n.of is self])
        whole = self.computed(f"{name}({', '.join(map(self.text, numbers))})", names, value)
        if not isinstance(value, tuple):
            return whole
        return tuple(
            [
                self.computed(f"{whole.name}[{place}]", (whole.name,), part)
                for place, part in enumerate(value)
            ]
        )

    def close(self) -> None:
        """Write down nothing more."""
        self.is_open = False

    def forget(self) -> None:
        """Give up what was written down."""
        for held in (self._lines, self._known, self._asked, self._called, self.functions):
            held.clear()

    @property
    def decisions(self) -> int:
        """How many comparisons the plan depends on."""
        return len(self._asked)

    def text(self, number: Any) -> str:
        """A number in a line: the name of one of these, or a constant."""
        if type(number) is Derived:
            if number.of is self:
                return number.name
            number = number.value
        if isinstance(number, float):
            return f"({float(number)!r})" if math.isfinite(number) else f"float('{number!r}')"
        return f"({int(number)!r})" if number < 0 else repr(int(number))

    def lines(self, wanted: Iterable[str]) -> list[str]:
        """Statements that leave the numbers called `wanted` in variables of their names, or return
        None where a decision would be another one."""
        needed = set(wanted)
        kept: list[str] = []
        for name, text, names in reversed(self._lines):
            if not name:
                kept.append(f"if {text}: return None")
            elif name in needed:
                kept.append(f"{name} = {text}")
            else:
                continue
            needed.update(names)
        return kept[::-1]


class Derived:
    """A number of a `Derivation`. An instance of int or float for all who ask."""

    __slots__ = ("name", "of", "value")

    #: NumPy's scalars leave arithmetic with one to it.
    __array_ufunc__ = None

    def __init__(self, of: Derivation, name: str, value: Any) -> None:
        self.of = of
        self.name = name
        self.value = value

    @property
    def __class__(self) -> type:
        return type(self.value)

    def decided(self, text: str, outcome: bool) -> bool:
        """The outcome, noted as that of an expression of this number alone."""
        self.of.decided(text, (self.name,), outcome)
        return outcome

    def pinned(self) -> Any:
        """The plain number, to be used where other ones would not serve."""
        value, of = self.value, self.of
        if of.is_open and self.name[0] == "r":
            of.fixed[of.roots.index(self)] = value
        if type(value) is float:
            self.decided(f"{self.name}.hex() == {value.hex()!r}", True)
        else:
            self.decided(f"{self.name} == {value!r}", True)
        return value

    def __hash__(self) -> int:
        return 0x5EED

    def __bool__(self) -> bool:
        return self.decided(f"{self.name} != 0", self.value != 0)

    def __index__(self) -> int:
        return operator.index(self.pinned())

    def __int__(self) -> int:
        return int(self.pinned())

    def __float__(self) -> float:
        return float(self.pinned())

    def __complex__(self) -> complex:
        return complex(self.pinned())

    def __repr__(self) -> str:
        return repr(self.pinned())

    def __str__(self) -> str:
        return str(self.pinned())

    def __format__(self, how: str) -> str:
        return format(self.pinned(), how)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.pinned(), name)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __pos__(self) -> Any:
        return self

    def __neg__(self) -> Any:
        return self.of.computed(f"-{self.name}", (self.name,), -self.value)

    def __abs__(self) -> Any:
        return self.of.computed(f"abs({self.name})", (self.name,), abs(self.value))

    def __ceil__(self) -> Any:
        if type(self.value) is int:
            return self
        return self.of.computed(f"ceil({self.name})", (self.name,), math.ceil(self.value))

    def __floor__(self) -> Any:
        if type(self.value) is int:
            return self
        return self.of.computed(f"floor({self.name})", (self.name,), math.floor(self.value))

    def __trunc__(self) -> int:
        return math.trunc(self.pinned())

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.pinned(), digits)


def plain(value: Any) -> Any:
    """A number, or dicts and tuples of such, without what is known of their derivation: for what is
    derived of them in other ways."""
    kind = type(value)
    if kind is tuple:
        return tuple([plain(part) for part in value])
    if kind is dict:
        return {name: plain(part) for name, part in value.items()}
    return value.value if kind is Derived else value


def is_derived(value: Any) -> bool:
    """Whether there is a derived number in a value, or in dicts and tuples of values."""
    kind = type(value)
    if kind is tuple:
        return any(map(is_derived, value))
    return any(map(is_derived, value.values())) if kind is dict else kind is Derived


def as_one(function: Callable[..., Any], *numbers: Any) -> Any:
    """What a function makes of numbers: a number or a tuple of such. How it decides is not written
    down, but the call itself. For what only numbers of launches depend on."""
    for number in numbers:
        if type(number) is Derived:
            return number.of.called(function, numbers)
    return function(*numbers)


def _names(a: Any, b: Any, of: Derivation) -> tuple[str, ...]:
    return tuple([n.name for n in (a, b) if type(n) is Derived and n.of is of])


def _operand(value: Any) -> Any:
    """A number as an operand; None for what is none."""
    if type(value) is int or type(value) is Derived or isinstance(value, (int, float)):
        return value
    return value.item() if isinstance(value, np.number) else None


def _arithmetic(sign: str, compute: Callable[[Any, Any], Any], neutral: int | None) -> Any:
    """(method, reflected method) of an operator. neutral: the int that changes nothing as its right
    operand."""

    def method(self: Derived, other: Any) -> Any:
        other = _operand(other)
        if other is None:
            return NotImplemented
        if type(other) is int and other == neutral and type(self.value) is int:
            return self
        of = self.of
        value = compute(self.value, plain(other))
        return of.computed(f"{self.name} {sign} {of.text(other)}", _names(self, other, of), value)

    def reflected(self: Derived, other: Any) -> Any:
        other = _operand(other)
        if other is None:
            return NotImplemented
        if type(other) is int and other == neutral and sign in "+*" and type(self.value) is int:
            return self
        of = self.of
        value = compute(plain(other), self.value)
        return of.computed(f"{of.text(other)} {sign} {self.name}", _names(other, self, of), value)

    return method, reflected


def _comparison(sign: str, compare: Callable[[Any, Any], bool], same: bool) -> Any:
    """The method of a comparison. same: its outcome for a number and itself."""

    def method(self: Derived, other: Any) -> Any:
        if other is self and type(self.value) is int:
            return same
        other = _operand(other)
        if other is None:
            return NotImplemented
        of = self.of
        outcome = compare(self.value, plain(other))
        if of.is_open:
            of.decided(f"{self.name} {sign} {of.text(other)}", _names(self, other, of), outcome)
        return outcome

    return method


for _name, _sign, _neutral in (
    ("add", "+", 0), ("sub", "-", 0), ("mul", "*", 1), ("truediv", "/", None),
    ("floordiv", "//", 1), ("mod", "%", None), ("pow", "**", 1), ("lshift", "<<", 0),
    ("rshift", ">>", 0), ("and", "&", None), ("or", "|", None), ("xor", "^", None),
):  # fmt: skip
    _compute = getattr(operator, _name, None) or getattr(operator, f"__{_name}__")
    _method, _reflected = _arithmetic(_sign, _compute, _neutral)
    setattr(Derived, f"__{_name}__", _method)
    setattr(Derived, f"__r{_name}__", _reflected)
for _name, _sign, _same in (
    ("eq", "==", True), ("ne", "!=", False), ("lt", "<", False), ("le", "<=", True),
    ("gt", ">", False), ("ge", ">=", True),
):  # fmt: skip
    setattr(Derived, f"__{_name}__", _comparison(_sign, getattr(operator, _name), _same))
