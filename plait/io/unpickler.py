"""A pickle machine that cannot run code: the `weights_only=True` reader.

It interprets the opcodes that checkpoints use and knows no other way to make an object than the
table it is given: containers, numbers, strings, PyTorch's rebuild functions, and what the user has
allowed. Names in the file are looked up in that table, never imported. Reads are bounded by the
file, lengths in it allocate nothing, and keys of dicts are checked before they are hashed: a
hostile file can neither execute code nor crash the process. Raises pickle.UnpicklingError.
"""

from __future__ import annotations

import os
import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

from plait.core.ir.errors import error
from plait.io import names
from plait.io.bounded_repr import short

# Modules from which nothing is ever taken, even if a user asks for it.
BLOCKED_MODULES = ("sys", "os", "posix", "nt")

_MAX_NAME = 1024
# Enough for any real key; a nested tuple beyond it would cost unbounded time or stack to hash.
_MAX_KEY_PARTS = 1000

# Python 2's names for what these modules hold now; PyTorch writes protocol 2, hence these.
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}

PersistentLoad = Callable[[Any], Any]

_Step = Callable[["RestrictedUnpickler"], None]


class Scalars:
    """Checked constructors for the builtins that protocol 2 spells as calls."""

    @staticmethod
    def encode(text: Any = None, encoding: Any = "latin1") -> bytes:
        """How protocol 2 writes bytes; only the one encoding it uses."""
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise error(TypeError, "bytes must be written as (str, 'latin1')")
        return text.encode("latin1")

    @staticmethod
    def make_bytes(*args: Any) -> bytes:
        if args:
            raise error(TypeError, "bytes() takes no arguments in a checkpoint")
        return b""

    @staticmethod
    def make_bytearray(data: Any = b"", encoding: Any = "latin1") -> bytearray:
        """From bytes or a latin1 string; never from a length."""
        if type(data) is str:
            data = Scalars.encode(data, encoding)
        if type(data) is not bytes:
            raise error(TypeError, "bytearray() needs bytes in a checkpoint")
        return bytearray(data)

    @staticmethod
    def make_complex(real: Any = 0.0, imag: Any = 0.0) -> complex:
        if type(real) not in (int, float) or type(imag) not in (int, float):
            raise error(TypeError, "complex() needs two numbers in a checkpoint")
        return complex(real, imag)

    @staticmethod
    def make_set(items: Any = ()) -> set[Any]:
        if type(items) not in (list, tuple):
            raise error(TypeError, "set() needs a list in a checkpoint")
        for item in items:
            check_key(item)
        return set(items)

    @staticmethod
    def make_ordered_dict(items: Any = ()) -> OrderedDict[Any, Any]:
        result: OrderedDict[Any, Any] = OrderedDict()
        if type(items) not in (list, tuple):
            raise error(TypeError, "OrderedDict() needs a list of pairs in a checkpoint")
        for item in items:
            if type(item) not in (list, tuple) or len(item) != 2:
                raise error(TypeError, "OrderedDict() needs a list of pairs in a checkpoint")
            check_key(item[0])
            result[item[0]] = item[1]
        return result

    @staticmethod
    def make_counter(items: Any = None) -> Counter[Any]:
        if items is not None and type(items) is not dict:
            raise error(TypeError, "Counter() needs a dict in a checkpoint")
        return Counter(items)


# Name in the file -> (the object it means, the function that a call of it runs).
BUILTIN_GLOBALS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "collections.OrderedDict": (OrderedDict, Scalars.make_ordered_dict),
    "collections.Counter": (Counter, Scalars.make_counter),
    "_codecs.encode": (Scalars.encode, Scalars.encode),
    "builtins.bytes": (bytes, Scalars.make_bytes),
    "builtins.bytearray": (bytearray, Scalars.make_bytearray),
    "builtins.set": (set, Scalars.make_set),
    "builtins.complex": (complex, Scalars.make_complex),
}


def check_key(key: Any) -> None:
    """Raise UnpicklingError if hashing `key` could take long or overflow the stack."""
    pending, seen = [key], 0
    while pending:
        part = pending.pop()
        seen += 1
        if seen > _MAX_KEY_PARTS:
            raise pickle.UnpicklingError("a dictionary key or set element is nested too deeply")
        if isinstance(part, tuple):
            pending.extend(part)


