"""Programs give the same bits with replay as without: each action alone, and in any order."""

from __future__ import annotations

from typing import Any

import pytest

import plait as torch
from plait import nn
from plait.core.lazy.replay import launch
from plait.core.lazy.replay.thread import threads
from tests.replay.machine import ACTIONS, Machine, action_between_known_steps, program
from tests.replay.twice import assert_same

#: Repeats that take a step from recorded through learned to unrolled.
_REPEATS = 12


@pytest.fixture(autouse=True)
def _on_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    # It runs op after op, so that what is computed in one launch changes no bits.
    monkeypatch.setenv("PLAIT_BACKEND", "reference")


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_over_and_over(action: str) -> None:
    def body() -> list[Any]:
        machine = Machine(1)
        for _ in range(_REPEATS):
            getattr(machine, action)()
        machine.report(*machine.net.parameters())
        return machine.reports

    assert assert_same(body)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_between_known_steps(action: str) -> None:
    assert assert_same(action_between_known_steps, action)


@pytest.mark.parametrize("seed", range(24))
def test_actions_in_any_order(seed: int) -> None:
    assert assert_same(program, seed, 60, 2 + seed % 7)


@pytest.mark.parametrize("seed", range(8))
def test_native_programs_take_over_no_memory_that_is_still_read(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    assert assert_same(program, seed, 24, 2 + seed % 5, rtol=1e-4)


def test_a_gradient_hook_is_called_in_known_steps() -> None:
    def body() -> list[Any]:
        machine = Machine(3)
        machine.do_hook_tensor()
        for _ in range(_REPEATS):
            machine.do_train()
        machine.do_unhook()
        return machine.reports

    reports = assert_same(body)
    assert len(reports) == 2 * _REPEATS


def test_old_parameters_outlive_the_first_donation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")

    def body() -> list[Any]:
        machine = Machine(4)
        for _ in range(4):
            machine.do_keep_an_old_value()
            machine.do_state_dict()
        return machine.reports

    assert assert_same(body, rtol=1e-4)


def test_zeros_of_two_signs_are_two_calls() -> None:
    def body() -> list[Any]:
        x = torch.tensor([-1.0, 2.0])
        signs = []
        for turn in range(3 * _REPEATS):
            slope = -0.0 if turn % 3 == 2 else 0.0
            signs.append(torch.signbit(torch.nn.functional.leaky_relu(x, slope) * 1).tolist())
        return signs

    assert assert_same(body)


def test_gradients_that_are_set_to_waiting_constants() -> None:
    def body() -> list[Any]:
        first, second = (torch.ones(3, requires_grad=True) for _ in range(2))
        optimizer = torch.optim.Adam([first, second], lr=0.1)
        for _ in range(3 * _REPEATS):
            first.grad = torch.ones_like(first)
            second.grad = torch.full((3,), 2.0)
            optimizer.step()
        return [first.tolist(), second.tolist()]

    assert assert_same(body)


def test_calls_of_views_are_told_by_what_they_are_views_of() -> None:
    def body() -> list[Any]:
        found = []
        for _ in range(_REPEATS):
            for dtype in (torch.float64, torch.int64, torch.float32):
                x = torch.tensor([[1, 2], [3, 7]], dtype=dtype)
                for made in (
                    x.trace(),
                    torch.relu(x.t()),
                    torch.sum(x[0]),
                    torch.abs(x.reshape(4)),
                ):
                    found += [str(made.dtype), made.tolist()]
        return found

    assert assert_same(body)


@pytest.mark.parametrize("every", [1, 2])
def test_memory_that_a_value_is_a_part_of_is_not_taken_over(
    every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a known launch, after which what the old parameters are needed for is computed."""
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setattr(launch, "several", lambda: False)  # else all that is donated is copied
    threads.forget_the_program()
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.randn(4, 3)
    for i in range(40):
        old = model.weight.tolist()[0]
        row = model.weight.detach()[0] * 2 if i % every == 0 else None
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()
        assert row is None or row.tolist() == [2 * value for value in old]
