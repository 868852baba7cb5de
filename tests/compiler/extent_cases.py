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
from plait.core.llvm.target import Target, target
from plait.core.runtime import kernels
from plait.nn import functional as F

Step = Callable[..., Any]

ISAS = ("avx512", "avx2")


def on(isa: str) -> Target:
    """The target of an instruction set; skips the test where this machine lacks it."""
    try:
        return target(isa)
    except ValueError:
        pytest.skip(f"this machine has no {isa}")


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


def assert_same_bits(static: Any, run: Any) -> None:
    """Arrays of two programs, or of one made in two ways."""
    for one, other in zip(static, run, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


class Tagger(nn.Module):
    """Words to the class of a text, by a recurrent layer of 40 units."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 24)
        self.layer = getattr(nn, kind)(24, 40, batch_first=True)
        self.out = nn.Linear(40, 5)

    def forward(self, words: Any) -> Any:
        return self.out(self.layer(self.embed(words))[0][:, -1])


class Mean(nn.Module):
    """Words to the class of a text, by the mean of their vectors and a dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 24)
        self.out = nn.Linear(24, 5)

    def forward(self, words: Any) -> Any:
        return self.out(F.dropout(self.embed(words), 0.1, self.training).mean(1))


class Block(nn.Module):
    """A layer of a transformer; by_hand: attention from its products, not by one op."""

    def __init__(self, by_hand: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(32), nn.LayerNorm(32)])
        self.qkv, self.mix = nn.Linear(32, 96), nn.Linear(32, 32)
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)
        self.by_hand = by_hand

    def forward(self, x: Any) -> Any:
        batch, length, width = x.shape
        heads = self.qkv(self.norms[0](x)).view(batch, length, 3, 4, 8)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        if self.by_hand:
            scores = q @ k.transpose(-2, -1) / 8**0.5
            blind = torch.ones(length, length, dtype=torch.bool).triu(1)
            y = torch.softmax(scores.masked_fill(blind, float("-inf")), -1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


class Language(nn.Module):
    """The next word at each place: two blocks."""

    def __init__(self, by_hand: bool = False) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(50, 32), nn.Embedding(512, 32)
        self.blocks = nn.Sequential(Block(by_hand), Block(by_hand))
        self.norm, self.out = nn.LayerNorm(32), nn.Linear(32, 50)

    def forward(self, words: Any) -> Any:
        x = self.words(words) + self.places(torch.arange(words.shape[1]))
        return self.out(self.norm(self.blocks(x)))


class Images(nn.Module):
    """A small convolutional classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 16, 3, padding=1)
        self.norm, self.out = nn.BatchNorm2d(6), nn.Linear(16 * 9, 5)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.norm(self.first(x))), 2)
        return self.out(F.max_pool2d(F.relu(self.second(x)), 2).flatten(1))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mean": Mean,
    "lstm": lambda: Tagger("LSTM"),
    "gru": lambda: Tagger("GRU"),
    "elman": lambda: Tagger("RNN"),
    "transformer": Language,
    "by_hand": lambda: Language(by_hand=True),
    "images": Images,
}


def made(name: str) -> nn.Module:
    """A model with the same numbers each time."""
    torch.manual_seed(0)
    return MODELS[name]()


def batch_of(name: str, batch: int, length: int) -> tuple[Any, Any]:
    """Random data for a model."""
    random = np.random.RandomState(1000 * batch + length)
    if name == "images":
        x = torch.tensor(random.uniform(-1, 1, (batch, 1, 14, 14)).astype(np.float32))
        return x, torch.tensor(random.randint(0, 5, batch))
    each = name in ("transformer", "by_hand")
    words = torch.tensor(random.randint(0, 50, (batch, length)))
    wanted = random.randint(0, 50, (batch, length)) if each else random.randint(0, 5, batch)
    return words, torch.tensor(wanted)


def cross_entropy(scores: Any, wanted: Any) -> Any:
    """Over all places of all texts."""
    return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), wanted.reshape(-1))


def gradients(name: str, batch: int, length: int) -> list[np.ndarray]:
    """The loss and all gradients of one compiled pass."""
    model = made(name)

    @torch.compile
    def passes(x: Any, y: Any) -> Any:
        loss = cross_entropy(model(x), y)
        loss.backward()
        return loss.detach()

    torch.manual_seed(1)
    loss = passes(*batch_of(name, batch, length))
    return [loss.numpy(), *[p.grad.numpy() for p in model.parameters()]]
