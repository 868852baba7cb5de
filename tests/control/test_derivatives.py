"""Derivatives inside of the bodies of control flow are those of the loop that is written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait._higher_order_ops import scan
from plait.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    vjp,
    vmap,
)
from plait.nn import functional as F

Turn = Callable[[Any, Any], tuple[Any, Any]]


def tensor(seed: int, *shape: int) -> Any:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


def by_hand(turn: Turn, carry: Any, xs: Any) -> tuple[Any, Any]:
    ys = []
    for x in xs:
        carry, y = turn(carry, x)
        ys.append(y)
    return carry, torch.stack(ys)


def energy(w: Any, x: Any) -> Any:
    return (torch.tanh(w * x).sum() ** 2 + (w**3 * x).sum()) / 4


BODIES: dict[str, Callable[[Any], Turn]] = {
    "grad": lambda w: lambda c, x: (c - 0.1 * grad(energy)(c, x), energy(c, x)),
    "grad of grad": lambda w: (
        lambda c, x: (c - 0.1 * grad(lambda a: grad(energy)(a, x).square().sum())(c), (c * w).sum())
    ),
    "with respect to what is outside": lambda w: (
        lambda c, x: (c + grad(lambda a: energy(a, x * c))(w), c.sum())
    ),
    "of a function that reads what is outside": lambda w: (
        lambda c, x: (c - 0.1 * grad(lambda a: energy(a, w * x) + (a * w).sum())(c), c.sum())
    ),
    "two arguments and a value": lambda w: (
        lambda c, x: (lambda found: (c - 0.1 * found[0][0] * found[0][1], found[1]))(
            grad_and_value(energy, argnums=(0, 1))(c, x * w)
        )
    ),
    "aux": lambda w: (
        lambda c, x: (lambda found: (c - 0.1 * found[0], found[1]))(
            grad(lambda a: (energy(a, x), (a * w).sum()), has_aux=True)(c)
        )
    ),
    "vjp": lambda w: (
        lambda c, x: (c + 0.1 * vjp(lambda a: a * torch.sin(a * x), c)[1](w)[0], x.sum())
    ),
    "jvp": lambda w: lambda c, x: (c + 0.1 * jvp(lambda a: a.exp() * x, (c,), (w,))[1], c.sum()),
    "jacrev": lambda w: lambda c, x: (c - 0.01 * jacrev(lambda a: a**2 * x)(c).sum(1), c.sum()),
    "jacfwd": lambda w: lambda c, x: (c - 0.01 * jacfwd(lambda a: a**2 * x)(c).sum(0), c.sum()),
    "hessian": lambda w: lambda c, x: (c - 0.01 * hessian(energy)(c, x) @ w, c.sum()),
    "per sample": lambda w: (
        lambda c, x: (
            c - 0.1 * vmap(grad(energy), (None, 0))(c, x.expand(2, 3) * w).sum(0),
            c.sum(),
        )
    ),
    "detach": lambda w: lambda c, x: (c - 0.1 * (c.detach() * x * w) - c**2 * w.detach(), c.sum()),
    "grad of what is detached": lambda w: (
        lambda c, x: (c - 0.1 * grad(lambda a: (a.detach() * a * x).sum())(c), (c * w).sum())
    ),
    "no way": lambda w: (
        lambda c, x: (c * w - grad(lambda a: (x * c).sum() + 0 * x.sum())(c), c.sum())
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_as_the_loop(name: str) -> None:
    w, start, xs = tensor(1, 3) / 2, tensor(2, 3) / 2, tensor(3, 5, 3)
    found = []
    for way in (scan, by_hand):
        given = [x.clone().requires_grad_() for x in (w, start, xs)]
        last, ys = way(BODIES[name](given[0]), *given[1:])
        loss = (last * torch.arange(1.0, 4).double()).sum() + ys.square().sum()
        found.append([last, ys, *torch.autograd.grad(loss, given, allow_unused=True)])
    for a, b in zip(*found, strict=True):
        a, b = (torch.zeros(()) if x is None else x for x in (a, b))
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-9, atol=1e-12)


def test_an_epoch_of_a_module_is_one_program() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    xs, ys = tensor(0, 6, 5, 3), torch.tensor(np.random.default_rng(0).integers(0, 2, (6, 5)))
    params = {name: p.detach().clone() for name, p in model.named_parameters()}

    def turn(params: Any, batch: Any) -> Any:
        def loss_of(params: Any) -> Any:
            return F.cross_entropy(functional_call(model, params, (batch[0],)), batch[1])

        grads, loss = grad_and_value(loss_of)(params)
        return {name: params[name] - 0.1 * grads[name] for name in params}, loss

    epoch = torch.compile(lambda params, batches: scan(turn, params, batches), fullgraph=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        params, losses = epoch(params, (xs, ys))
        for i in range(6):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(xs[i]), ys[i])
            loss.backward()
            optimizer.step()
            np.testing.assert_allclose(losses[i], loss.detach(), rtol=1e-10)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(params[name], p.detach(), rtol=1e-9)


def test_control_flow_in_what_is_differentiated() -> None:
    xs, start = tensor(3, 4, 3), tensor(2, 3) / 2

    def inner(a: Any, x: Any) -> Any:
        kept = torch.cond(x.sum() > 0, lambda a: a.sin(), lambda a: a * 2, (a,))
        return scan(lambda c, k: (c * kept + k, c.sum()), a, xs)[0].sum()

    def turn(c: Any, x: Any) -> Any:
        return c - 0.01 * grad(inner)(c, x), c.sum()

    (a, ya), (b, yb) = scan(turn, start, xs), by_hand(turn, start, xs)
    np.testing.assert_allclose(a, b, rtol=1e-9)
    np.testing.assert_allclose(ya, yb, rtol=1e-9)


def test_a_vector_pulled_back_in_another_body_is_refused() -> None:
    def turn(c: Any, x: Any) -> Any:
        _, back = vjp(lambda a: a.sin(), c)
        return scan(lambda d, k: (back(d)[0], d.sum()), c, tensor(0, 2, 3))[0], c.sum()

    with pytest.raises(NotImplementedError, match="another body"):
        scan(turn, tensor(1, 3), tensor(2, 2, 3))