class BoundedReader:
    """Exact reads from a binary file that is known to end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        here = file.tell()
        self._left = file.seek(0, os.SEEK_END) - here
        file.seek(here)

    def take(self, count: int) -> bytes:
        """The next `count` bytes; UnpicklingError if there are fewer."""
        data = self._file.read(count) if count <= self._left else b""
        if len(data) != count:
            raise pickle.UnpicklingError("pickle data was truncated")
        self._left -= count
        return data

    def line(self) -> str:
        """The next line, without its end."""
        data = self._file.readline(_MAX_NAME)
        if not data.endswith(b"\n"):
            raise pickle.UnpicklingError("a name in the pickle is unterminated or too long")
        self._left -= len(data)
        return data[:-1].decode("utf-8")

    def unpack(self, format: str) -> Any:
        return struct.unpack(format, self.take(struct.calcsize(format)))[0]


class GlobalTable:
    """What a pickle may name: fixed entries, and the user's, which shadow nothing.

    `fixed` maps full names to (object, callable or None); `user` maps them to objects, which may be
    called, instantiated and given state.
    """

    def __init__(
        self,
        fixed: dict[str, tuple[Any, Callable[..., Any] | None]],
        user: dict[str, Any],
        resolve: Callable[[str, str], tuple[Any, Callable[..., Any] | None] | None],
    ) -> None:
        self._fixed = fixed
        self._user = user
        self._resolve = resolve
        self._calls: dict[int, tuple[Any, Callable[..., Any] | None]] = {}

    def find(self, module: str, name: str) -> Any:
        """The object called `module.name`; UnpicklingError, in PyTorch's words, if not allowed."""
        full_name = f"{module}.{name}"
        if module in BLOCKED_MODULES:
            raise pickle.UnpicklingError(
                f"Trying to load unsupported GLOBAL {full_name} whose module {module} is blocked."
            )
        entry = self._entry(module, name)
        if entry is None:
            shown = name if module == "builtins" else full_name
            raise pickle.UnpicklingError(
                f"Unsupported global: GLOBAL {shown} was not an allowed global by default. "
                f"Please use `torch.serialization.add_safe_globals([{shown}])` or the "
                f"`torch.serialization.safe_globals([{shown}])` context manager to allowlist this "
                "global if you trust this class/function."
            )
        self._calls[id(entry[0])] = entry  # the entry keeps the object, and so its id, alive
        return entry[0]

    def allows(self, module: str, name: str) -> bool:
        """Whether `find` would succeed."""
        return module not in BLOCKED_MODULES and self._entry(module, name) is not None

    def _entry(self, module: str, name: str) -> tuple[Any, Any] | None:
        return (
            self._fixed.get(f"{module}.{name}")
            or self._resolve(module, name)
            or self._user_entry(module, name)
        )

    def _user_entry(self, module: str, name: str) -> tuple[Any, Any] | None:
        for candidate in (f"{module}.{name}", f"{names.from_torch(module)}.{name}"):
            if candidate in self._user:
                target = self._user[candidate]
                return target, target
        return None

    def call(self, function: Any, args: Any) -> Any:
        """Run an allowed function; UnpicklingError for anything else."""
        entry = self._calls.get(id(function))
        if entry is None or entry[0] is not function or entry[1] is None:
            raise pickle.UnpicklingError(
                f"Trying to call reduce for unrecognized function {short(function)}"
            )
        if type(args) is not tuple:
            raise pickle.UnpicklingError("the arguments of a call are not a tuple")
        return entry[1](*args)

    def is_user_class(self, kind: Any) -> bool:
        """Whether the user has allowed this very class."""
        return isinstance(kind, type) and any(kind is target for target in self._user.values())


