"""A training program that changes its mind: actions in any order, and a report after each."""

from __future__ import annotations

import copy
import io
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np

import plait as torch
from plait import nn
from plait.nn import functional as F

_OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05),
}


class _Net(nn.Module):
    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.norm = nn.BatchNorm1d(5)
        self.drop = nn.Dropout(0.25)
        self.second = nn.Linear(5, 5)
        self.last = nn.Linear(5, 3)
        self.again = nn.Linear(5, 5)
        if tied:
            self.again.weight = self.second.weight
        self.depth = 1
        self.scale = 1.0

    def forward(self, x: Any) -> Any:
        x = self.drop(self.norm(torch.relu(self.first(x))))
        for _ in range(self.depth):
            x = torch.tanh(self.second(x)) * self.scale
        return self.last(self.again(x))


class Machine:
    """The state of the program, and its actions: the methods whose names begin with `do_`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        draw = np.random.default_rng(seed)
        self.x = torch.tensor(draw.standard_normal((24, 6)).astype("f4"))
        self.y = torch.tensor(draw.integers(0, 3, 24))
        self.net: Any = _Net(seed % 3 == 0)
        self.kind = self.random.choice(list(_OPTIMIZERS))
        self.optimizer = _OPTIMIZERS[self.kind](self.net.parameters())
        self.at = 0
        self.hooks: list[Any] = []
        self.kept: list[Any] = []
        self.reports: list[Any] = []

    def batch(self, size: int = 4) -> tuple[Any, Any]:
        self.at = (self.at + size) % 20
        return self.x[self.at : self.at + size], self.y[self.at : self.at + size]

    def loss(self, size: int = 4) -> Any:
        x, y = self.batch(size)
        return F.cross_entropy(self.net(x), y)

    def report(self, *values: Any) -> None:
        for value in values:
            tensor = isinstance(value, torch.Tensor)
            self.reports.append(value.detach().numpy().copy() if tensor else value)

    # The common steps come several times, so that they are well known when others come between.

    def do_train(self) -> None:
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        self.optimizer.step()
        self.report(loss.item())

    do_train_more = do_train_again = do_train_on = do_train

    def do_train_unread(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()

    def do_smaller_batch(self) -> None:
        self.optimizer.zero_grad(set_to_none=False)
        loss = self.loss(3)
        loss.backward()
        self.optimizer.step()
        self.report(loss)

    def do_accumulate(self) -> None:
        self.optimizer.zero_grad()
        for _ in range(2):
            (self.loss() / 2).backward()
        self.optimizer.step()

    def do_backward_only(self) -> None:
        self.loss().backward()

    def do_evaluate(self) -> None:
        self.net.eval()
        with torch.no_grad():
            self.report(self.net(self.x[:5]).argmax(1))
        self.net.train()

    def do_read_between(self) -> None:
        self.optimizer.zero_grad()
        hidden = torch.relu(self.net.first(self.x[:4]))
        self.report(hidden.sum().item())
        loss = self.net.last(hidden).square().mean()
        loss.backward()
        self.report(self.net.last.weight.grad)
        self.optimizer.step()

    def do_two_losses(self) -> None:
        self.optimizer.zero_grad()
        hidden = self.net.first(self.x[:4])
        hidden.mean().backward(retain_graph=True)
        (hidden**2).mean().backward()
        self.report(self.net.first.bias.grad)
        self.optimizer.step()

    def do_freed_graph(self) -> None:
        loss = self.loss()
        loss.backward()
        try:
            loss.backward()
        except RuntimeError as fault:
            self.report(str(fault).splitlines()[0][:60])

    def do_write_what_is_saved(self) -> None:
        hidden = self.net.first(self.x[:4]).tanh()
        hidden.add_(1.0)
        try:
            hidden.sum().backward()
        except RuntimeError as fault:
            self.report(type(fault).__name__, "modified by an inplace" in str(fault))

    def do_exception_in_mid_step(self) -> None:
        self.optimizer.zero_grad()
        hidden = self.net.first(self.x[:4])
        try:
            torch.matmul(hidden, self.x)
        except RuntimeError as fault:
            self.report(type(fault).__name__)
        loss = hidden.mean()
        loss.backward()
        self.optimizer.step()

    def do_bad_label(self) -> None:
        self.optimizer.zero_grad()
        try:
            F.cross_entropy(self.net(self.x[:4]), torch.tensor([0, 1, 9, 2])).backward()
            self.optimizer.step()
        except IndexError as fault:
            self.report(type(fault).__name__)

    def do_learning_rate(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] *= 0.9

    def do_weight_decay(self) -> None:
        for group in self.optimizer.param_groups:
            group["weight_decay"] = self.random.choice([0, 0.0, 0.1, 0.2])

    def do_maximize(self) -> None:
        group = self.optimizer.param_groups[0]
        group["maximize"] = not group["maximize"]

    def do_freeze(self) -> None:
        self.net.first.weight.requires_grad_(not self.net.first.weight.requires_grad)

    def do_depth(self) -> None:
        self.net.depth = self.random.randint(0, 3)

    def do_scale(self) -> None:
        self.net.scale = self.random.choice([1, 1.0, True, 0.5, -0.0, 0.0, float("nan"), 1.5])

    def do_heal(self) -> None:
        """Start again from fresh weights, so that a nan does not end all."""
        with torch.no_grad():
            for number, parameter in enumerate(self.net.parameters()):
                parameter.copy_(
                    torch.linspace(-0.5, 0.5 + 0.01 * number, parameter.numel()).view_as(parameter)
                )
        for name, buffer in self.net.named_buffers():
            buffer.fill_(1 if name.endswith("var") else 0)
        self.optimizer = _OPTIMIZERS[self.kind](self.net.parameters())
        self.net.scale = 1.0

    def do_swap_parameter(self) -> None:
        layer = self.net.last
        layer.weight = nn.Parameter(layer.weight.detach().clone() * 0.5)
        self.optimizer = _OPTIMIZERS[self.kind](self.net.parameters())

    def do_swap_parameter_unseen(self) -> None:
        """The optimizer goes on with the old one, whose gradient is no more."""
        layer = self.net.second
        layer.weight = nn.Parameter(layer.weight.detach().clone())

    def do_write_data(self) -> None:
        self.net.first.weight.data.mul_(0.75)
        self.net.last.bias.data = torch.full((3,), 0.1)

    def do_write_in_place(self) -> None:
        with torch.no_grad():
            self.net.second.weight[0] = 0.25
            self.net.last.weight.clamp_(-0.5, 0.5)

    def do_scale_gradients(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        for parameter in self.net.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(0.5)
        self.optimizer.step()

    def do_clip(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), 0.1)
        self.optimizer.step()
        self.report(norm)

    def do_hook_tensor(self) -> None:
        calls = self.kept

        def seen(grad: Any) -> Any:
            calls.append(float(grad.sum()))
            return grad * 2

        self.hooks.append(self.net.last.weight.register_hook(seen))

    def do_hook_module(self) -> None:
        def seen(module: Any, args: Any, output: Any) -> Any:
            return output * 1.5

        self.hooks.append(self.net.first.register_forward_hook(seen))

    def do_hook_accumulated(self) -> None:
        weight, calls = self.net.last.weight, self.kept

        def seen(parameter: Any) -> None:
            calls.append(parameter is weight)
            parameter.grad.mul_(0.5)

        self.hooks.append(weight.register_post_accumulate_grad_hook(seen))

    def do_unhook(self) -> None:
        for hook in self.hooks:
            hook.remove()
        self.hooks.clear()
        self.report(*self.kept)
        self.kept.clear()

    def do_state_dict(self) -> None:
        state = copy.deepcopy(self.net.state_dict()), copy.deepcopy(self.optimizer.state_dict())
        self.do_train()
        self.net.load_state_dict(state[0])
        self.optimizer.load_state_dict(state[1])

    def do_deepcopy(self) -> None:
        if self.hooks:
            return
        self.net, self.optimizer = copy.deepcopy((self.net, self.optimizer))

    def do_pickle(self) -> None:
        if self.hooks:
            return
        file = io.BytesIO()
        pickle.dump((self.net, self.optimizer), file)
        self.net, self.optimizer = pickle.loads(file.getvalue())

    def do_new_optimizer(self) -> None:
        self.kind = self.random.choice(list(_OPTIMIZERS))
        self.optimizer = _OPTIMIZERS[self.kind](self.net.parameters())

    def do_two_optimizers(self) -> None:
        first = torch.optim.SGD(self.net.first.parameters(), lr=0.1)
        rest = torch.optim.Adam(self.net.last.parameters(), lr=0.1)
        for _ in range(3):
            first.zero_grad()
            rest.zero_grad()
            loss = self.loss()
            loss.backward()
            first.step()
            rest.step()
        self.report(loss)

    def do_closure(self) -> None:
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            return loss

        for _ in range(2):
            self.report(optimizer.step(closure))

    def do_keep_an_old_value(self) -> None:
        """Values that outlive a step, and are read after what they were made from has changed."""
        old = self.net.last.weight.detach().clone()
        view = self.net.last.weight.detach()
        waiting = self.net.last.weight.sum() * 2
        self.do_train()
        self.report(old, view, waiting)

    def do_keep_the_gradient(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        held = self.net.last.weight.grad
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)
        self.report(held)

    def do_detach(self) -> None:
        hidden = self.net.first(self.x[:4]).detach().requires_grad_()
        loss = self.net.last(hidden.relu()).mean()
        loss.backward()
        self.report(hidden.grad)

    def do_gradient_of_gradient(self) -> None:
        x = self.x[:2].clone().requires_grad_()
        (grad,) = torch.autograd.grad(self.net.first(x).tanh().sum(), x, create_graph=True)
        grad.square().sum().backward()
        self.report(x.grad)

    def do_grad_only(self) -> None:
        found = torch.autograd.grad(self.loss(), [self.net.last.weight, self.net.last.bias])
        self.report(*found)

    def do_noise(self) -> None:
        self.report(torch.rand(3), torch.randn(2), torch.randperm(4))

    def do_seed(self) -> None:
        torch.manual_seed(self.random.randint(0, 3))

    def do_alias(self) -> None:
        a = self.x[:3].clone()
        b = a[1:]
        b.mul_(2)
        a += 1
        self.report(b.sum(), a)

    def do_number_kinds(self) -> None:
        v = self.random.choice([1, 1.0, True, 0, -0.0, 0.0, 2])
        self.report(torch.tensor([1, 2]) * v, torch.tensor([1.0, -1.0]) * v, torch.full((2,), v))

    def do_autocast(self) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = self.net.first(self.x[:4])
        self.report(str(out.dtype), out.float())


ACTIONS = sorted(name for name in dir(Machine) if name.startswith("do_"))


def action_between_known_steps(action: str) -> list[Any]:
    """Run an action again and again, each time after steps that have come before."""
    machine = Machine(2)
    for _ in range(4):
        for _ in range(3):
            machine.do_train()
        getattr(machine, action)()
    machine.report(*machine.net.parameters())
    return machine.reports


def program(seed: int, length: int, choice: int) -> list[Any]:
    """Run so many actions; only `choice` different ones, so that sequences repeat."""
    machine = Machine(seed)
    draw = random.Random(seed)
    steady = [name for name in ACTIONS if name.startswith("do_train")]
    chosen = draw.sample(ACTIONS, choice) + steady[: choice // 2 + 1]
    for number in range(length):
        name = draw.choice(chosen)
        machine.report(f"{number} {name}")
        getattr(machine, name)()
    machine.report(*machine.net.parameters(), *machine.net.buffers())
    return machine.reports
