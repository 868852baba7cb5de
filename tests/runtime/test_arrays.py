"""Memory for arrays: aligned, used again when its array has died, within a limit."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from plait.core.runtime import arrays

ROOT = Path(__file__).resolve().parents[2]
FLOAT = np.dtype(np.float32)


@pytest.fixture(autouse=True)
def nothing_idle():
    gc.collect()  # arrays of others that died in a cycle would become idle in the middle of a test
    arrays.release()
    yield
    arrays.release()


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (100, 300), (1000, 1000)])
def test_shape_and_alignment(shape):
    made = arrays.empty(shape, FLOAT)
    assert made.shape == shape
    assert made.dtype == FLOAT
    assert made.flags.c_contiguous
    assert made.flags.writeable
    assert made.ctypes.data % (64 if made.nbytes >= arrays.LARGE else 16) == 0


def test_the_memory_of_a_dead_array_is_used_again():
    made = arrays.empty((300, 1000), FLOAT)
    address = made.ctypes.data
    made[:] = 1
    del made
    assert arrays.idle_bytes() > 300 * 1000 * 4
    again = arrays.empty((1000, 300), FLOAT)
    assert again.ctypes.data == address
    assert arrays.idle_bytes() == 0


@pytest.mark.once  # what it leaves is counted
def test_a_view_keeps_the_memory():
    made = arrays.empty((300, 1000), FLOAT)
    made[5] = 7
    row = made[5]
    del made
    gc.collect()
    assert arrays.idle_bytes() == 0
    other = arrays.empty((300, 1000), FLOAT)
    other[:] = 0
    assert (row == 7).all()


def test_arrays_do_not_overlap():
    live = [arrays.empty((20_000 + i,), FLOAT) for i in range(40)]
    for i, array in enumerate(live):
        array[:] = i
    assert all((array == i).all() for i, array in enumerate(live))


def test_idle_memory_has_a_limit(monkeypatch):
    monkeypatch.setattr(arrays._idle, "limit", 10 << 20)
    live = [arrays.empty((1 << 20,), np.dtype(np.uint8)) for _ in range(30)]
    live.clear()
    assert 5 << 20 < arrays.idle_bytes() <= 10 << 20


def test_arrays_may_outlive_their_module():
    """At the end of a process, modules that something still holds are emptied one by one."""
    script = """
import argparse, ctypes
import numpy as np
from plait.core.runtime import arrays
argparse.kept = arrays.empty((1000, 1000), np.dtype(np.float32))
ctypes.pythonapi.Py_IncRef(ctypes.py_object([argparse, arrays]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_size_classes_waste_little():
    for nbytes in (arrays.LARGE, 100_000, 1 << 20, 3_333_333, 1 << 30):
        size = arrays.size_class(nbytes)
        assert nbytes + 2048 <= size <= nbytes * 1.13 + 4096
        assert arrays.size_class(size - 2112) == size


def test_the_offsets_of_numpy_arrays_are_found():
    assert arrays.offsets() is not None


def test_what_stays_idle_is_given_back():
    """Of eight blocks of a size that is asked for two at a time, two stay; of another one, none."""
    byte = np.dtype(np.uint8)
    live = [arrays.empty((1 << 20,), byte) for _ in range(8)]
    live += [arrays.empty((3 << 20,), byte) for _ in range(4)]
    live.clear()
    assert arrays.idle_bytes() > 19 << 20
    for _ in range(arrays._LOOK):
        pair = [arrays.empty((1 << 20,), byte) for _ in range(2)]
        pair.clear()
    assert arrays.idle_bytes() < 3 << 20


def test_much_that_stayed_idle_goes_back_to_the_system(monkeypatch):
    """The C library is asked once for 16 MB in blocks that it keeps itself; for 1 MB it is not."""
    asked = []
    monkeypatch.setattr(arrays, "trim", lambda: asked.append(arrays.idle_bytes()))
    byte = np.dtype(np.uint8)

    def idle_through_a_look(blocks: int) -> int:
        asked.clear()
        live = [arrays.empty((1 << 20,), byte) for _ in range(blocks)]
        live.clear()
        for _ in range(2 * arrays._LOOK):
            arrays.empty((2 << 20,), byte)
        return len(asked)

    assert idle_through_a_look(16) == 1
    assert idle_through_a_look(1) == 0
