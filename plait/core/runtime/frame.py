"""A program's data for the native driver: one frame per run at a time.

The words of all launches stand one after another: addresses of buffers, then numbers. Those of
constants are written once; those of temporaries whenever the arena is another one; those of arrays
that come and go by `plait_bind` at each call, from a list of patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from plait.core.codegen.driver import MOST_CHUNKS, Chunk
from plait.core.codegen.driver import Frame as FrameWord
from plait.core.codegen.driver import Phase as PhaseWord
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.compiler.memory import Layout, rounded
from plait.core.compiler.schedule import Phase, cost_ns
from plait.core.compiler.steps import HostStep, memory
from plait.core.runtime import threads
from plait.core.runtime.arrays import Arena

#: A phase of less work (ns, on one thread) is not worth the other threads: to publish it and to
#: wait for its end costs 1 to 2 us, and several more where they have gone to sleep.
PARALLEL_NS = 20_000
#: A chunk of less work is not worth being dealt out: a compare-and-swap on a shared line and its
#: way between cores take about 100 ns.
CHUNK_NS = 4_000
#: Chunks per thread: the more, the less is lost when a thread comes late; the fewer, the less
#: is spent on dealing.
CHUNKS_PER_THREAD = 4


class Segment(NamedTuple):
    """Phases [begin, end) of the driver's table; or one host step."""

    begin: int
    end: int
    host: HostStep | None


