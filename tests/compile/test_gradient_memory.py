"""Gradients of a compiled step are written into the memory of those of the step before.

So that they are in memory once: neither are they seen by whoever kept the old ones, nor lost when a
call fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.compiler import step as steps
from plait.core.runtime import arrays
from plait.core.runtime.objects import machine

from .test_steps import step_of

WIDTH = 192  # weights of 144 KB, which have blocks of their own
ROWS = 4
SETTLED = [
    1 << 40,
    pytest.param(
        2, marks=pytest.mark.skipif(machine() is None, reason="no object machine on this Python")
    ),
]


KEEP: dict[str, Callable[[Any], Any]] = {
    "tensor": lambda grad: grad,
    "detached": lambda grad: grad.detach(),
    "view": lambda grad: grad[1:],
    "array": lambda grad: grad._cell._node.value,
    "view of the array": lambda grad: grad._cell._node.value[1:],
    "numpy": lambda grad: grad.numpy(),
}


class Training:
    """A net of two large weights, its compiled step, and a batch."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5)
        self.weights: list[Any] = [self.model[0].weight, self.model[2].weight]
        self.x, self.y = torch.randn(ROWS, WIDTH), torch.arange(ROWS)
        plain = step_of(self.model, self.optimizer)
        self.step: Any = torch.compile(plain, fullgraph=True)

    def train(self, count: int) -> None:
        for _ in range(count):
            self.step(self.x, self.y)

    def places(self) -> list[int]:
        return [weight.grad._cell._node.value.ctypes.data for weight in self.weights]

    def gradients(self) -> list[np.ndarray]:
        return [weight.grad.clone().numpy() for weight in self.weights]


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    arrays.release()


@pytest.mark.parametrize("settled", SETTLED)
def test_no_new_memory_for_gradients(settled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A settled step asks for no block, and writes other numbers to the same places."""
    monkeypatch.setattr(steps, "_SETTLED", settled)
    training = Training()
    training.train(6)
    before, places = training.gradients(), training.places()
    arrays.release()
    asked: list[int] = []
    take = arrays._idle.take

    def counting(size: int) -> Any:
        asked.append(size)
        return take(size)

    monkeypatch.setattr(arrays._idle, "take", counting)
    training.train(3)
    assert len(asked) <= 1  # an arena, where it is a large one
    assert training.places() == places
    for old, new in zip(before, training.gradients()):
        assert not np.array_equal(old, new)


@pytest.mark.parametrize("settled", SETTLED)
@pytest.mark.parametrize("keep", KEEP)
def test_who_holds_a_gradient_keeps_it(
    keep: str, settled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_SETTLED", settled)
    training = Training()
    training.train(6)
    held = KEEP[keep](training.weights[0].grad)
    before = np.array(held if isinstance(held, np.ndarray) else held.numpy())
    training.train(4)
    after = held if isinstance(held, np.ndarray) else held.numpy()
    np.testing.assert_array_equal(after, before)
    assert not np.array_equal(training.gradients()[0][-len(before) :], before)


@pytest.mark.parametrize("settled", SETTLED)
def test_a_failing_call_leaves_gradients(settled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_SETTLED", settled)
    training = Training()
    training.train(6)
    places, before = training.places(), training.gradients()
    for _ in range(3):
        with pytest.raises(IndexError):
            training.step(training.x, training.y + WIDTH)
        assert training.places() == places
        for old, new in zip(before, training.gradients()):
            np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("settled", SETTLED)
def test_foreign_memory_is_not_written(settled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a gradient that lies in somebody's buffer, though nobody else has the array."""
    monkeypatch.setattr(steps, "_SETTLED", settled)
    training = Training()
    training.train(6)
    buffer = bytearray(4 * WIDTH * WIDTH)
    node = training.weights[0].grad._cell._node
    node.value = np.ndarray((WIDTH, WIDTH), np.float32, buffer)
    del node
    training.train(2)
    assert not any(buffer)


def test_gradients_set_by_hand_are_replaced() -> None:
    """By such in memory of their own."""
    training = Training()
    training.train(6)
    mine = np.ones((WIDTH, WIDTH), np.float32)
    training.weights[0].grad = torch.from_numpy(mine)
    training.weights[1].grad = None
    training.train(2)
    assert (mine == 1).all()
    assert all(weight.grad.abs().sum() > 0 for weight in training.weights)
