"""A compiled graph: steps in phases, a memory plan, and the arrays of one call.

    program = Program(steps, inputs, outputs, target, donations={0: 0})
    results = program.run(arrays)

Between host steps a program is one call of the native driver, without the GIL. Calls may overlap:
each has its own frame and arena.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from plait.core.codegen.kernel import Kernel, Launch
from plait.core.compiler.memory import plan_memory
from plait.core.compiler.order import frugal
from plait.core.compiler.plan import Buffer
from plait.core.compiler.schedule import late_writes, schedule, taken_over
from plait.core.compiler.steps import (
    HostStep,
    Step,
    forget_buffers,
    may_fail,
    memory,
    perform,
    reads,
    writes,
)
from plait.core.ir.graph import Graph
from plait.core.llvm.target import Target
from plait.core.reference import executor
from plait.core.runtime import guard, kernels, native, profile, settling, threads
from plait.core.runtime.arrays import Arena, empty, give_arena, maker, take_arena, trim
from plait.core.runtime.config import flag
from plait.core.runtime.frame import Frame, fits

profile.start_from_flags()

#: Programs that need more are worth the milliseconds in which the C library tidies up.
_MUCH_BYTES = 32 << 20


class Program:
    """Steps that compute arrays from arrays.

    steps: launches and host steps, each reading only what earlier ones wrote. inputs, outputs: the
    buffers of the arrays that `run` takes and gives; an output may be an input, a constant, or
    appear twice, and one with a root comes in the root's shape.

    donations: output number -> input number: the output takes over that input's memory, and `run`
    gives that very array with the result in it. Both have the same shape and dtype, that input is
    no output too, and the array given shares no memory with another one given.

    shapes: those that the outputs are wanted in, where they are others than their buffers'; they
    are got by the outputs that have new arrays (`result_shapes`).

    rewritable: output number -> its number among the new arrays that a run makes, of those outputs
    for which it may be given memory: nothing is written there while a step may still fail.

    peak_bytes: memory that a run needs besides the arrays it is given: arena and new outputs.
    Raises KernelRefused (see `kernels.addresses`), ValueError for donations that do not fit.
    Arrays of another shape or dtype than their buffer's are found only with `PLAIT_VERIFY=1`.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        inputs: Sequence[Buffer],
        outputs: Sequence[Buffer],
        target: Target,
        donations: Mapping[int, int] | None = None,
        shapes: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        self.inputs, self.outputs = tuple(inputs), tuple(map(memory, outputs))
        self.donations = dict(donations or {})
        self._check_donations()
        steps = self._in_order(steps)
        same = taken_over(steps, self.outputs, self.inputs, self.donations)
        ordered, same = late_writes(steps, same)
        self.phases = schedule(ordered, same)
        slots: dict[Any, int] = {buffer: i for i, buffer in enumerate(self.inputs)}
        slots.update({output: slots[source] for output, source in same.items()})
        #: Outputs that get a new array at each call, whose slots follow those of the inputs.
        self.fresh: list[tuple[tuple[int, ...], np.dtype]] = []
        for number, buffer in enumerate(self.outputs):
            if number in self.donations or buffer in slots or buffer.value is not None:
                continue
            slots[buffer] = len(self.inputs) + len(self.fresh)
            shape = buffer.shape if shapes is None else shapes[number]
            self.fresh.append((shape, buffer.dtype.numpy))
        self._makers = [(maker(*fresh), *fresh) for fresh in self.fresh]
        self.rewritable = self._find_rewritable(slots)
        self._slots = slots
        self._constants = self._settled_constants()
        self.layout = plan_memory(
            self.phases,
            lambda b: b not in slots and b not in self._constants,
            kept={b for b in self.outputs if b not in slots},
        )
        launches = [s for p in self.phases for s in p.steps if isinstance(s, Launch)]
        self._target = target
        self._functions = kernels.addresses((s.kernel for s in launches), target)
        _share_kernels(launches, self._functions)
        for step in ordered:
            forget_buffers(step)
        self._plan_results()
        self._frames = [self.new_frame()]
        self._verify = bool(flag("PLAIT_VERIFY"))
        self._guard = str(flag("PLAIT_GUARD"))
        if self._guard not in ("", *guard.SIDES):
            raise ValueError(f"PLAIT_GUARD={self._guard!r}: expected {' or '.join(guard.SIDES)}")
        fresh_bytes = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in self.fresh)
        self.peak_bytes = self._frames[0].arena_bytes + fresh_bytes
        if self.peak_bytes >= _MUCH_BYTES:
            trim()  # of what the reference and LLVM took, before as much is asked for again
        settling.begin()

    # -- what is fixed before any run ------------------------------------------------------------

    def _check_donations(self) -> None:
        if len(set(self.donations.values())) != len(self.donations):
            raise ValueError("an input is given away to two outputs")
        for output, source in self.donations.items():
            a, b = self.outputs[output], self.inputs[source]
            if a.shape != b.shape or a.dtype is not b.dtype:
                raise ValueError(f"output {a} cannot take over the memory of input {b}")
            if b in self.outputs:
                raise ValueError(f"input {b} is given away, but is an output as well")

    def _in_order(self, steps: Sequence[Step]) -> list[Step]:
        """The steps in the order that they are to run in."""
        given = {*self.inputs, *self.outputs}
        donated = {self.outputs[o]: self.inputs[i] for o, i in self.donations.items()}
        return frugal(steps, lambda b: b not in given and b.value is None, donated)

    def _find_rewritable(self, slots: Mapping[Any, int]) -> dict[int, int]:
        numbers = range(len(self.phases))
        failing = max((n for n in numbers if any(map(may_fail, self.phases[n].steps))), default=-1)
        early = {b for p in self.phases[: failing + 1] for step in p.steps for b in writes(step)}
        return {
            number: slots[buffer] - len(self.inputs)
            for number, buffer in enumerate(self.outputs)
            if slots.get(buffer, -1) >= len(self.inputs)
            and buffer not in early
            and self.outputs.count(buffer) == 1
        }

    def _settled_constants(self) -> dict[Any, np.ndarray]:
        """The arrays of constants as kernels need them."""
        settled: dict[Any, np.ndarray] = {}
        touched = (b for p in self.phases for s in p.steps for b in reads(s))
        for buffer in (*touched, *self.outputs):
            if buffer.value is not None and buffer not in settled:
                settled[buffer] = _fitting(buffer.value).reshape(buffer.shape)
        return settled

    def _plan_results(self) -> None:
        """Where each output comes from: the list of arrays, a constant's copy, or the arena.

        What is neither has a copy to be made into the input that it takes over.
        """
        self._result_slots: list[int] = []
        self._copied: list[tuple[int, Buffer]] = []  # (input, from)
        self._constant_results: list[Buffer | None] = []
        for number, buffer in enumerate(self.outputs):
            slot = self._slots.get(buffer, 0)
            if number in self.donations:
                source = self.donations[number]
                if buffer not in self._slots or slot != source:
                    self._copied.append((source, buffer))
                slot = source
            given = number in self.donations or buffer in self._slots
            self._constant_results.append(None if given else buffer)
            self._result_slots.append(slot)
        self._plain_results = not self._copied and not any(self._constant_results)
        first = len(self.inputs)
        #: The shapes that the outputs come in.
        self.result_shapes = [
            self.fresh[slot - first][0] if constant is None and slot >= first else buffer.shape
            for slot, buffer, constant in zip(
                self._result_slots, self.outputs, self._constant_results
            )
        ]

    @property
    def slots(self) -> int:
        """How many arrays a run has: inputs, then new outputs."""
        return len(self.inputs) + len(self.fresh)

    @property
    def result_slots(self) -> list[int]:
        """The places of the outputs among the arrays of a run."""
        return list(self._result_slots)

    @property
    def array_types(self) -> list[tuple[tuple[int, ...], np.dtype]]:
        """Shapes and dtypes of the arrays of a run."""
        return [*[(b.shape, b.dtype.numpy) for b in self.inputs], *self.fresh]

    @property
    def copied(self) -> list[Buffer]:
        """What a run copies into inputs after its steps: results that were to take over the memory
        of an input that was still read when they were made."""
        return [buffer for _, buffer in self._copied]

    def new_frame(self, *, alone: bool = False) -> Frame:
        """Tables for a run; alone: with each launch in a phase of its own, on one thread."""
        while True:
            frame = Frame(
                self.phases,
                self._slots,
                self.slots,
                self._constants,
                self.layout,
                self._functions,
                alone=alone,
            )
            # Another thread may have changed the count meanwhile: then the scratch memory is not
            # that of the pool's threads.
            if frame.generation == threads.generation:
                return frame

    def __str__(self) -> str:
        """The phases, and where in the arena each temporary lies."""
        lines = [f"program: arena {self.layout.nbytes} bytes, peak {self.peak_bytes} bytes"]
        for number, phase in enumerate(self.phases):
            lines.append(f"phase {number}")
            for step in phase.steps:
                targets = ", ".join(map(self._place, step.outputs))
                sources = ", ".join(map(self._place, step.inputs))
                lines.append(f"  {targets} = {profile.label(step)} ({sources})")
        return "\n".join(lines)

    def _place(self, buffer: Buffer) -> str:
        home = memory(buffer)
        if home in self._slots:
            start = f"+{buffer.start}" if buffer.start else ""
            return f"array {self._slots[home]}{start}"
        if home in self._constants:
            return "constant"
        return f"+{self.layout.offsets[home] + buffer.start}"

    def _check_types(self, arrays: Sequence[np.ndarray]) -> None:
        for number, (buffer, array) in enumerate(zip(self.inputs, arrays)):
            if array.shape != buffer.shape or array.dtype != buffer.dtype.numpy:
                raise ValueError(
                    f"input {number}: expected {buffer}, received {array.dtype}{list(array.shape)}"
                )

    # -- a run -----------------------------------------------------------------------------------

    def run(
        self, arrays: Sequence[np.ndarray], again: Mapping[int, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """The outputs' arrays, for arrays of the inputs' shapes and dtypes.

        again: arrays made by `arrays.empty` that are written instead of new ones, by the numbers
        that `rewritable` gives.

        Raises what a failing check or host step raises; then no array given has changed.
        """
        if len(arrays) != len(self.inputs):
            raise ValueError(f"expected {len(self.inputs)} arrays, received {len(arrays)}")
        if self._verify:
            self._check_types(arrays)
        try:
            frame = self._frames.pop()
        except IndexError:
            frame = self.new_frame()
        if frame.generation != threads.generation:
            frame = self.new_frame()
        if profile.active is not None or self._guard:
            return self._run_alone(frame, arrays, again, profile.active)
        arena = take_arena(frame.arena_bytes)
        sound: Frame | None = frame
        try:
            if frame.run is None or not self._plain_results:
                return self._run_in(frame, arena, arrays, again)
            # In the usual case, the same in fewer steps: small programs are run often.
            if frame.home != arena.address:
                frame.move(arena)
            frame.arena = arena
            if again:
                given = self._with_results(arrays, again)
            else:
                given = [*arrays]
                for make, shape, dtype in self._makers:
                    given.append(make(shape, dtype))
            fault = frame.run(given)
            if not fault:
                slots = self._result_slots
                return [given[slots[0]]] if len(slots) == 1 else [given[slot] for slot in slots]
            if fault > 0:
                frame.explain(given)
            return self._run_in(frame, arena, arrays, again)
        except BaseException:
            # It may still hold a fault: Ctrl-C can come before that is explained and forgotten.
            sound = None
            raise
        finally:
            frame.arena = None
            give_arena(arena)
            if sound is not None:
                self._frames.append(sound)
            if settling.runs:
                settling.count()

    def _run_alone(
        self,
        kept: Frame,
        arrays: Sequence[np.ndarray],
        again: Mapping[int, np.ndarray] | None,
        measured: profile.Profile | None,
    ) -> list[np.ndarray]:
        """A run step by step, in tables made for it: timed, or between guard pages."""
        self._frames.append(kept)
        frame = self.new_frame(alone=True)
        arena = Arena(frame.arena_bytes)
        if measured is None:
            return self._run_in(frame, arena, arrays, again)
        steps = [step for phase in self.phases for step in phase.steps]
        return self._run_in(frame, arena, arrays, again, measured.clock(steps))

    def _run_in(
        self,
        frame: Frame,
        arena: Arena,
        arrays: Sequence[np.ndarray],
        again: Mapping[int, np.ndarray] | None,
        ended: Callable[[], None] | None = None,
    ) -> list[np.ndarray]:
        if frame.home != arena.address:
            frame.move(arena)
        frame.arena = arena
        driver = native.load()
        given = self._with_results(arrays, again)
        bound, bind = given, driver.bind
        if bind(given, frame.address) if bind is not None else frame.bind(given):
            bound = [a if fits(a) else _fitting(a) for a in given]
            frame.bind(bound)
        for begin, end, host in frame.segments:
            if host is not None:
                self._run_host(host, frame, bound)
            elif (
                guard.drive(frame, self._functions, begin, self._guard)  # a phase is a launch there
                if self._guard
                else driver.drive(frame.address, begin, end)
            ):
                frame.explain(bound)
            if ended is not None:
                ended()
        if self._plain_results and bound is given:
            return [given[slot] for slot in self._result_slots]
        return self._results(frame, given, bound)

    def _with_results(
        self, arrays: Sequence[np.ndarray], again: Mapping[int, np.ndarray] | None
    ) -> list[np.ndarray]:
        """The arrays of a run: inputs, and those of outputs, which are new but for `again`."""
        given = [*arrays]
        for number, (make, shape, dtype) in enumerate(self._makers):
            given.append(again[number] if again and number in again else make(shape, dtype))
        return given

    def _run_host(self, step: HostStep, frame: Frame, bound: list[np.ndarray]) -> None:
        results = perform(step, [frame.view(b, bound) for b in step.inputs], self._nested)
        for buffer, result in zip(step.outputs, results, strict=True):
            np.copyto(frame.view(buffer, bound), result)

    def _nested(self, graph: Graph, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run a graph that an op of control flow holds: natively, for the same target."""
        if not graph.instructions:
            return executor.run(graph, inputs, self._nested)
        from plait.core.runtime import compiled  # not at the top: it imports this module

        try:
            program = compiled.compiled(graph, on=self._target)
        except kernels.KernelRefused as fault:
            if flag("PLAIT_BACKEND") == "compiled":
                raise
            warnings.warn(
                f"plait: a body of control flow stays on the reference executor: {fault}",
                RuntimeWarning,
                stacklevel=2,
            )
            return executor.run(graph, inputs, self._nested)
        return program.run(inputs, graph)

    def _results(
        self, frame: Frame, given: list[np.ndarray], bound: list[np.ndarray]
    ) -> list[np.ndarray]:
        """Copy what did not land where it belongs; then the outputs."""
        copies = [(given[i], frame.view(buffer, bound)) for i, buffer in self._copied]
        # An input that is copied from may itself be copied to.
        copies = [(to, a.copy() if any(a is b for b in bound) else a) for to, a in copies]
        for source in self.donations.values():
            if bound[source] is not given[source]:
                copies.append((given[source], bound[source]))
        done: set[int] = set()
        for to, value in copies:
            if id(to) not in done:
                np.copyto(to, value)
                done.add(id(to))
        return [
            given[slot] if constant is None else self._constants[constant].copy()
            for slot, constant in zip(self._result_slots, self._constant_results)
        ]


def _share_kernels(launches: Sequence[Launch], known: Mapping[Kernel, int]) -> None:
    """Let launches of the same code have one kernel: each keeps what it was to be emitted from."""
    one = {kernel: kernel for kernel in known}
    for launch in launches:
        object.__setattr__(launch, "kernel", one[launch.kernel])


def _fitting(array: np.ndarray) -> np.ndarray:
    """A copy that kernels can work on, or the array itself if they can."""
    if fits(array):
        return array
    copy = empty(array.shape, array.dtype)
    np.copyto(copy, array)
    return copy
