"""Programs: what they compute, donations, faults, host steps, memory between calls."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest

from plait.core.compiler.plan import Buffer
from plait.core.compiler.steps import HostStep
from plait.core.ir.dtypes import float32, int32
from plait.core.ir.graph import Instruction
from plait.core.ir.op import op_by_name
from plait.core.llvm.target import target
from plait.core.reference.executor import OpFailure
from plait.core.runtime import arrays, native, settling
from plait.core.runtime.program import Program

from .small import constant, guard, horner, horner_of, vector


def values(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def program(steps, inputs, outputs, **more) -> Program:
    return Program(steps, inputs, outputs, target(), **more)


def host(name: str, outputs, inputs, **attrs) -> HostStep:
    """A host step; its instruction's argument numbers do not matter."""
    made = Instruction(
        op_by_name(name),
        tuple(range(len(inputs))),
        attrs,
        outputs[0].shape,
        outputs[0].dtype,
        "line 1",
    )
    return HostStep(made, tuple(outputs), tuple(inputs))


def test_a_chain_through_temporaries():
    x, a, b, y = vector(100, "input"), vector(100), vector(100), vector(100, "output")
    made = program([horner(a, x), horner(b, a, x), horner(y, a, b)], [x], [y])
    for seed in range(3):
        given = values(100, seed)
        first = horner_of(given)
        (result,) = made.run([given])
        np.testing.assert_array_equal(result, horner_of(first, horner_of(first, given)))


def test_outputs_of_every_kind():
    """An input, a constant, the same buffer twice, an empty one."""
    x, c, y = vector(5, "input"), constant([1, 2, 3, 4, 5]), vector(5, "output")
    empty = vector(0, "output")
    made = program([horner(y, x, c)], [x], [y, x, c, y, empty])
    given = values(5)
    results = made.run([given])
    np.testing.assert_array_equal(results[0], horner_of(given, c.value))
    assert results[1] is given
    np.testing.assert_array_equal(results[2], c.value)
    assert results[2] is not c.value
    assert results[3] is results[0]
    assert results[4].shape == (0,)


@pytest.mark.parametrize("layout", ["strided", "misaligned"])
def test_inputs_of_any_layout(layout):
    x, y = vector(8, "input"), vector(8, "output")
    if layout == "strided":
        given = values(16)[::2]
    else:
        raw = np.zeros(8 * 4 + 16, np.uint8)
        start = 4 - raw.ctypes.data % 4 + (4 if raw.ctypes.data % 16 == 12 else 0)
        given = raw[start : start + 32].view(np.float32)
        given[:] = values(8)
    (result,) = program([horner(y, x)], [x], [y]).run([given])
    np.testing.assert_array_equal(result, horner_of(given))


def test_donation_in_place():
    x, g, y = vector(9, "input"), vector(9, "input"), vector(9, "output")
    made = program([horner(y, x, g)], [x, g], [y], donations={0: 0})
    given, step = values(9), values(9, 1)
    expected = horner_of(given, step)
    (result,) = made.run([given, step])
    assert result is given
    np.testing.assert_array_equal(given, expected)


def test_donation_when_the_input_is_read_later():
    x, y, z = vector(9, "input"), vector(9, "output"), vector(9, "output")
    made = program([horner(y, x), horner(z, x, y)], [x], [y, z], donations={0: 0})
    given = values(9)
    first = horner_of(given)
    second = horner_of(given, first)
    results = made.run([given])
    assert results[0] is given
    np.testing.assert_array_equal(given, first)
    np.testing.assert_array_equal(results[1], second)


def test_a_program_keeps_what_runs_need():
    """One kernel for all launches of the same code, and nothing that only planning asks for."""
    x, a, y = vector(9, "input"), vector(9), vector(9, "output")
    steps = [horner(a, x), host("neg", [a2 := vector(9)], [a]), horner(y, a2)]
    assert steps[0].kernel == steps[2].kernel
    assert steps[0].kernel is not steps[2].kernel
    made = program(steps, [x], [y])
    kept = [step for phase in made.phases for step in phase.steps]
    assert [kept[i].kernel is kept[0].kernel for i in (0, 2)] == [True, True]
    assert not any({"_reads", "_writes"} & set(vars(step)) for step in kept)