class RestrictedUnpickler:
    """Reads one pickle from `reader`.

    `table` holds the allowed globals, `persistent_load` turns a storage's id into a storage, and
    `encoding` decodes Python 2's byte strings ("bytes" keeps them).
    """

    def __init__(
        self,
        reader: BoundedReader,
        table: GlobalTable,
        persistent_load: PersistentLoad,
        encoding: str = "utf-8",
    ) -> None:
        self.reader = reader
        self.table = table
        self.persistent_load = persistent_load
        self.encoding = encoding
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The object; UnpicklingError for a pickle that is broken or asks for too much."""
        take = self.reader.take
        try:
            while True:
                code = take(1)[0]
                if code == pickle.STOP[0]:
                    return self.stack.pop()
                step = _STEPS.get(code)
                if step is None:
                    raise pickle.UnpicklingError(f"Unsupported operand {code}")
                step(self)
        except pickle.UnpicklingError:
            raise
        except RecursionError as fault:
            raise pickle.UnpicklingError("the pickle nests objects too deeply") from fault
        except (
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as fault:
            # The user's line is named once, by `load`.
            said = str(fault).partition("\n  at ")[0]
            raise pickle.UnpicklingError(f"{said} ({type(fault).__name__})") from fault

    # The stack

    def pop_mark(self) -> list[Any]:
        """The items pushed since the last mark."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def push_string(self, length: int) -> None:
        self.stack.append(str(self.reader.take(length), "utf-8", "surrogatepass"))

    def push_old_string(self, length: int) -> None:
        data = self.reader.take(length)
        self.stack.append(data if self.encoding == "bytes" else data.decode(self.encoding))

    def push_long(self, length: int) -> None:
        self.stack.append(pickle.decode_long(self.reader.take(length)))

    def tuple_of_mark(self) -> None:
        items = tuple(self.pop_mark())
        self.stack.append(items)

    def make_tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise pickle.UnpicklingError("the pickle takes more from its stack than is there")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    # Names and calls

    def push_global(self, module: str, name: str) -> None:
        module = _OLD_MODULES.get(module, module)
        self.stack.append(self.table.find(module, name))

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise pickle.UnpicklingError("STACK_GLOBAL needs two strings")
        self.push_global(module, name)

    def reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self.table.call(self.stack[-1], args)

    def new_object(self) -> None:
        args, kind = self.stack.pop(), self.stack.pop()
        if (kind is OrderedDict or kind is Counter) and args == ():
            self.stack.append(kind())
        elif self.table.is_user_class(kind) and type(args) is tuple:
            self.stack.append(kind.__new__(kind, *args))
        else:
            raise pickle.UnpicklingError(
                "Can only create new object for nn.Parameter or classes allowlisted via "
                f"`add_safe_globals` but got {short(kind)}"
            )

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is OrderedDict:
            _set_attributes(target, state)
        elif self.table.is_user_class(type(target)):
            _set_state(target, state)
        else:
            raise pickle.UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
                f"`add_safe_globals`, but got {type(target)}"
            )

    def load_persistent(self) -> None:
        saved_id = self.stack.pop()
        if type(saved_id) is not tuple or not saved_id:
            raise pickle.UnpicklingError(
                f"persistent_load id must be tuple or int, but got {type(saved_id)}"
            )
        if saved_id[0] not in ("storage", b"storage"):
            raise pickle.UnpicklingError(
                f"Only persistent_load of storage is allowed, but got {short(saved_id[0])}"
            )
        self.stack.append(self.persistent_load(saved_id))

    # Containers

    def append_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise pickle.UnpicklingError(f"Can only append to lists, but got {type(target)}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict, Counter):
            raise pickle.UnpicklingError(
                "Can only SETITEMS for dict, collections.OrderedDict, collections.Counter, but "
                f"got {type(target)}"
            )
        if len(items) % 2:
            raise pickle.UnpicklingError("a dictionary key in the pickle has no value")
        for i in range(0, len(items), 2):
            check_key(items[i])
            target[items[i]] = items[i + 1]

    def add_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not set:
            raise pickle.UnpicklingError(f"Can only add items to sets, but got {type(target)}")
        for item in items:
            check_key(item)
            target.add(item)

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def open_mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []


def _set_attributes(target: Any, state: Any) -> None:
    """Give an OrderedDict its attributes (such as `_metadata`), shadowing none of its methods."""
    if type(state) is not dict or not all(type(key) is str for key in state):
        raise pickle.UnpicklingError("the state of an OrderedDict must be a dict of attributes")
    for key in state:
        if hasattr(type(target), key):
            raise pickle.UnpicklingError(f"the state of an OrderedDict replaces its {short(key)}")
    target.__dict__.update(state)


def _set_state(target: Any, state: Any) -> None:
    """What pickle does with BUILD, for a class that the user has allowed."""
    if hasattr(target, "__setstate__"):
        target.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        target.__dict__.update(state)
    for key, value in (slots or {}).items():
        setattr(target, key, value)


def _get(machine: RestrictedUnpickler, index: int) -> None:
    machine.stack.append(machine.memo[index])


def _put(machine: RestrictedUnpickler, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def _constant(make: Callable[[], Any]) -> _Step:
    return lambda machine: machine.stack.append(make())


def _number(format: str) -> _Step:
    return lambda machine: machine.stack.append(machine.reader.unpack(format))


def _sized(format: str, then: Callable[[RestrictedUnpickler, int], None]) -> _Step:
    """An opcode followed by an unsigned number: a length or a memo index."""
    return lambda machine: then(machine, machine.reader.unpack(format))


def _push_bytes(machine: RestrictedUnpickler, length: int) -> None:
    machine.stack.append(machine.reader.take(length))


def _push_bytearray(machine: RestrictedUnpickler, length: int) -> None:
    machine.stack.append(bytearray(machine.reader.take(length)))


def _check_protocol(machine: RestrictedUnpickler) -> None:
    protocol = machine.reader.take(1)[0]
    if protocol > pickle.HIGHEST_PROTOCOL:
        raise pickle.UnpicklingError(f"unsupported pickle protocol: {protocol}")


_STEPS: dict[int, _Step] = {
    code[0]: step
    for code, step in {
        pickle.PROTO: _check_protocol,
        pickle.FRAME: lambda m: m.reader.unpack("<Q"),
        # names and calls
        pickle.GLOBAL: lambda m: m.push_global(m.reader.line(), m.reader.line()),
        pickle.STACK_GLOBAL: lambda m: m.stack_global(),
        pickle.REDUCE: lambda m: m.reduce(),
        pickle.NEWOBJ: lambda m: m.new_object(),
        pickle.BUILD: lambda m: m.build(),
        pickle.BINPERSID: lambda m: m.load_persistent(),
        # stack and memo
        pickle.MARK: lambda m: m.open_mark(),
        pickle.BINGET: _sized("<B", _get),
        pickle.LONG_BINGET: _sized("<I", _get),
        pickle.BINPUT: _sized("<B", _put),
        pickle.LONG_BINPUT: _sized("<I", _put),
        pickle.MEMOIZE: lambda m: _put(m, len(m.memo)),
        # containers
        pickle.EMPTY_TUPLE: _constant(tuple),
        pickle.EMPTY_LIST: _constant(list),
        pickle.EMPTY_DICT: _constant(dict),
        pickle.EMPTY_SET: _constant(set),
        pickle.TUPLE: lambda m: m.tuple_of_mark(),
        pickle.TUPLE1: lambda m: m.make_tuple(1),
        pickle.TUPLE2: lambda m: m.make_tuple(2),
        pickle.TUPLE3: lambda m: m.make_tuple(3),
        pickle.APPEND: lambda m: m.append_items([m.stack.pop()]),
        pickle.APPENDS: lambda m: m.append_items(m.pop_mark()),
        pickle.SETITEM: lambda m: m.set_item(),
        pickle.SETITEMS: lambda m: m.set_items(m.pop_mark()),
        pickle.ADDITEMS: lambda m: m.add_items(m.pop_mark()),
        # values
        pickle.NONE: _constant(lambda: None),
        pickle.NEWTRUE: _constant(lambda: True),
        pickle.NEWFALSE: _constant(lambda: False),
        pickle.BININT: _number("<i"),
        pickle.BININT1: _number("<B"),
        pickle.BININT2: _number("<H"),
        pickle.LONG1: _sized("<B", RestrictedUnpickler.push_long),
        pickle.LONG4: _sized("<I", RestrictedUnpickler.push_long),
        pickle.BINFLOAT: _number(">d"),
        pickle.BINUNICODE: _sized("<I", RestrictedUnpickler.push_string),
        pickle.SHORT_BINUNICODE: _sized("<B", RestrictedUnpickler.push_string),
        pickle.SHORT_BINSTRING: _sized("<B", RestrictedUnpickler.push_old_string),
        pickle.BINSTRING: _sized("<I", RestrictedUnpickler.push_old_string),
        pickle.BINBYTES: _sized("<I", _push_bytes),
        pickle.SHORT_BINBYTES: _sized("<B", _push_bytes),
        pickle.BINBYTES8: _sized("<Q", _push_bytes),
        pickle.BYTEARRAY8: _sized("<Q", _push_bytearray),
    }.items()
}
