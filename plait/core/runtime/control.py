"""Control flow that the native driver runs: loops and choices whose bodies are programs themselves.

`natively` puts a `ControlStep` in place of each host step that holds control flow, where all in its
bodies has kernels. A body is planned once, like any program. What changes from turn to turn are the
places of its arrays, which a `Call` says:

- constants stay where they are; slices and stacked results move on by a row per turn;
- a carried value that its body can write over (as an optimizer's update does) stays in one place;
  another has two, and is read from the one and written to the other in turns.

Kernels take addresses that are multiples of 16: rows that do not all begin at such are copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from plait.core.compiler.lower.copies import plain_copy
from plait.core.compiler.lowering import Lowered
from plait.core.compiler.memory import rounded
from plait.core.compiler.plan import Buffer, Plan
from plait.core.compiler.steps import ControlStep, HostStep, memory
from plait.core.ir.graph import Graph
from plait.core.ir.op import elements
from plait.core.llvm.target import Target
from plait.core.runtime.kernels import KernelRefused
from plait.core.runtime.program import Program

#: Turns of a loop that ends by its condition.
ENDLESS = (1 << 63) - 1
#: Every kernel takes addresses that are multiples of it.
_ALIGNED = 16


class Home(NamedTuple):
    """Memory that a loop knows: that of operand `number` of its step (outputs, then inputs), or
    `number` bytes into the memory of its own."""

    own: bool
    number: int


class Place(NamedTuple):
    """Where an array of a body is: its home in even and in odd turns, bytes added to it, and those
    added per turn."""

    even: Home
    odd: Home
    offset: int = 0
    stride: int = 0


class Copy(NamedTuple):
    """Bytes that are copied."""

    to: Place
    source: Place
    nbytes: int


class Call(NamedTuple):
    """A body, the places of its arrays by slot, and the copies before and after each run."""

    program: Program
    places: Sequence[Place]
    before: Sequence[Copy] = ()
    after: Sequence[Copy] = ()


class Control(NamedTuple):
    """A loop or a choice; `codegen/control_ir.py` says how its parts work together.

    nbytes: memory of its own, besides what its bodies need.
    """

    most: int
    body: Call
    test: Call | None = None
    decision: Home | None = None
    otherwise: Call | None = None
    first: Sequence[Copy] = ()
    last: Sequence[Copy] = ()
    nbytes: int = 0

    @property
    def calls(self) -> list[Call]:
        """All that it calls."""
        return [call for call in (self.body, self.test, self.otherwise) if call is not None]


Lower = Callable[[Graph], Lowered]


def natively(lowered: Lowered, target: Target, lower: Lower) -> Lowered:
    """The same steps, with control flow run by the driver where its bodies can be.

    lower: what makes launches of a body's graph.
    """
    if not any(isinstance(step, HostStep) for step in lowered.steps):
        return lowered
    return lowered._replace(steps=[_native(step, target, lower) for step in lowered.steps])


def _native(step: Any, target: Target, lower: Lower) -> Any:
    make = None
    if isinstance(step, HostStep):
        make = _MAKERS.get(step.instruction.op.name)
    if make is None:
        return step
    try:
        control = make(step, _Bodies(target, lower))
    except KernelRefused:
        return step  # its turns say so when they run
    if control is None:
        return step
    return ControlStep(step.instruction, step.outputs, step.inputs, control)


# -- bodies -----------------------------------------------------------------------------------


class _Body(NamedTuple):
    """A program, and the slots of its outputs; None for one that is the carry as it came in."""

    program: Program
    slots: list[int | None]

    def places(self, by_slot: Mapping[int, Place]) -> list[Place]:
        """Those of all arrays, in order."""
        return [by_slot[slot] for slot in range(self.program.slots)]


class _Bodies:
    """Makes programs of bodies."""

    def __init__(self, target: Target, lower: Lower) -> None:
        self._target, self._lower = target, lower

    def program(self, graph: Graph, carried: Mapping[int, int] | None = None) -> _Body | None:
        """The program of a graph; None where not all of it is native.

        carried: output -> input whose value it is in the next turn. Each other output has memory of
        its own; where it can be, a carried one has that of its input.
        """
        carried = carried or {}
        lowered = natively(self._lower(graph), self._target, self._lower)
        if any(type(step) is HostStep for step in lowered.steps):
            return None
        plan = Plan(self._target)
        plan.steps = list(lowered.steps)
        outputs: list[Buffer] = []
        numbers: list[int | None] = []
        for number, buffer in enumerate(map(memory, lowered.outputs)):
            source = carried.get(number)
            if source is not None and buffer is lowered.inputs[source]:
                numbers.append(None)
                continue
            if buffer in lowered.inputs or buffer in outputs or buffer.value is not None:
                own = Buffer(buffer.shape, buffer.dtype, "output")
                plain_copy(plan, buffer, own)
                buffer = own
            numbers.append(len(outputs))
            outputs.append(buffer)
        over = {
            place: carried[number]
            for number, place in enumerate(numbers)
            if place is not None and number in carried
            if _alike(outputs[place], lowered.inputs[carried[number]])
        }
        program = self._over(plan.steps, lowered.inputs, outputs, over)
        slots = program.result_slots
        return _Body(program, [None if n is None else slots[n] for n in numbers])

    def _over(
        self,
        steps: Sequence[Any],
        inputs: Sequence[Buffer],
        outputs: Sequence[Buffer],
        over: dict[int, int],
    ) -> Program:
        """The program in which outputs take the memory of inputs where no copy is needed for it."""
        while True:
            program = Program(steps, inputs, outputs, self._target, over)
            copied = program.copied
            if not copied:
                return program
            over = {
                number: source for number, source in over.items() if outputs[number] not in copied
            }


def _alike(a: Buffer, b: Buffer) -> bool:
    return a.shape == b.shape and a.dtype is b.dtype


class _Own:
    """A loop's own memory, dealt out."""

    def __init__(self) -> None:
        self.nbytes = 0

    def take(self, nbytes: int) -> Home:
        """So many bytes."""
        start = self.nbytes
        self.nbytes += rounded(nbytes)
        return Home(True, start)


