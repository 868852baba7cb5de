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


def _data(dtype: Any, *shape: int) -> Any:
    numbers = np.random.default_rng(len(shape)).standard_normal(shape)
    return torch.tensor(numbers.astype("f4")).to(dtype)


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

    return [model], [optimizer], step


def _linreg(dtype: Any) -> Any:
    model = nn.Linear(4, 1).to(dtype)
    opt = torch.optim.SGD(model.parameters(), lr=0.05)
    return _supervised(model, opt, F.mse_loss, _data(dtype, 32, 4), _data(dtype, 32, 1))


def _mlp(make: Callable[..., Any], dtype: Any) -> Any:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
    model.to(dtype)
    opt = make(model.parameters())
    return _supervised(model, opt, F.cross_entropy, _data(dtype, 32, 6), _labels(32, 3))


def _lenet(dtype: Any) -> Any:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3),
        nn.ReLU(), nn.Flatten(), nn.Linear(16, 3),
    ).to(dtype)  # fmt: skip
    opt = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    return _supervised(model, opt, F.cross_entropy, _data(dtype, 32, 1, 10, 10), _labels(32, 3))


class _Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 5)
        self.lstm = nn.LSTM(5, 6, batch_first=True)
        self.out = nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.lstm(self.table(x))[0][:, -1])


def _lstm(dtype: Any) -> Any:
    model = _Reader().to(dtype)
    opt = torch.optim.AdamW(model.parameters(), lr=0.01)
    words = torch.tensor(np.random.default_rng(9).integers(0, 9, (32, 4)))
    return _supervised(model, opt, F.cross_entropy, words, _labels(32, 3))


def _gan(dtype: Any) -> Any:
    maker = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4)).to(dtype)
    judge = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)).to(dtype)
    to_make = torch.optim.Adam(maker.parameters(), lr=0.002, betas=(0.5, 0.999))
    to_judge = torch.optim.Adam(judge.parameters(), lr=0.002, betas=(0.5, 0.999))
    real, noise = _data(dtype, 32, 4), _data(dtype, 32, 3)
    ones, zeros = torch.ones(8, 1).to(dtype), torch.zeros(8, 1).to(dtype)
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

    return [maker, judge], [to_judge, to_make], step


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "linreg": _linreg,
    "mlp": lambda dtype: _mlp(lambda p: torch.optim.SGD(p, lr=0.1), dtype),
    "mlp_adam": lambda dtype: _mlp(lambda p: torch.optim.Adam(p, lr=0.01), dtype),
    "lenet": _lenet,
    "lstm": _lstm,
    "gan": _gan,
}


def _trained(name: str, compiled: bool) -> list[Any]:
    models, _, step = PROGRAMS[name](torch.float64)
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


# -- one step at a time, in float32 ----------------------------------------------------------------

_SINGLE_STEPS = 40
#: Of the largest number of an array: what sums of up to a hundred float32 in another order, through
#: six layers, may differ by (unit roundoff 6e-8), where a batch norm divides by deviations of a
#: tenth. A learning rate that is a hundredth off changes a step by more.
_ROUNDING = 2e-5
#: Where all is nought but for rounding, as the gradient of a bias before a batch norm: the size of
#: what has cancelled out.
_LEAST = 1e-2
#: A native step and a compiled one have the same kernels but for what recording leaves to be read;
#: lenet's differ in one, which makes the loss and its gradient.
_NOT_BITWISE = {"lenet"}


def _tensors(models: list[Any], optimizers: list[Any]) -> list[Any]:
    """All that lasts: parameters, buffers, and the state of the optimizers."""
    lasting = [t for m in models for t in (*m.parameters(), *m.buffers())]
    for optimizer in optimizers:
        for state in optimizer.state.values():
            lasting += [v for v in state.values() if isinstance(v, torch.Tensor)]
    return lasting


def _stepped(name: str, compiled: bool, befores: list[list[np.ndarray]]) -> list[Any]:
    """The states before and after each step, which begins in the state given, if there is one."""
    models, optimizers, step = PROGRAMS[name](torch.float32)
    if compiled:
        step = torch.compile(step)
    found = []
    for i in range(_SINGLE_STEPS):
        if i < len(befores):
            with torch.no_grad():
                for tensor, value in zip(_tensors(models, optimizers), befores[i], strict=True):
                    tensor.copy_(torch.tensor(value))
        before = [t.detach().numpy().copy() for t in _tensors(models, optimizers)]
        loss = np.array(step(i % 3).item())
        found.append(
            (before, [loss, *[t.detach().numpy().copy() for t in _tensors(models, optimizers)]])
        )
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_single_steps_in_float32(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same state each: recorded on NumPy, replayed and compiled natively."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    recorded = run(_stepped, name, False, [], replay=False)
    befores = [before for before, _ in recorded]
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    replayed = run(_stepped, name, False, befores, replay=True)
    compiled = run(_stepped, name, True, befores, replay=True)
    worst = 0.0
    for i, ((_, expected), (_, found), (_, other)) in enumerate(zip(recorded, replayed, compiled)):
        for e, a, b in zip(expected, found, other, strict=True):
            scale = max(np.abs(e).max(), _LEAST)
            worst = max(worst, np.abs(a - e).max() / scale, np.abs(b - e).max() / scale)
            if name not in _NOT_BITWISE:
                np.testing.assert_array_equal(a, b, err_msg=f"step {i}")
    assert worst < _ROUNDING
