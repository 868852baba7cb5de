"""The machine for Python objects, loaded; and an assembler for it.

    steps = Assembly(arguments=1)
    (x,) = steps.arguments
    steps.type(x, Node)
    steps.hold()
    made = steps.make(Cell, {"_node": x, "version": steps.constant(0)})
    steps.give(made)
    function = steps.function()  # a builtin: function(node) -> Cell, or NotImplemented

See `core/codegen/objects.py` for the instructions. Where this Python keeps its objects otherwise
than CPython with a GIL does, there is no machine (`available()`), and callers do it in Python.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import itertools
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plait.core.codegen.objects import FUNCTIONS, MOST_REGISTERS, Api, Do, Layout, text_of
from plait.core.ir.node import Node
from plait.core.llvm.target import target
from plait.core.runtime import arrays, kernels
from plait.core.runtime.builtins import METH_FASTCALL, Builtins, api_table, can_be_made
from plait.core.runtime.config import flag
from plait.core.runtime.loaded import loaded

_POINTER = ctypes.sizeof(ctypes.c_void_p)


class _Member(ctypes.Structure):
    """CPython's PyMemberDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class Machine:
    """The loaded functions. table: the addresses of CPython's functions, as bytes."""

    def __init__(self, layout: tuple[int, ...]) -> None:
        on = target("generic")
        text = text_of(layout)
        name = "objects_" + hashlib.sha256(text.encode()).hexdigest()[:20]
        library = kernels.module_of(name, text, FUNCTIONS, on)
        self.table = api_table(Api)
        self._made = Builtins(library, FUNCTIONS, METH_FASTCALL)
        self.counts: Callable[[list], bytes] = self._made.function(
            "plait_counts", (self.table, None)
        )

    def function(self, code: bytes, constants: Sequence[Any]) -> Callable[..., Any]:
        """A builtin function that runs instructions."""
        return self._made.function("plait_objects", (self.table, code, *constants))


@functools.cache
def machine() -> Machine | None:
    """The machine; None where there is none for this Python, or `PLAIT_OBJECTS` is 0."""
    loaded.machine = None
    layout = _layout()
    if layout is not None and flag("PLAIT_OBJECTS"):
        made = Machine(layout)
        loaded.machine = made if _works(made) else None
    return loaded.machine


def _works(made: Machine) -> bool:
    """Whether reference counts read by the machine are those that Python tells."""
    node = Node.__new__(Node)
    node.value = None
    held = [node] * 5
    told = sys.getrefcount(node) - 1  # without the argument
    return made.counts([None, node]) == struct.pack("<i", told + 1) and len(held) == 5


def _layout() -> tuple[int, ...] | None:
    """The numbers of `Layout`; None where a probe does not find them."""
    found = arrays.offsets()
    if found is None or not can_be_made():
        return None
    head = object.__basicsize__
    layout = {
        Layout.TYPE: found.type,
        Layout.SIZE: head,
        Layout.LIST_ITEMS: found.items,
        Layout.TUPLE_ITEMS: tuple.__basicsize__,
        Layout.BYTES: found.content,
        Layout.NODE_VALUE: offset_of(Node, "value"),
    }
    row = (layout, head)
    listed = [head, row]
    seen = (
        _word(id(row) + layout[Layout.TUPLE_ITEMS]),
        _word(id(row) + layout[Layout.SIZE]),
        _word(id(listed) + layout[Layout.SIZE]),
    )
    if seen != (id(layout), 2, 2) or min(layout.values()) < 0:
        return None
    return tuple([layout[part] for part in Layout])


