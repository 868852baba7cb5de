"""Memory for arrays: aligned, and used again without a page fault when an array has died.

The first touch of fresh memory costs about 0.25 ns a byte in page faults, more than most kernels
take to fill it. So blocks of large arrays are kept when their array dies, up to a limit, and given
to the next one of about that size.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from plait.core.runtime.config import flag

#: Smaller arrays are NumPy's business: malloc serves them without page faults.
LARGE = 64 << 10
#: How many arenas wait for programs at most, and their bytes: that many programs may run at once
#: without delay.
_MOST_ARENAS = 4
_ARENA_BYTES = 32 << 20
_ALIGN = 64
#: Blocks begin at different offsets in a page: arrays whose addresses agree in the low 12 bits get
#: in each other's way in the first-level cache and in the store buffer.
_COLOURS = 16
#: Blocks that were idle during so many askings are given back: what a program took while it began,
#: on the reference, must not stay for all its life.
_LOOK = 256
#: Bytes of dropped blocks for which the C library is asked to give them back to the system: below,
#: asking costs more than it gives.
_TRIMMED_BYTES = 8 << 20
#: Bytes of a block that alignment and colour may use up.
_SPARE = (2 * _COLOURS + 1) * _ALIGN


class _Block(NamedTuple):
    """Memory, and the address in it at which arrays begin."""

    raw: np.ndarray
    start: int


class _Idle:
    """Blocks that no array uses, by size; the size longest not asked for comes first.

    An array can die inside any statement, so nothing here ever waits for the lock: who does not
    get it leaves the block to NumPy.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.blocks: dict[int, list[_Block]] = {}
        #: Per size that was asked for since the last look: the fewest that were left over.
        self.left: dict[int, int] = {}
        self.askings = 0
        self.nbytes = 0
        self.limit = 0

    def take(self, size: int) -> _Block | None:
        self.limit = self.limit or int(flag("PLAIT_IDLE_MB")) << 20
        if not self.lock.acquire(blocking=False):
            return None
        try:
            self.askings += 1
            if self.askings % _LOOK == 0:
                self.forget()
            blocks = self.blocks.pop(size, None)
            left = 0 if blocks is None else len(blocks) - 1
            self.left[size] = min(left, self.left.get(size, left))
            if blocks is None:
                return None
            block = blocks.pop()
            if blocks:
                self.blocks[size] = blocks
            self.nbytes -= size
            return block
        finally:
            self.lock.release()

    def forget(self) -> None:
        """Drop the blocks that were idle all the time since the last look."""
        before = self.nbytes
        for size, blocks in list(self.blocks.items()):
            needless = min(len(blocks), self.left.get(size, len(blocks)))
            del blocks[:needless]
            self.nbytes -= size * needless
            if not blocks:
                del self.blocks[size]
        self.left.clear()
        if before - self.nbytes >= _TRIMMED_BYTES:
            trim()

    def give(self, size: int, block: _Block) -> None:
        if not self.lock.acquire(blocking=False):
            return
        try:
            self.blocks.setdefault(size, []).append(block)
            self.nbytes += size
            while self.nbytes > self.limit:
                oldest = next(iter(self.blocks))
                self.blocks[oldest].pop(0)
                self.nbytes -= oldest
                if not self.blocks[oldest]:
                    del self.blocks[oldest]
        finally:
            self.lock.release()


_idle = _Idle()


def _after_fork() -> None:
    """In a child: another thread of the parent may have held the lock."""
    _idle.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def idle_bytes() -> int:
    """How much memory waits for the next array."""
    return _idle.nbytes


def release() -> None:
    """Give all idle memory back to the system."""
    _arenas.clear()
    with _idle.lock:
        freed, _idle.blocks, _idle.nbytes = _idle.blocks, {}, 0
    freed.clear()


def watch_idle() -> None:
    """Look from now on which blocks are asked for."""
    if _idle.lock.acquire(blocking=False):
        try:
            _idle.left.clear()
        finally:
            _idle.lock.release()


def forget_idle() -> None:
    """Give back the blocks that were not asked for since the last look at them."""
    if _idle.lock.acquire(blocking=False):
        try:
            _idle.forget()
        finally:
            _idle.lock.release()


def trim() -> None:
    """Let the C library give back what it keeps of freed memory, where it can be asked to."""
    give = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give is not None:
        give(0)


class _Held:
    """What the arrays on a block hold on to; when they are gone, so is this."""

    size: int
    block: _Block

    def __del__(self, idle: _Idle = _idle) -> None:
        # At the end of a process, modules have lost their names by now.
        idle.give(self.size, self.block)


