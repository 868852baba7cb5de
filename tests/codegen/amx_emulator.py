"""AMX without a CPU that has it: kernels whose tile instructions are calls of this emulator.

    text = emulator.rewritten(text)   # IR, in which each AMX intrinsic is now a call

After Intel's manual (volume 2, LDTILECFG, TILELOADD, TILESTORED, TILEZERO, TILERELEASE, TDPBF16PS;
volume 1, chapter "Programming with Intel AMX"). Each thread has eight tiles and a configuration.
What a CPU would fault on is an entry of `faults`, and changes nothing.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

TILES, ROWS, LINE = 8, 16, 64


#: The intrinsics and what they are given: numbers of tiles, addresses, strides.
_TILE, _ADDRESS, _STRIDE = ctypes.c_uint8, ctypes.c_void_p, ctypes.c_int64
_INTRINSICS = {
    "ldtilecfg": (_ADDRESS,),
    "tilerelease": (),
    "tilezero": (_TILE,),
    "tileloadd64": (_TILE, _ADDRESS, _STRIDE),
    "tilestored64": (_TILE, _ADDRESS, _STRIDE),
    "tdpbf16ps": (_TILE, _TILE, _TILE),
}


class Fault(Exception):
    """What raises #GP or #UD."""


class _Thread:
    """The AMX state of one thread; rows None: not configured."""

    def __init__(self) -> None:
        self.rows: list[int] | None = None
        self.colsb: list[int] = [0] * TILES
        self.data = np.zeros((TILES, ROWS, LINE), np.uint8)

    def shape(self, tile: int) -> tuple[int, int]:
        if self.rows is None:
            raise Fault("#UD: tiles are not configured")
        if not 0 <= tile < TILES or not self.rows[tile]:
            raise Fault(f"#UD: tile {tile} is not configured")
        return self.rows[tile], self.colsb[tile]

    def write(self, tile: int, value: np.ndarray) -> None:
        """Set the tile's rows; all else in it is zero."""
        self.data[tile] = 0
        self.data[tile, : value.shape[0], : value.shape[1]] = value