class Frame:
    """The tables of one running program.

    slots: buffer -> position in the list of arrays that is bound. constants: buffer -> array.
    alone: each launch gets a phase of its own (for the profiler).
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        slots: Mapping[Any, int],
        arrays: int,
        constants: Mapping[Any, np.ndarray],
        layout: Layout,
        functions: Mapping[Kernel, int],
        *,
        alone: bool = False,
    ) -> None:
        self.generation = threads.generation
        self.slots, self.constants, self.layout = slots, constants, layout
        self.launches = [s for p in phases for s in p.steps if isinstance(s, Launch)]
        self.segments: list[Segment] = []
        self._words(arrays)
        count = threads.count()
        table, parallel = self._phases(phases, 1 if alone else count, functions, alone)
        self._phase_words = np.array(table, np.int64)
        self.stride = rounded(max((launch.scratch for launch in self.launches), default=0))
        #: Bytes of arena that a run needs.
        self.arena_bytes = rounded(layout.nbytes) + self.stride * count
        #: The arena of the run that is on; a program at rest holds none.
        self.arena: Arena | None = None
        #: The address of the arena that the words are for.
        self.home = 0
        self.record = np.zeros(FrameWord.SIZE, np.int64)
        self.record[FrameWord.POOL] = threads.pool() if parallel else 0
        self.record[FrameWord.PHASES] = self._phase_words.ctypes.data
        self.record[FrameWord.STRIDE] = self.stride
        self.record[FrameWord.ARRAYS] = arrays
        self.record[FrameWord.PATCHES] = self.patches.ctypes.data
        self.record[FrameWord.PATCH_COUNT] = len(self.patches)
        self.record[FrameWord.WORDS] = self.words.ctypes.data
        self.record[FrameWord.NDARRAY] = id(np.ndarray)
        self.address = self.record.ctypes.data

    def _words(self, arrays: int) -> None:
        """The arguments of all launches, and where the words are that change."""
        words: list[int] = []
        patches: list[tuple[int, int]] = []
        moving: list[tuple[int, int]] = []
        self.starts: list[int] = []
        for launch in self.launches:
            self.starts.append(len(words))
            for buffer in map(memory, (*launch.outputs, *launch.inputs)):
                slot = self.slots.get(buffer)
                if slot is not None:
                    patches.append((slot, len(words)))
                    words.append(0)
                elif buffer in self.constants:
                    words.append(self.constants[buffer].ctypes.data)
                else:
                    moving.append((len(words), self.layout.offsets[buffer]))
                    words.append(0)
            words.extend(launch.numbers)
        # Numbers may use all 64 bits.
        self.words = np.array([w & 0xFFFF_FFFF_FFFF_FFFF for w in words], np.uint64).view(np.int64)
        self.patches = np.array(patches, np.int64).reshape(-1, 2)
        self._moving = np.array(moving, np.int64).reshape(-1, 2)
        self.faults = np.zeros(len(self.launches), np.int64)

    def _phases(
        self, phases: Sequence[Phase], count: int, functions: Mapping[Kernel, int], alone: bool
    ) -> tuple[list[tuple[int, int, int]], bool]:
        """(words of the driver's phases, whether one of them is for several threads)."""
        chunks: list[tuple[int, ...]] = []
        table: list[tuple[int, int, int]] = []
        words, faults = self.words.ctypes.data, self.faults.ctypes.data
        number = 0
        for phase in phases:
            first = phase.steps[0]
            if isinstance(first, HostStep):
                self.segments.append(Segment(0, 0, first))
                continue
            launches = [s for s in phase.steps if isinstance(s, Launch)]
            parallel = count > 1 and sum(map(cost_ns, launches)) >= PARALLEL_NS
            begin, start = len(table), len(chunks)
            for launch in launches:
                pieces = _pieces(launch, count) if parallel else 1
                full = len(chunks) - start + pieces > MOST_CHUNKS
                if full or (alone and len(chunks) > start):
                    table.append((start, len(chunks) - start, int(parallel)))
                    start = len(chunks)
                for piece in range(pieces):
                    chunks.append(
                        (
                            functions[launch.kernel],
                            words + 8 * self.starts[number],
                            launch.units * piece // pieces,
                            launch.units * (piece + 1) // pieces,
                            faults + 8 * number,
                        )
                    )
                number += 1
            many = parallel and len(chunks) - start > 1
            table.append((start, len(chunks) - start, int(many)))
            last = self.segments[-1] if self.segments else None
            if alone:
                self.segments += [Segment(i, i + 1, None) for i in range(begin, len(table))]
            elif last is not None and last.host is None:
                self.segments[-1] = last._replace(end=len(table))
            else:
                self.segments.append(Segment(begin, len(table), None))
        self._chunk_words = np.array(chunks, np.int64).reshape(-1, Chunk.SIZE)
        base = self._chunk_words.ctypes.data
        placed = [(base + 8 * Chunk.SIZE * at, many, wide) for at, many, wide in table]
        assert not placed or len(placed[0]) == PhaseWord.SIZE
        return placed, any(wide for _, _, wide in placed)

    def move(self, arena: Arena) -> None:
        """Put the addresses in an arena into the words."""
        self.home = arena.address
        self.words[self._moving[:, 0]] = self._moving[:, 1] + arena.address
        self.record[FrameWord.SCRATCH] = arena.address + rounded(self.layout.nbytes)

    def bind(self, arrays: Sequence[np.ndarray]) -> int:
        """What `plait_bind` does, in Python."""
        addresses = [array.ctypes.data for array in arrays]
        unfit = sum(not fits(array) for array in arrays)
        if not unfit and len(self.patches):
            self.words[self.patches[:, 1]] = np.array(addresses, np.int64)[self.patches[:, 0]]
        return unfit

    def view(self, buffer: Any, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The array of a buffer in the present run."""
        home = memory(buffer)
        slot = self.slots.get(home)
        if slot is not None:
            return arrays[slot].reshape(buffer.shape)
        if home in self.constants:
            return self.constants[home].reshape(buffer.shape)
        assert self.arena is not None
        offset = self.layout.offsets[home]
        return np.ndarray(buffer.shape, buffer.dtype.numpy, self.arena.array.data, offset)

    def first_fault(self) -> tuple[Launch, int]:
        """The first launch with a fault code, and the code; forgets them all."""
        number = int(np.flatnonzero(self.faults)[0])
        code = int(self.faults[number])
        self.faults[:] = 0
        self.record[FrameWord.FAULTED] = 0
        return self.launches[number], code


def fits(array: np.ndarray) -> bool:
    """Whether kernels can work on an array as it is."""
    return type(array) is np.ndarray and _lies_well(array)


def _lies_well(array: np.ndarray) -> bool:
    return array.flags.c_contiguous and array.flags.aligned and array.ctypes.data % 16 == 0


def _pieces(launch: Launch, count: int) -> int:
    """Into how many chunks a launch is cut; it never changes a result."""
    most = min(launch.units // max(launch.grain, 1), cost_ns(launch) // CHUNK_NS)
    return max(1, min(most, CHUNKS_PER_THREAD * count))
