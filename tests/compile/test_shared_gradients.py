"""Compiled steps that add to gradients that two parameters share, in some calls."""

from __future__ import annotations

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
