"""Kernels between guard pages: `PLAIT_GUARD=end` or `start`, to find accesses outside of buffers.

Each launch runs by itself, on copies of its buffers and a scratch memory that end (begin) where a
page begins (ends) that may not be touched: a read or write past that end ends the process. What
lies at the other end, up to the next page, is compared afterwards, as is every operand that the
kernel had no business to write.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from plait.core.codegen.driver import Frame as FrameWord
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.compiler.steps import memory
from plait.core.runtime.frame import Frame

SIDES = ("end", "start")
_PAGE = mmap.PAGESIZE
_NO_ACCESS = 0
_FILL = 0xA5
_KERNEL = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)


class OutsideOfBuffer(RuntimeError):
    """A kernel wrote where it must not."""


@functools.cache
def _protect() -> Callable[[int, int, int], int]:
    function = ctypes.CDLL(None, use_errno=True).mprotect
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return function


class _Fenced:
    """`nbytes` of memory whose end or start meets a page without access."""

    def __init__(self, nbytes: int, side: str) -> None:
        inner = -(-max(nbytes, 1) // _PAGE) * _PAGE
        self.pages = mmap.mmap(-1, inner + 2 * _PAGE)
        self.whole = np.frombuffer(self.pages, np.uint8)[_PAGE : _PAGE + inner]
        self.whole[:] = _FILL
        base = self.whole.ctypes.data
        for page in (base - _PAGE, base + inner):
            if _protect()(page, _PAGE, _NO_ACCESS):
                raise OSError(ctypes.get_errno(), "mprotect of a guard page")
        start = inner - nbytes if side == "end" else 0
        self.inside = self.whole[start : start + nbytes]
        rest = self.whole[:start] if side == "end" else self.whole[nbytes:]
        self._rest = rest
        self.address = base + start

    def is_whole(self) -> bool:
        """Whether the bytes beside the buffer are as they were."""
        return bool((self._rest == _FILL).all())


def drive(frame: Frame, functions: Mapping[Kernel, int], number: int, side: str) -> int:
    """Run launch `number` of a frame; what `plait_drive` does for one phase.

    Raises OutsideOfBuffer.
    """
    launch = frame.launches[number]
    start = frame.starts[number]
    # Parts by themselves: what is beside one is not the kernel's either.
    buffers = [
        b if b.nbytes < memory(b).nbytes else memory(b) for b in (*launch.outputs, *launch.inputs)
    ]
    words = frame.words[start : start + len(buffers) + len(launch.numbers)].copy()
    sizes: dict[int, int] = {}
    for address, buffer in zip(words.tolist(), buffers):
        sizes[address] = max(sizes.get(address, 0), buffer.nbytes)
    fences = {address: _Fenced(size, side) for address, size in sizes.items()}
    for position, address in enumerate(words[: len(buffers)].tolist()):
        words[position] = fences[address].address
    for address, fence in fences.items():
        fence.inside[:] = _bytes_at(address, sizes[address])
    scratch = _Fenced(-(-launch.scratch // 64) * 64, side)
    function = _KERNEL(functions[launch.kernel])
    code = function(words.ctypes.data, 0, launch.units, scratch.address)
    written = set(frame.words[start : start + len(launch.outputs)].tolist())
    for address, fence in fences.items():
        before = _bytes_at(address, sizes[address])
        if address in written:
            before[:] = fence.inside
        elif not np.array_equal(before, fence.inside):
            raise OutsideOfBuffer(f"{_named(launch)} writes into an operand")
        if not fence.is_whole():
            raise OutsideOfBuffer(f"{_named(launch)} writes outside of a buffer")
    if not scratch.is_whole():
        raise OutsideOfBuffer(f"{_named(launch)} writes outside of its scratch memory")
    if code:
        frame.faults[number] = code
        frame.record[FrameWord.FAULTED] = 1
    return int(code != 0)


def _bytes_at(address: int, nbytes: int) -> np.ndarray:
    block: Any = (ctypes.c_char * nbytes).from_address(address)
    return np.ndarray((nbytes,), np.uint8, block)


def _named(launch: Launch) -> str:
    return f"kernel {launch.kernel.kind}, {list(launch.outputs)} from {list(launch.inputs)},"
