"""A small machine that checks and makes Python objects: its instructions, and its text in LLVM IR.

A step that a program repeats makes the same nodes each time, of the same constants. As Python this
is some hundred bytecodes per op; here it is one call of a builtin function, which reads a list of
instructions (see `runtime/objects.py`, which also finds where CPython keeps the slots of objects).

**Registers** hold objects: the arguments of the call first, then the constants, then what is read
and made. The instructions up to `HOLD` read and compare, and own nothing; where a comparison fails
the call gives `NotImplemented` and has changed nothing. `HOLD` takes hold of what was read, for
what comes after it may run any Python code (a collection of garbage that ends in a finalizer).

All that is done with objects is done by functions of CPython's interface, given in a table, but
for reading slots and items, and storing into objects that were made here.
"""

from __future__ import annotations

import enum

from plait.core.codegen.text import Function, module


class Do(enum.IntEnum):
    """Instructions; operands are registers, but for offsets, counts and numbers.

    Those that compare end the call where it does not hold.
    """

    RETURN = 0  # a
    LOAD = 1  # to, object, offset: a slot, which may be empty
    ITEM = 2  # to, list, index, which the list must have
    SAME = 3  # a, b: are one object
    DIFFER = 4  # a, b: are two
    TYPE = 5  # object, type: is of that very type
    NUMBER = 6  # an int, number: are equal
    LENGTH = 7  # a list, number: has that length
    UNKNOWN = 8  # dict, object: has no key that is the object's address
    HOLD = 9  # first register, last but one
    STORE = 10  # object, offset, value: instead of what was there
    APPEND = 11  # list, value
    ENTER = 12  # dict, object, value: under the object's address
    MAKE = 13  # to, type, count, then pairs of offset and value
    TUPLE = 14  # to, count, then values
    LIST = 15  # to, count, then values
    NEXT = 16  # to, iterator
    WEAK = 17  # to, object: a weak reference
    COUNT = 18  # to, an int, number: their sum as an int
    EQUAL = 19  # a, b: are equal, as Python's == says
    PART = 20  # to, tuple, index, which the tuple must have
    ENTRY = 21  # to, dict, key: what is there, which must be something
    EITHER = 22  # a, b, c: a is one of the others
    PUT = 23  # list, index, value: instead of what was there
    ALONE = 24  # object, number: has so many references
    EMPTY = 25  # object, offset: a slot with nothing in it
    MOVE = 26  # to, a
    SKIP = 27  # a, b, words: what so many words say is left out where they are not one object


class Api(enum.IntEnum):
    """CPython's functions, in the order of the table."""

    Py_IncRef = 0
    Py_DecRef = 1
    PyType_GenericAlloc = 2
    PyTuple_New = 3
    PyList_New = 4
    PyList_Append = 5
    PyIter_Next = 6
    PyWeakref_NewRef = 7
    PyLong_FromSsize_t = 8
    PyLong_AsSsize_t = 9
    PyDict_Contains = 10
    PyDict_SetItem = 11
    PyBytes_FromStringAndSize = 12
    PyObject_RichCompareBool = 13
    PyDict_GetItemWithError = 14
    PyList_SetItem = 15


class Head(enum.IntEnum):
    """Words before the instructions."""

    ARGUMENTS = 0
    CONSTANTS = 1
    REGISTERS = 2
    SIZE = 3


#: Registers of one call, which are on the stack: a call takes as many as it has. The backward pass
#: of a net of a hundred layers needs some six thousand.
MOST_REGISTERS = 1 << 14
FUNCTIONS = ("plait_objects", "plait_counts")

#: Python's Py_EQ.
_EQ = 2

_SIGNATURES = {
    Api.Py_IncRef: "void (ptr)",
    Api.Py_DecRef: "void (ptr)",
    Api.PyType_GenericAlloc: "ptr (ptr, i64)",
    Api.PyTuple_New: "ptr (i64)",
    Api.PyList_New: "ptr (i64)",
    Api.PyList_Append: "i32 (ptr, ptr)",
    Api.PyIter_Next: "ptr (ptr)",
    Api.PyWeakref_NewRef: "ptr (ptr, ptr)",
    Api.PyLong_FromSsize_t: "ptr (i64)",
    Api.PyLong_AsSsize_t: "i64 (ptr)",
    Api.PyDict_Contains: "i32 (ptr, ptr)",
    Api.PyDict_SetItem: "i32 (ptr, ptr, ptr)",
    Api.PyBytes_FromStringAndSize: "ptr (ptr, i64)",
    Api.PyObject_RichCompareBool: "i32 (ptr, ptr, i32)",
    Api.PyDict_GetItemWithError: "ptr (ptr, ptr)",
    Api.PyList_SetItem: "i32 (ptr, i64, ptr)",
}


