"""Arithmetic on register values of one type, scalar or vector, as short calls.

Everything here is one LLVM instruction or intrinsic; what is built of them stands in `vecmath` and
`pointwise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait.core.codegen.text import Function, short_name, spread_constant


class Values:
    """Values of type `kind` ("float", "<8 x i32>", ...) in a function being written.

    words: the integer type of the same width and as many lanes; truths: that of i1.
    """

    def __init__(self, f: Function, kind: str) -> None:
        self.f = f
        self.kind = kind
        vector = kind[0] == "<"
        count, self.element = kind[1:-1].split(" x ") if vector else ("1", kind)
        self.lanes = int(count)
        self.words = self.like({"float": "i32", "double": "i64"}.get(self.element, self.element))
        self.truths = self.like("i1")
        #: How names of intrinsics spell the type.
        self.suffix = f"v{count}" * vector + short_name(self.element)

    def like(self, element: str) -> str:
        """The type of as many lanes of another element."""
        return f"<{self.lanes} x {element}>" if self.kind[0] == "<" else element

    def of(self, kind: str) -> Values:
        """The same function's values of another type."""
        return Values(self.f, kind)

    def const(self, value: Any) -> str:
        return spread_constant(self.kind, value)

    def do(self, what: str, a: str, b: str) -> str:
        """A binary instruction: "fadd", "and", "shl"."""
        return self.f.let(f"{what} {self.kind} {a}, {b}")

    def add(self, a: str, b: str) -> str:
        return self.do("fadd", a, b)

    def sub(self, a: str, b: str) -> str:
        return self.do("fsub", a, b)

    def mul(self, a: str, b: str) -> str:
        return self.do("fmul", a, b)

    def div(self, a: str, b: str) -> str:
        return self.do("fdiv", a, b)

    def neg(self, a: str) -> str:
        return self.f.let(f"fneg {self.kind} {a}")

    def call(self, name: str, *operands: str) -> str:
        """An intrinsic whose operands and result are of this type: "fabs", "floor", "copysign"."""
        return self.f.call(
            self.kind, f"llvm.{name}.{self.suffix}", *[(self.kind, o) for o in operands]
        )

    def fma(self, a: str, b: str, c: str) -> str:
        return self.call("fma", a, b, c)

    def fcmp(self, how: str, a: str, b: str) -> str:
        return self.f.let(f"fcmp {how} {self.kind} {a}, {b}")

    def icmp(self, how: str, a: str, b: str) -> str:
        return self.f.let(f"icmp {how} {self.kind} {a}, {b}")

    def both(self, a: str, b: str) -> str:
        """Truths that both hold."""
        return self.f.let(f"and {self.truths} {a}, {b}")

    def either(self, a: str, b: str) -> str:
        return self.f.let(f"or {self.truths} {a}, {b}")

    def differ(self, a: str, b: str) -> str:
        return self.f.let(f"xor {self.truths} {a}, {b}")

    def select(self, condition: str, a: str, b: str) -> str:
        """`a` where the condition holds, else `b`."""
        return self.f.let(f"select {self.truths} {condition}, {self.kind} {a}, {self.kind} {b}")

    def convert(self, how: str, a: str, kind: str) -> str:
        """A conversion to another type: "bitcast", "fpext", "trunc"."""
        return self.f.let(f"{how} {self.kind} {a} to {kind}")

    def bits(self, a: str) -> str:
        return self.convert("bitcast", a, self.words)

    def from_bits(self, a: str) -> str:
        return self.f.let(f"bitcast {self.words} {a} to {self.kind}")

    def bounded(self, x: str, low: float | None, high: float | None) -> str:
        """x between two bounds; nan stays nan."""
        for how, bound in (("ogt", high), ("olt", low)):
            if bound is not None:
                limit = self.const(bound)
                x = self.select(self.fcmp(how, x, limit), limit, x)
        return x

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """sum of coefficients[i] * x^i, by Horner's rule."""
        y = self.const(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            y = self.fma(y, x, self.const(c))
        return y

    def per_lane(self, name: str, operands: Sequence[str]) -> str:
        """A scalar function of the C library on every lane, of this type in and out."""
        element = self.element
        if self.kind[0] != "<":
            return self.f.call(element, name, *[(element, o) for o in operands])
        result = "poison"
        for lane in range(self.lanes):
            given = [
                (element, self.f.let(f"extractelement {self.kind} {o}, i64 {lane}"))
                for o in operands
            ]
            one = self.f.call(element, name, *given)
            result = self.f.let(f"insertelement {self.kind} {result}, {element} {one}, i64 {lane}")
        return result
