"""Compiled functions that make leaves for themselves: points at which a gradient is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plait
from plait import nn

Function = Callable[[plait.Tensor, plait.Tensor], Any]


def attacked(x: plait.Tensor, w: plait.Tensor) -> Any:
    """The fast gradient sign method, on a twin of the argument."""
    point = x.detach().requires_grad_()
    ((point * w.detach()) ** 3).sum().backward()
    assert point.grad is not None
    return x + 0.1 * point.grad.sign()


def penalised(x: plait.Tensor, w: plait.Tensor) -> Any:
    """A gradient penalty; the outer pass gives the point a gradient, too."""
    point = plait.autograd.Variable(0.5 * x, requires_grad=True)
    value = ((point * w) ** 3).sum()
    (slope,) = plait.autograd.grad(value, point, create_graph=True)
    loss = ((slope.norm(2) - 1) ** 2).mean()
    loss.backward()
    return loss.detach()


def inner_gradient(x: plait.Tensor, w: plait.Tensor) -> Any:
    """The gradient of a leaf that ends with the call."""
    point = (x * 2).detach().requires_grad_()
    ((point**3) * w).sum().backward()
    return point.grad


def leaf_itself(x: plait.Tensor, w: plait.Tensor) -> Any:
    """A leaf that goes on, with its gradient."""
    point = (x * 2).detach().requires_grad_()
    ((point**3) * w).sum().backward()
    return point


def numbers(value: plait.Tensor) -> tuple[list, list | None]:
    return value.tolist(), None if value.grad is None else value.grad.tolist()


@pytest.mark.parametrize("function", [attacked, penalised, inner_gradient, leaf_itself])
def test_a_call_may_make_leaves_of_its_own(function: Function) -> None:
    compiled = plait.compile(function, fullgraph=True)
    for number in range(4):
        results = []
        for run in (function, compiled):
            x = plait.arange(1.0, 4.0) + number
            w = plait.tensor([0.5, -1.0, 2.0], requires_grad=True)
            results.append((numbers(run(x, w)), numbers(x), numbers(w)))
        assert results[0] == results[1]


def test_a_leaf_that_is_kept_outside_has_its_gradient() -> None:
    kept: list[plait.Tensor] = []

    def function(x: plait.Tensor) -> Any:
        point = (x * 2).detach().requires_grad_()
        kept.append(point)
        (point**3).sum().backward()
        return x + 1

    compiled = plait.compile(function)
    for number in range(3):
        x = plait.arange(3.0) + number
        compiled(x)
        grad = kept[-1].grad
        assert len(kept) == number + 1
        assert grad is not None
        assert grad.tolist() == (3 * (2 * x) ** 2).tolist()


def test_a_critic_with_a_gradient_penalty_is_one_program() -> None:
    """Layers whose second derivatives reach the points, optimizer and two results."""
    losses = []
    for compiles in (False, True):
        plait.manual_seed(0)
        critic = nn.Sequential(nn.Linear(2, 8), nn.LayerNorm(8), nn.ELU(), nn.Linear(8, 1))
        optimizer = plait.optim.Adam(critic.parameters(), lr=1e-2)

        def step(real: plait.Tensor, critic: Any = critic, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            point = plait.autograd.Variable(0.7 * real, requires_grad=True)
            made = critic(point)
            (slope,) = plait.autograd.grad(
                made, point, plait.ones_like(made), create_graph=True, retain_graph=True
            )
            penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean()
            loss = made.mean() - critic(real).mean() + 10 * penalty
            loss.backward()
            optimizer.step()
            return loss.detach(), penalty.detach()

        run = plait.compile(step, fullgraph=True) if compiles else step
        plait.manual_seed(1)
        losses.append([[v.item() for v in run(plait.randn(16, 2))] for _ in range(6)])
    # Fused in other places, sums differ in the last bits, which six steps of Adam enlarge.
    for plain, compiled in zip(*losses):
        assert compiled == pytest.approx(plain, rel=1e-4)
