"""Which steps run together: phases of independent launches, and the order of what can fail.

A phase is one parallel region: its launches read nothing that another of them writes. A host step
is a phase of its own. The order of the list is kept, except that small launches move back to the
earliest phase they may run in: alone they would not be worth a barrier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plait.core.codegen.kernel import Launch
from plait.core.compiler.steps import HostStep, Step, may_fail, memory, reads, writes

#: Launches up to this estimate (ns) and result size move to an earlier phase. A barrier between
#: threads costs a microsecond or two; and larger results would live in the arena for longer.
SMALL_NS = 20_000
SMALL_BYTES = 256 << 10

#: What a core does in a nanosecond, roughly: it need only tell small work from large.
_FLOPS_PER_NS = 60
_BYTES_PER_NS = 10
#: A call of a kernel on nothing.
_CALL_NS = 50


@dataclass(frozen=True)
class Phase:
    """Launches that may run at the same time, or one host step."""

    steps: tuple[Step, ...]

    @property
    def host(self) -> bool:
        return isinstance(self.steps[0], HostStep)


def cost_ns(launch: Launch) -> int:
    """About how long a launch takes on one thread, in nanoseconds."""
    moved = launch.bytes or sum(b.nbytes for b in (*launch.outputs, *launch.inputs))
    return _CALL_NS + max(launch.flops // _FLOPS_PER_NS, moved // _BYTES_PER_NS)


def schedule(steps: Sequence[Step], same: Mapping[Any, Any]) -> list[Phase]:
    """Steps in phases.

    same: buffers that take over the memory of another. What is written there cannot be taken back,
    so that such writes come in phases after all that may fail; the steps must be in an order that
    allows it (see `late_writes`).
    """
    phases: list[list[Step]] = []
    written: dict[Any, int] = {}
    touched: dict[Any, int] = {}
    floor = 0  # the first phase after the last host step
    failing = -1  # the last phase with a step that may fail
    for step in steps:
        sources = [same.get(b, b) for b in reads(step)]
        targets = [same.get(b, b) for b in writes(step)]
        earliest = floor
        for buffer in sources:
            earliest = max(earliest, written.get(buffer, -1) + 1)
        for buffer in targets:
            earliest = max(earliest, touched.get(buffer, -1) + 1)
        if any(b in same for b in writes(step)):
            earliest = max(earliest, failing + 1)
        if isinstance(step, HostStep):
            place = len(phases)
            floor = place + 1
        elif _is_small(step):
            place = earliest
        else:
            place = max(earliest, len(phases) - 1)
        if place == len(phases):
            phases.append([])
        phases[place].append(step)
        if may_fail(step):
            failing = max(failing, place)
        for buffer in targets:
            written[buffer] = place
        for buffer in (*sources, *targets):
            touched[buffer] = max(place, touched.get(buffer, -1))
    return [Phase(tuple(phase)) for phase in phases]


def _is_small(launch: Launch) -> bool:
    return sum(b.nbytes for b in launch.outputs) <= SMALL_BYTES and cost_ns(launch) <= SMALL_NS


def taken_over(
    steps: Sequence[Step], outputs: Sequence[Any], inputs: Sequence[Any], wanted: Mapping[int, int]
) -> dict[Any, Any]:
    """Of the wanted donations (output number -> input number), those that can be done in place.

    Gives output buffer -> input buffer: the input's last reader comes before the output's first
    writer, or is that writer and may work in place.
    """
    first_write: dict[Any, int] = {}
    last_touch: dict[Any, int] = {}
    for number, step in enumerate(steps):
        for buffer in writes(step):
            first_write.setdefault(buffer, number)
        for buffer in (*reads(step), *writes(step)):
            last_touch[buffer] = number
    same: dict[Any, Any] = {}
    for output_number, input_number in wanted.items():
        output, source = outputs[output_number], inputs[input_number]
        writing = first_write.get(output)
        if writing is None or output in same or output in inputs:
            continue
        last_read = last_touch.get(source, -1)
        writer = steps[writing]
        if may_fail(writer):
            continue
        if last_read < writing or (last_read == writing and _in_place(writer, output, source)):
            same[output] = source
    return same


def _in_place(step: Step, output: Any, source: Any) -> bool:
    """Whether a step may write `output` over `source`, which it reads."""
    targets = writes(step)
    if isinstance(step, HostStep) or targets.count(output) != 1 or source in targets:
        return False
    position = targets.index(output)
    return all(
        (position, i) in step.in_place and buffer.start == 0
        for i, buffer in enumerate(step.inputs)
        if memory(buffer) is source
    )


def late_writes(steps: Sequence[Step], same: dict[Any, Any]) -> tuple[list[Step], dict[Any, Any]]:
    """Move writes into taken-over memory behind all that may fail: (steps, what can be kept).

    Where a step that may fail needs such a write, that buffer does not take over memory after all.
    """
    same = dict(same)
    last = max((i for i, step in enumerate(steps) if may_fail(step)), default=-1)
    while True:
        early: list[Step] = []
        late: list[Step] = []
        late_reads: set[Any] = set()
        late_targets: set[Any] = set()
        blamed: list[Any] = []
        for step in steps[: last + 1]:
            sources = {same.get(b, b) for b in reads(step)}
            targets = {same.get(b, b) for b in writes(step)}
            waits = (
                any(b in same for b in writes(step))
                or not late_targets.isdisjoint(sources | targets)
                or not late_reads.isdisjoint(targets)
            )
            if not waits:
                early.append(step)
                continue
            if may_fail(step):
                blamed = [b for b in same if any(b in writes(s) for s in late)]
                break
            late.append(step)
            late_reads |= sources
            late_targets |= targets
        if not blamed:
            return [*early, *late, *steps[last + 1 :]], same
        for buffer in blamed:
            del same[buffer]