class Layout(enum.IntEnum):
    """What the machine must know of CPython's objects; the numbers are found at run time."""

    TYPE = 0  # any object: its type
    SIZE = 1  # list, tuple: how many items
    LIST_ITEMS = 2  # list: the address of its items
    TUPLE_ITEMS = 3  # tuple: where its items begin
    BYTES = 4  # bytes: where they begin
    NODE_VALUE = 5  # a recorded node: its value


class _Writer:
    """The function's text while it is written."""

    def __init__(self, name: str, layout: tuple[int, ...]) -> None:
        # Addresses as numbers: `noalias`, which pointers would get, does not hold for objects.
        parameters = [("i64", "self"), ("i64", "given"), ("i64", "count")]
        self.f = Function(name, parameters, result="i64", attributes="nounwind")
        self.layout = layout

    def pointer(self, value: str) -> str:
        return self.f.let(f"inttoptr i64 {value} to ptr")

    def field(self, base: str, offset: int | str, kind: str = "ptr") -> str:
        at = self.f.let(f"getelementptr i8, ptr {base}, i64 {offset}")
        return self.f.load(kind, at, 8 if kind != "i32" else 4)

    def api(self, name: Api, *operands: str) -> str:
        """Call a function of the table."""
        result, given = _SIGNATURES[name].split(" ", 1)
        kinds = given.strip("()").split(", ")
        function = self.f.load("ptr", self.f.at("%table", str(int(name)), "ptr"), 8)
        listed = ", ".join(f"{kind} {x}" for kind, x in zip(kinds, operands, strict=True))
        call = f"call {result} {function}({listed})"
        if result == "void":
            self.f.line(call)
            return ""
        return self.f.let(call)

    def unless(self, condition: str, target: str) -> None:
        """Go to a block where a condition does not hold."""
        after = self.f.fresh("ok")
        self.f.line(f"br i1 {condition}, label %{after}, label %{target}")
        self.f.label(after)

    def is_there(self, value: str, target: str) -> None:
        self.unless(self.f.let(f"icmp ne ptr {value}, null"), target)


