"""Programs whose extents vary: steps of small models, and the kernels that each size needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.ir.extents import constants_that_vary
from plait.core.runtime import kernels
from plait.nn import functional as F

Step = Callable[..., Any]


class Watch:
    """The kernels that programs asked for, each once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: set[Kernel] = set()
        plain = kernels.addresses

        def watched(wanted: Any, target: Any) -> Any:
            wanted = list(wanted)
            self.seen.update(wanted)
            return plain(wanted, target)

        monkeypatch.setattr(kernels, "addresses", watched)

    def new(self, run: Callable[[], Any]) -> int:
        """How many kernels a call needs that none before it did."""
        before = len(self.seen)
        run()
        return len(self.seen) - before

    def made_for_one(self, first: set[Kernel]) -> list[Kernel]:
        """Kernels, but for those of the first sizes, that hold a varying number as a constant."""
        return [k for k in self.seen - first if constants_that_vary(k.key)]


def training(model: nn.Module, loss: Callable[[Any, Any], Any], optimizer: Any) -> Step:
    """One compiled step of training."""

    @torch.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        error = loss(model(x), y)
        error.backward()
        optimizer.step()
        return error.detach()

    return step


def mlp(optimizer: Callable[..., Any]) -> Step:
    """A classifier of 100 numbers: 100, 48, 24, 10."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(100, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 10)
    )
    return training(model, F.cross_entropy, optimizer(model.parameters(), lr=0.01))


def rows(batch: int, width: int = 100, classes: int = 10) -> tuple[Any, Any]:
    """A batch for `mlp`."""
    random = np.random.RandomState(batch)
    x = torch.tensor(random.uniform(-1, 1, (batch, width)).astype(np.float32))
    return x, torch.tensor(random.randint(0, classes, batch))


def ran(launches: Any) -> list[Launch]:
    """The launches among steps."""
    return [step for step in launches if isinstance(step, Launch)]
