"""Programs whose structure changes from step to step, each as a function that makes its step."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import plait as torch
from plait import nn
from plait.nn import functional as F


def _data(seed: int) -> tuple[Any, Any]:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(16, 8, generator=made), torch.randn(16, 1, generator=made)


class RandomDepth(nn.Module):
    """One to eight times the same layer."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.first, self.middle, self.last = nn.Linear(8, 12), nn.Linear(12, 12), nn.Linear(12, 1)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.first(x))
        for _ in range(self.rng.randint(1, 8)):
            x = torch.tanh(self.middle(x))
        return self.last(x)


class StochasticLayers(nn.Module):
    """Residual layers, half of which are left out each time."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.first, self.last = nn.Linear(8, 12), nn.Linear(12, 1)
        self.layers = nn.ModuleList([nn.Linear(12, 12) for _ in range(8)])
        self.norms = nn.ModuleList([nn.LayerNorm(12) for _ in range(8)])

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.first(x))
        for layer, norm in zip(self.layers, self.norms):
            if self.rng.random() < 0.5:
                x = x + F.dropout(torch.relu(layer(norm(x))), 0.1)
        return self.last(x)


class EarlyExit(nn.Module):
    """Layers until a value that they compute is small."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.first, self.last = nn.Linear(8, 12), nn.Linear(12, 1)
        self.layers = nn.ModuleList([nn.Linear(12, 12) for _ in range(5)])

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.first(x))
        for layer in self.layers:
            x = torch.relu(layer(x))
            if x.mean().item() < 0.1 + 0.1 * self.rng.random():
                break
        return self.last(x)


class TreeLSTM(nn.Module):
    """A child-sum tree LSTM over trees of any shape."""

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.size = size
        self.words = nn.Embedding(20, size)
        self.inner, self.sums = nn.Linear(size, 3 * size), nn.Linear(size, 3 * size, bias=False)
        self.forget, self.keep = nn.Linear(size, size), nn.Linear(size, size, bias=False)
        self.last = nn.Linear(size, 3)

    def cell(self, x: Any, children: list[Any]) -> Any:
        total = sum((h for h, _ in children[1:]), children[0][0]) if children else None
        if total is None:
            total = torch.zeros(1, self.size)
        i, o, u = torch.chunk(self.inner(x) + self.sums(total), 3, 1)
        c = torch.sigmoid(i) * torch.tanh(u)
        for h, before in children:
            c = c + torch.sigmoid(self.forget(x) + self.keep(h)) * before
        return torch.sigmoid(o) * torch.tanh(c), c

    def through(self, tree: Any) -> Any:
        word, children = tree
        x = self.words(torch.tensor([word]))
        return self.cell(x, [self.through(child) for child in children])

    def forward(self, tree: Any) -> Any:
        return self.last(self.through(tree)[0])


def tree(rng: random.Random, nodes: int) -> Any:
    """(word, children): a random tree of this many nodes."""
    children = []
    rest = nodes - 1
    while rest:
        part = rng.randint(max(1, rest // 3), rest)
        children.append(tree(rng, part))
        rest -= part
    return rng.randrange(20), children


def _regression(kind: type[nn.Module], make: Callable[..., Any]) -> Callable[[], Any]:
    def begin() -> Any:
        rng = random.Random(5)
        model = kind(rng)
        optimizer = make(model.parameters())
        x, y = _data(3)

        def step() -> Any:
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return model, step

    return begin


def _trees() -> Any:
    rng = random.Random(6)
    model = TreeLSTM()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

    def step() -> Any:
        loss = F.cross_entropy(
            model(tree(rng, rng.randint(2, 8))), torch.tensor([rng.randrange(3)])
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return model, step


def _sgd(params: Any) -> Any:
    return torch.optim.SGD(params, lr=0.02, momentum=0.5)


def _adam(params: Any) -> Any:
    return torch.optim.Adam(params, lr=0.01)


PROGRAMS: dict[str, Callable[[], Any]] = {
    "random_depth": _regression(RandomDepth, _sgd),
    "stochastic_layers": _regression(StochasticLayers, _sgd),
    "stochastic_layers_adam": _regression(StochasticLayers, _adam),
    "early_exit": _regression(EarlyExit, _sgd),
    "trees": _trees,
}
