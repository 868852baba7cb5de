"""One training program, four ways to run it: recorded, replayed, native and compiled, in float64.

200 steps each: the same losses and parameters within 1e-8 relative, which leaves room for sums in
another order and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.nn import functional as F
from tests.replay.twice import run

_STEPS = 200


def _data(*shape: int) -> Any:
    return torch.tensor(np.random.default_rng(len(shape)).standard_normal(shape))


def _labels(count: int, classes: int) -> Any:
    return torch.tensor(np.random.default_rng(classes).integers(0, classes, count))


def _supervised(model: Any, optimizer: Any, loss: Callable[..., Any], x: Any, y: Any) -> Any:
    def step(i: int) -> Any:
        at = (8 * i) % 24
        optimizer.zero_grad()
        value = loss(model(x[at : at + 8]), y[at : at + 8])
        value.backward()
        optimizer.step()
        return value.detach()

    return [model], step


def _linreg() -> Any:
    model = nn.Linear(4, 1).double()
    opt = torch.optim.SGD(model.parameters(), lr=0.05)
    return _supervised(model, opt, F.mse_loss, _data(32, 4), _data(32, 1))


def _mlp(make: Callable[..., Any]) -> Any:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
    model.double()
    opt = make(model.parameters())
    return _supervised(model, opt, F.cross_entropy, _data(32, 6), _labels(32, 3))


def _lenet() -> Any:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3),
        nn.ReLU(), nn.Flatten(), nn.Linear(16, 3),
    ).double()  # fmt: skip
    opt = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    return _supervised(model, opt, F.cross_entropy, _data(32, 1, 10, 10), _labels(32, 3))


class _Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 5)
        self.lstm = nn.LSTM(5, 6, batch_first=True)
        self.out = nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.lstm(self.table(x))[0][:, -1])


def _lstm() -> Any:
    model = _Reader().double()
    opt = torch.optim.AdamW(model.parameters(), lr=0.01)
    words = torch.tensor(np.random.default_rng(9).integers(0, 9, (32, 4)))
    return _supervised(model, opt, F.cross_entropy, words, _labels(32, 3))


def _gan() -> Any:
    maker = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4)).double()
    judge = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)).double()
    to_make = torch.optim.Adam(maker.parameters(), lr=0.002, betas=(0.5, 0.999))
    to_judge = torch.optim.Adam(judge.parameters(), lr=0.002, betas=(0.5, 0.999))
    real, noise = _data(32, 4), _data(32, 3)
    ones, zeros = torch.ones(8, 1).double(), torch.zeros(8, 1).double()
    loss = nn.BCEWithLogitsLoss()

    def step(i: int) -> Any:
        at = (8 * i) % 24
        fake = maker(noise[at : at + 8])
        to_judge.zero_grad()
        value = loss(judge(real[at : at + 8]), ones) + loss(judge(fake.detach()), zeros)
        value.backward()
        to_judge.step()
        to_make.zero_grad()
        other = loss(judge(fake), ones)
        other.backward()
        to_make.step()
        return (value + other).detach()

    return [maker, judge], step


PROGRAMS: dict[str, Callable[[], Any]] = {
    "linreg": _linreg,
    "mlp": lambda: _mlp(lambda p: torch.optim.SGD(p, lr=0.1)),
    "mlp_adam": lambda: _mlp(lambda p: torch.optim.Adam(p, lr=0.01)),
    "lenet": _lenet,
    "lstm": _lstm,
    "gan": _gan,
}


def _trained(name: str, compiled: bool) -> list[Any]:
    models, step = PROGRAMS[name]()
    if compiled:
        step = torch.compile(step)
    losses = []
    for i in range(_STEPS):
        # Few different numbers, so that a compiled step has few programs.
        losses.append(step(i % 3).item())
    return [np.array(losses), *[p.detach().numpy().copy() for m in models for p in m.parameters()]]


@pytest.mark.parametrize("name", PROGRAMS)
def test_four_ways_to_train(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    recorded = run(_trained, name, False, replay=False)
    ways = {"replayed": run(_trained, name, False, replay=True)}
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    ways["native"] = run(_trained, name, False, replay=True)
    ways["compiled"] = run(_trained, name, True, replay=True)
    assert np.isfinite(recorded[0]).all()
    for way, found in ways.items():
        for a, b in zip(found, recorded, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11, err_msg=way)
    for a, b in zip(ways["replayed"], recorded):
        np.testing.assert_array_equal(a, b)
