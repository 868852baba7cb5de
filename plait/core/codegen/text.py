"""A small writer of LLVM IR text: one function, named values, structured loops.

Values are strings: "%3", "7", "<8 x float> zeroinitializer" written without its type. Types are
LLVM's: "float", "i64", "<16 x float>", "ptr". Loops are emitted in rotated form with phi nodes for
what they carry, so that no memory stands between iterations.

    f = Function("axpy", [("ptr", "args"), ("i64", "begin"), ("i64", "end"), ("ptr", "scratch")])
    with f.loop("%begin", "%end") as loop:
        ...  # loop.index is the counter
    f.ret("0")
    text = f.text()
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from typing import Any

#: Parameters of every kernel (see `kernel.py`).
KERNEL_PARAMETERS = (("ptr", "args"), ("i64", "begin"), ("i64", "end"), ("ptr", "scratch"))


class Loop:
    """An open loop: its counter, and what it carries from one turn to the next.

    carried: the values at the start of a turn. Set `next` to the values at its end. After the loop,
    `results` are the values it ended with (those it began with, if it made no turn).
    """

    def __init__(self, index: str, carried: list[str]) -> None:
        self.index = index
        self.carried = carried
        self.next: list[str] = list(carried)
        self.results: list[str] = []


class Function:
    """One function being written."""

    def __init__(
        self,
        name: str,
        parameters: Sequence[tuple[str, str]] = KERNEL_PARAMETERS,
        result: str = "i64",
        attributes: str = "#0",
        *,
        wide: bool | None = None,
    ) -> None:
        self.name = name
        self.lines: list[str] = []
        self.declarations: set[str] = set()
        self.globals: list[str] = []
        #: Functions that this one calls, to stand in the same module.
        self.helpers: list[Function] = []
        self.block = "entry"
        #: Whether it may hold 16 floats in a register (`Target.wide`). Elementary functions ask:
        #: who may write one must say, as results are to be the same in all kernels.
        self.wide = wide
        self._count = 0
        listed = ", ".join(
            f"{kind} noalias %{what}" if kind == "ptr" else f"{kind} %{what}"
            for kind, what in parameters
        )
        self._head = f"define {result} @{name}({listed}) {attributes} {{\nentry:"
        self._result = result

    # -- plain writing ------------------------------------------------------------------------

    def fresh(self, stem: str = "v") -> str:
        """A new name without its sigil."""
        self._count += 1
        return f"{stem}{self._count}"

    def line(self, text: str) -> None:
        """Append one instruction."""
        self.lines.append("  " + text)

    def let(self, text: str) -> str:
        """Append `%new = text` and give the new value."""
        name = "%" + self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def label(self, name: str) -> None:
        """Start a block."""
        self.lines.append(f"{name}:")
        self.block = name

    def branch(self, name: str) -> None:
        self.line(f"br label %{name}")

    def ret(self, value: str = "0") -> None:
        self.line(f"ret {self._result} {value}" if self._result != "void" else "ret void")

    def declare(self, text: str) -> None:
        """A declaration that the module needs, each once: "declare float @llvm.fabs.f32(float)"."""
        self.declarations.add(text)

    def call(self, result: str, name: str, *operands: tuple[str, str]) -> str:
        """Call a function by name, declaring it; operands are (type, value) pairs."""
        kinds = ", ".join(kind for kind, _ in operands)
        self.declare(f"declare {result} @{name}({kinds})")
        given = ", ".join(f"{kind} {value}" for kind, value in operands)
        if result == "void":
            self.line(f"call void @{name}({given})")
            return ""
        return self.let(f"call {result} @{name}({given})")

    # -- integers and addresses -----------------------------------------------------------------

    def add(self, a: str, b: str) -> str:
        return a if b == "0" else b if a == "0" else self.let(f"add i64 {a}, {b}")

    def sub(self, a: str, b: str) -> str:
        return a if b == "0" else self.let(f"sub i64 {a}, {b}")

    def mul(self, a: str, b: str) -> str:
        if a == "0" or b == "0":
            return "0"
        return a if b == "1" else b if a == "1" else self.let(f"mul i64 {a}, {b}")

    def div(self, a: str, b: str) -> str:
        return a if b == "1" else self.let(f"udiv i64 {a}, {b}")

    def rem(self, a: str, b: str) -> str:
        return "0" if b == "1" else self.let(f"urem i64 {a}, {b}")

    def least(self, a: str, b: str) -> str:
        return self.call("i64", "llvm.smin.i64", ("i64", a), ("i64", b))

    def at(self, pointer: str, index: str, kind: str) -> str:
        """The address of element `index` of an array of `kind`."""
        return (
            pointer
            if index == "0"
            else self.let(f"getelementptr {kind}, ptr {pointer}, i64 {index}")
        )

    def argument(self, position: int, kind: str = "ptr") -> str:
        """Word `position` of the kernel's arguments: a buffer's address, or an i64 number."""
        where = self.at("%args", str(position), "i64")
        return self.let(f"load {kind}, ptr {where}, align 8, !invariant.load !0")

    # -- memory -----------------------------------------------------------------------------------

    def load(self, kind: str, pointer: str, align: int) -> str:
        return self.let(f"load {kind}, ptr {pointer}, align {align}")

    def store(self, kind: str, value: str, pointer: str, align: int) -> None:
        self.line(f"store {kind} {value}, ptr {pointer}, align {align}")

    def store_past_caches(self, kind: str, value: str, pointer: str, align: int) -> None:
        """A store straight to memory; `store_fence` comes after the last one."""
        self.line(f"store {kind} {value}, ptr {pointer}, align {align}, !nontemporal !1")

    def store_fence(self) -> None:
        """Before others are told of what was stored past the caches (x86)."""
        self.declare("declare void @llvm.x86.sse.sfence()")
        self.line("call void @llvm.x86.sse.sfence()")

    def prefetch(self, pointer: str, locality: int = 3) -> None:
        """Ask for the line at an address, which need not be mapped; locality: 0 to 3, to stay."""
        self.declare("declare void @llvm.prefetch.p0(ptr, i32 immarg, i32 immarg, i32 immarg)")
        self.line(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 {locality}, i32 1)")

    def masked_load(self, element: str, lanes: int, pointer: str, mask: str, align: int) -> str:
        """Lanes where `mask` is set; zero elsewhere, without touching memory there."""
        kind = f"<{lanes} x {element}>"
        name = f"llvm.masked.load.v{lanes}{short_name(element)}.p0"
        self.declare(f"declare {kind} @{name}(ptr, <{lanes} x i1>, {kind})")
        return self.let(
            f"call {kind} @{name}(ptr align {align} {pointer}, <{lanes} x i1> {mask}, "
            f"{kind} zeroinitializer)"
        )

    def masked_store(
        self, element: str, lanes: int, value: str, pointer: str, mask: str, align: int
    ) -> None:
        kind = f"<{lanes} x {element}>"
        name = f"llvm.masked.store.v{lanes}{short_name(element)}.p0"
        self.declare(f"declare void @{name}({kind}, ptr, <{lanes} x i1>)")
        self.line(
            f"call void @{name}({kind} {value}, ptr align {align} {pointer}, <{lanes} x i1> {mask})"
        )

    def tail_mask(self, lanes: int, count: str) -> str:
        """The mask of the first `count` lanes; `count` (i64) may be negative or more than all."""
        bounded = self.least(count, str(lanes))
        narrow = self.let(f"trunc i64 {bounded} to i32")
        spread = self.splat(f"<{lanes} x i32>", narrow)
        numbers = ", ".join(f"i32 {i}" for i in range(lanes))
        return self.let(f"icmp slt <{lanes} x i32> <{numbers}>, {spread}")

    def splat(self, kind: str, value: str) -> str:
        """A vector with `value` in every lane; `kind` is the vector's type."""
        lanes, element = kind[1:-1].split(" x ")
        one = self.let(f"insertelement {kind} poison, {element} {value}, i64 0")
        return self.let(
            f"shufflevector {kind} {one}, {kind} poison, <{lanes} x i32> zeroinitializer"
        )

    # -- control ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def loop(
        self,
        start: str,
        stop: str,
        step: str = "1",
        carried: Sequence[tuple[str, str]] = (),
    ) -> Iterator[Loop]:
        """for index in range(start, stop, step), with (type, first value) pairs carried along."""
        stem = self.fresh("L")
        before, body, after = self.block, f"{stem}.body", f"{stem}.done"
        enter = self.let(f"icmp slt i64 {start}, {stop}")
        self.line(f"br i1 {enter}, label %{body}, label %{after}")
        self.label(body)
        place = len(self.lines)
        index = f"%{stem}.i"
        names = [f"%{stem}.c{i}" for i in range(len(carried))]
        loop = Loop(index, names)
        yield loop
        last = self.block
        following = self.let(f"add nsw i64 {index}, {step}")
        phis = [f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{last} ]"]
        for (kind, first), name, nxt in zip(carried, names, loop.next, strict=True):
            phis.append(f"  {name} = phi {kind} [ {first}, %{before} ], [ {nxt}, %{last} ]")
        self.lines[place:place] = phis
        again = self.let(f"icmp slt i64 {following}, {stop}")
        self.line(f"br i1 {again}, label %{body}, label %{after}")
        self.label(after)
        for (kind, first), nxt in zip(carried, loop.next):
            loop.results.append(self.let(f"phi {kind} [ {first}, %{before} ], [ {nxt}, %{last} ]"))

    @contextlib.contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """The block that runs where `condition` (i1) holds; nothing is carried out of it."""
        stem = self.fresh("W")
        self.line(f"br i1 {condition}, label %{stem}.then, label %{stem}.done")
        self.label(f"{stem}.then")
        yield
        self.branch(f"{stem}.done")
        self.label(f"{stem}.done")

    # -- the whole --------------------------------------------------------------------------------

    def text(self) -> str:
        """The function's definition."""
        return "\n".join([self._head, *self.lines, "}"]) + "\n"


