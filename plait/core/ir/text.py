"""The text form of a graph, which parses back to an equal graph.

    graph(%0: float32[2, 3], %1: float32[3]) {
      %2 = broadcast(%1) {shape=(2, 3)}: float32[2, 3]
      %3 = add(%0, %2): float32[2, 3]
      return %3
    }

Attribute values are Python literals, `complex(real, imaginary)`, dtypes by name, `inf`/`nan`, and
nested graphs.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from plait.core.ir.dtypes import BY_NAME, DType
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.node import Spec
from plait.core.ir.op import op_by_name


def to_text(graph: Graph, indent: str = "") -> str:
    """Write a graph as text."""
    heads = ", ".join(f"%{i}: {_type_text(s.shape, s.dtype)}" for i, s in enumerate(graph.inputs))
    lines = [f"graph({heads}) {{"]
    for number, made in enumerate(graph.instructions, len(graph.inputs)):
        args = ", ".join(f"%{a}" for a in made.args)
        pairs = [f"{k}={_value_text(v, indent + '  ')}" for k, v in sorted(made.attrs.items())]
        attrs = f" {{{', '.join(pairs)}}}" if pairs else ""
        kind = _type_text(made.shape, made.dtype)
        lines.append(f"{indent}  %{number} = {made.op.name}({args}){attrs}: {kind}")
    lines.append(f"{indent}  return {', '.join(f'%{o}' for o in graph.outputs)}")
    lines.append(f"{indent}}}")
    return "\n".join(lines)


def _type_text(shape: Any, dtype: Any) -> str:
    if isinstance(dtype, tuple):
        return f"({', '.join(_type_text(s, d) for s, d in zip(shape, dtype))})"
    return f"{dtype.name}[{', '.join(map(str, shape))}]"


def _value_text(value: Any, indent: str) -> str:
    if isinstance(value, DType):
        return value.name
    if isinstance(value, Graph):
        return to_text(value, indent)
    if isinstance(value, tuple):
        inner = ", ".join(_value_text(v, indent) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, complex):
        return f"complex({value.real!r}, {value.imag!r})"
    return repr(value)


class ParseError(ValueError):
    """Text that is not a graph; names the place."""


_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<number>-?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf|nan)(?![A-Za-z_]))"
    r"|(?P<name>[A-Za-z_][\w.]*)|(?P<value>%\d+)|(?P<mark>[(){}\[\]:,=]))"
)


class _Reader:
    """Recursive-descent reader over tokens; the nesting is that of sub-graphs only."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        place = 0
        text = text.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise ParseError(f"graph text: unexpected {text[place : place + 20]!r}")
            self.tokens.append((found.lastgroup or "", found.group(found.lastgroup or 0)))
            place = found.end()
        self.next = 0

    def peek(self) -> str:
        return self.tokens[self.next][1] if self.next < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> tuple[str, str]:
        if self.next >= len(self.tokens):
            raise ParseError(f"graph text ends where {expected or 'more'} was expected")
        token = self.tokens[self.next]
        if expected is not None and token[1] != expected:
            raise ParseError(f"graph text: expected {expected!r}, found {token[1]!r}")
        self.next += 1
        return token

    def listing(self, end: str, one: Any) -> list[Any]:
        """Comma-separated items up to the mark `end`, a trailing comma allowed."""
        items = []
        while self.peek() != end:
            items.append(one())
            if self.peek() == ",":
                self.take(",")
        self.take(end)
        return items

    def graph(self) -> Graph:
        self.take("graph")
        self.take("(")
        inputs = self.listing(")", self.typed_value)
        self.take("{")
        made: list[Instruction] = []
        while self.peek() != "return":
            made.append(self.instruction(len(inputs) + len(made)))
        self.take("return")
        outputs = self.listing("}", self.value_number)
        return Graph(tuple(inputs), tuple(made), tuple(outputs))

    def value_number(self) -> int:
        kind, text = self.take()
        if kind != "value":
            raise ParseError(f"graph text: expected a value such as %3, found {text!r}")
        return int(text[1:])

    def typed_value(self) -> Spec:
        self.value_number()
        self.take(":")
        shape, dtype = self.type()
        return Spec(shape, dtype)

    def type(self) -> tuple[Any, Any]:
        if self.peek() == "(":
            self.take("(")
            parts = self.listing(")", self.type)
            return tuple(shape for shape, _ in parts), tuple(dtype for _, dtype in parts)
        name = self.take()[1]
        if name not in BY_NAME:
            raise ParseError(f"graph text: {name!r} is not a dtype")
        self.take("[")
        return tuple(self.listing("]", lambda: int(self.take()[1]))), BY_NAME[name]

    def instruction(self, number: int) -> Instruction:
        if self.value_number() != number:
            raise ParseError(f"graph text: values are numbered in order; %{number} was expected")
        self.take("=")
        name = self.take()[1]
        try:
            op = op_by_name(name)
        except KeyError:
            raise ParseError(f"graph text: no op is called {name!r}") from None
        self.take("(")
        args = tuple(self.listing(")", self.value_number))
        attrs: dict[str, Any] = {}
        if self.peek() == "{":
            self.take("{")
            attrs = dict(self.listing("}", self.attribute))
        self.take(":")
        shape, dtype = self.type()
        return Instruction(op, args, attrs, shape, dtype, None)

    def attribute(self) -> tuple[str, Any]:
        name = self.take()[1]
        self.take("=")
        return name, self.literal()

    def literal(self) -> Any:
        text = self.peek()
        if text == "graph":
            return self.graph()
        if text == "(":
            self.take("(")
            return tuple(self.listing(")", self.literal))
        kind, text = self.take()
        if kind == "string":
            return ast.literal_eval(text)
        if kind == "number":
            return _number(text)
        constants = {"True": True, "False": False, "None": None}
        if text in constants:
            return constants[text]
        if text in BY_NAME:
            return BY_NAME[text]
        if text == "complex":
            self.take("(")
            return complex(*self.listing(")", self.literal))
        raise ParseError(f"graph text: {text!r} is not an attribute value")


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def from_text(text: str) -> Graph:
    """Read a graph back. Raises ParseError."""
    reader = _Reader(text)
    graph = reader.graph()
    if reader.next != len(reader.tokens):
        raise ParseError(f"graph text: {reader.peek()!r} after the end")
    return graph
