"""The workloads' models and steps, as a PyTorch user writes them.

`import torch` means whatever the process says: PyTorch, or Plait after `plait.install_as`. Nothing
here knows which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from bench.workloads import Workload, initial_weights

# -- models -------------------------------------------------------------------------------------


def dense(widths: Sequence[int]) -> nn.Module:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for given, made in pairwise(widths):
        layers += [nn.ReLU()] if layers else []
        layers.append(nn.Linear(given, made))
    return nn.Sequential(*layers)


def convnet(channels: Sequence[int], widths: Sequence[int]) -> nn.Module:
    """3x3 convolutions, each with ReLU and 2x2 max pooling, then linear layers."""
    layers: list[nn.Module] = []
    for given, made in pairwise(channels):
        layers += [nn.Conv2d(given, made, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), dense(widths))


class LastOfLSTM(nn.Module):
    """An LSTM whose last output a linear layer reads."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x: Any) -> Any:
        return self.out(self.lstm(x)[0][:, -1])


def gan(latent: int, hidden: int, data: int) -> nn.Module:
    """A generator and a discriminator of two layers each."""
    generator = nn.Sequential(
        nn.Linear(latent, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, data),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(nn.Linear(data, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))
    return nn.ModuleDict({"generator": generator, "discriminator": discriminator})


class Recommender(nn.Module):
    """Two embedding tables, of users and of items, read by two linear layers."""

    def __init__(self, rows: int, width: int, hidden: int) -> None:
        super().__init__()
        self.users = nn.Embedding(rows, width, sparse=True)
        self.items = nn.Embedding(rows, width, sparse=True)
        self.head = dense((2 * width, hidden, 1))

    def forward(self, users: Any, items: Any) -> Any:
        return self.head(torch.cat([self.users(users), self.items(items)], dim=1))


class Residual(nn.Module):
    """The basic block of a residual network (He et al., arXiv:1512.03385)."""

    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(given, made, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(made),
            nn.ReLU(),
            nn.Conv2d(made, made, 3, padding=1, bias=False),
            nn.BatchNorm2d(made),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or given != made:
            self.shortcut = nn.Sequential(
                nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made)
            )

    def forward(self, x: Any) -> Any:
        return F.relu(self.body(x) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 for images of 32x32: a 3x3 stem without pooling, four stages of two blocks."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
        )
        blocks: list[nn.Module] = []
        given = 64
        for made in (64, 128, 256, 512):
            blocks += [Residual(given, made, 1 if made == 64 else 2), Residual(made, made, 1)]
            given = made
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(given, classes)

    def forward(self, x: Any) -> Any:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Bottleneck(nn.Module):
    """The block of the deeper residual networks: 1x1, 3x3 (with the stride), 1x1, four times wider.

    The same as torchvision's, which moved the stride to the 3x3 convolution.
    """

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        made = 4 * width
        self.body = nn.Sequential(
            nn.Conv2d(given, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, made, 1, bias=False),
            nn.BatchNorm2d(made),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or given != made:
            self.shortcut = nn.Sequential(
                nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made)
            )

    def forward(self, x: Any) -> Any:
        return F.relu(self.body(x) + self.shortcut(x))


class ResNet50(nn.Module):
    """ResNet-50 for images of 224x224: a 7x7 stem with pooling, stages of 3, 4, 6, 3 blocks."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
        )
        blocks: list[nn.Module] = []
        given = 64
        for stage, depth in enumerate((3, 4, 6, 3)):
            width = 64 << stage
            for block in range(depth):
                blocks.append(Bottleneck(given, width, 2 if stage and not block else 1))
                given = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(given, classes)

    def forward(self, x: Any) -> Any:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class TransformerBlock(nn.Module):
    """Attention and a two-layer network, each added back: causal with the layer norms before them
    (GPT), or of all to all with the norms after the sums (BERT)."""

    def __init__(self, width: int, heads: int, causal: bool = True, gelu: str = "none") -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(gelu), nn.Linear(4 * width, width)
        )

    def attend(self, x: Any) -> Any:
        batch, length, width = x.shape
        heads = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (batch, heads, length, width / heads)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))

    def forward(self, x: Any) -> Any:
        if self.causal:
            x = x + self.attend(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attend(x))
        return self.norm2(x + self.mlp(x))


class GPT(nn.Module):
    """A decoder-only transformer over characters; gives logits (batch, vocabulary, length)."""

    def __init__(self, layers: int, heads: int, width: int, context: int, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList([TransformerBlock(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids: Any) -> Any:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).transpose(1, 2)


class GPT2(nn.Module):
    """GPT-2 reading a prompt: the logits (batch, vocabulary) of what follows it. The table of
    tokens is also the last layer."""

    def __init__(self, layers: int, heads: int, width: int, context: int, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(
            [TransformerBlock(width, heads, gelu="tanh") for _ in range(layers)]
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Any) -> Any:
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x[:, -1]), self.tokens.weight)


class Encoder(nn.Module):
    """A BERT-like encoder of sentences (MiniLM's sizes): the mean of what it makes of tokens."""

    def __init__(self, layers: int, heads: int, width: int, context: int, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            [TransformerBlock(width, heads, causal=False) for _ in range(layers)]
        )

    def forward(self, ids: Any) -> Any:
        x = self.norm(self.tokens(ids) + self.positions.weight[: ids.shape[1]])
        for block in self.blocks:
            x = block(x)
        return x.mean(1)


MODELS: dict[str, Callable[..., nn.Module]] = {
    "dense": dense,
    "convnet": convnet,
    "sequence": LastOfLSTM,
    "gan": gan,
    "recommender": Recommender,
    "resnet18": ResNet18,
    "resnet50": ResNet50,
    "gpt": GPT,
    "gpt2": GPT2,
    "encoder": Encoder,
}

# -- steps --------------------------------------------------------------------------------------

LOSSES = {
    "cross_entropy": F.cross_entropy,
    "mse": F.mse_loss,
    "bce": F.binary_cross_entropy_with_logits,
}


def begun(workload: Workload) -> nn.Module:
    """The model of a workload with its initial weights."""
    model = MODELS[workload.model](**workload.sizes)
    named = dict(model.named_parameters())
    values = initial_weights(workload, {name: tuple(p.shape) for name, p in named.items()})
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(torch.from_numpy(values[name]))
    return model


def build(
    workload: Workload, batches: Sequence[tuple[np.ndarray, ...]], compiles: str = ""
) -> tuple[Callable[..., Any], list[tuple[Any, ...]]]:
    """(step, batches): the step of a workload, and the batches as the framework's tensors.

    A step takes a batch's tensors; it gives the loss, detached, or the model's output.
    compiles: what `torch.compile` is given: "step", the whole of it, as Plait's documents say;
    "model", as PyTorch's do; "" for nothing.
    """
    model = begun(workload)
    tensors = [tuple([torch.from_numpy(array) for array in batch]) for batch in batches]
    if compiles == "model":
        model = _compiled_model(workload, model)
    kind = {None: _inference, "gan": _adversarial}.get(workload.loss, _training)
    step = kind(workload, model)
    return (torch.compile(step) if compiles == "step" else step), tensors


def _compiled_model(workload: Workload, model: nn.Module) -> nn.Module:
    """The model, or its parts that are called by themselves, under `torch.compile`."""
    if workload.loss != "gan":
        return torch.compile(model)
    return nn.ModuleDict({name: torch.compile(part) for name, part in model.items()})


def _inference(workload: Workload, model: nn.Module) -> Callable[..., Any]:
    model.eval()

    def step(*inputs: Any) -> Any:
        with torch.inference_mode():
            return model(*inputs)

    return step


def _optimizers(workload: Workload, model: nn.Module) -> list[Any]:
    """One optimizer, and one more for tables with sparse gradients, which have no fused update."""
    kind = getattr(torch.optim, workload.optimizer)
    tables = [m.weight for m in model.modules() if isinstance(m, nn.Embedding) and m.sparse]
    others = [p for p in model.parameters() if not any(p is table for table in tables)]
    made = [kind(others, fused=True, **workload.options)]
    return [*made, kind(tables, **workload.options)] if tables else made


def _training(workload: Workload, model: nn.Module) -> Callable[..., Any]:
    assert workload.loss is not None
    loss_function = LOSSES[workload.loss]
    optimizers = _optimizers(workload, model)
    autocast = partial(torch.autocast, "cpu", torch.bfloat16) if workload.bfloat16 else nullcontext

    def step(*batch: Any) -> Any:
        *inputs, targets = batch
        for optimizer in optimizers:
            optimizer.zero_grad()
        with autocast():
            outputs = model(*inputs)
        loss = loss_function(outputs.float(), targets)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss.detach()

    return step


def _adversarial(workload: Workload, model: Any) -> Callable[..., Any]:
    """One update of the discriminator, then one of the generator; gives the sum of the losses."""
    bce = F.binary_cross_entropy_with_logits
    generator, discriminator = model["generator"], model["discriminator"]
    (of_generator,) = _optimizers(workload, generator)
    (of_discriminator,) = _optimizers(workload, discriminator)

    def step(noise: Any, real: Any) -> Any:
        fake = generator(noise)
        of_discriminator.zero_grad()
        on_real, on_fake = discriminator(real), discriminator(fake.detach())
        judged = bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake))
        judged.backward()
        of_discriminator.step()
        of_generator.zero_grad()
        on_fake = discriminator(fake)
        fooled = bce(on_fake, torch.ones_like(on_fake))
        fooled.backward()
        of_generator.step()
        return (judged + fooled).detach()

    return step
