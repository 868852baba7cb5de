"""The threads that run compiled programs: how many, and the pool of them.

They are native threads that know nothing of Python: they wait, work and sleep in the driver's own
code (`codegen/driver.py`). A pool is made when a program first needs it. How many threads there are
never changes a result.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from typing import Any

import numpy as np

from plait.core.codegen.driver import SHARE_WORDS, Pool
from plait.core.runtime import native
from plait.core.runtime.config import flag
from plait.core.runtime.processors import processors

#: How often a thread looks for work before it sleeps. A look costs 15 to 40 ns, and to sleep and
#: wake costs some 10 to 50 us: waiting about as long at most doubles the cost of any wait. It is
#: also longer than what Python does between two programs of a small model's loop.
SPINS = 3000

#: Grows with each change after which programs must ask anew for `count` and `pool`.
generation = 0

_lock = threading.RLock()
_wanted: int | None = None
_pool: _Pool | None = None


class _Pool:
    """The native words of a pool, and its threads."""

    def __init__(self, threads: int) -> None:
        self.words = _aligned_words(int(Pool.SHARES) + SHARE_WORDS * threads)
        self.words[Pool.THREADS] = threads
        # Threads without a processor of their own must not keep others from it.
        self.words[Pool.SPIN] = SPINS if threads <= processors() else 0
        self.address = self.words.ctypes.data
        self.workers = [np.array([self.address, number], np.int64) for number in range(1, threads)]
        # Never freed, not even at the end of the process: a thread may wait in these words, and one
        # that got no processor so far has yet to read where they are.
        for array in (self.words, *self.workers):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(array))
        self._start(native.load().worker)

    def _start(self, function: int) -> None:
        libc = ctypes.CDLL(None)
        create, detach = libc.pthread_create, libc.pthread_detach
        create.argtypes = [ctypes.c_void_p] * 4
        detach.argtypes = [ctypes.c_void_p]
        # Threads inherit the mask: signals are for those that know Python.
        before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        try:
            for worker in self.workers:
                thread = ctypes.c_void_p()
                if create(ctypes.byref(thread), None, function, worker.ctypes.data) == 0:
                    detach(thread)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _aligned_words(count: int) -> np.ndarray:
    raw = np.zeros(count + 16, np.int64)
    start = -raw.ctypes.data % 128 // 8
    return raw[start : start + count]


def count() -> int:
    """How many threads run a program: `set_count`, else PLAIT_THREADS, else the processors."""
    global _wanted
    if _wanted is None:
        given = int(flag("PLAIT_THREADS"))
        if given < 0:
            raise ValueError(f"PLAIT_THREADS={given}: expected 0 or more")
        _wanted = given or processors()
    return _wanted


def set_count(threads: int) -> None:
    """Run programs on this many threads from now on. Raises ValueError below 1."""
    global _wanted, generation
    if threads < 1:
        raise ValueError(f"expected at least one thread, but got {threads}")
    with _lock:
        if threads != count():
            _wanted = threads
            generation += 1
            _discard(stop=True)


def pool() -> int:
    """The address of the pool, which is made now if need be; 0 where programs run alone."""
    global _pool
    if count() == 1 or not native.load().can_sleep:
        return 0
    with _lock:
        if _pool is None:
            _pool = _Pool(count())
        return _pool.address


def _discard(*, stop: bool) -> None:
    global _pool
    if _pool is not None:
        if stop:
            native.load().stop(_pool.address)
        _pool = None


def _after_fork() -> None:
    """A child has none of its parent's threads, and maybe a lock that nobody will open."""
    global _lock, generation
    _lock = threading.RLock()
    generation += 1
    _discard(stop=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def state() -> dict[str, Any]:
    """For `plait doctor` and bug reports."""
    return {"threads": count(), "processors": processors(), "running": _pool is not None}
