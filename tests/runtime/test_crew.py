"""Work dealt out to threads, and LLVM in several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plait.core.codegen.text import Function, module
from plait.core.llvm import unlocked
from plait.core.llvm.build import build
from plait.core.llvm.target import target
from plait.core.runtime.crew import share


def _jobs(*functions: Callable[[], Any]) -> Iterator[tuple[int, Callable[[], Any]]]:
    yield from enumerate(functions)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_stand_in_the_order_of_the_jobs(threads: int) -> None:
    assert share(_jobs(*(lambda n=n: n * n for n in range(40))), threads) == [
        n * n for n in range(40)
    ]
    assert share(_jobs(), threads) == []


def test_a_job_begins_while_others_are_made() -> None:
    begun = threading.Event()

    def jobs() -> Iterator[tuple[int, Callable[[], Any]]]:
        yield 1, begun.set
        yield 1, lambda: 2
        assert begun.wait(10), "nobody works before all jobs are made"

    assert share(jobs(), 2) == [None, 2]


def test_the_heaviest_job_comes_first() -> None:
    done: list[int] = []
    share(((weight, lambda w=weight: done.append(w)) for weight in (3, 9, 5, 7)), 1)
    assert done == [9, 7, 5, 3]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_fault_is_raised_and_nothing_more_is_begun(threads: int) -> None:
    before = threading.active_count()

    def fail() -> None:
        raise ValueError("job 1")

    with pytest.raises(ValueError, match="job 1"):
        share(_jobs(lambda: 0, fail, lambda: 2), threads)

    def broken() -> Iterator[tuple[int, Callable[[], Any]]]:
        yield 0, lambda: 0
        yield 0, lambda: 0
        raise KeyError("no third job")

    with pytest.raises(KeyError, match="no third job"):
        share(broken(), threads)
    assert threading.active_count() == before


def _text(name: str, turns: int) -> str:
    function = Function(name)
    value = "%begin"
    for turn in range(turns):
        value = function.let(f"add i64 {value}, {turn + 1}")
    function.ret(value)
    return module([function], 64)


def test_threads_build_what_one_thread_builds() -> None:
    texts = [_text(f"sum_{n}", 50 + n) for n in range(12)]
    alone = [build(text, target()) for text in texts]
    together = share(_jobs(*(lambda t=text: build(t, target()) for text in texts)), 4)
    assert together == alone


def test_a_rejected_text_raises_in_any_thread() -> None:
    with pytest.raises(RuntimeError, match="parsing error"):
        share(_jobs(*(lambda: build("define nonsense", target()) for _ in range(3))), 3)


def test_object_code_is_made_without_the_lock_of_llvmlite() -> None:
    import llvmlite.binding as llvm
    from llvmlite.binding import ffi

    from plait.core.llvm import build as builds

    made = threading.Event()
    machine = builds._machine(target())
    text = _text("alone", 3)
    parsed = llvm.parse_assembly(text, llvm.create_context())
    fault = ffi.OutputString()

    def emit() -> None:
        assert unlocked._twin("LLVMPY_TargetMachineEmitToMemory")(machine, parsed, 1, fault)
        made.set()

    with ffi.lib._lock:
        thread = threading.Thread(target=emit)
        thread.start()
        assert made.wait(10), "waits for the lock that this thread holds"
    thread.join()