def module(functions: Sequence[Function], vector_bytes: int) -> str:
    """The text of a module of functions and their helpers, with declarations and attributes.

    Helpers are seen in their module only, so that modules that share one link together.
    """
    named = {function.name for function in functions}
    every: dict[str, Function] = {}
    waiting = list(functions)
    while waiting:
        function = waiting.pop()
        every[function.name] = function
        waiting += [helper for helper in function.helpers if helper.name not in every]
    functions = [every[name] for name in sorted(every)]
    declared = sorted(set().union(*[f.declarations for f in functions]))
    made = [g for f in functions for g in f.globals]
    width = 8 * vector_bytes
    attributes = (
        f'attributes #0 = {{ nounwind "prefer-vector-width"="{width}" '
        f'"min-legal-vector-width"="{width}" "frame-pointer"="none" }}'
    )
    parts = [
        *dict.fromkeys(made),
        *declared,
        *[
            f.text() if f.name in named else f.text().replace(" ", " internal ", 1)
            for f in functions
        ],
        attributes,
        "!0 = !{}",
        "!1 = !{i32 1}",
    ]
    return "\n".join(parts) + "\n"


def _internal(definition: str) -> str:
    return definition.replace("define ", "define internal ", 1)


def short_name(element: str) -> str:
    """An element type as intrinsic names spell it: f32, i64."""
    return {"float": "f32", "double": "f64", "half": "f16", "bfloat": "bf16"}.get(element, element)


