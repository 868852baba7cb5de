"""Training steps give the same bits on 1, 2 and 4 threads, and from run to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import plait as torch
from plait import nn
from plait.core.runtime import threads
from plait.nn import functional as F
from tests.compile.test_steps import programs

STEPS = 4


class Block(nn.Module):
    """One block of a small language model: embedding, layer norm, causal attention, GELU."""

    def __init__(self, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.tokens = nn.Embedding(17, width)
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, 17))

    def forward(self, ids: Any) -> Any:
        x = self.tokens(ids)
        batch, length, width = x.shape
        heads = self.qkv(self.norm(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        return self.mlp(x).transpose(1, 2)


class LastOfLSTM(nn.Module):
    """An LSTM whose last output a linear layer reads."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(9, 33, batch_first=True)
        self.out = nn.Linear(33, 10)

    def forward(self, x: Any) -> Any:
        return self.out(self.lstm(x)[0][:, -1])


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(300, 130), nn.ReLU(), nn.Dropout(0.2), nn.Linear(130, 10))


def _convnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * 6 * 6, 10),
    )  # fmt: skip


#: Model; then the batch: its inputs and its labels. Row counts are odd, so that pieces are uneven.
MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Any, Any]]]] = {
    "mlp": (_mlp, lambda: (torch.randn(67, 300), torch.randint(0, 10, (67,)))),
    "convnet": (_convnet, lambda: (torch.randn(13, 1, 28, 28), torch.randint(0, 10, (13,)))),
    "gpt": (Block, lambda: (torch.randint(0, 17, (3, 37)), torch.randint(0, 17, (3, 37)))),
    "lstm": (LastOfLSTM, lambda: (torch.randn(19, 11, 9), torch.randint(0, 10, (19,)))),
}


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compile everything; the number of threads is put back."""
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    before = threads.count()
    yield
    threads.set_count(before)


def train(name: str, count: int) -> list[bytes]:
    """The bits of the losses and of what training leaves, on so many threads."""
    threads.set_count(count)
    make, draw = MODELS[name]
    torch.manual_seed(3)
    model, (x, y) = make(), draw()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    @torch.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    values = [step(x, y) for _ in range(STEPS)]
    assert programs(step) == 1
    values += model.state_dict().values()
    for state in optimizer.state.values():
        values += [value for value in state.values() if isinstance(value, torch.Tensor)]
    return [value.numpy().tobytes() for value in values]


@pytest.mark.parametrize("name", MODELS)
def test_bits_do_not_depend_on_threads(name: str) -> None:
    alone = train(name, 1)
    assert train(name, 1) == alone
    for count in (2, 2, 4):
        assert train(name, count) == alone
