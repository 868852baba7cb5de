"""The driver's functions, loaded once a process."""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from plait.core.codegen.driver import FUNCTIONS, can_sleep, driver
from plait.core.llvm.target import target
from plait.core.runtime import arrays, kernels


class Driver(NamedTuple):
    """bind: None where Python must do it (see `arrays.offsets`). can_sleep: whether threads can."""

    bind: Callable[[Any, int], int] | None
    drive: Callable[[int, int, int], int]
    stop: Callable[[int], None]
    worker: int
    can_sleep: bool


@functools.cache
def load() -> Driver:
    """The driver; compiled where the object cache lacks it."""
    on = target("generic")
    found = arrays.offsets()
    places = (found.type, found.data, found.flags, found.items) if found else (0, 0, 0, 0)
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
    return Driver(
        bind(at["plait_bind"]) if found is not None else None,
        drive(at["plait_drive"]),
        stop(at["plait_stop"]),
        at["plait_worker"],
        can_sleep(on),
    )
