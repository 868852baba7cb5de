"""A program's data for the native driver: one frame per run at a time.

The words of all launches stand one after another: addresses of buffers, then numbers. Those of
constants are written once; those of temporaries whenever the arena is another one; those of arrays
that come and go by `plait_bind` at each call, from a list of patches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from plait.core.codegen.control_ir import IS_CONTROL
from plait.core.codegen.driver import MOST_CHUNKS, Chunk, Patch
from plait.core.codegen.driver import Frame as FrameWord
from plait.core.codegen.driver import Phase as PhaseWord
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.compiler.memory import Layout, rounded
from plait.core.compiler.schedule import Phase, cost_ns
from plait.core.compiler.steps import ControlStep, HostStep, explain, explaining, memory
from plait.core.ir.op import elements
from plait.core.runtime import native, threads
from plait.core.runtime.arrays import Arena
from plait.core.runtime.control_frame import ControlFrame

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
    alone: each launch gets a phase of its own (for the profiler), and control flow is a host step.
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
        steps = [step for phase in phases for step in phase.steps]
        self.launches = [s for s in steps if isinstance(s, Launch)]
        controls = [] if alone else [s for s in steps if isinstance(s, ControlStep)]
        self.segments: list[Segment] = []
        self._words(arrays, [*self.launches, *controls])
        self._controls = {
            id(step): ControlFrame(step.control, self.words.ctypes.data + 8 * start)
            for step, start in zip(controls, self.starts[len(self.launches) :])
        }
        count = threads.count()
        table, parallel = self._phases(phases, 1 if alone else count, functions, alone)
        self._phase_words = np.array(table, np.int64)
        self.stride = rounded(max((launch.scratch for launch in self.launches), default=0))
        self._own_bytes = rounded(layout.nbytes) + self.stride * count
        inner = [control.arena_bytes for control in self._controls.values()]
        #: Bytes of arena that a run needs; what control flow needs, one after another does.
        self.arena_bytes = self._own_bytes + max(inner, default=0)
        #: The arena of the run that is on; a program at rest holds none.
        self.arena: Arena | None = None
        #: The address of the arena that the words are for.
        self.home = 0
        self.record = np.zeros(FrameWord.SIZE, np.int64)
        parallel = parallel or any(control.uses_pool for control in self._controls.values())
        self.uses_pool = parallel
        self.record[FrameWord.POOL] = threads.pool() if parallel else 0
        self.record[FrameWord.PHASES] = self._phase_words.ctypes.data
        self.record[FrameWord.STRIDE] = self.stride
        self.record[FrameWord.ARRAYS] = arrays
        self.record[FrameWord.PATCHES] = self.patches.ctypes.data
        self.record[FrameWord.PATCH_COUNT] = len(self.patches)
        self.record[FrameWord.WORDS] = self.words.ctypes.data
        driver = native.load()
        self.record[FrameWord.NDARRAY] = id(np.ndarray)
        self.record[FrameWord.API] = driver.api
        self.address = self.record.ctypes.data
        #: Binds a list of arrays and runs all, where it is one call of the driver.
        self.run: Callable[[list[Any]], int] | None = None
        if len(self.segments) == 1 and self.segments[0].host is None and driver.run is not None:
            self.run = driver.run(self.address, self.segments[0].begin, self.segments[0].end)

    def _words(self, arrays: int, steps: Sequence[Any]) -> None:
        """The arguments of launches and control flow, and where the words are that change."""
        words: list[int] = []
        patches: list[tuple[int, int, int]] = []
        moving: list[tuple[int, int]] = []
        self.starts: list[int] = []
        for step in steps:
            self.starts.append(len(words))
            for buffer in (*step.outputs, *step.inputs):
                home = memory(buffer)
                slot = self.slots.get(home)
                if slot is not None:
                    patches.append((slot, len(words), buffer.start))
                    words.append(0)
                elif home in self.constants:
                    words.append(self.constants[home].ctypes.data + buffer.start)
                else:
                    moving.append((len(words), self.layout.offsets[home] + buffer.start))
                    words.append(0)
            if isinstance(step, Launch):
                words.extend(step.numbers)
        # Numbers may use all 64 bits.
        self.words = np.array([w & 0xFFFF_FFFF_FFFF_FFFF for w in words], np.uint64).view(np.int64)
        self.patches = np.array(patches, np.int64).reshape(-1, Patch.SIZE)
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
            control = self._controls.get(id(first))
            if control is not None:
                table.append((control.address, 0, IS_CONTROL))
                self._goes_on(len(table) - 1, len(table))
                continue
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
            if alone:
                self.segments += [Segment(i, i + 1, None) for i in range(begin, len(table))]
            else:
                self._goes_on(begin, len(table))
        self.phases = len(table)
        self._chunk_words = np.array(chunks, np.int64).reshape(-1, Chunk.SIZE)
        base = self._chunk_words.ctypes.data
        placed = [
            (at if wide == IS_CONTROL else base + 8 * Chunk.SIZE * at, many, wide)
            for at, many, wide in table
        ]
        assert not placed or len(placed[0]) == PhaseWord.SIZE
        return placed, any(wide == 1 for _, _, wide in placed)

    def _goes_on(self, begin: int, end: int) -> None:
        """These phases follow without a host step between."""
        last = self.segments[-1] if self.segments else None
        if last is not None and last.host is None:
            self.segments[-1] = last._replace(end=end)
        else:
            self.segments.append(Segment(begin, end, None))

    def move(self, arena: Arena) -> None:
        """Put the addresses in an arena into the words."""
        self.home = arena.address
        self.words[self._moving[:, 0]] = self._moving[:, 1] + arena.address
        self.record[FrameWord.SCRATCH] = arena.address + rounded(self.layout.nbytes)
        for control in self._controls.values():
            control.move(arena, self._own_bytes)

    def bind(self, arrays: Sequence[np.ndarray]) -> int:
        """What `plait_bind` does, in Python."""
        addresses = [array.ctypes.data for array in arrays]
        unfit = sum(not fits(array) for array in arrays)
        if not unfit and len(self.patches):
            slots, places, starts = self.patches.T
            self.words[places] = np.array(addresses, np.int64)[slots] + starts
        return unfit

    def view(self, buffer: Any, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The array of a buffer in the present run."""
        home = memory(buffer)
        slot = self.slots.get(home)
        if slot is None and home not in self.constants:
            assert self.arena is not None
            offset = self.layout.offsets[home] + buffer.start
            return np.ndarray(buffer.shape, buffer.dtype.numpy, self.arena.array.data, offset)
        whole = self.constants[home] if slot is None else arrays[slot]
        first = buffer.start // buffer.dtype.itemsize
        return whole.reshape(-1)[first : first + elements(buffer.shape)].reshape(buffer.shape)

    def explain(self, arrays: Sequence[np.ndarray]) -> None:
        """Raise what a fault stands for, here or in the bodies of control flow, if there is one; or
        what a handler of signals has raised in a loop (Ctrl-C)."""
        native.load().reraise()
        for control in self._controls.values():
            assert self.arena is not None
            control.explain(self.arena, self._own_bytes)
        if self.record[FrameWord.FAULTED]:
            launch, code = self._first_fault()
            explain(launch, code, [self.view(b, arrays) for b in explaining(launch)])

    def _first_fault(self) -> tuple[Launch, int]:
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
