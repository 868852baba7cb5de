"""Fifty steps of every schedule of rates, and what goes with training: the same numbers."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from tests.optim.schedules import ADAM, CASES, SGD, run
from tests.parity.compare import Hunt


def walked(t: Any, name: str, options: dict[str, Any]) -> Any:
    """Rates and momenta of two groups, and the state of the schedule after them."""
    parameters = [t.nn.Parameter(t.zeros(2)) for _ in range(2)]
    groups = [{"params": [parameters[0]]}, {"params": [parameters[1]], "lr": 0.3}]
    optimizer = (t.optim.Adam if "betas" in options else t.optim.SGD)(groups, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = CASES[name](t.optim.lr_scheduler, optimizer)
        rates = run(scheduler, optimizer)
    return [rates, sorted(scheduler.state_dict()), scheduler.last_epoch]


@pytest.mark.once
@pytest.mark.parametrize("options", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("name", CASES)
def test_fifty_steps(name: str, options: dict[str, Any]) -> None:
    hunt = Hunt("schedules", f"{name} {'adam' if options is ADAM else 'sgd'}")
    # The same arithmetic in the same order, but for the last bit of a cosine.
    hunt.check("50 steps", lambda t: walked(t, name, options), tolerance=1e-15)
    hunt.verdict()


def averaged(t: Any, make: Any) -> Any:
    """Fifty steps of a model whose weights are averaged beside it."""
    w = t.nn.Linear(2, 1).double()
    with t.no_grad():
        for parameter in w.parameters():
            parameter.fill_(0.5)
    optimizer = t.optim.SGD(w.parameters(), lr=0.05)
    other, schedule = make(t, w, optimizer)
    x = t.arange(8, dtype=t.float64).reshape(4, 2) / 8
    for _ in range(50):
        optimizer.zero_grad()
        (w(x) ** 2).mean().backward()
        optimizer.step()
        other.update_parameters(w)
        if schedule is not None:
            schedule.step()
    rates = [group["lr"] for group in optimizer.param_groups]
    return [
        list(other.state_dict().values()),
        list(other.state_dict()),
        rates,
        list(w.parameters()),
    ]


AVERAGES = {
    "swa": lambda t, w, o: (
        t.optim.swa_utils.AveragedModel(w),
        t.optim.swa_utils.SWALR(o, swa_lr=0.01, anneal_epochs=10),
    ),
    "swa linear": lambda t, w, o: (
        t.optim.swa_utils.AveragedModel(w),
        t.optim.swa_utils.SWALR(o, swa_lr=0.01, anneal_epochs=7, anneal_strategy="linear"),
    ),
    "ema": lambda t, w, o: (
        t.optim.swa_utils.AveragedModel(
            w, multi_avg_fn=t.optim.swa_utils.get_ema_multi_avg_fn(0.9)
        ),
        None,
    ),
    "own": lambda t, w, o: (
        t.optim.swa_utils.AveragedModel(w, avg_fn=lambda a, m, n: 0.75 * a + 0.25 * m),
        None,
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_models(name: str) -> None:
    hunt = Hunt("schedules", name)
    hunt.check("50 steps", lambda t: averaged(t, AVERAGES[name]), tolerance=1e-12)
    hunt.verdict()


def scaled(t: Any) -> Any:
    """Fifty steps of a scaler whose gradients overflow now and then."""
    w = t.nn.Parameter(t.tensor([1.0, -2.0]))
    optimizer = t.optim.SGD([w], lr=0.1)
    scaler = t.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=3, backoff_factor=0.25)
    scales = []
    for step in range(50):
        optimizer.zero_grad()
        factor = float("inf") if step % 11 == 5 else 1.0
        scaler.scale((w * w).sum() * factor).backward()
        if step % 7 == 0:
            scaler.unscale_(optimizer)
            t.nn.utils.clip_grad_norm_([w], 0.5)
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    return [scales, w, scaler.state_dict()]


@pytest.mark.once
def test_scaler() -> None:
    hunt = Hunt("schedules")
    hunt.check("GradScaler", scaled, tolerance=1e-6)
    hunt.verdict()
