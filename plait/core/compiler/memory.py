"""Where temporaries live: offsets into one arena, by liveness over phases.

Best fit: each value takes the smallest gap that holds it, a phase's larger values first, and
neighbouring gaps merge. Source of the method: Knuth, TAOCP vol. 1, section 2.5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from plait.core.compiler.schedule import Phase
from plait.core.compiler.steps import reads, writes

ALIGN = 64


@dataclass(frozen=True)
class Layout:
    """offsets: buffer -> byte offset in the arena. nbytes: how large the arena must be."""

    offsets: dict[Any, int]
    nbytes: int


def plan_memory(
    phases: Sequence[Phase], in_arena: Callable[[Any], bool], kept: Collection[Any] = ()
) -> Layout:
    """Offsets of the buffers for which `in_arena` holds; those live at the same time are disjoint.

    A buffer lives from the first to the last phase that touches it, those in `kept` to the end.
    Empty ones take no room.
    """
    first: dict[Any, int] = {}
    last: dict[Any, int] = {}
    for number, phase in enumerate(phases):
        for step in phase.steps:
            for buffer in (*writes(step), *reads(step)):
                if in_arena(buffer):
                    first.setdefault(buffer, number)
                    last[buffer] = number
    born: list[list[Any]] = [[] for _ in phases]
    dying: list[list[Any]] = [[] for _ in phases]
    for buffer, number in first.items():
        born[number].append(buffer)
        if buffer not in kept:
            dying[last[buffer]].append(buffer)
    offsets: dict[Any, int] = {}
    arena = _Arena()
    for starting, ending in zip(born, dying):
        for buffer in sorted(starting, key=lambda b: -b.nbytes):
            offsets[buffer] = arena.take(rounded(buffer.nbytes))
        for buffer in ending:
            arena.give(offsets[buffer], rounded(buffer.nbytes))
    return Layout(offsets, arena.size)


def rounded(nbytes: int) -> int:
    """The next multiple of the arena's alignment."""
    return -(-nbytes // ALIGN) * ALIGN


class _Arena:
    """Gaps of a growing piece of memory: sorted, disjoint, none next to another."""

    def __init__(self) -> None:
        self.size = 0
        self.gaps: list[tuple[int, int]] = []  # (offset, length)

    def take(self, nbytes: int) -> int:
        if nbytes == 0:
            return 0
        fitting = [(length, offset) for offset, length in self.gaps if length >= nbytes]
        if fitting:
            length, offset = min(fitting)
            where = self.gaps.index((offset, length))
            left = [(offset + nbytes, length - nbytes)] if length > nbytes else []
            self.gaps[where : where + 1] = left
            return offset
        # Nothing fits: grow, from a gap at the end where there is one.
        offset = self.size
        if self.gaps and sum(self.gaps[-1]) == self.size:
            offset = self.gaps.pop()[0]
        self.size = offset + nbytes
        return offset

    def give(self, offset: int, nbytes: int) -> None:
        if nbytes == 0:
            return
        where = next((i for i, gap in enumerate(self.gaps) if gap[0] > offset), len(self.gaps))
        start, end = offset, offset + nbytes
        low = high = where
        if where > 0 and sum(self.gaps[where - 1]) == start:
            low, start = where - 1, self.gaps[where - 1][0]
        if where < len(self.gaps) and self.gaps[where][0] == end:
            high, end = where + 1, sum(self.gaps[where])
        self.gaps[low:high] = [(start, end - start)]
