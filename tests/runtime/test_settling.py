"""What a settled process gives back: idle memory, the C library's, LLVM's pages. In bytes."""

from __future__ import annotations

import ctypes
import mmap
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait.core.llvm import pages
from plait.core.runtime import arrays, settling
from plait.core.runtime.program import Program

from .small import horner, vector
from .test_program import program

BYTE = np.dtype(np.uint8)
pytestmark = pytest.mark.once  # what a first run leaves is counted
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self")


@pytest.fixture(autouse=True)
def nothing_idle() -> Any:
    arrays.release()
    yield
    arrays.release()


def _program(count: int, factor: float = 2.0) -> tuple[Program, list[np.ndarray]]:
    """A program with one temporary, and what it is run on."""
    x, a, y = [vector(count, kind) for kind in ("input", "temporary", "output")]
    steps = [horner(a, x, factor=factor), horner(y, a, factor=factor)]
    made = program(steps, [x], [y])
    return made, [np.ones(count, np.float32)]


def test_idle_memory_goes_when_programs_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no run asks for any more is given back by itself; what runs use stays."""
    asked: list[str] = []
    monkeypatch.setattr(arrays, "trim", lambda: asked.append("trim"))
    monkeypatch.setattr(pages, "release", lambda: asked.append("release"))
    made, given = _program(2_000_000)
    assert settling.runs == settling.RUNS
    settling.begin(llvm=True)  # where others have linked these kernels, it had nothing to do
    first = arrays.empty((30 << 20,), BYTE)
    del first
    for turn in range(settling.RUNS):
        assert arrays.idle_bytes() > 30 << 20, turn
        assert "release" not in asked
        made.run(given)
    assert settling.runs == 0
    assert 7 << 20 < arrays.idle_bytes() < 20 << 20  # the result; the arena waits elsewhere
    assert asked.count("release") == 1
    assert "trim" in asked
    blocks = arrays.idle_bytes()
    for _ in range(3):
        made.run(given)
    assert (arrays.idle_bytes(), asked.count("release")) == (blocks, 1)
    made, given = _program(1000)  # of the same kernels: LLVM has nothing to do
    assert settling.runs == settling.RUNS
    for _ in range(settling.RUNS):
        made.run(given)
    assert (settling.runs, asked.count("release")) == (0, 1)


def test_runs_on_the_reference_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has loaded LLVM, and computes on the reference still, settles as well."""
    monkeypatch.setenv("PLAIT_BACKEND", "auto")
    settling.begin()
    x = torch.ones(3)
    for _ in range(settling.RUNS):
        assert settling.runs > 0
        (x * 3).numpy()
    assert settling.runs == 0


def test_a_program_at_rest_holds_no_arena() -> None:
    """One program's arena becomes free when a larger one replaces it."""
    small, given_small = _program(500_000)
    large, given_large = _program(1_000_000)
    small.run(given_small)
    large.run(given_large)
    # Two results and the smaller arena; the larger one is kept for the next program.
    assert arrays.idle_bytes() > (2 + 2 + 4) * 1_000_000
    for made, given, count in ((small, given_small, 500_000), (large, given_large, 1_000_000)):
        (result,) = made.run(given)
        np.testing.assert_array_equal(result, np.full(count, 5, np.float32))


@linux
def test_the_pages_of_llvm_are_given_back() -> None:
    """Hardly a page of the library stays in memory, and it works as before."""
    _program(10, factor=2.5)  # a kernel that no other test has had linked
    from llvmlite.binding import ffi

    def held() -> int:
        return sum(_held(*place) for place in pages.unchanged(ffi.lib._name))

    before = held()
    assert before > 4 << 20
    pages.release()
    assert held() < before // 50
    made, given = _program(11, factor=3.0)
    np.testing.assert_array_equal(made.run(given)[0], np.full(11, 7, np.float32))


def _held(start: int, nbytes: int) -> int:
    """Bytes of a range that this process has mapped pages for."""
    with open("/proc/self/pagemap", "rb") as file:
        file.seek(start // mmap.PAGESIZE * 8)
        words = np.frombuffer(file.read(nbytes // mmap.PAGESIZE * 8), np.uint64)
    return int(np.count_nonzero(words >> np.uint64(63))) * mmap.PAGESIZE


@linux
def test_changed_pages_are_kept(tmp_path: Path) -> None:
    """A mapping of which the process has changed a page is none of those that may be dropped."""
    path = tmp_path / "library"
    path.write_bytes(b"x" * (4 * mmap.PAGESIZE))
    with path.open("r+b") as file:
        held = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE)
    address = np.frombuffer(held, np.uint8).ctypes.data
    protect = ctypes.CDLL(None).mprotect

    def found() -> list[tuple[int, int]]:
        return list(pages.unchanged(str(path)))

    assert held[0] == ord("x")
    assert found() == []  # it may be written to
    assert protect(ctypes.c_void_p(address), len(held), 1) == 0
    assert found() == [(address, len(held))]
    assert protect(ctypes.c_void_p(address), len(held), 3) == 0
    held[mmap.PAGESIZE] = 0
    assert protect(ctypes.c_void_p(address), len(held), 1) == 0
    assert found() == []
