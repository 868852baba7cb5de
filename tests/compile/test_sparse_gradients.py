"""Compiled optimizer steps that find sparse gradients: their rows are other ones each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn, optim


def _training(rule: Callable[[Any], Any], compiled: bool, dense_until: int) -> list[np.ndarray]:
    torch.manual_seed(3)
    table, found = nn.Embedding(9, 3), []
    optimizer = rule(table.parameters())
    step = torch.compile(lambda: optimizer.step()) if compiled else optimizer.step
    for i in range(8):
        optimizer.zero_grad()
        table.sparse = i >= dense_until
        index = torch.tensor([1, 2, 5] if i < 5 else [8, i, 8])
        (table(index) ** 2).sum().backward()
        if i < 5 and table.sparse:
            table.weight.grad = table.weight.grad.coalesce()
        step()
        found.append(table.weight.detach().clone().numpy())
    return found


@pytest.mark.parametrize("dense_until", [0, 3])
@pytest.mark.parametrize("rule", [lambda p: optim.SGD(p, lr=0.1), lambda p: optim.Adagrad(p)])
def test_each_call_reads_the_rows_that_are_there(
    rule: Callable[[Any], Any], dense_until: int
) -> None:
    expected = _training(rule, False, dense_until)
    np.testing.assert_allclose(_training(rule, True, dense_until), expected, rtol=1e-5, atol=1e-6)
