"""The tables of a loop or a choice in one running program (see `control.py`).

Like those of the program that holds it, they are made once and serve many runs: the addresses of
arrays are read from that program's words, at each turn.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from plait.core.codegen import control_ir as ir
from plait.core.compiler.memory import rounded
from plait.core.runtime.arrays import Arena

if TYPE_CHECKING:
    from plait.core.runtime.control import Call, Control, Copy, Home, Place

#: The size of a word.
_WORD = 8


class ControlFrame:
    """One control flow's words.

    operands: the address of the words that hold the addresses of the step's outputs and inputs.
    arena_bytes: memory that a run needs. uses_pool: whether a phase in it is for several threads.
    """

    def __init__(self, control: Control, operands: int) -> None:
        self._operands = operands
        homes = {home.number for home in _homes(control) if home.own}
        self._offsets = {start: number for number, start in enumerate(sorted(homes))}
        self._starts = np.array(sorted(homes), np.int64)
        self._own = np.zeros(len(homes), np.int64)
        self._nbytes = control.nbytes
        self._tables: list[np.ndarray] = []
        self._calls: dict[int, _CallFrame] = {}
        for call in control.calls:
            self._calls[id(call)] = _CallFrame(call, self._place, self._copies)
        frames = [call.frame for call in self._calls.values()]
        self.arena_bytes = rounded(control.nbytes) + max(frame.arena_bytes for frame in frames)
        self.uses_pool = any(frame.uses_pool for frame in frames)
        self.words = np.zeros(ir.Control.SIZE, np.int64)
        self.words[ir.Control.MOST] = control.most
        self.words[ir.Control.TEST] = self._address(control.test)
        self.words[ir.Control.BODY] = self._address(control.body)
        self.words[ir.Control.OTHERWISE] = self._address(control.otherwise)
        if control.decision is not None:
            self.words[ir.Control.DECISION] = self._word(control.decision)
        self.words[ir.Control.FIRST : ir.Control.LAST] = self._copies(control.first)
        self.words[ir.Control.LAST : ir.Control.SIZE] = self._copies(control.last)
        self.address = self.words.ctypes.data

    def _address(self, call: Call | None) -> int:
        return 0 if call is None else self._calls[id(call)].words.ctypes.data

    def _word(self, home: Home) -> int:
        """The address of the word that holds the address of a home."""
        if home.own:
            return self._own.ctypes.data + _WORD * self._offsets[home.number]
        return self._operands + _WORD * home.number

    def _place(self, place: Place) -> list[int]:
        return [self._word(place.even), self._word(place.odd), place.offset, place.stride]

    def _copies(self, copies: Sequence[Copy]) -> tuple[int, int]:
        """(address, number) of the words of copies."""
        rows = [[*self._place(c.to), *self._place(c.source), c.nbytes] for c in copies]
        table = np.array(rows, np.int64).reshape(-1, ir.Copy.SIZE)
        self._tables.append(table)
        return table.ctypes.data, len(rows)

    def move(self, arena: Arena, start: int) -> None:
        """Run in this arena from now on, from byte `start` of it."""
        self._own[:] = self._starts + (arena.address + start)
        inner = arena.after(start + rounded(self._nbytes))
        for call in self._calls.values():
            call.frame.move(inner)  # one body runs after another

    def explain(self, arena: Arena, start: int) -> None:
        """Raise what a fault in a body stands for, if there was one; the arena as of `move`."""
        inner = arena.after(start + rounded(self._nbytes))
        for call in self._calls.values():
            call.explain(inner)


def _homes(control: Control) -> list[Home]:
    """All memory that a control flow names."""
    copies = [*control.first, *control.last]
    places = []
    for call in control.calls:
        places += call.places
        copies += [*call.before, *call.after]
    places += [place for copy in copies for place in (copy.to, copy.source)]
    homes = [home for place in places for home in (place.even, place.odd)]
    return homes if control.decision is None else [*homes, control.decision]


class _CallFrame:
    """The words of a body."""

    def __init__(
        self,
        call: Call,
        place: Callable[[Place], list[int]],
        copies: Callable[[Sequence[Copy]], tuple[int, int]],
    ) -> None:
        self._program = call.program
        self.frame = call.program.new_frame()
        self._places = np.array([place(p) for p in call.places], np.int64)
        self._now = np.zeros(len(call.places), np.int64)
        self.words = np.zeros(ir.Call.SIZE, np.int64)
        self.words[ir.Call.FRAME] = self.frame.address
        self.words[ir.Call.PHASES] = self.frame.phases
        self.words[ir.Call.PLACES] = self._places.ctypes.data
        self.words[ir.Call.NOW] = self._now.ctypes.data
        self.words[ir.Call.BEFORE : ir.Call.AFTER] = copies(call.before)
        self.words[ir.Call.AFTER : ir.Call.SIZE] = copies(call.after)

    def explain(self, arena: Arena) -> None:
        """Raise what a fault in this body stands for, if there was one."""
        types = self._program.array_types
        self.frame.arena = arena
        try:
            arrays = [_array_at(at, *kind) for at, kind in zip(self._now.tolist(), types)]
            self.frame.explain(arrays)
        finally:
            self.frame.arena = None


def _array_at(address: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    nbytes = int(np.prod(shape)) * dtype.itemsize
    block: Any = (ctypes.c_char * nbytes).from_address(address)
    return np.ndarray(shape, dtype, block)
