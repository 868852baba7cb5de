"""The driver's functions, loaded once a process."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from plait.core.codegen.driver import FUNCTIONS, Api, can_sleep, driver
from plait.core.llvm.target import target
from plait.core.runtime import arrays, kernels
from plait.core.runtime.builtins import METH_O, Builtins, api_table, can_be_made


class Driver(NamedTuple):
    """bind: None where Python must do it (see `arrays.offsets`). can_sleep: whether threads can.

    run: (frame's address, begin, end) -> the builtin function that binds a list of arrays and runs
    these phases: see `plait_run`. None where it cannot be made. api: the address of its table.
    reraise: raises what a handler of signals has raised while the driver ran, if it has.
    """

    bind: Callable[[Any, int], int] | None
    run: Callable[[int, int, int], Callable[[list[Any]], int]] | None
    api: int
    drive: Callable[[int, int, int], int]
    reraise: Callable[[], int]
    stop: Callable[[int], None]
    worker: int
    can_sleep: bool


@functools.cache
def load() -> Driver:
    """The driver; compiled where the object cache lacks it."""
    on = target("generic")
    found = arrays.offsets()
    places = (
        (found.type, found.data, found.flags, found.items, found.content) if found else (0,) * 5
    )
    text = driver(on, *places)
    name = "driver_" + hashlib.sha256(text.encode()).hexdigest()[:20]
    library = kernels.module_of(name, text, FUNCTIONS, on)
    # Never freed, not even at the end of the process: threads sleep inside this code.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
    number, address = ctypes.c_int64, ctypes.c_void_p
    bind = ctypes.PYFUNCTYPE(number, ctypes.py_object, address)
    drive = ctypes.CFUNCTYPE(number, address, number, number)
    stop = ctypes.CFUNCTYPE(None, address)
    at = library.addresses
    table = api_table(Api) if can_be_made() else b""
    # Never freed either: frames have its address.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(table))
    return Driver(
        bind(at["plait_bind"]) if found is not None else None,
        _run(library) if found is not None and table else None,
        id(table) + found.content if found is not None else 0,
        drive(at["plait_drive"]),
        ctypes.PYFUNCTYPE(number)(at["plait_reraise"]),
        stop(at["plait_stop"]),
        at["plait_worker"],
        can_sleep(on),
    )


def _run(library: Any) -> Callable[[int, int, int], Callable[[list[Any]], int]]:
    """`Driver.run` of the loaded library."""
    made = Builtins(library, ("plait_run",), METH_O)

    def run(frame: int, begin: int, end: int) -> Callable[[list[Any]], int]:
        return made.function("plait_run", struct.pack("<3q", frame, begin, end))

    return run