class _Machine(_Writer):
    """`plait_objects(self, arguments, how many)`: as a builtin function with METH_FASTCALL is
    called; self is the tuple (table, instructions, *constants), the first two as bytes."""

    def word(self, number: int | str) -> str:
        return self.f.load("i64", self.f.at("%pc", str(number), "i64"), 8)

    def at(self, number: int | str) -> str:
        return self.f.at("%registers", self.word(number), "ptr")

    def register(self, number: int | str) -> str:
        return self.f.load("ptr", self.at(number), 8)

    def go_on(self, words: str) -> None:
        self.f.store("ptr", self.f.at("%pc", words, "i64"), "%counter", 8)
        self.f.branch("turn")

    def keep(self, value: str, at: str, target: str = "failed") -> None:
        """Put a new object into a register."""
        self.is_there(value, target)
        self.f.store("ptr", value, at, 8)

    def text(self) -> Function:
        f = self.f
        me, given = self.pointer("%self"), self.pointer("%given")
        items = self.layout[Layout.TUPLE_ITEMS]
        table = self.field(me, items)
        f.line(f"%table = getelementptr i8, ptr {table}, i64 {self.layout[Layout.BYTES]}")
        code = self.field(me, items + 8)
        f.line(f"%code = getelementptr i8, ptr {code}, i64 {self.layout[Layout.BYTES]}")
        f.line("%counter = alloca ptr, align 8")
        f.line("%held = alloca i64, align 8")
        f.line("%result = alloca i64, align 8")
        head = [f.load("i64", f.at("%code", str(int(h)), "i64"), 8) for h in Head if h < Head.SIZE]
        f.line(f"%registers = alloca ptr, i64 {head[2]}, align 8")
        f.store("i64", head[2], "%held", 8)
        f.store("i64", "0", "%result", 8)
        self.unless(f.let(f"icmp eq i64 %count, {head[0]}"), "miss")
        self._copy(given, "0", "0", head[0])
        constants = f.let(f"getelementptr i8, ptr {me}, i64 {items + 16}")
        known = f.add(head[0], head[1])
        self._copy(constants, "0", head[0], head[1])
        with f.loop(known, head[2]) as loop:
            f.store("ptr", "null", f.at("%registers", loop.index, "ptr"), 8)
        first = f.at("%code", str(int(Head.SIZE)), "i64")
        f.store("ptr", first, "%counter", 8)
        f.branch("turn")
        f.label("turn")
        f.line("%pc = load ptr, ptr %counter, align 8")
        doing = self.word(0)
        ways = " ".join(f"i64 {int(do)}, label %{do.name}" for do in Do)
        f.line(f"switch i64 {doing}, label %miss [ {ways} ]")
        for do in Do:
            f.label(do.name)
            getattr(self, f"_{do.name.lower()}")()
        self._endings(head[2])
        return f

    def _copy(self, source: str, first: str, to: str, count: str) -> None:
        f = self.f
        with f.loop("0", count) as loop:
            value = f.load("ptr", f.at(source, f.add(first, loop.index), "ptr"), 8)
            f.store("ptr", value, f.at("%registers", f.add(to, loop.index), "ptr"), 8)

    def _endings(self, registers: str) -> None:
        """`miss`, `failed` (an error is set) and `done`; let go of what is held."""
        f = self.f
        f.label("miss")
        # The first constant is NotImplemented.
        items = self.layout[Layout.TUPLE_ITEMS]
        missing = self.field(self.pointer("%self"), items + 16)
        self.api(Api.Py_IncRef, missing)
        f.store("i64", f.let(f"ptrtoint ptr {missing} to i64"), "%result", 8)
        f.branch("done")
        f.label("failed")
        f.branch("done")
        f.label("done")
        first = f.load("i64", "%held", 8)
        with f.loop(first, registers) as loop:
            # Of a register that is empty still, nothing.
            self.api(Api.Py_DecRef, f.load("ptr", f.at("%registers", loop.index, "ptr"), 8))
        f.ret(f.load("i64", "%result", 8))

    # -- reading and comparing -------------------------------------------------------------------

    def _return(self) -> None:
        f = self.f
        value = self.register(1)
        self.api(Api.Py_IncRef, value)
        f.store("i64", f.let(f"ptrtoint ptr {value} to i64"), "%result", 8)
        f.branch("done")

    def _load(self) -> None:
        f = self.f
        value = self.field(self.register(2), self.word(3))
        self.is_there(value, "miss")
        f.store("ptr", value, self.at(1), 8)
        self.go_on("4")

    def _item(self) -> None:
        f = self.f
        what, index = self.register(2), self.word(3)
        size = self.field(what, self.layout[Layout.SIZE], "i64")
        self.unless(f.let(f"icmp ult i64 {index}, {size}"), "miss")
        items = self.field(what, self.layout[Layout.LIST_ITEMS])
        f.store("ptr", f.load("ptr", f.at(items, index, "ptr"), 8), self.at(1), 8)
        self.go_on("4")

    def _part(self) -> None:
        f = self.f
        what, index = self.register(2), self.word(3)
        size = self.field(what, self.layout[Layout.SIZE], "i64")
        self.unless(f.let(f"icmp ult i64 {index}, {size}"), "miss")
        offset = self.layout[Layout.TUPLE_ITEMS]
        items = f.let(f"getelementptr i8, ptr {what}, i64 {offset}")
        f.store("ptr", f.load("ptr", f.at(items, index, "ptr"), 8), self.at(1), 8)
        self.go_on("4")

    def _alone(self) -> None:
        count = self.f.load("i32", self.register(1), 4)
        wanted = self.f.let(f"trunc i64 {self.word(2)} to i32")
        self.unless(self.f.let(f"icmp eq i32 {count}, {wanted}"), "miss")
        self.go_on("3")

    def _move(self) -> None:
        self.f.store("ptr", self.register(2), self.at(1), 8)
        self.go_on("3")

    def _skip(self) -> None:
        f = self.f
        same = f.let(f"icmp eq ptr {self.register(1)}, {self.register(2)}")
        words = f.let(f"select i1 {same}, i64 0, i64 {self.word(3)}")
        self.go_on(f.add(words, "4"))

    def _empty(self) -> None:
        value = self.field(self.register(1), self.word(2))
        self.unless(self.f.let(f"icmp eq ptr {value}, null"), "miss")
        self.go_on("3")

    def _entry(self) -> None:
        found = self.api(Api.PyDict_GetItemWithError, self.register(2), self.register(3))
        self.is_there(found, "miss")
        self.f.store("ptr", found, self.at(1), 8)
        self.go_on("4")

    def _same(self) -> None:
        self.unless(self.f.let(f"icmp eq ptr {self.register(1)}, {self.register(2)}"), "miss")
        self.go_on("3")

    def _differ(self) -> None:
        self.unless(self.f.let(f"icmp ne ptr {self.register(1)}, {self.register(2)}"), "miss")
        self.go_on("3")

    def _either(self) -> None:
        f = self.f
        a, b, c = (self.register(i) for i in (1, 2, 3))
        first, second = f.let(f"icmp eq ptr {a}, {b}"), f.let(f"icmp eq ptr {a}, {c}")
        self.unless(f.let(f"or i1 {first}, {second}"), "miss")
        self.go_on("4")

    def _type(self) -> None:
        kind = self.field(self.register(1), self.layout[Layout.TYPE])
        self.unless(self.f.let(f"icmp eq ptr {kind}, {self.register(2)}"), "miss")
        self.go_on("3")

    def _number(self) -> None:
        number = self.api(Api.PyLong_AsSsize_t, self.register(1))
        self.unless(self.f.let(f"icmp eq i64 {number}, {self.word(2)}"), "miss")
        self.go_on("3")

    def _length(self) -> None:
        size = self.field(self.register(1), self.layout[Layout.SIZE], "i64")
        self.unless(self.f.let(f"icmp eq i64 {size}, {self.word(2)}"), "miss")
        self.go_on("3")

    def _equal(self) -> None:
        operands = (self.register(1), self.register(2), str(_EQ))
        found = self.api(Api.PyObject_RichCompareBool, *operands)
        self.unless(self.f.let(f"icmp eq i32 {found}, 1"), "miss")
        self.go_on("3")

    def _address_of(self, number: int) -> str:
        """The address of an object as an int, which the caller lets go."""
        value = self.f.let(f"ptrtoint ptr {self.register(number)} to i64")
        made = self.api(Api.PyLong_FromSsize_t, value)
        self.is_there(made, "failed")
        return made

    def _unknown(self) -> None:
        key = self._address_of(2)
        found = self.api(Api.PyDict_Contains, self.register(1), key)
        self.api(Api.Py_DecRef, key)
        self.unless(self.f.let(f"icmp eq i32 {found}, 0"), "miss")
        self.go_on("3")

    # -- making ----------------------------------------------------------------------------------

    def _hold(self) -> None:
        f = self.f
        first = self.word(1)
        f.store("i64", first, "%held", 8)
        with f.loop(first, self.word(2)) as loop:
            self.api(Api.Py_IncRef, f.load("ptr", f.at("%registers", loop.index, "ptr"), 8))
        self.go_on("3")

    def _fill(self, target: str, offset: str, value: str) -> None:
        """Store into a slot that is empty."""
        self.api(Api.Py_IncRef, value)
        self.f.store("ptr", value, self.f.let(f"getelementptr i8, ptr {target}, i64 {offset}"), 8)

    def _store(self) -> None:
        target, offset = self.register(1), self.word(2)
        before = self.field(target, offset)
        self._fill(target, offset, self.register(3))
        self.api(Api.Py_DecRef, before)
        self.go_on("4")

    def _append(self) -> None:
        done = self.api(Api.PyList_Append, self.register(1), self.register(2))
        self.unless(self.f.let(f"icmp eq i32 {done}, 0"), "failed")
        self.go_on("3")

    def _put(self) -> None:
        value = self.register(3)
        self.api(Api.Py_IncRef, value)  # which the list then has
        done = self.api(Api.PyList_SetItem, self.register(1), self.word(2), value)
        self.unless(self.f.let(f"icmp eq i32 {done}, 0"), "failed")
        self.go_on("4")

    def _enter(self) -> None:
        key = self._address_of(2)
        done = self.api(Api.PyDict_SetItem, self.register(1), key, self.register(3))
        self.api(Api.Py_DecRef, key)
        self.unless(self.f.let(f"icmp eq i32 {done}, 0"), "failed")
        self.go_on("4")

    def _make(self) -> None:
        f = self.f
        made = self.api(Api.PyType_GenericAlloc, self.register(2), "0")
        self.keep(made, self.at(1))
        count = self.word(3)
        with f.loop("0", count) as loop:
            pair = f.add(f.mul(loop.index, "2"), "4")
            self._fill(made, self.word(pair), self.register(f.add(pair, "1")))
        self.go_on(f.add(f.mul(count, "2"), "4"))

    def _filled(self, made: str, items: str) -> None:
        """Fill a new tuple or list with the registers that words name."""
        f = self.f
        count = self.word(2)
        with f.loop("0", count) as loop:
            value = self.register(f.add(loop.index, "3"))
            self.api(Api.Py_IncRef, value)
            f.store("ptr", value, f.at(items, loop.index, "ptr"), 8)
        self.keep(made, self.at(1))
        self.go_on(f.add(count, "3"))

    def _tuple(self) -> None:
        made = self.api(Api.PyTuple_New, self.word(2))
        self.is_there(made, "failed")
        offset = self.layout[Layout.TUPLE_ITEMS]
        self._filled(made, self.f.let(f"getelementptr i8, ptr {made}, i64 {offset}"))

    def _list(self) -> None:
        made = self.api(Api.PyList_New, self.word(2))
        self.is_there(made, "failed")
        self._filled(made, self.field(made, self.layout[Layout.LIST_ITEMS]))

    def _next(self) -> None:
        self.keep(self.api(Api.PyIter_Next, self.register(2)), self.at(1))
        self.go_on("3")

    def _weak(self) -> None:
        self.keep(self.api(Api.PyWeakref_NewRef, self.register(2), "null"), self.at(1))
        self.go_on("3")

    def _count(self) -> None:
        base = self.api(Api.PyLong_AsSsize_t, self.register(2))
        number = self.f.add(base, self.word(3))
        self.keep(self.api(Api.PyLong_FromSsize_t, number), self.at(1))
        self.go_on("4")