def test_only_late_results_are_written_over_old_ones():
    """Not what a step writes that may fail later on, nor what is given twice or is no new array."""
    x, a, y = vector(9, "input"), vector(9, "output"), vector(9, "output")
    b, twice = vector(9, "output"), vector(9, "output")
    steps = [horner(a, x), host("neg", [b], [a]), horner(y, b), horner(twice, b)]
    made = program(steps, [x], [y, a, b, twice, twice, x])
    assert made.rewritable == {0: 0}
    given, old = values(9), np.zeros(9, np.float32)
    expected = made.run([given])
    results = made.run([given], {0: old})
    assert results[0] is old
    for result, value in zip(results, expected):
        np.testing.assert_array_equal(result, value)


def test_donation_of_a_strided_input():
    x, y = vector(4, "input"), vector(4, "output")
    whole = values(8)
    given = whole[::2]
    expected = horner_of(given.copy())
    (result,) = program([horner(y, x)], [x], [y], donations={0: 0}).run([given])
    assert result is given
    np.testing.assert_array_equal(whole[::2], expected)


def test_donation_must_fit():
    x, y = vector(4, "input"), vector(5, "output")
    with pytest.raises(ValueError, match="cannot take over"):
        program([horner(y, y)], [x], [y], donations={0: 0})


def test_a_host_step_between_launches():
    x, a, b, y = vector(6, "input"), vector(6), vector(6), vector(6, "output")
    made = program([horner(a, x), host("neg", [b], [a]), horner(y, b)], [x], [y])
    given = values(6)
    np.testing.assert_array_equal(made.run([given])[0], horner_of(-horner_of(given)))


def test_a_failing_host_check_leaves_donated_inputs_alone():
    """The update comes first in the list; the division by zero must still undo nothing."""
    x, y = vector(4, "input"), vector(4, "output")
    a, b, q = (Buffer((4,), int32, kind) for kind in ("input", "input", "output"))
    steps = [horner(y, x), host("floor_div", [q], [a, b])]
    made = program(steps, [x, a, b], [y, q], donations={0: 0})
    given = values(4)
    before = given.copy()
    ones = np.ones(4, np.int32)
    with pytest.raises(OpFailure) as raised:
        made.run([given, ones, ones * 0])
    assert raised.value.source == "line 1"
    np.testing.assert_array_equal(given, before)
    made.run([given, ones, ones])
    np.testing.assert_array_equal(given, horner_of(before))


def test_a_fault_code_becomes_the_exception_of_the_check():
    x, y = vector(8, "input"), vector(8, "output")
    made = Instruction(op_by_name("floor_div"), (0, 1), {}, (8,), float32, "line 3")
    a, b = (Buffer((1,), int32, "input") for _ in range(2))
    run = program([guard(y, x, fault=(made, (a, b)))], [x, a, b], [y]).run
    one, zero = np.ones(1, np.int32), np.zeros(1, np.int32)
    bad = np.ones(8, np.float32)
    run([bad, one, zero])
    bad[3] = 0
    with pytest.raises(OpFailure) as raised:
        run([bad, one, zero])
    assert raised.value.source == "line 3"
    with pytest.raises(RuntimeError, match="guard stopped with fault code 7"):
        run([bad, one, one])
    run([np.ones(8, np.float32), one, zero])


def test_inputs_that_are_no_plain_arrays():
    class Other(np.ndarray):
        pass

    x, y = vector(4, "input"), vector(4, "output")
    made = program([horner(y, x)], [x], [y])
    given = values(4)
    for array in (given.view(Other), np.ma.masked_array(given)):
        np.testing.assert_array_equal(made.run([array])[0], horner_of(given))


def test_arrays_are_checked_on_demand(monkeypatch):
    monkeypatch.setenv("PLAIT_VERIFY", "1")
    x, y = vector(4, "input"), vector(4, "output")
    made = program([horner(y, x)], [x], [y])
    with pytest.raises(ValueError, match=r"input 0: expected .* received float32\[5\]"):
        made.run([values(5)])
    with pytest.raises(ValueError, match=r"input 0: expected .* received float64"):
        made.run([values(4).astype(np.float64)])
    with pytest.raises(ValueError, match="expected 1 arrays, received 2"):
        made.run([values(4), values(4)])


def test_nothing_but_constants():
    c = constant([1, 2])
    made = program([], [], [c, c])
    first, second = made.run([])
    np.testing.assert_array_equal(first, [1, 2])
    first[:] = 0
    np.testing.assert_array_equal(second, [1, 2])
    np.testing.assert_array_equal(made.run([])[0], [1, 2])


def test_no_outputs():
    assert program([], [vector(3, "input")], []).run([values(3)]) == []


