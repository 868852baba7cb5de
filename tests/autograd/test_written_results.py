"""Results that are written over before the backward pass, whose derivatives need their places only.

What PyTorch allows; the rule is repeated until replay and the object machine make it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait
from tests.replay.twice import run

X = [[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]]

#: (what is written over, of x; the gradient of twice its sum)
CASES: dict[str, tuple[Callable[[Any, Any], Any], list[list[float]]]] = {
    "sort": (lambda t, x: x.sort(-1)[0], [[2, 2, 2], [2, 2, 2]]),
    "topk": (lambda t, x: x.topk(2)[0], [[2, 0, 2], [0, 2, 2]]),
    "cummax": (lambda t, x: x.cummax(-1)[0], [[6, 0, 0], [2, 4, 0]]),
    "cummin": (lambda t, x: x.cummin(-1)[0], [[2, 4, 0], [6, 0, 0]]),
    "max_pool1d": (lambda t, x: t.nn.functional.max_pool1d(x[None], 2), [[2, 0, 0], [0, 2, 0]]),
    "max_pool2d": (
        lambda t, x: t.nn.functional.max_pool2d(x[None, None], 2, return_indices=True)[0],
        [[0, 0, 0], [0, 2, 0]],
    ),
    "adaptive_max_pool1d": (
        lambda t, x: t.nn.functional.adaptive_max_pool1d(x[None], 2),
        [[2, 0, 2], [0, 4, 0]],
    ),
}


def _gradients(t: Any, name: str, steps: int) -> list[np.ndarray]:
    function = CASES[name][0]
    found = []
    for _ in range(steps):
        x = t.tensor(X).requires_grad_()
        result = function(t, x)
        result.mul_(2)
        result.sum().backward()
        found.append(x.grad.numpy().copy())
    return found


@pytest.mark.parametrize("name", CASES)
def test_values_may_be_written_over(name: str) -> None:
    for gradient in run(lambda: _gradients(plait, name, 40), replay=True):
        np.testing.assert_array_equal(gradient, CASES[name][1])


@pytest.mark.parametrize("name", CASES)
def test_pytorch_allows_it(name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    (gradient,) = _gradients(torch, name, 1)
    np.testing.assert_array_equal(gradient, CASES[name][1])


def test_a_pooled_map_may_go_through_an_activation_in_place() -> None:
    net = plait.nn.Sequential(
        plait.nn.Conv2d(1, 2, 3), plait.nn.MaxPool2d(2), plait.nn.ReLU(inplace=True)
    )
    step = plait.compile(lambda x: net(x).sum().backward())
    for _ in range(4):
        step(plait.ones(1, 1, 6, 6))
    assert all(p.grad is not None for p in net.parameters())


def test_results_that_the_rule_reads_may_not() -> None:
    x = plait.tensor(X).requires_grad_()
    y = x.exp()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
