"""Replay without the object machine, as on a Python that has none: the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import plait as torch
from plait import nn
from plait.core.runtime import objects
from tests.replay.machine import ACTIONS, action_between_known_steps, program
from tests.replay.twice import assert_same, run


@pytest.fixture(autouse=True)
def _without(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    monkeypatch.setenv("PLAIT_OBJECTS", "0")
    objects.machine.cache_clear()
    yield
    monkeypatch.undo()
    objects.machine.cache_clear()


@pytest.mark.parametrize("action", ACTIONS[::3])
def test_an_action_between_known_steps(action: str) -> None:
    assert assert_same(action_between_known_steps, action)


@pytest.mark.parametrize("seed", range(4))
def test_actions_in_any_order(seed: int) -> None:
    assert assert_same(program, 100 + seed, 60, 2 + seed)


def _losses() -> list[Any]:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    x, y = torch.randn(8, 1, 8, 8), torch.randint(0, 3, (8,))
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_program_is_the_same_with_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    without = run(_losses, replay=True)
    monkeypatch.setenv("PLAIT_OBJECTS", "1")
    objects.machine.cache_clear()
    assert without == run(_losses, replay=True)
