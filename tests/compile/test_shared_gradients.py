"""Compiled steps that add to gradients that share memory with something, in some calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn


def _training(compiled: bool, shared: set[int]) -> list[np.ndarray]:
    first, second, found = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3)), []
    optimizer = torch.optim.SGD([first, second], lr=0.1)

    def step(x: torch.Tensor) -> torch.Tensor:
        loss = (first * x + second * x * 3).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    call = torch.compile(step) if compiled else step
    for i in range(8):
        first.grad = torch.full((3,), 0.5)
        second.grad = first.grad if i in shared else torch.full((3,), 0.25)
        found += [call(torch.arange(3.0) + i).numpy(), first.grad.numpy(), second.grad.numpy()]
    return found


@pytest.mark.parametrize("shared", [{4, 5}, {0, 1, 2}], ids=["later", "first"])
def test_what_arrives_at_either_is_seen_by_both(shared: set[int]) -> None:
    for expected, actual in zip(_training(False, shared), _training(True, shared), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)


def _of_views(compiled: bool) -> list[np.ndarray]:
    weight, other = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    optimizer, found = torch.optim.SGD([weight, other], lr=0.1), []

    def step(x: torch.Tensor) -> None:
        (weight * x + other).sum().backward()
        optimizer.step()

    call = torch.compile(step) if compiled else step
    for i in range(9):
        optimizer.zero_grad()
        if i in (3, 4, 7):
            weight.grad = torch.arange(6.0).reshape(2, 3)[:, 1:].t()
        elif i > 4:
            weight.grad = torch.ones(2, 2) if i % 2 else other.data
            other.grad = torch.zeros(2, 2)
        call(torch.arange(4.0).reshape(2, 2) + i)
        grad: Any = weight.grad
        found += [value.detach().clone().numpy() for value in (weight, other, grad)]
    return found


def test_gradients_that_are_views_or_parameters() -> None:
    for expected, actual in zip(_of_views(False), _of_views(True), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
