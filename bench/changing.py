"""Programs that change their structure each step, in plain PyTorch, for any framework of that face.

Each function makes one: `(torch, chance, optimizer) -> (modules, step)`. chance decides the
structure; optimizer makes one from parameters; `step()` trains once and gives the loss, detached.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

WIDTH, ROWS, DEEPEST = 32, 16, 8
_WORDS, _CLASSES, _MOST_NODES = 100, 5, 12

Program = tuple[Any, Callable[[], Any]]


def sgd(torch: Any, parameters: Any) -> Any:
    """What the programs train with by default."""
    return torch.optim.SGD(parameters, lr=0.01)


def random_depth(torch: Any, chance: random.Random, optimizer: Any = sgd) -> Program:
    """One to eight times the same layer."""
    modules = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in range(2)])

    def forward(x: Any) -> Any:
        x = torch.relu(modules[0](x))
        for _ in range(chance.randint(1, DEEPEST)):
            x = torch.tanh(modules[1](x))
        return x

    return _regression(torch, modules, forward, optimizer)


def stochastic_layers(torch: Any, chance: random.Random, optimizer: Any = sgd) -> Program:
    """Residual layers with dropout, each left out half of the time."""
    layers = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in range(DEEPEST)])
    norms = torch.nn.ModuleList([torch.nn.LayerNorm(WIDTH) for _ in range(DEEPEST)])
    first = torch.nn.Linear(WIDTH, WIDTH)

    def forward(x: Any) -> Any:
        x = torch.relu(first(x))
        for layer, norm in zip(layers, norms):
            if chance.random() < 0.5:
                x = x + torch.nn.functional.dropout(torch.relu(layer(norm(x))), 0.1)
        return x

    return _regression(torch, torch.nn.ModuleList([first, layers, norms]), forward, optimizer)


def early_exit(torch: Any, chance: random.Random, optimizer: Any = sgd) -> Program:
    """Layers until a value, which is read, says that it is enough."""
    layers = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in range(DEEPEST)])

    def forward(x: Any) -> Any:
        enough = chance.random()
        for layer in layers:
            x = torch.tanh(layer(x))
            if x[0, 0].item() > enough:
                break
        return x

    return _regression(torch, layers, forward, optimizer)


def tree_lstm(torch: Any, chance: random.Random, optimizer: Any = sgd) -> Program:
    """A child-sum tree LSTM over random trees. Source: Tai, Socher, Manning 2015, section 3.1."""
    nn = torch.nn
    words = nn.Embedding(_WORDS, WIDTH)
    gates, of_children = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, 3 * WIDTH, bias=False)
    forget, of_child = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
    last = nn.Linear(WIDTH, _CLASSES)

    def cell(x: Any, children: list[Any]) -> Any:
        total = children[0][0] if children else torch.zeros(1, WIDTH)
        for h, _ in children[1:]:
            total = total + h
        i, o, u = torch.chunk(gates(x) + of_children(total), 3, 1)
        c = torch.sigmoid(i) * torch.tanh(u)
        for h, before in children:
            c = c + torch.sigmoid(forget(x) + of_child(h)) * before
        return torch.sigmoid(o) * torch.tanh(c), c

    def through(nodes: int) -> Any:
        """The state of a random tree of so many nodes."""
        x = words(torch.tensor([chance.randrange(_WORDS)]))
        children = []
        rest = nodes - 1
        while rest:
            part = chance.randint(max(1, rest // 3), rest)
            children.append(through(part))
            rest -= part
        return cell(x, children)

    def loss() -> Any:
        scores = last(through(chance.randint(2, _MOST_NODES))[0])
        label = torch.tensor([chance.randrange(_CLASSES)])
        return nn.functional.cross_entropy(scores, label)

    modules = nn.ModuleList([words, gates, of_children, forget, of_child, last])
    return modules, _training(loss, optimizer(torch, modules.parameters()))


def _regression(torch: Any, modules: Any, forward: Callable[[Any], Any], optimizer: Any) -> Program:
    x = torch.randn(ROWS, WIDTH)

    def loss() -> Any:
        return forward(x).square().mean()

    return modules, _training(loss, optimizer(torch, modules.parameters()))


def _training(loss_of: Callable[[], Any], optimizer: Any) -> Callable[[], Any]:
    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


PROGRAMS = {f.__name__: f for f in (random_depth, stochastic_layers, early_exit, tree_lstm)}
