"""The `vmap`s that are running on a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Level:
    """One `vmap` that is running: how many samples, and what random draws are there.

    name: what runs; the bodies of control flow forbid random draws in the same way.
    era: of a body, that of the cells made in it (see `core/lazy/capture`); 0 for a `vmap`.
    """

    __slots__ = ("era", "name", "number", "randomness", "size")

    def __init__(
        self, number: int, size: int, randomness: str, name: str = "vmap", era: int = 0
    ) -> None:
        self.era = era
        self.name = name
        self.number = number
        self.size = size
        self.randomness = randomness


class _Levels(threading.local):
    """The `vmap`s that are running on this thread, the newest last."""

    def __init__(self) -> None:
        self.running: list[Level] = []


_levels = _Levels()


def in_body() -> list[Level]:
    """Those that have begun in the innermost body of control flow; all, outside of one.

    A body sees single samples of what ran before it.
    """
    running = _levels.running
    bodies = [place for place, level in enumerate(running) if level.name != "vmap"]
    return running[bodies[-1] + 1 :] if bodies else list(running)


def body_era() -> int:
    """The era of the innermost body of control flow that is being recorded; 0 outside of all."""
    running = _levels.running
    return max([level.era for level in running]) if running else 0


def running() -> list[Level]:
    """The levels of this thread, the newest last."""
    return _levels.running


@contextmanager
def level(size: int, randomness: str) -> Iterator[Level]:
    """Run what is inside under one more `vmap`."""
    made = Level(len(_levels.running) + 1, size, randomness)
    _levels.running.append(made)
    try:
        yield made
    finally:
        _levels.running.pop()
