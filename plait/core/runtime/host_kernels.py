"""Large draws on the host by native code: the bits that NumPy gives.

From some size on, the generator has its words made here (`codegen/twister.py`), and `host_random`
and `host_normal` hand theirs over (`codegen/host_draws.py`), to become values in their place.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import numpy as np

from plait.core.runtime.config import flag

#: Values from which on NumPy's passes cost more than loading the kernels, some 3 ms.
FROM = 1 << 16

_Kernel = Callable[[int, int, int, int], int]


def uniforms(words: np.ndarray, low: np.float32, high: np.float32) -> np.ndarray | None:
    """`words` (n,) uint32 become float32 values in [low, high), in their place.

    None, and nothing done, where native code is not to be had; so with `normals`.
    """
    found = _functions()
    if found is None:
        return None
    with np.errstate(over="ignore"):  # high - low may be too much for float32, as in PyTorch
        _run(found[0], words, (high - low, low, high))
    return words.view(np.float32)


def normals(words: np.ndarray, mean: float, std: float) -> np.ndarray | None:
    """The whole blocks of 16 `words` (n,) uint32 become float32 normals; a rest stays as it is."""
    found = _functions()
    if found is None:
        return None
    _run(found[1], words[: len(words) // 16 * 16], (np.float32(std), np.float32(mean)))
    return words.view(np.float32)


def twist(out: np.ndarray, state: np.ndarray) -> bool:
    """Fill `out` (blocks * 624,) uint32 with the Twister's next blocks, and move `state` (624,) on.

    False, and nothing done, where native code is not to be had.
    """
    found = _functions()
    if found is None:
        return False
    arguments = np.array([out.ctypes.data, state.ctypes.data], np.int64)
    found[2](arguments.ctypes.data, 0, len(out) // len(state), 0)
    return True


def _functions() -> tuple[_Kernel, ...] | None:
    if flag("PLAIT_BACKEND") == "reference":
        return None
    return _loaded(str(flag("PLAIT_ISA")))


@functools.cache
def _loaded(isa: str) -> tuple[_Kernel, ...] | None:
    """The functions of the kernels; None where LLVM cannot compile them."""
    from plait.core.codegen.host_draws import normal_kernel, uniform_kernel
    from plait.core.codegen.twister import twister_kernel
    from plait.core.runtime import kernels
    from plait.core.runtime.machine import machine

    wanted = uniform_kernel(), normal_kernel(), twister_kernel()
    try:
        found = kernels.addresses(wanted, machine(isa))
    except kernels.KernelRefused:
        return None
    number, address = ctypes.c_int64, ctypes.c_void_p
    kind = ctypes.CFUNCTYPE(number, address, number, number, address)
    return tuple([kind(found[kernel]) for kernel in wanted])


def _run(function: _Kernel, words: np.ndarray, numbers: tuple[np.float32, ...]) -> None:
    """All units at once; what is left of the last unit through memory of its own."""
    bits = [int(np.float32(number).view(np.uint32)) for number in numbers]
    units, rest = divmod(len(words), 16)

    def call(part: np.ndarray, count: int) -> None:
        arguments = np.array([part.ctypes.data, *bits], np.int64)
        function(arguments.ctypes.data, 0, count, 0)

    call(words, units)
    if rest:
        whole = np.zeros(16, np.uint32)
        whole[:rest] = words[-rest:]
        call(whole, 1)
        words[-rest:] = whole[:rest]