def _still(home: Home) -> Place:
    return Place(home, home)


class _Carries:
    """The places of carried values: the last of them is to be found in the step's outputs.

    turns: how many there are; None where only the run will tell.
    """

    def __init__(self, body: _Body, outputs: int, first: int, own: _Own, turns: int | None) -> None:
        self.by_slot: dict[int, Place] = {}
        self.inputs: list[Place] = []
        self.first: list[Copy] = []
        self.last: list[Copy] = []
        for number, slot in enumerate(body.slots[:outputs]):
            buffer = body.program.inputs[first + number]
            result = Home(False, number)
            if slot is None or slot == first + number:
                place = _still(result)
            else:
                other = own.take(buffer.nbytes)
                odd = turns is not None and turns % 2 == 1
                place = Place(other, result) if odd else Place(result, other)
                self.by_slot[slot] = Place(place.odd, place.even)
                if turns is None:
                    self.last.append(Copy(_still(result), _still(other), buffer.nbytes))
            self.by_slot[first + number] = place
            self.inputs.append(place)


def _operand(step: HostStep, number: int) -> Home:
    """Where an input of a step is."""
    return Home(False, len(step.outputs) + number)


# -- the kinds of control flow ----------------------------------------------------------------


def _scan(step: HostStep, bodies: _Bodies) -> Control | None:
    attrs = step.instruction.attrs
    constants, carries, length = attrs["constants"], attrs["carries"], attrs["length"]
    body = bodies.program(attrs["body"], {i: constants + i for i in range(carries)})
    if body is None:
        return None
    own = _Own()
    carried = _Carries(body, carries, constants, own, length)
    by_slot = dict(carried.by_slot)
    for number in range(constants):
        by_slot[number] = _still(_operand(step, number))
    before: list[Copy] = []
    after: list[Copy] = []
    for number in range(constants + carries, len(step.inputs)):
        row = _row(_operand(step, number), step.inputs[number], attrs)
        by_slot[number] = _aligned(row, own)
        if by_slot[number] is not row:
            before.append(Copy(by_slot[number], row, body.program.inputs[number].nbytes))
    for number in range(carries, len(step.outputs)):
        slot = body.slots[number]
        assert slot is not None
        row = _row(Home(False, number), step.outputs[number], attrs)
        by_slot[slot] = _aligned(row, own)
        if by_slot[slot] is not row:
            after.append(Copy(row, by_slot[slot], abs(row.stride)))
    first = [
        Copy(
            carried.inputs[number],
            _still(_operand(step, constants + number)),
            step.outputs[number].nbytes,
        )
        for number in range(carries)
    ]
    call = Call(body.program, body.places(by_slot), before, after)
    return Control(length, call, first=first, nbytes=own.nbytes)


def _row(home: Home, stack: Buffer, attrs: Mapping[str, Any]) -> Place:
    """The row of a stack that a turn is about."""
    nbytes = elements(stack.shape[1:]) * stack.dtype.itemsize
    if attrs["reverse"]:
        return Place(home, home, (attrs["length"] - 1) * nbytes, -nbytes)
    return Place(home, home, 0, nbytes)


def _aligned(row: Place, own: _Own) -> Place:
    """The place of a row for kernels: a copy where not all rows are aligned."""
    return row if row.stride % _ALIGNED == 0 else _still(own.take(abs(row.stride)))


def _while(step: HostStep, bodies: _Bodies) -> Control | None:
    attrs = step.instruction.attrs
    count = len(step.inputs)
    body = bodies.program(attrs["body"], {i: i for i in range(count)})
    condition = bodies.program(attrs["condition"])
    if body is None or condition is None:
        return None
    own = _Own()
    carried = _Carries(body, count, 0, own, None)
    answer = own.take(1)
    (slot,) = condition.slots
    assert slot is not None
    asked = {**dict(enumerate(carried.inputs)), slot: _still(answer)}
    return Control(
        ENDLESS,
        Call(body.program, body.places(carried.by_slot)),
        test=Call(condition.program, condition.places(asked)),
        decision=answer,
        first=[
            Copy(place, _still(_operand(step, number)), step.outputs[number].nbytes)
            for number, place in enumerate(carried.inputs)
        ],
        last=carried.last,
        nbytes=own.nbytes,
    )


def _cond(step: HostStep, bodies: _Bodies) -> Control | None:
    attrs = step.instruction.attrs
    branches = [bodies.program(attrs[name]) for name in ("then", "orelse")]
    calls: list[Call] = []
    for branch in branches:
        if branch is None:
            return None
        places = {n: _still(_operand(step, 1 + n)) for n in range(len(step.inputs) - 1)}
        for number, slot in enumerate(branch.slots):
            assert slot is not None
            places[slot] = _still(Home(False, number))
        calls.append(Call(branch.program, branch.places(places)))
    then, orelse = calls
    return Control(1, then, decision=_operand(step, 0), otherwise=orelse)


_MAKERS: dict[str, Callable[[HostStep, _Bodies], Control | None]] = {
    "cond": _cond,
    "scan": _scan,
    "while": _while,
}