class _Counts(_Writer):
    """`plait_counts(self, (list,), 1)`: the reference counts of the nodes in a list that wait, as
    bytes; self is the tuple (table, None)."""

    def text(self) -> Function:
        f = self.f
        me, given = self.pointer("%self"), self.pointer("%given")
        items = self.layout[Layout.TUPLE_ITEMS]
        table = self.field(me, items)
        f.line(f"%table = getelementptr i8, ptr {table}, i64 {self.layout[Layout.BYTES]}")
        nothing = self.field(me, items + 8)
        nodes = f.load("ptr", given, 8)
        size = self.field(nodes, self.layout[Layout.SIZE], "i64")
        first = self.field(nodes, self.layout[Layout.LIST_ITEMS])
        with f.loop("0", size, carried=[("i64", "0")]) as loop:
            waits = self._waits(first, loop.index, nothing)
            loop.next = [f.add(loop.carried[0], f.let(f"zext i1 {waits} to i64"))]
        many = f.mul(loop.results[0], "4")
        made = self.api(Api.PyBytes_FromStringAndSize, "null", many)
        self.is_there(made, "failed")
        to = f.let(f"getelementptr i8, ptr {made}, i64 {self.layout[Layout.BYTES]}")
        with f.loop("0", size, carried=[("i64", "0")]) as loop:
            waits = self._waits(first, loop.index, nothing)
            with f.when(waits):
                node = f.load("ptr", f.at(first, loop.index, "ptr"), 8)
                count = f.load("i32", node, 4)
                f.store("i32", count, f.at(to, loop.carried[0], "i32"), 4)
            loop.next = [f.add(loop.carried[0], f.let(f"zext i1 {waits} to i64"))]
        f.ret(f.let(f"ptrtoint ptr {made} to i64"))
        f.label("failed")
        f.ret("0")
        return f

    def _waits(self, first: str, index: str, nothing: str) -> str:
        """Whether an item is a node without a value (i1); None counts as none."""
        f = self.f
        node = f.load("ptr", f.at(first, index, "ptr"), 8)
        stem = f.fresh("waits")
        before = f.block
        is_node = f.let(f"icmp ne ptr {node}, {nothing}")
        f.line(f"br i1 {is_node}, label %{stem}.look, label %{stem}.known")
        f.label(f"{stem}.look")
        value = self.field(node, self.layout[Layout.NODE_VALUE])
        waits = f.let(f"icmp eq ptr {value}, {nothing}")
        f.branch(f"{stem}.known")
        f.label(f"{stem}.known")
        return f.let(f"phi i1 [ false, %{before} ], [ {waits}, %{stem}.look ]")


def text_of(layout: tuple[int, ...]) -> str:
    """The module's text. layout: the numbers of `Layout`."""
    functions = [
        _Machine("plait_objects", layout).text(),
        _Counts("plait_counts", layout).text(),
    ]
    return module(functions, 16)
