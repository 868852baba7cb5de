"""Where a step of a program ends: after an optimizer's, if no backward pass comes back over it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import plait
from plait.core.lazy.replay.function import one_step
from plait.core.lazy.replay.thread import threads
from plait.nn import functional as F
from tests.replay.twice import assert_same, run

Step = Callable[[], float]


def _network(given: int, hidden: int, made: int) -> Any:
    nn = plait.nn
    return nn.Sequential(nn.Linear(given, hidden), nn.Tanh(), nn.Linear(hidden, made))


def _acting() -> tuple[list[Any], Step]:
    """Q-learning's loop: acts by the network or by chance, then trains; the scores it acted by are
    held until the next ones."""
    network = _network(4, 8, 2)
    optimizer = plait.optim.Adam(network.parameters(), lr=0.01)
    chance = random.Random(3)
    held = {}

    def step() -> float:
        if chance.random() < 0.5:
            held["scores"] = network(plait.randn(1, 4))
            held["action"] = held["scores"].argmax(1).item()
        loss = F.mse_loss(network(plait.randn(5, 4)), plait.randn(5, 2))
        optimizer.zero_grad()
        loss.backward()
        plait.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimizer.step()
        return loss.item()

    return list(network.parameters()), step


def _adversarial() -> tuple[list[Any], Step]:
    """A critic's step, then one of the maker back through what the critic's was computed from."""
    maker, critic = _network(3, 6, 4), _network(4, 6, 1)
    steps = [plait.optim.SGD(net.parameters(), lr=0.05) for net in (maker, critic)]

    def step() -> float:
        made = maker(plait.randn(5, 3))
        steps[1].zero_grad()
        loss = critic(made.detach()).mean() - critic(plait.randn(5, 4)).mean()
        loss.backward()
        steps[1].step()
        steps[0].zero_grad()
        loss = -critic(made).mean()
        loss.backward()
        steps[0].step()
        return loss.item()

    return [*maker.parameters(), *critic.parameters()], step


def _late() -> tuple[list[Any], Step]:
    """What is held over a step is let go, but for every seventh, which is gone back through."""
    network = _network(4, 8, 2)
    optimizer = plait.optim.SGD(network.parameters(), lr=0.05)
    count = 0

    def step() -> float:
        nonlocal count
        count += 1
        held = network[0](plait.randn(3, 4))
        loss = network(plait.randn(5, 4)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if count > 20 and count % 7 == 0:
            held.sum().backward()
            return held.sum().item()
        return loss.item()

    return list(network.parameters()), step


PROGRAMS = {"acting": _acting, "adversarial": _adversarial, "late": _late}


def _reports(name: str, steps: int) -> list[Any]:
    parameters, step = PROGRAMS[name]()
    losses = [step() for _ in range(steps)]
    return [*losses, *[p.detach().numpy().copy() for p in parameters]]


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_bits_as_recorded_anew(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert assert_same(_reports, name, 60)


def _points(name: str, counted: list[int]) -> list[Any]:
    _, step = PROGRAMS[name]()
    for number in range(120):
        step()
        if number in counted:
            counted.append(threads.points)
    assert not threads.in_blocks
    return counted


@pytest.mark.parametrize("name", ["acting", "adversarial"])
def test_ways_come_to_an_end(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 60 steps nothing new is met: steps that differ do not make a way of each sequence."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    *_, half, whole = run(_points, name, [60, 119], replay=True)
    assert half == whole


def test_a_function_may_give_no_tensors() -> None:
    @one_step
    def nothing(x: Any) -> tuple[()]:
        return ()

    def step() -> None:
        x = plait.tensor([1.0, 2.0])
        assert nothing(x) == ()
        assert (x + 1).tolist() == [2, 3]

    for _ in range(6):
        step()
