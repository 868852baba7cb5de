"""The pool of threads: the same bits for any number, overlapping calls, forks, faults."""

from __future__ import annotations

import gc
import os
import threading
import weakref

import numpy as np
import pytest

from plait.core.compiler.plan import Buffer
from plait.core.ir.dtypes import int32
from plait.core.llvm.target import target
from plait.core.runtime import threads
from plait.core.runtime.program import Program

from .small import guard, horner, horner_of, meeting, reversal, vector

LENGTH = 60_001


@pytest.fixture
def counted():
    """Sets thread counts, and puts the former one back."""
    before = threads.count()
    yield threads.set_count
    threads.set_count(before)


def wide_program(length: int = LENGTH, deep: int = 6) -> Program:
    """Phases of two launches, each worth several threads, with small ones between."""
    x = vector(length, "input")
    steps, left, right = [], x, x
    small = small_now = vector(3, "input")
    for _ in range(deep):
        new_left, new_right, next_small = vector(length), vector(length), vector(3)
        steps.append(horner(new_left, left, right, factor=0.5))
        steps.append(horner(new_right, right, left, factor=0.25))
        steps.append(horner(next_small, small_now, factor=0.5))
        left, right, small_now = new_left, new_right, next_small
    y = vector(length, "output")
    steps.append(horner(y, left, right, factor=0.5))
    return Program(steps, [x, small], [y], target())


def wide_expected(x: np.ndarray, deep: int = 6) -> np.ndarray:
    left = right = x
    for _ in range(deep):
        left, right = horner_of(left, right, factor=0.5), horner_of(right, left, factor=0.25)
    return horner_of(left, right, factor=0.5)


def given(seed: int = 0, length: int = LENGTH) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.standard_normal(length).astype(np.float32), np.ones(3, np.float32)]


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_any_number_of_threads_gives_the_same_bits(count, counted):
    counted(count)
    program = wide_program()
    for seed in range(20):
        arrays = given(seed)
        assert program.run(arrays)[0].tobytes() == wide_expected(arrays[0]).tobytes()


def test_the_phases_of_wide_programs_are_dealt_out(counted):
    counted(4)
    frame = wide_program().new_frame()
    table = frame._phase_words.reshape(-1, 3)
    assert len(table) == 7
    assert all(wide and many > 4 for _, many, wide in table)
    counted(1)
    assert not any(wide for *_, wide in wide_program().new_frame()._phase_words.reshape(-1, 3))


def test_each_thread_has_scratch_memory_of_its_own(counted):
    x, y = vector(64 * 500, "input"), vector(64 * 500, "output")
    given = np.arange(64 * 500, dtype=np.float32)
    expected = given.reshape(500, 64)[:, ::-1].reshape(-1)
    for count in (1, 2, 5):
        counted(count)
        program = Program([reversal(y, x)], [x], [y], target())
        for _ in range(50):
            np.testing.assert_array_equal(program.run([given])[0], expected)


def test_another_thread_takes_part(counted):
    counted(2)
    flags = Buffer((2,), int32, "input")
    out = Buffer((2,), int32, "output")
    program = Program([meeting(out)], [flags], [out], target(), donations={0: 0})
    for _ in range(20):
        given = np.zeros(2, np.int32)
        program.run([given])
        assert given.tolist() == [1, 1]


def test_the_count_may_change_between_calls(counted):
    program = wide_program()
    arrays = given()
    expected = wide_expected(arrays[0]).tobytes()
    for count in (1, 3, 2, 5, 1, 2):
        counted(count)
        assert threads.count() == count
        assert program.run(arrays)[0].tobytes() == expected


def test_the_count_is_checked(counted):
    with pytest.raises(ValueError, match="at least one"):
        counted(0)


def test_calls_from_many_python_threads_at_once(counted):
    """One has the pool, the others run alone; one changes the count meanwhile."""
    counted(3)
    program = wide_program()
    expected = {seed: wide_expected(given(seed)[0]).tobytes() for seed in range(4)}
    wrong: list[int] = []

    def caller(seed: int) -> None:
        arrays = given(seed)
        for _ in range(30):
            if program.run(arrays)[0].tobytes() != expected[seed]:
                wrong.append(seed)

    callers = [threading.Thread(target=caller, args=(seed,)) for seed in range(4)]
    for thread in callers:
        thread.start()
    for count in (2, 4, 3):
        threads.set_count(count)
    for thread in callers:
        thread.join()
    assert wrong == []


def test_a_fault_in_any_chunk_stops_the_program(counted):
    counted(4)
    x, a, y = vector(LENGTH, "input"), vector(LENGTH), vector(LENGTH, "output")
    program = Program([guard(a, x), horner(y, a)], [x], [y], target())
    good = np.ones(LENGTH, np.float32)
    for place in (0, LENGTH // 2, LENGTH - 1):
        bad = good.copy()
        bad[place] = 0
        with pytest.raises(RuntimeError, match="fault code 7"):
            program.run([bad])
        np.testing.assert_array_equal(program.run([good])[0], horner_of(good))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_makes_its_own_pool(counted):
    counted(3)
    program = wide_program()
    arrays = given()
    expected = wide_expected(arrays[0]).tobytes()
    assert program.run(arrays)[0].tobytes() == expected
    child = os.fork()
    if child == 0:
        # Only the exit status may leave the child: pytest must not run on in it.
        right = False
        try:
            right = all(program.run(arrays)[0].tobytes() == expected for _ in range(20))
        finally:
            os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert program.run(arrays)[0].tobytes() == expected


def test_what_threads_wait_in_outlives_the_pool(counted):
    """A thread that has not run yet reads these words when the program may be at its end."""
    counted(3)
    assert wide_program().run(given())
    pool = threads._pool
    assert pool is not None
    kept = [weakref.ref(array) for array in (pool.words, *pool.workers)]
    del pool
    counted(1)
    gc.collect()
    assert all(array() is not None for array in kept)


def test_processors_are_those_of_the_affinity():
    if hasattr(os, "sched_getaffinity"):
        assert 1 <= threads.processors() <= len(os.sched_getaffinity(0))