def number(value: Any, element: str) -> str:
    """A constant as LLVM reads it: floats by their bits, so that every value is exact."""
    if element == "i1":
        return "true" if value else "false"
    if element[0] == "i":
        return str(int(value))
    if element == "float":
        (single,) = struct.unpack("f", struct.pack("f", _fits_float(float(value))))
        return "0x" + struct.pack(">d", single).hex().upper()
    if element == "double":
        return "0x" + struct.pack(">d", float(value)).hex().upper()
    raise ValueError(f"no constants of type {element}")


def _fits_float(value: float) -> float:
    """float32 overflows to infinity, as a cast does."""
    if value != value or abs(value) < 3.4028235677973366e38:
        return value
    return float("inf") if value > 0 else float("-inf")


def constants(kind: str, values: Sequence[Any]) -> str:
    """A constant vector of `kind`."""
    element = kind[1:-1].split(" x ")[1]
    return "<" + ", ".join(f"{element} {number(v, element)}" for v in values) + ">"


def spread_constant(kind: str, value: Any) -> str:
    """A constant vector (or scalar, for a scalar kind) with one value in every lane."""
    if kind[0] != "<":
        return number(value, kind)
    lanes, element = kind[1:-1].split(" x ")
    text = number(value, element)
    return "<" + ", ".join([f"{element} {text}"] * int(lanes)) + ">"