class Emulator:
    """counts: instructions by name. faults: what went wrong. regions: (address, bytes) of memory
    that tiles may be read from and written to; empty: any. loads: the addresses they were read at.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.regions: list[tuple[int, int]] = []
        self.loads: list[int] = []
        self._threads: dict[int, _Thread] = {}
        self._kept = {
            name: ctypes.CFUNCTYPE(None, *kinds)(self._guarded(name))
            for name, kinds in _INTRINSICS.items()
        }

    def reset(self) -> None:
        """As if nothing had happened."""
        self.counts.clear()
        self.faults.clear()
        self.regions.clear()
        self.loads.clear()
        self._threads.clear()

    def rewritten(self, text: str) -> str:
        """IR text with calls of the emulator for AMX intrinsics."""

        def call(found: re.Match) -> str:
            address = ctypes.cast(self._kept[found[1]], ctypes.c_void_p).value
            return f"call void inttoptr (i64 {address} to ptr)("

        names = "|".join(self._kept)
        text = re.sub(rf"declare void @llvm\.x86\.(?:{names})\(.*\n", "", text)
        return re.sub(rf"call void @llvm\.x86\.({names})\(", call, text)

    def is_configured(self) -> bool:
        """Whether some thread holds tiles."""
        return any(thread.rows is not None for thread in self._threads.values())

    def shape(self, tile: int) -> tuple[int, int]:
        """(rows, bytes of a row) of a tile of this thread."""
        return self._threads[threading.get_ident()].shape(tile)

    def do(self, name: str, *arguments: int) -> None:
        """An instruction, as code would do it."""
        self._kept[name](*arguments)

    def tile(self, number: int) -> np.ndarray:
        """The bytes of a tile of this thread."""
        return self._threads[threading.get_ident()].data[number]

    def _guarded(self, name: str) -> Callable[..., None]:
        def guarded(*arguments: Any) -> None:
            self.counts[name] += 1
            thread = self._threads.setdefault(threading.get_ident(), _Thread())
            try:
                getattr(self, name)(thread, *arguments)
            except Fault as fault:
                self.faults.append(f"{name}: {fault}")

        return guarded

    # -- instructions ---------------------------------------------------------------------------

    def ldtilecfg(self, thread: _Thread, address: int) -> None:
        given = np.frombuffer(ctypes.string_at(address, 64), np.uint8)
        palette = int(given[0])
        colsb = [int(x) for x in given[16:32].view(np.uint16)]
        rows = [int(x) for x in given[48:56]]
        if palette > 1:
            raise Fault(f"#GP: palette {palette}")
        if given[2:16].any() or given[32:48].any() or given[56:].any():
            raise Fault("#GP: reserved bytes")
        if palette == 0:
            self._threads[threading.get_ident()] = _Thread()
            return
        for tall, wide in zip(rows, colsb):
            if tall > ROWS or wide > LINE or (tall == 0) != (wide == 0):
                raise Fault(f"#GP: a tile of {tall} rows of {wide} bytes")
        if given[1]:
            raise Fault("a start row, which only an interrupted instruction leaves")
        thread.rows, thread.colsb = rows, colsb
        thread.data[:] = 0

    def tilerelease(self, thread: _Thread) -> None:
        thread.rows = None
        thread.data[:] = 0

    def tilezero(self, thread: _Thread, tile: int) -> None:
        thread.shape(tile)
        thread.data[tile] = 0

    def tileloadd64(self, thread: _Thread, tile: int, address: int, stride: int) -> None:
        rows, colsb = thread.shape(tile)
        self.loads.append(address)
        lines = []
        for row in range(rows):
            self._inside(address + row * stride, colsb)
            lines.append(ctypes.string_at(address + row * stride, colsb))
        thread.write(tile, np.frombuffer(b"".join(lines), np.uint8).reshape(rows, colsb))

    def tilestored64(self, thread: _Thread, tile: int, address: int, stride: int) -> None:
        rows, colsb = thread.shape(tile)
        for row in range(rows):
            self._inside(address + row * stride, colsb)
            ctypes.memmove(address + row * stride, thread.data[tile, row].ctypes.data, colsb)

    def _inside(self, address: int, nbytes: int) -> None:
        if self.regions and not any(
            a <= address and address + nbytes <= a + n for a, n in self.regions
        ):
            raise Fault(f"{nbytes} bytes at {address:#x} are outside of all buffers")

    def tdpbf16ps(self, thread: _Thread, to: int, left: int, right: int) -> None:
        (m, c_bytes), (a_rows, a_bytes), (b_rows, b_bytes) = map(thread.shape, (to, left, right))
        if len({to, left, right}) < 3:
            raise Fault("#UD: one tile twice")
        if c_bytes % 4 or a_bytes % 4 or b_bytes % 4:
            raise Fault("#UD: rows that are no words")
        if m != a_rows or a_bytes // 4 != b_rows or c_bytes != b_bytes:
            raise Fault("#UD: shapes that do not meet")
        # By pair of steps, which of the two, row, column.
        a = _widened(thread.data[left, :m, :a_bytes]).reshape(m, a_bytes // 4, 2)
        b = _widened(thread.data[right, :b_rows, :b_bytes]).reshape(b_rows, b_bytes // 4, 2)
        with np.errstate(all="ignore"):
            products = a.transpose(1, 2, 0)[..., None] * b.transpose(0, 2, 1)[:, :, None]
            sums = np.zeros(products.shape[1:])
            for product in products:
                sums = _added(product, sums)
            held = _flushed(thread.data[to, :m, :c_bytes].copy().view(np.float32))
            total = _added(held.astype(np.float64), _added(sums[0], sums[1]))
        thread.write(to, total.astype(np.float32).view(np.uint8))


def _widened(data: np.ndarray) -> np.ndarray:
    """bfloat16 as float64, denormals as zero."""
    halves = np.ascontiguousarray(data).view(np.uint16).astype(np.uint32)
    return _flushed((halves << 16).view(np.float32)).astype(np.float64)


def _flushed(x: np.ndarray) -> np.ndarray:
    """float32 with zeros, of their sign, for denormals."""
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)


def _added(p: np.ndarray, c: np.ndarray) -> np.ndarray:
    """p + c in float32, rounded once to nearest even, as float64. p: float32 numbers, or products
    of two bfloat16, as float64. Denormals come out as zero.

    The sum is rounded to odd in float64, after which rounding it to float32 is as if it were exact.
    """
    s = p + c
    back = s - p
    lost = (p - (s - back)) + (c - back)
    bits = s.view(np.int64)
    inexact = np.isfinite(s) & (lost != 0) & (bits % 2 == 0)
    bits = bits + np.where(inexact, np.where((lost > 0) == (s > 0), 1, -1), 0)
    return _flushed(bits.view(np.float64).astype(np.float32)).astype(np.float64)


#: One for all tests: kernels keep the addresses of its functions.
emulator = Emulator()
