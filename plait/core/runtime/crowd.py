"""Several Python threads over one recorded world: who is there, and one lock.

Nodes wait in the thread that recorded them, and any thread may hold them. What looks at waiting
nodes as a whole (captures, launches, reference counts) or gives them their values does so under
`lock`; programs run outside of it where there are others to let in. The lock is taken per launch
and not per op, so that a program of one thread pays some 100 ns a step for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class _Crowd:
    """The threads that have recorded something and have not ended."""

    __slots__ = ("lock", "present")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.present: set[int] = set()


crowd = _Crowd()


class Presence:
    """Kept in a thread's local data: it counts as long as this lives."""

    __slots__ = ("thread",)

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        # Waits for the launch that runs now: it may write arrays in place, as long as nobody else
        # is there to read them.
        with crowd.lock:
            crowd.present.add(self.thread)

    def __del__(self) -> None:
        crowd.present.discard(self.thread)


def several() -> bool:
    """Whether more than one thread records."""
    return len(crowd.present) > 1


def let_others_in(function: Callable[..., T], *args: Any) -> T:
    """Call a function that neither records nor looks at what waits; the caller holds the lock."""
    if not several():
        return function(*args)
    crowd.lock.release()
    try:
        return function(*args)
    finally:
        crowd.lock.acquire()


def _after_fork() -> None:
    """In a child: another thread of the parent may have held the lock, and none of them is here."""
    crowd.lock = threading.RLock()
    crowd.present &= {threading.get_ident()}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
