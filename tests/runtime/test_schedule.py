"""Phases, late writes and the memory plan, on small step lists."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Sequence

import pytest

from plait.core.compiler.memory import plan_memory
from plait.core.compiler.plan import Buffer
from plait.core.compiler.schedule import Phase, late_writes, schedule, taken_over
from plait.core.compiler.steps import HostStep, Step, reads, writes
from plait.core.ir.dtypes import float32
from plait.core.ir.graph import Instruction
from plait.core.ir.op import op_by_name

from .small import guard, horner, vector

BIG = 1 << 20


class Names:
    """Buffers by name; names in capitals are large."""

    def __init__(self) -> None:
        self.buffers: dict[str, Buffer] = {}

    def __getitem__(self, name: str) -> Buffer:
        if name not in self.buffers:
            self.buffers[name] = vector(BIG if name.isupper() else 8)
        return self.buffers[name]

    def steps(self, text: str) -> list[Step]:
        """One step per line: "c = a b" launches, "c = host a", "c = guard a"."""
        made: list[Step] = []
        for line in text.split("\n"):
            if not line.strip():
                continue
            out, _, rest = line.replace("=", " ").strip().partition(" ")
            words = rest.split()
            if words[0] == "host":
                instruction = Instruction(op_by_name("neg"), (0,), {}, (8,), float32, None)
                given = tuple(self[name] for name in words[1:])
                made.append(HostStep(instruction, (self[out],), given))
            elif words[0] == "guard":
                fault = (Instruction(op_by_name("neg"), (0,), {}, (8,), float32, None), ())
                made.append(guard(self[out], self[words[1]], fault=fault))
            else:
                made.append(horner(self[out], *(self[name] for name in words)))
        return made

    def text(self, steps: Sequence[Step]) -> str:
        """The names of what steps write."""
        names = {id(buffer): name for name, buffer in self.buffers.items()}
        return " ".join(names[id(b)] for step in steps for b in writes(step))


def phases(text: str, same: dict[str, str] | None = None) -> list[str]:
    names = Names()
    steps = names.steps(text)
    taken = {names[a]: names[b] for a, b in (same or {}).items()}
    ordered, taken = late_writes(steps, taken)
    return [names.text(phase.steps) for phase in schedule(ordered, taken)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b = a \n c = b \n d = c", ["b", "c", "d"]),
        ("b = a \n c = a \n d = b c", ["b c", "d"]),
        # Small launches move back to the first phase they may run in; large ones keep their place.
        ("B = a \n C = B \n d = a", ["B d", "C"]),
        ("B = a \n C = B \n D = a", ["B", "C D"]),
        ("B = a \n C = B \n D = B", ["B", "C D"]),
        # Updates of all parameters are one parallel region.
        ("P = a b \n Q = c d \n R = e f \n s = g h", ["P Q R s"]),
        # A buffer is written again: after its readers.
        ("b = a \n c = b \n b = d \n e = b", ["b", "c", "b", "e"]),
        # Host steps split: nothing moves across them.
        ("b = a \n c = host a \n d = a \n e = b", ["b", "c", "d e"]),
    ],
)
def test_phases(text, expected):
    assert phases(text) == expected


def test_writes_into_taken_over_memory_come_after_what_may_fail():
    text = "n = x g \n m = n a \n c = guard a \n d = a"
    assert phases(text) == ["n c d", "m"]
    assert phases(text, {"n": "x"}) == ["c d", "n", "m"]
    # A later host step, too, can fail.
    assert phases("n = x g \n h = host a", {"n": "x"}) == ["h", "n"]


def test_a_failing_step_that_needs_such_a_write_undoes_the_taking_over():
    names = Names()
    steps = names.steps("n = x g \n c = guard n")
    ordered, same = late_writes(steps, {names["n"]: names["x"]})
    assert same == {}
    assert names.text(ordered) == "n c"


def test_what_is_taken_over():
    names = Names()

    def taken(text: str, outputs: str, inputs: str) -> str:
        steps = names.steps(text)
        wanted = dict.fromkeys(range(len(outputs.split())), 0)
        wanted = {i: i for i in wanted}
        same = taken_over(
            steps,
            [names[n] for n in outputs.split()],
            [names[n] for n in inputs.split()],
            wanted,
        )
        back = {id(buffer): name for name, buffer in names.buffers.items()}
        return " ".join(f"{back[id(a)]}<-{back[id(b)]}" for a, b in same.items())

    assert taken("n = x g", "n", "x") == "n<-x"  # elementwise, in place
    assert taken("t = x g \n n = t", "n", "x") == "n<-x"  # after the last reader
    assert taken("n = x g \n z = x", "n", "x") == ""  # a reader follows
    assert taken("n = guard x", "n", "x") == ""  # may fail itself
    assert taken("n = host x", "n", "x") == ""
    # Each of two reads what the other would overwrite.
    assert taken("p = x y \n q = y x", "p q", "x y") == "q<-y"


def test_a_launch_that_may_not_work_in_place():
    x, n = vector(8, "input"), vector(8, "output")
    launch = horner(n, x)
    assert taken_over([launch], [n], [x], {0: 0}) == {n: x}
    bare = dataclasses.replace(launch, in_place=())
    assert taken_over([bare], [n], [x], {0: 0}) == {}


# -- memory -------------------------------------------------------------------------------------


def lifetimes(planned: Sequence[Phase]) -> dict[Buffer, tuple[int, int]]:
    lives: dict[Buffer, tuple[int, int]] = {}
    for number, phase in enumerate(planned):
        for step in phase.steps:
            for buffer in (*reads(step), *writes(step)):
                first, _ = lives.get(buffer, (number, number))
                lives[buffer] = (first, number)
    return lives


def random_steps(seed: int) -> list[Step]:
    """A program of vectors of many sizes, empty ones among them."""
    dice = random.Random(seed)
    known = [vector(dice.choice((0, 1, 15, 16, 17, 100, 1000)))]
    steps: list[Step] = []
    for _ in range(60):
        given = [dice.choice(known[-12:]) for _ in range(dice.randint(1, 3))]
        out = vector(dice.choice((0, 1, 15, 16, 17, 100, 1000, 5000)))
        known.append(out)
        steps.append(horner(out, *given))
    return steps


@pytest.mark.parametrize("seed", range(20))
def test_what_lives_at_the_same_time_is_disjoint(seed):
    planned = schedule(random_steps(seed), {})
    layout = plan_memory(planned, lambda b: True)
    lives = lifetimes(planned)
    placed = [(b, layout.offsets[b], layout.offsets[b] + b.nbytes) for b in lives if b.nbytes]
    for i, (b, start, end) in enumerate(placed):
        assert start % 64 == 0
        assert end <= layout.nbytes
        for other, other_start, other_end in placed[:i]:
            apart = lives[b][1] < lives[other][0] or lives[other][1] < lives[b][0]
            assert apart or end <= other_start or other_end <= start
    # Never more than one copy of everything, and the best possible is the widest moment.
    widest = max(
        sum(-(-b.nbytes // 64) * 64 for b, (first, last) in lives.items() if first <= n <= last)
        for n in range(len(planned))
    )
    assert widest <= layout.nbytes <= sum(-(-b.nbytes // 64) * 64 for b in lives)


def test_a_long_chain_needs_two_buffers():
    values = [vector(1000) for _ in range(50)]
    steps = [horner(b, a) for a, b in itertools.pairwise(values)]
    assert plan_memory(schedule(steps, {}), lambda b: True).nbytes == 2 * 4032


def test_kept_buffers_live_to_the_end():
    values = [vector(1000) for _ in range(50)]
    steps = [horner(b, a) for a, b in itertools.pairwise(values)]
    layout = plan_memory(schedule(steps, {}), lambda b: True, kept={values[3]})
    assert layout.nbytes == 3 * 4032
