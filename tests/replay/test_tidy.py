"""Garbage is looked for between steps: no full collection for what lives within one."""

from __future__ import annotations

import gc
import random
import sys
import weakref
from typing import Any

import pytest

import plait as torch
from bench.changing import PROGRAMS
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.replay.tidy import tidy
from tests.replay.test_calls import on_a_fresh_thread

_generations = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="collections go bit by bit from Python 3.14 on"
)


class _Ring:
    """Refers to itself: only a collection frees it."""

    def __init__(self) -> None:
        self.me = self


def _collections(body: Any) -> list[int]:
    """How often each generation was collected meanwhile."""
    counts = [0, 0, 0]

    def note(phase: str, told: dict[str, int]) -> None:
        counts[told["generation"]] += phase == "start"

    gc.callbacks.append(note)
    try:
        body()
    finally:
        gc.callbacks.remove(note)
    return counts


@_generations
def test_steps_come_to_no_full_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    threads.end()
    _, step = PROGRAMS["tree_lstm"](torch, random.Random(0))
    for _ in range(300):  # what is learned stays, and counts as grown
        step()
    gc.collect()

    def steps() -> None:
        for _ in range(200):
            step()

    young, middle, full = _collections(steps)
    assert young + middle > 100, "the steps make enough to be collected at all"
    assert full == 0


@_generations
def test_a_users_cycle_is_found_between_steps() -> None:
    threads.end()
    ring = _Ring()
    gone = weakref.ref(ring)
    del ring
    while 2 * gc.get_count()[1] <= gc.get_threshold()[1]:
        gc.collect(0)
    tidy()
    assert gone() is None


def test_nothing_is_collected_where_that_is_off_or_something_is_recorded() -> None:
    gc.disable()
    try:
        assert _collections(lambda: [tidy() for _ in range(50)]) == [0, 0, 0]
    finally:
        gc.enable()

    def body() -> None:
        x = torch.ones(2, requires_grad=True) * 2
        for _ in range(8):
            gc.collect(0)
        assert threads.run is not None, "it waits"
        assert _collections(tidy) == [0, 0, 0]
        del x

    on_a_fresh_thread(body)