@functools.cache
def _held_type(size: int) -> Any:
    """A ctypes array type for a size of blocks: objects with a buffer and a life of their own."""
    return type("_Held", (_Held, ctypes.c_char * (size - _SPARE)), {"size": size})


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of garbage; large ones are aligned to 64 bytes."""
    nbytes = dtype.itemsize
    for extent in shape:
        nbytes *= extent
    if nbytes < LARGE:
        return np.empty(shape, dtype)
    size = size_class(nbytes)
    block = _idle.take(size) or _new_block(size)
    held = _held_type(size).from_address(block.start)
    held.block = block
    return np.ndarray(shape, dtype, held)


def maker(shape: tuple[int, ...], dtype: np.dtype) -> Callable[[tuple[int, ...], np.dtype], Any]:
    """What makes arrays of garbage of this type best: NumPy itself where they are small."""
    return np.empty if math.prod(shape) * dtype.itemsize < LARGE else empty


def block_type(shape: tuple[int, ...], dtype: np.dtype) -> type | None:
    """The type of the base of arrays that `empty` makes; None where NumPy itself makes them."""
    nbytes = math.prod(shape) * dtype.itemsize
    return None if nbytes < LARGE else _held_type(size_class(nbytes))


def has_block(array: np.ndarray) -> bool:
    """Whether an array is one that `empty` has made; its views refer to it, not to its block."""
    return isinstance(array.base, _Held)


def _new_block(size: int) -> _Block:
    raw = np.empty(size, np.uint8)
    address = raw.ctypes.data
    colour = (address >> 12) * 7 % _COLOURS * 2 * _ALIGN
    return _Block(raw, address + -address % _ALIGN + colour)


def size_class(nbytes: int) -> int:
    """The size of the block for an array: eight steps to a doubling."""
    needed = nbytes + _SPARE
    step = 1 << (needed.bit_length() - 4)
    return -(-needed // step) * step


class Arena:
    """Working memory of one running program, aligned to 64 bytes."""

    __slots__ = ("address", "array", "nbytes")

    def __init__(self, nbytes: int) -> None:
        raw = empty((nbytes + _ALIGN,), _BYTE)
        start = -raw.ctypes.data % _ALIGN
        self._is(raw[start : start + nbytes])

    def _is(self, array: np.ndarray) -> None:
        self.array = array
        self.address = array.ctypes.data
        self.nbytes = array.nbytes

    def after(self, start: int) -> Arena:
        """The part of it from a byte on; the memory is the same."""
        part = Arena.__new__(Arena)
        part._is(self.array[start:])
        return part


_BYTE = np.dtype(np.uint8)


#: Arenas that no program runs in. One after another, programs share the last one.
_arenas: list[Arena] = []


def take_arena(nbytes: int) -> Arena:
    """An arena of at least this size, its content garbage; return it with `give_arena`."""
    try:
        arena = _arenas.pop()
    except IndexError:
        return Arena(nbytes)
    return arena if arena.nbytes >= nbytes else Arena(nbytes)


def give_arena(arena: Arena) -> None:
    """Let other programs run in this arena; whoever ran in it lets it go. Large ones go the way of
    large arrays, so that no more of them is kept than of those."""
    waiting = sum([other.nbytes for other in _arenas]) if _arenas else 0
    if len(_arenas) < _MOST_ARENAS and waiting + arena.nbytes <= _ARENA_BYTES:
        _arenas.append(arena)


class Offsets(NamedTuple):
    """Where CPython and NumPy keep what the native driver reads (bytes from an object's start)."""

    type: int  # any object: its type
    data: int  # ndarray: the address of its elements
    flags: int  # ndarray: its flags, 32 bits
    items: int  # list: the address of its items
    base: int  # ndarray: whose memory it has, or null
    content: int  # bytes: where their content begins


@functools.cache
def offsets() -> Offsets | None:
    """The layout of these objects; None where a probe does not find them as expected.

    NumPy's is that of `PyArrayObject_fields` in ndarraytypes.h, part of its binary interface.
    """
    head = object.__basicsize__
    content = bytes.__basicsize__ - 1
    found = Offsets(head - 8, head, head + 48, list.__basicsize__ - 16, head + 32, content)
    text = b"plait"
    if ctypes.string_at(id(text) + content, len(text)) != text:
        return None
    probes = [np.zeros((2, 3)), np.zeros((2, 3))[:, ::2], np.zeros(3, np.int8)[1:]]
    items = ctypes.c_int64.from_address(id(probes) + found.items).value
    for number, array in enumerate(probes):
        place = ctypes.c_int64.from_address(items + 8 * number).value
        data = ctypes.c_int64.from_address(id(array) + found.data).value
        bits = ctypes.c_int32.from_address(id(array) + found.flags).value
        kind = ctypes.c_int64.from_address(id(array) + found.type).value
        base = ctypes.c_int64.from_address(id(array) + found.base).value
        seen = (place, kind, data, bits, base)
        held = 0 if array.base is None else id(array.base)
        if seen != (id(array), id(np.ndarray), array.ctypes.data, array.flags.num, held):
            return None
    return found
