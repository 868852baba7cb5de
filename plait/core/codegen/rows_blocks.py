"""Blocks of neighbouring rows: folds whose accumulators are in scratch.

Rows that lie side by side in memory have their elements a long way apart. One vector of rows at a
time reads a line here and a line there; a block of vectors reads a run of memory at each step along
the rows, and keeps what it has folded in the first-level cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from plait.core.codegen import vectors
from plait.core.codegen.folds import Fold
from plait.core.codegen.rows_emit import RowEmitter
from plait.core.codegen.rows_style import At, Row

#: Steps along the rows for which an accumulator is read and written once: many, as it is not always
#: still in the first-level cache; fewer, where more ops than so many are done at each.
_STEPS, _FEWER, _SIMPLE = 16, 4, 6


class _Slot(NamedTuple):
    """An accumulator: its element, a vector of what it starts with, bytes of a row before it."""

    element: str
    first: str
    before: int


class _Held(NamedTuple):
    """A value that is folded, and its accumulators."""

    value: int
    fold: Fold
    slots: list[_Slot]


def _held(e: RowEmitter) -> tuple[list[list[_Held]], int]:
    """The folds of each pass, and the bytes of accumulators of one row."""
    passes: list[list[_Held]] = []
    before = 0
    for turn in range(max(e.levels)):
        passes.append([])
        for value in e.folds_of(turn):
            fold, slots = e.fold_of(value), []
            for kind, first in fold.start(e.style.lanes):
                element = kind[1:-1].split(" x ")[1]
                slots.append(_Slot(element, first, before))
                before += vectors.bytes_of(element)
            passes[-1].append(_Held(value, fold, slots))
    return passes, before


def held_bytes(e: RowEmitter) -> int:
    """Bytes of accumulators of one row."""
    return _held(e)[1]


class Block:
    """The code of a block: rows from `start` to `stop` at places `outer` of the other loops."""

    def __init__(self, e: RowEmitter, outer: list[str], start: str, stop: str) -> None:
        self.e, self.outer, self.start, self.stop = e, outer, start, stop
        self.passes, _ = _held(e)

    def emit(self) -> None:
        """All passes, and what is stored."""
        e, f = self.e, self.e.f
        width = e.extents[-1]
        most = _STEPS if len(e.graph.instructions) <= _SIMPLE else _FEWER
        whole = f.sub(width, f.rem(width, str(most)))
        for turn in range(len(self.passes)):
            self._each_vector(lambda row, at, turn=turn: self._clear(turn, at))
            for begin, end, steps in (("0", whole, most), (whole, width, 1)):
                with f.loop(begin, end, str(steps)) as along:
                    self._steps(turn, [f.add(along.index, str(i)) for i in range(steps)])
        self._each_vector(self._store)

    def _each_vector(self, body: Callable[[Row, At], None]) -> None:
        """`body(rows, their first place)` for each vector of rows, of which the last may not be
        whole."""
        f, lanes = self.e.f, self.e.style.lanes
        count = f.sub(self.stop, self.start)
        whole = f.add(self.start, f.sub(count, f.rem(count, str(lanes))))
        with f.loop(self.start, whole, str(lanes)) as turn:
            self._at(turn.index, None, body)
        with f.when(f.let(f"icmp slt i64 {whole}, {self.stop}")):
            self._at(whole, f.tail_mask(lanes, f.sub(self.stop, whole)), body)

    def _at(self, index: str, mask: str | None, body: Callable[[Row, At], None]) -> None:
        row = Row([*self.outer, index])
        (at,) = self.e.places([row], ["0"], mask, "0")
        body(row, at)

    def _address(self, at: At, slot: _Slot) -> str:
        """Of an accumulator of a vector of rows."""
        f = self.e.f
        base = f.at("%scratch", f.mul(self.e.per_unit, str(slot.before)), "i8")
        return f.at(base, f.sub(at.row.outer[-1], self.start), slot.element)

    def _keep(self, at: At, slot: _Slot, value: str) -> None:
        kind = vectors.vector(slot.element, self.e.style.lanes)
        self.e.f.store(kind, value, self._address(at, slot), vectors.bytes_of(slot.element))

    def _kept(self, at: At, slot: _Slot) -> str:
        kind = vectors.vector(slot.element, self.e.style.lanes)
        return self.e.f.load(kind, self._address(at, slot), vectors.bytes_of(slot.element))

    def _clear(self, turn: int, at: At) -> None:
        for held in self.passes[turn]:
            for slot in held.slots:
                self._keep(at, slot, slot.first)

    def _known(self, turn: int, at: At) -> None:
        """What rows have once before pass `turn`."""
        for done in self.passes[:turn]:
            for held in done:
                at.row.scalars[held.value] = self.e.folded(
                    held.value, held.fold, [[self._kept(at, slot) for slot in held.slots]]
                )
        self.e.compute_scalars(turn, at)

    def _steps(self, turn: int, along: list[str]) -> None:
        """Some steps along all rows."""
        e, lanes = self.e, self.e.style.lanes
        for index in along:
            e.multiply_once(e.style.outer, index)

        def body(row: Row, first: At) -> None:
            self._known(turn, first)
            places = [e.places([row], [index], first.mask, index)[0] for index in along]
            for held in self.passes[turn]:
                now = [self._kept(first, slot) for slot in held.slots]
                for at in places:
                    x = e.value(e.made(held.value).args[0], at)
                    now = held.fold.add(e.f, now, x, at.linear, None, lanes)
                for slot, value in zip(held.slots, now):
                    self._keep(first, slot, value)

        self._each_vector(body)

    def _store(self, row: Row, at: At) -> None:
        self._known(len(self.passes), at)
        for number, value in enumerate(self.e.graph.outputs):
            self.e.put(number, [row.scalars[value]], [at], self.e.style.lanes)
