"""A hundred steps of the mlp as one program, and a hundred calls. `python -m bench.epoch`.

In turns, in one process: a loop around the compiled step; the loop itself compiled, which makes a
program of a hundred steps; and a scan over the batches, whose body is compiled once. All train the
same way, which is compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import plait as torch
from plait._higher_order_ops.scan import scan
from plait.func import functional_call, grad_and_value
from plait.nn import functional as F

BATCHES, ROWS, WIDTHS, RATE = 100, 64, (784, 128, 64, 10), 0.1
ROUNDS = 7


def _model() -> Any:
    torch.manual_seed(0)
    from bench.models import dense  # not at the top: it is of the framework that is `torch`

    return dense(WIDTHS)


def _single(xs: Any, ys: Any) -> Callable[[], Any]:
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    @torch.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    batches = [(x.clone(), y.clone()) for x, y in zip(xs, ys)]

    def epoch() -> Any:
        for x, y in batches:
            loss = step(x, y)
        return loss

    return epoch


def _loop(xs: Any, ys: Any) -> Callable[[], Any]:
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    @torch.compile
    def epoch(xs: Any, ys: Any) -> Any:
        for i in range(BATCHES):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(xs[i]), ys[i])
            loss.backward()
            optimizer.step()
        return loss.detach()

    return lambda: epoch(xs, ys)


def _scan(xs: Any, ys: Any) -> Callable[[], Any]:
    model = _model()
    params = {name: p.detach().clone() for name, p in model.named_parameters()}

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        return F.cross_entropy(functional_call(model, params, (x,)), y)

    def turn(params: Any, batch: Any) -> Any:
        grads, loss = grad_and_value(loss_of)(params, *batch)
        return {name: params[name] - RATE * grads[name] for name in params}, loss

    run = torch.compile(lambda params, xs, ys: scan(turn, params, (xs, ys)))

    def epoch() -> Any:
        nonlocal params
        params, losses = run(params, xs, ys)
        return losses[-1]

    return epoch


def main() -> None:
    """Print a table."""
    torch.install_as("torch")
    random = np.random.RandomState(0)
    xs = torch.tensor(random.randn(BATCHES, ROWS, WIDTHS[0]).astype("f4"))
    ys = torch.tensor(random.randint(0, WIDTHS[-1], (BATCHES, ROWS)))
    ways = {"calls": _single(xs, ys), "loop": _loop(xs, ys), "scan": _scan(xs, ys)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    losses: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3 + ROUNDS):
        for name, epoch in ways.items():
            start = time.perf_counter()
            losses[name].append(epoch().item())
            times[name].append(time.perf_counter() - start)
    print("| way | ms an epoch, median (least) | of the calls |\n| --- | --- | --- |")
    for name, found in times.items():
        np.testing.assert_allclose(losses[name], losses["calls"], rtol=1e-3)
        here, calls = found[3:], times["calls"][3:]
        share = statistics.median([a / b for a, b in zip(here, calls)])
        least = 1e3 * min(here)
        print(f"| {name} | {1e3 * statistics.median(here):.2f} ({least:.2f}) | {share:.2f} |")


if __name__ == "__main__":
    main()