def test_a_program_as_text():
    x, a, b, y = vector(20, "input"), vector(20), vector(20), vector(20, "output")
    c = constant(np.ones(20))
    made = program([horner(a, x), horner(b, c), host("neg", [y], [a])], [x], [y])
    assert str(made).split("\n") == [
        "program: arena 256 bytes, peak 336 bytes",
        "phase 0",
        "  +0 = horner 20 (array 0)",
        "  +128 = horner 20 (constant)",
        "phase 1",
        "  array 1 = [host] neg (+0)",
    ]


def test_buffers_under_another_shape():
    """Kernels, host steps and outputs that name a buffer's memory by an alias."""
    x, y = vector(6, "input"), vector(6, "output")
    square = Buffer((2, 3), float32, "temporary")
    flat = Buffer((6,), float32, "temporary")
    flat.root = square
    turned = Buffer((3, 2), float32, "temporary")
    turned.root = square
    out = Buffer((3, 2), float32, "temporary")
    out_flat = Buffer((6,), float32, "temporary")
    out_flat.root = out
    steps = [horner(flat, x), host("neg", [out], [turned]), horner(y, out_flat)]
    made = program(steps, [x], [y, flat])
    given = values(6)
    first = horner_of(given)
    results = made.run([given])
    np.testing.assert_array_equal(results[0], horner_of(-first))
    np.testing.assert_array_equal(results[1], first.reshape(2, 3))


def test_runs_one_after_another_share_a_large_arena(monkeypatch):
    """A program does not keep the arena it ran in, while the next run takes another one."""
    arrays.release()
    taken: list[int] = []
    make = arrays._new_block

    def counting(size: int) -> arrays._Block:
        taken.append(size)
        return make(size)

    monkeypatch.setattr(arrays, "_new_block", counting)
    kinds, count = ("input", "temporary", "temporary", "output"), 5_000_000
    x, a, b, y = [vector(count, kind) for kind in kinds]
    made = program([horner(a, x), horner(b, a, x), horner(y, a, b)], [x], [y])
    given = values(count)
    for _ in range(4):
        made.run([given])
    # The arena of two temporaries, and the result, whose memory the next run has again.
    assert len(taken) == 2


def _calls_of(run, given) -> int:
    """Calls of ctypes functions and of builtins are events of their own: those of Python alone."""
    made = 0

    def count(frame, event, argument) -> None:
        nonlocal made
        made += event == "call"

    sys.setprofile(count)
    run(given)
    sys.setprofile(None)
    return made


def test_a_run_is_one_call_of_a_builtin(monkeypatch: pytest.MonkeyPatch) -> None:
    if native.load().run is None:
        pytest.skip("this Python has no builtins of ours")
    x, y = vector(64, "input"), vector(64, "output")
    made = program([horner(y, x)], [x], [y])
    given = values(64)
    expected = horner_of(given)
    for _ in range(settling.RUNS):  # what a new program sets in motion is over then
        np.testing.assert_array_equal(made.run([given])[0], expected)
    assert _calls_of(made.run, [given]) <= 3  # itself, and those that take and give an arena
    monkeypatch.setattr(made._frames[0], "run", None)
    np.testing.assert_array_equal(made.run([given])[0], expected)
    assert _calls_of(made.run, [given]) > 4


def test_arrays_that_do_not_fit_a_builtin_run() -> None:
    """Strided ones, and such as are no plain arrays, are copied; the results are the same."""
    x, y = vector(64, "input"), vector(64, "output")
    made = program([horner(y, x)], [x], [y])
    wide = np.repeat(values(64), 2)
    for given in (wide[::2], wide[1:65], np.ma.array(values(64))):
        np.testing.assert_array_equal(made.run([given])[0], horner_of(np.array(given)))


def test_other_threads_run_meanwhile() -> None:
    """A program runs without the GIL: a thread that waits for it gets to know when it begins."""
    x, y = vector(1 << 22, "input"), vector(1 << 22, "output")
    made = program([horner(y, x) for _ in range(40)], [x], [y])
    given, seen, over = values(1 << 22), [0], threading.Event()

    def look() -> None:
        while not over.is_set():
            seen[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=look)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody has to let go of the GIL
    thread.start()
    try:
        first = seen[0]
        made.run([given])
        assert seen[0] > first
    finally:
        over.set()
        sys.setswitchinterval(before)
        thread.join()


def test_results_come_in_the_shapes_they_are_wanted_in() -> None:
    x, y = vector(6, "input"), vector(6, "output")
    made = program([horner(y, x)], [x], [y, y], shapes=[(2, 3), (6,)])
    first, second = made.run([values(6)])
    assert first is second
    assert first.shape == (2, 3)
    assert made.result_shapes == [(2, 3), (2, 3)]
