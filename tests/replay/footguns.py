"""Programs that change, in the midst of a run, what a remembered or compiled step depends on.

Each scenario takes the framework (Plait or PyTorch) and `made`, which is given the step's function
and gives what is called instead of it (the function itself, or `compile` of it). It yields the
numbers that a user would look at.
"""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

Made = Callable[[Callable[..., Any]], Callable[..., Any]]

SCALE = 1.0
TABLE: dict[str, float] = {}
SETTINGS = SimpleNamespace(scale=1.0)


class Config:
    scale = 1.0


def array(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


def net(t: Any) -> Any:
    made = t.nn.Sequential(t.nn.Linear(4, 5), t.nn.Tanh(), t.nn.Linear(5, 2))
    with t.no_grad():
        for seed, parameter in enumerate(made.parameters()):
            parameter.copy_(t.from_numpy(0.5 * array(seed, *parameter.shape)))
    return made


def batch(t: Any, turn: int) -> Any:
    return t.from_numpy(array(100 + turn % 3, 6, 4))


def trainer(t: Any, made: Made, model: Any, loss_of: Callable[..., Any]) -> Callable[..., Any]:
    """A whole training step of a loss, made."""
    optimizer = t.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(*args: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(*args)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return made(step)


def numbers(*tensors: Any) -> Iterator[np.ndarray]:
    for tensor in tensors:
        yield tensor.detach().numpy().copy()


def mutated_global(t: Any, made: Made) -> Iterator[Any]:
    global SCALE
    SCALE = 1.0
    model = net(t)
    step = trainer(t, made, model, lambda x: (model(x) * SCALE).square().mean())
    for turn in range(12):
        SCALE = 1.0 if turn < 5 else 3.0 if turn != 8 else 0.0
        yield from numbers(step(batch(t, turn)))
    SCALE = 1.0
    yield from numbers(*model.parameters())


def mutated_class_attribute(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    step = made(lambda x: (model(x) * Config.scale).detach())
    for turn in range(10):
        Config.scale = 1.0 if turn < 5 else 2.0
        yield from numbers(step(batch(t, turn)))
    Config.scale = 1.0


def mutated_namespace(t: Any, made: Made) -> Iterator[Any]:
    step = made(lambda x: x * SETTINGS.scale + getattr(SETTINGS, "shift", 0.0))
    for turn in range(12):
        SETTINGS.scale = 1.0 if turn < 4 else 2.0
        if turn == 8:
            SETTINGS.shift = 5.0
        yield from numbers(step(batch(t, turn)))
    del SETTINGS.shift
    SETTINGS.scale = 1.0


def mutated_dict(t: Any, made: Made) -> Iterator[Any]:
    """The same values under other names, and other values under the same ones."""

    def mix(x: Any) -> Any:
        for name in TABLE:
            x = x * TABLE[name] if name.startswith("m") else x + TABLE[name]
        return x

    step = made(mix)
    for table in ({"m": 2.0, "a": 1.0}, {"a": 2.0, "m": 1.0}, {"a": 2.0}, {"a": 2.0, "m": 5.0}):
        TABLE.clear()
        TABLE.update(table)
        for turn in range(4):
            yield from numbers(step(batch(t, turn)))
    TABLE.clear()


def captured_list(t: Any, made: Made) -> Iterator[Any]:
    weights = [1.0, 0.5]
    extra = [t.ones(4)]

    def mix(x: Any) -> Any:
        for weight in weights:
            x = x * weight + 1
        for tensor in extra:
            x = x + tensor
        return x

    step = made(mix)
    for turn in range(15):
        if turn == 5:
            weights.append(2.0)
        if turn == 9:
            extra[0] = 2 * t.ones(4)
        if turn == 12:
            extra.append(t.ones(1))
        yield from numbers(step(batch(t, turn)))


def changed_defaults(t: Any, made: Made) -> Iterator[Any]:
    def scaled(x: Any, scale: float = 1.0, *, shift: float = 0.0) -> Any:
        return x * scale + shift

    step = made(lambda x: scaled(x))
    for turn in range(12):
        if turn == 4:
            scaled.__defaults__ = (3.0,)
        if turn == 8:
            scaled.__kwdefaults__ = {"shift": 1.0}
        yield from numbers(step(batch(t, turn)))


def swapped_method(t: Any, made: Made) -> Iterator[Any]:
    class Scaler:
        factor = 2.0

        def apply(self, x: Any) -> Any:
            return x * self.factor

    scaler = Scaler()
    step = made(lambda x: scaler.apply(x))
    for turn in range(12):
        if turn == 4:
            Scaler.factor = 3.0
        if turn == 8:
            Scaler.apply = lambda self, x: x - self.factor  # type: ignore[method-assign]  # the point
        yield from numbers(step(batch(t, turn)))


def in_place_on_inputs(t: Any, made: Made) -> Iterator[Any]:
    """The step writes to its argument, and the caller writes to it between the calls."""

    def edit(x: Any) -> Any:
        y = x * 2
        x.add_(1)
        return y + x

    step = made(edit)
    x = batch(t, 0).clone()
    for turn in range(8):
        result = step(x)
        yield from numbers(result, x)
        x.mul_(0.5)
        if turn == 4:
            x[0] = 7.0


def aliased_arguments(t: Any, made: Made) -> Iterator[Any]:
    def edit(a: Any, b: Any) -> Any:
        a.mul_(2)
        return a + b

    step = made(edit)
    for turn in range(10):
        a, b = batch(t, turn).clone(), batch(t, turn + 1).clone()
        if turn in (4, 5):
            b = a
        if turn == 7:
            b = a[:]
        if turn == 8:
            a, b = a[:4], a[2:]
        yield from numbers(step(a, b), a, b)


def results_that_are_kept(t: Any, made: Made) -> Iterator[Any]:
    """Results, parameters' old values and gradients that a program keeps do not change later."""
    model = net(t)
    step = trainer(t, made, model, lambda x: model(x).square().mean())
    kept = []
    for turn in range(8):
        kept.append(step(batch(t, turn)))
        kept += [p.detach().clone() for p in model.parameters()]
        kept += [p.grad.clone() for p in model.parameters()]
        old = model[0].weight.grad
    yield from numbers(old, *kept)


def data_dependent_shapes(t: Any, made: Made) -> Iterator[Any]:
    def chosen(x: Any) -> Any:
        rows = x[x[:, 0] > 0]
        return rows.sum(0) * rows.shape[0] + x.nonzero().shape[0]

    step = made(chosen)
    for turn in range(9):
        yield from numbers(step(batch(t, turn) - 0.1 * turn))


def branch_on_a_value(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)

    def loss_of(x: Any) -> Any:
        loss = model(x).square().mean()
        return loss * 2 if loss.item() > 0.3 else loss + model[0].weight.sum()

    step = trainer(t, made, model, loss_of)
    for turn in range(12):
        yield from numbers(step(batch(t, turn)))
    yield from numbers(*model.parameters())


def exception_in_the_middle(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    optimizer = t.optim.Adam(model.parameters(), lr=0.05)
    fails = [False]

    def body(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        if fails[0]:
            raise RuntimeError("on purpose")
        optimizer.step()
        return loss.detach()

    step = made(body)
    for turn in range(14):
        fails[0] = turn in (2, 7)
        try:
            yield from numbers(step(batch(t, turn)))
        except RuntimeError as fault:
            assert "on purpose" in str(fault)
            yield from numbers(*[p.grad for p in model.parameters()])
    yield from numbers(*model.parameters())


def bad_labels(t: Any, made: Made) -> Iterator[Any]:
    table = t.nn.Embedding(5, 3)
    with t.no_grad():
        table.weight.copy_(t.from_numpy(array(3, 5, 3)))
    step = trainer(t, made, table, lambda rows: table(rows).square().sum())
    for turn in range(10):
        try:
            yield from numbers(step(t.tensor([turn % 5, 9 if turn in (3, 7) else 1])))
        except IndexError:
            yield "IndexError"
    yield from numbers(table.weight)


def printing(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)

    def loss_of(x: Any) -> Any:
        loss = model(x).square().mean()
        print("loss", f"{loss.item():.3f}")
        return loss

    step = trainer(t, made, model, loss_of)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        for turn in range(8):
            step(batch(t, turn))
    yield output.getvalue()


def random_draws(t: Any, made: Made) -> Iterator[Any]:
    """Draws go on, start again with the seed, and are no constants of a step."""

    def draw(x: Any) -> Any:
        return x * t.rand(6, 4) + t.randn(6, 4)

    step = made(draw)
    for turn in range(10):
        if turn in (0, 6):
            t.manual_seed(3)
        yield from numbers(step(batch(t, turn)))
    state = t.get_rng_state()
    first = step(batch(t, 0))
    t.set_rng_state(state)
    yield bool((step(batch(t, 0)) == first).all())


def random_of_python(t: Any, made: Made) -> Iterator[Any]:
    random.seed(4)
    count = itertools.count()
    step = made(lambda x: x * random.random() + next(count))
    for turn in range(8):
        yield from numbers(step(batch(t, turn)))


def consumed_iterator(t: Any, made: Made) -> Iterator[Any]:
    parts = iter([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])

    def take(x: Any) -> Any:
        for part in parts:
            return x * part
        return x

    step = made(take)
    for turn in range(8):
        yield from numbers(step(batch(t, turn)))


def counting_calls(t: Any, made: Made) -> Iterator[Any]:
    seen: dict[str, Any] = {"calls": 0, "losses": []}

    def body(x: Any) -> Any:
        seen["calls"] += 1
        y = x * seen["calls"]
        seen["losses"].append(y.mean().item())
        return y

    step = made(body)
    for turn in range(7):
        yield from numbers(step(batch(t, turn)))
    yield repr([seen["calls"], [round(x, 4) for x in seen["losses"]]])


def hooks(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    step = trainer(t, made, model, lambda x: model(x).square().mean())
    handles = []
    for turn in range(16):
        if turn == 4:
            handles.append(model[0].weight.register_hook(lambda grad: grad * 0.5))
        if turn == 7:
            handles.append(model[1].register_forward_hook(lambda m, i, output: output * 2))
        if turn == 10:
            handles.append(model[2].register_forward_pre_hook(lambda m, i: (i[0] + 1,)))
        if turn == 13:
            handles.pop(0).remove()
            handles.pop(0).remove()
        yield from numbers(step(batch(t, turn)))
    yield from numbers(*model.parameters())


def frozen_parameters(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    step = trainer(t, made, model, lambda x: model(x).square().mean())
    for turn in range(14):
        if turn == 4:
            model[0].weight.requires_grad_(False)
        if turn == 9:
            model[0].weight.requires_grad_(True)
        yield from numbers(step(batch(t, turn)))
    yield from numbers(*model.parameters())


def gradients_of_inputs(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    step = made(lambda x: model(x).square().sum())
    for turn in range(8):
        x = batch(t, turn).clone().requires_grad_(turn % 4 != 2)
        loss = step(x)
        yield from numbers(loss)
        if x.requires_grad:
            (grad,) = t.autograd.grad(loss, [x])
            yield from numbers(grad)


def swapped_parameter(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    step = made(lambda x: model(x).detach())
    for turn in range(14):
        if turn == 4:
            model[0].weight = t.nn.Parameter(t.from_numpy(array(50, 5, 4)))
        if turn == 7:
            model[2].weight.data = t.from_numpy(array(51, 2, 5))
        if turn == 10:
            model[1] = t.nn.ReLU()
        if turn == 12:
            model.load_state_dict(net(t).state_dict())
        yield from numbers(step(batch(t, turn)))


def train_and_eval(t: Any, made: Made) -> Iterator[Any]:
    model = t.nn.Sequential(t.nn.Linear(4, 3), t.nn.BatchNorm1d(3), t.nn.Dropout(0.0))
    with t.no_grad():
        for seed, parameter in enumerate(model.parameters()):
            parameter.copy_(t.from_numpy(array(seed, *parameter.shape)))
    step = made(lambda x: model(x).detach())
    for turn in range(12):
        model.train(turn % 6 < 3)
        yield from numbers(step(batch(t, turn)), model[1].running_mean)
    yield int(model[1].num_batches_tracked)


def own_flag_of_a_module(t: Any, made: Made) -> Iterator[Any]:
    class Gate(t.nn.Module):
        gain = 1.0

        def __init__(self) -> None:
            super().__init__()
            self.inner = t.nn.Linear(4, 4)
            with t.no_grad():
                self.inner.weight.copy_(t.from_numpy(array(2, 4, 4)))
                self.inner.bias.zero_()
            self.open = True
            self.widths = [1.0]

        def forward(self, x: Any) -> Any:
            y = self.inner(x) if self.open else x
            for width in self.widths:
                y = y * width
            return y * self.gain

    gate = Gate()
    step = made(lambda x: gate(x).detach())
    for turn in range(15):
        if turn == 3:
            gate.open = False
        if turn == 6:
            gate.widths.append(2.0)
        if turn == 9:
            Gate.gain = 4.0
        if turn == 12:
            gate.gain = 5.0
        yield from numbers(step(batch(t, turn)))


def options_of_an_optimizer(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    optimizer = t.optim.Adam(model.parameters(), lr=0.1)

    def body(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = made(body)
    saved = None
    for turn in range(14):
        if turn == 3:
            optimizer.param_groups[0]["lr"] = 0.01
        if turn == 5:
            saved = copy.deepcopy(optimizer.state_dict())
        if turn == 7:
            optimizer.param_groups[0]["weight_decay"] = 0.1
        if turn == 10 and saved is not None:
            optimizer.load_state_dict(saved)
        yield from numbers(step(batch(t, turn)))
    yield from numbers(*model.parameters())


def memory_of_numpy(t: Any, made: Made) -> Iterator[Any]:
    """Writes through an array that shares a tensor's memory are seen."""
    shared = array(7, 6, 4)
    x, w = t.from_numpy(shared), t.ones(4)
    step = made(lambda: (x * w).sum(0))
    view = w.numpy()
    for turn in range(9):
        if turn == 3:
            shared[0] = 5.0
        if turn == 6:
            view[1] = -1.0
        yield from numbers(step())


def kinds_of_numbers(t: Any, made: Made) -> Iterator[Any]:
    """1, 1.0 and True are three arguments; so are 0.0 and -0.0."""
    step = made(lambda x, n: x // 1 if n is True else x / n)
    x = t.tensor([1, 2, 3])
    for _ in range(3):
        for n in (1, 1.0, True, 2, -0.0, 0.0):
            result = step(x, n)
            yield str(result.dtype).split(".")[-1]
            yield from numbers(result)


def modes(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    step = made(lambda x: model(x))
    for turn in range(9):
        with t.no_grad() if turn % 3 == 1 else contextlib.nullcontext():
            result = step(batch(t, turn))
        yield bool(result.requires_grad)
        yield from numbers(result)


def accumulation(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    optimizer = t.optim.SGD(model.parameters(), lr=0.1)

    def gather(x: Any) -> Any:
        loss = model(x).square().mean() / 3
        loss.backward()
        return loss.detach()

    step = made(gather)
    for turn in range(12):
        yield from numbers(step(batch(t, turn)))
        if turn % 3 == 2:
            optimizer.step()
            optimizer.zero_grad(set_to_none=turn != 5)
    yield from numbers(*model.parameters())


def copied_model(t: Any, made: Made) -> Iterator[Any]:
    model = net(t)
    step = trainer(t, made, model, lambda x: model(x).square().mean())
    copies = []
    for turn in range(6):
        yield from numbers(step(batch(t, turn)))
        copies.append(copy.deepcopy(model))
    for held in copies:
        yield from numbers(*held.parameters())


def objects_as_arguments(t: Any, made: Made) -> Iterator[Any]:
    """An object that is passed is read anew in each call."""
    config = SimpleNamespace(scale=1.0, names=["a"])
    step = made(lambda x, c: x * c.scale + len(c.names))
    for turn in range(9):
        if turn == 3:
            config.scale = 2.0
        if turn == 6:
            config.names.append("b")
        yield from numbers(step(batch(t, turn), config))


def modules_as_arguments(t: Any, made: Made) -> Iterator[Any]:
    models = [net(t), net(t)]
    with t.no_grad():
        models[1][0].weight.mul_(2)
    step = made(lambda model, x: model(x).detach())
    for turn in range(9):
        if turn == 6:
            models[0].append(t.nn.ReLU())
        yield from numbers(step(models[turn % 2], batch(t, turn)))


SCENARIOS: list[Callable[[Any, Made], Iterator[Any]]] = [
    mutated_global,
    mutated_class_attribute,
    mutated_namespace,
    mutated_dict,
    captured_list,
    changed_defaults,
    swapped_method,
    in_place_on_inputs,
    aliased_arguments,
    results_that_are_kept,
    data_dependent_shapes,
    branch_on_a_value,
    exception_in_the_middle,
    bad_labels,
    printing,
    random_draws,
    random_of_python,
    consumed_iterator,
    counting_calls,
    hooks,
    frozen_parameters,
    gradients_of_inputs,
    swapped_parameter,
    train_and_eval,
    own_flag_of_a_module,
    options_of_an_optimizer,
    memory_of_numpy,
    kinds_of_numbers,
    modes,
    accumulation,
    copied_model,
    objects_as_arguments,
    modules_as_arguments,
]
