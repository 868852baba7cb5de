"""What a line counts as in the split of a changing program's time."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from bench.split import kind_of, shares
from plait.core.ir.text import from_text
from plait.core.runtime import compiled, program

GRAPH = from_text(
    """\
graph(%0: float32[3]) {
  %1 = neg(%0): float32[3]
  return %1
}"""
)


def test_making_is_planning_and_running_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def watched(function: Any) -> Any:
        def called(*given: Any) -> Any:
            seen.append(kind_of(sys._getframe()))
            return function(*given)

        return called

    monkeypatch.setattr(compiled, "lower", watched(compiled.lower))
    monkeypatch.setattr(compiled.replan, "lowered", watched(compiled.replan.lowered))
    monkeypatch.setattr(program.kernels, "addresses", watched(program.kernels.addresses))
    made = compiled.CompiledGraph(GRAPH)
    assert set(seen) == {"planning"}
    assert len(seen) >= 2
    seen.clear()
    monkeypatch.setattr(program, "take_arena", watched(program.take_arena))
    made.run([np.ones(3, np.float32)])
    assert seen == ["running"]
    assert kind_of(sys._getframe()) == "recording"


def test_shares_are_of_the_whole() -> None:
    found = shares(lambda: sum(range(3_000_000)))
    assert found in (
        {"recording": 1, "planning": 0, "running": 0},
        {"recording": 0, "planning": 0, "running": 0},  # it was over before the first look
    )
