"""Calls of LLVM that may run in several threads at once.

llvmlite takes one lock for each call into LLVM, so that threads compile one after another. LLVM
itself asks only that threads share no context and no target machine (its Programmer's Manual,
"Threads and LLVM"), which is how `build` works. So the two calls that take nearly all the time are
made through functions of our own from the same library, without that lock; all others, and what
fails, go by llvmlite.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any


@functools.cache
def _twin(name: str) -> Any:
    """A function of llvmlite's library, with llvmlite's own signature of it."""
    from llvmlite.binding import ffi

    signature = getattr(ffi.lib, name)
    function = getattr(ctypes.CDLL(ffi.lib._name), name)
    function.argtypes, function.restype = signature.argtypes, signature.restype
    return function


def optimize(manager: Any, function: Any, builder: Any) -> None:
    """`manager.run(function, builder)` of a manager of passes over functions."""
    _twin("LLVMPY_RunNewFunctionPassManager")(manager, function, builder)


def emit_object(machine: Any, module: Any) -> bytes:
    """`machine.emit_object(module)`. Raises RuntimeError with LLVM's message."""
    from llvmlite.binding import ffi

    with ffi.OutputString() as fault:
        memory = _twin("LLVMPY_TargetMachineEmitToMemory")(machine, module, 1, fault)
        if not memory:
            raise RuntimeError(str(fault))
    try:
        start = ffi.lib.LLVMPY_GetBufferStart(memory)
        return ctypes.string_at(start, ffi.lib.LLVMPY_GetBufferSize(memory))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(memory)
