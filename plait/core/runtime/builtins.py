"""Native functions as builtin functions of Python: to call one costs a tenth of ctypes' price."""

from __future__ import annotations

import ctypes
import enum
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterable
from typing import Any

#: How CPython calls them: with an array of arguments and their number, or with one argument.
METH_FASTCALL, METH_O = 0x80, 0x08


class _Method(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def can_be_made() -> bool:
    """Whether this Python is a CPython with a GIL and the layout of objects that we know."""
    plain = sys.implementation.name == "cpython" and sys.byteorder == "little"
    has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
    return plain and has_gil and ctypes.sizeof(ctypes.c_void_p) == 8


def api_table(functions: Iterable[enum.IntEnum]) -> bytes:
    """The addresses of CPython's functions of these names."""
    addresses = [
        ctypes.cast(getattr(ctypes.pythonapi, function.name), ctypes.c_void_p).value or 0
        for function in functions
    ]
    return struct.pack(f"<{len(addresses)}q", *addresses)


class Builtins:
    """Functions of a library, which is held to the end of the process: Python may call them, and
    collect what they were made with, until then. library: has `addresses`, by name."""

    def __init__(self, library: Any, names: Iterable[str], flags: int) -> None:
        self._methods = {
            name: _Method(name.encode(), library.addresses[name], flags, None) for name in names
        }
        ctypes.pythonapi.Py_IncRef(ctypes.py_object((library, self._methods)))
        create: Any = ctypes.pythonapi.PyCFunction_NewEx
        create.restype = ctypes.py_object
        create.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
        self._create = create

    def function(self, name: str, me: Any) -> Callable[..., Any]:
        """The builtin function of a name, which gets `me` as its first argument."""
        return self._create(ctypes.addressof(self._methods[name]), me, "plait")
