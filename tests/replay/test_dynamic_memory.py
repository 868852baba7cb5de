"""Programs that change structure each step: what is kept of them is bounded. Counts, not times."""

from __future__ import annotations

import gc
import random
from typing import Any

import pytest

import plait as torch
from bench.changing import PROGRAMS
from plait.core.ir.node import Node
from plait.core.lazy.replay import thread as replay
from plait.core.runtime import compiled
from tests.replay.twice import run


def _alive() -> int:
    """How many recorded nodes there are."""
    gc.collect()
    return sum(type(x) is Node for x in gc.get_objects())


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_grows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Small bounds, so that few steps come up against them.
    monkeypatch.setattr(replay, "_MOST_POINTS", 1500)
    monkeypatch.setattr(compiled, "_MOST_PROGRAMS", 20)
    monkeypatch.setattr(compiled, "_programs", {})

    def program() -> list[Any]:
        _, step = PROGRAMS[name](torch, random.Random(0))
        counts = []
        for _ in range(3):
            for _ in range(60):
                step().item()
            counts.append(_alive())
            # One run may pass the bound before the tree is grown anew.
            assert replay.threads.points < 2 * 1500
            assert len(compiled._programs) <= 20
        # Later steps hold what earlier ones held: parameters, constants and learned steps.
        assert 0 < counts[2] <= counts[0] + 400
        return counts

    run(program, replay=True)