def _word(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


@functools.cache
def offset_of(kind: type, slot: str) -> int:
    """Where objects of a class keep a slot (bytes from their start); -1: not found."""
    descriptor: Any = next(c.__dict__[slot] for c in kind.__mro__ if slot in c.__dict__)
    # A member descriptor holds its type, name and qualified name before the PyMemberDef.
    address = _word(id(descriptor) + object.__basicsize__ + 3 * _POINTER)
    member = _Member.from_address(address)
    probe, value = object.__new__(kind), object()
    descriptor.__set__(probe, value)
    return member.offset if _word(id(probe) + member.offset) == id(value) else -1


class Register(int):
    """A register: arguments count from 0, constants from 1 << 20, others from 1 << 21."""


_CONSTANT, _OTHER = 1 << 20, 1 << 21


class Assembly:
    """Instructions being written; registers are named as they are made.

    What is not `Register` among the operands of `Do` is a number.
    """

    def __init__(self, arguments: int) -> None:
        self.arguments = [Register(i) for i in range(arguments)]
        self._words: list[int] = []
        self._constants: list[Any] = [NotImplemented]
        self._known = {id(NotImplemented): Register(_CONSTANT)}
        self._others = 0
        self._is_sound = True

    def constant(self, value: Any) -> Register:
        """The register of a constant: this very object."""
        register = self._known.get(id(value))
        if register is None:
            register = self._known[id(value)] = Register(_CONSTANT + len(self._constants))
            self._constants.append(value)
        return register

    def _new(self) -> Register:
        self._others += 1
        return Register(_OTHER + self._others - 1)

    def do(self, what: Do, *operands: int) -> None:
        """Append an instruction."""
        self._words += [int(what), *operands]

    # -- reading and comparing -------------------------------------------------------------------

    def load(self, value: Register, kind: type, slot: str) -> Register:
        """A slot of an object of this class."""
        register = self._new()
        self.do(Do.LOAD, register, value, self._offset(kind, slot))
        return register

    def _offset(self, kind: type, slot: str) -> int:
        found = offset_of(kind, slot)
        self._is_sound = self._is_sound and found > 0
        return found

    def item(self, value: Register, index: int) -> Register:
        """An item of a list."""
        register = self._new()
        self.do(Do.ITEM, register, value, index)
        return register

    def part(self, value: Register, index: int) -> Register:
        """An item of a tuple."""
        register = self._new()
        self.do(Do.PART, register, value, index)
        return register

    def entry(self, value: Register, key: Any) -> Register:
        """What a dict has under a constant key, whose comparison must not run Python code."""
        register = self._new()
        self.do(Do.ENTRY, register, value, self.constant(key))
        return register

    def same(self, a: Register, b: Register) -> None:
        self.do(Do.SAME, a, b)

    def is_now(self, value: Register, kind: type, slot: str, constant: Any) -> None:
        """Require a slot to hold this very object."""
        self.same(self.load(value, kind, slot), self.constant(constant))

    def isnt(self, value: Register, constant: Any) -> None:
        """Require anything but this very object."""
        self.do(Do.DIFFER, value, self.constant(constant))

    def type(self, value: Register, kind: type) -> None:
        self.do(Do.TYPE, value, self.constant(kind))

    def differ(self, a: Register, b: Register) -> None:
        self.do(Do.DIFFER, a, b)

    def equal(self, value: Register, kind: type, constant: Any) -> None:
        """Require a value of this very class that equals a constant; its comparison must not run
        Python code."""
        self.type(value, kind)
        self.do(Do.EQUAL, value, self.constant(constant))

    def equal_to(self, a: Register, b: Register) -> None:
        """Require two ints to be equal."""
        self.do(Do.EQUAL, a, b)

    def number(self, value: Register, number: int) -> None:
        """Require an int to be this one."""
        self.do(Do.NUMBER, value, number)

    def length(self, value: Register, number: int) -> None:
        """Require a list to have this length."""
        self.do(Do.LENGTH, value, number)

    def alone(self, value: Register, references: int = 1) -> None:
        """Require that one place alone refers to an object, or so many."""
        self.do(Do.ALONE, value, references)

    def owns(self, array: Register) -> None:
        """Require an array that has memory of its own, and that one place alone refers to."""
        self.type(array, np.ndarray)
        self.alone(array)
        found = arrays.offsets()
        self._is_sound = self._is_sound and found is not None
        self.do(Do.EMPTY, array, found.base if found is not None else 0)

    def owns_block(self, array: Register, shape: tuple[int, ...], dtype: np.dtype) -> None:
        """Require an array that `arrays.empty` has made for such a shape, and that one place alone
        refers to."""
        self.type(array, np.ndarray)
        self.alone(array)
        found, kind = arrays.offsets(), arrays.block_type(shape, dtype)
        self._is_sound = self._is_sound and found is not None and kind is not None
        base = self._new()
        self.do(Do.LOAD, base, array, found.base if found is not None else 0)
        self.do(Do.TYPE, base, self.constant(kind))

    def where(self, a: Register, b: Register, otherwise: Register) -> _Branch:
        """`with steps.where(a, b, c) as branch: ... branch.give(d)`: what is said there holds
        where a is b, and then `branch.result` is d; else it is c."""
        return _Branch(self, a, b, otherwise)

    # -- making ----------------------------------------------------------------------------------

    def hold(self) -> None:
        """End of comparing: from here on things are changed and made."""
        self.do(Do.HOLD, Register(_OTHER), Register(_OTHER + self._others))

    def make(self, kind: type, slots: dict[str, Register]) -> Register:
        """A new object with these slots."""
        made = self._new()
        pairs = [(self._offset(kind, name), value) for name, value in slots.items()]
        row = itertools.chain.from_iterable(pairs)
        self.do(Do.MAKE, made, self.constant(kind), len(pairs), *row)
        return made

    def store(self, value: Register, kind: type, slot: str, content: Register) -> None:
        """Put something else into a slot that is not empty."""
        self.do(Do.STORE, value, self._offset(kind, slot), content)

    def tuple(self, values: Sequence[Register]) -> Register:
        made = self._new()
        self.do(Do.TUPLE, made, len(values), *values)
        return made

    def list(self, values: Sequence[Register]) -> Register:
        made = self._new()
        self.do(Do.LIST, made, len(values), *values)
        return made

    def next(self, iterator: Any) -> Register:
        made = self._new()
        self.do(Do.NEXT, made, self.constant(iterator))
        return made

    def weak(self, value: Register) -> Register:
        made = self._new()
        self.do(Do.WEAK, made, value)
        return made

    def plus(self, value: Register, number: int) -> Register:
        """An int and a number."""
        made = self._new()
        self.do(Do.COUNT, made, value, number)
        return made

    def append(self, to: Register, value: Register) -> None:
        self.do(Do.APPEND, to, value)

    def give(self, value: Register) -> None:
        self.do(Do.RETURN, value)

    # -- the whole -------------------------------------------------------------------------------

    def function(self) -> Callable[..., Any] | None:
        """The builtin function; None where it needs too many registers, a slot is not found, or
        there is no machine."""
        on = machine()
        counts = (len(self.arguments), len(self._constants), self._others)
        if on is None or not self._is_sound or sum(counts) > MOST_REGISTERS:
            return None
        starts = (0, counts[0], counts[0] + counts[1])
        words = [_settled(word, starts) for word in self._words]
        head = (counts[0], counts[1], sum(counts))
        return on.function(struct.pack(f"<{3 + len(words)}q", *head, *words), self._constants)


class _Branch:
    """Instructions that are left out where two registers are not one object."""

    def __init__(self, steps: Assembly, a: Register, b: Register, otherwise: Register) -> None:
        self.result = steps._new()
        self._steps = steps
        steps.do(Do.MOVE, self.result, otherwise)
        steps.do(Do.SKIP, a, b, 0)
        self._start = len(steps._words)

    def __enter__(self) -> _Branch:
        return self

    def give(self, value: Register) -> None:
        self._steps.do(Do.MOVE, self.result, value)

    def __exit__(self, *_: object) -> None:
        words = self._steps._words
        words[self._start - 1] = len(words) - self._start


def _settled(word: int, starts: tuple[int, int, int]) -> int:
    """A word with a register's number for its name."""
    if type(word) is not Register or word < _CONSTANT:
        return int(word)
    if word < _OTHER:
        return word - _CONSTANT + starts[1]
    return word - _OTHER + starts[2]
