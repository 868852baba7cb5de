"""Replays by the object machine leave what ordinary ones do, whatever is done between the calls."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.compiler import compiled as calls
from plait.compiler import step as steps
from plait.compiler.direct import Direct
from plait.compiler.quick import Quick
from plait.core.runtime.objects import machine
from plait.nn import functional as F

from .test_steps import OPTIMIZERS, assert_equal, net, step_of

pytestmark = pytest.mark.skipif(machine() is None, reason="no object machine on this Python")

NEVER = 1 << 40


class World:
    """A model in training, and what a program around it may hold on to."""

    def __init__(self, name: str, rounds: int) -> None:
        self.model = net(norm=True, dropout=True)
        self.optimizer = OPTIMIZERS[name](self.model.parameters())
        self.first: Any = next(self.model.parameters())
        self.held: list[Any] = []
        self.hooks: list[Any] = []
        torch.manual_seed(3)
        self.data = [(torch.randn(5, 4), torch.randint(0, 3, (5,))) for _ in range(rounds)]

        self.step = torch.compile(step_of(self.model, self.optimizer))


def _hold(world: World, make: Callable[[Any], Any]) -> None:
    world.held.append(make(world.first))


def _grad(world: World) -> Any:
    return torch.zeros(1) if world.first.grad is None else world.first.grad


def _write(world: World) -> None:
    with torch.no_grad():
        world.first.mul_(0.5)


def _hook(world: World) -> None:
    if world.hooks:
        world.hooks.pop().remove()
    else:
        world.hooks.append(world.first.register_hook(lambda grad: grad * 2))


def _state(world: World) -> None:
    world.optimizer.load_state_dict(world.optimizer.state_dict())


#: What happens between two calls. Nothing mostly, as in most programs.
BETWEEN: dict[str, Callable[[World], Any]] = {
    "nothing": lambda w: None,
    "a gradient is gone": lambda w: setattr(w.first, "grad", None),
    "a gradient is held": lambda w: w.held.append(w.first.grad),
    "a gradient is seen by NumPy": lambda w: w.held.append(_grad(w).numpy()),
    "a gradient is changed": lambda w: _grad(w).add_(1),
    "a twin is held": lambda w: _hold(w, lambda p: p.detach()),
    "data is held": lambda w: _hold(w, lambda p: p.data),
    "a view is held": lambda w: _hold(w, lambda p: p.detach()[0]),
    "a copy is held": lambda w: _hold(w, lambda p: p.detach().clone()),
    "NumPy sees the weight": lambda w: _hold(w, lambda p: p.detach().numpy()),
    "the weight is written": _write,
    "the weight gets other memory": lambda w: setattr(w.first, "data", w.first.data * 1.5),
    "a hook comes or goes": _hook,
    "the state is loaded": _state,
    "the state is held": lambda w: w.held.append(w.optimizer.state_dict()),
    "the rate changes": lambda w: w.optimizer.param_groups[0].update(lr=0.02),
    "evaluation": lambda w: w.held.append(w.model.eval()(w.data[0][0])) or w.model.train(),
    "a call fails": lambda w: _fails(w),
}


def _fails(world: World) -> None:
    x, _ = world.data[0]
    with pytest.raises(IndexError):
        world.step(x, torch.full((5,), 7))


def _train(name: str, seed: int, rounds: int) -> list[Any]:
    """What such a run leaves to be seen."""
    world, chance = World(name, rounds), random.Random(seed)
    torch.manual_seed(5)
    losses = []
    for x, y in world.data:
        if chance.random() < 0.3:
            BETWEEN[chance.choice(list(BETWEEN))](world)
        if chance.random() < 0.2:
            world.held.clear()
        if chance.random() < 0.2:  # memory that NumPy sees
            x = torch.from_numpy(x.numpy())
        elif chance.random() < 0.2:
            x = torch.cat([x, x])[:5]
        losses.append(world.step(x, y))
    held = [torch.as_tensor(h) if isinstance(h, np.ndarray) else h for h in world.held]
    grads = [p.grad for p in world.model.parameters()]
    versions = [p._version for p in world.model.parameters()]
    state = world.optimizer.state_dict()
    return [losses, world.model.state_dict(), grads, versions, state, held, torch.get_rng_state()]


@pytest.fixture
def hits(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each try of the machine, whether all was as expected."""
    found: list[bool] = []
    plain, plain_direct = Quick.inputs, Direct.call

    def watched(self: Quick, arguments: tuple) -> Any:
        result = plain(self, arguments)
        found.append(result is not None)
        return result

    def watched_direct(self: Direct, arguments: tuple) -> Any:
        result = plain_direct(self, arguments)
        if result is not steps.MISS:  # else the usual way is tried
            found.append(True)
        return result

    monkeypatch.setattr(Quick, "inputs", watched)
    monkeypatch.setattr(Direct, "call", watched_direct)
    return found


def _no_direct_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_MISSES", -1)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("backend", ["reference", "compiled"])
@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_between(
    seed: int,
    backend: str,
    direct: bool,
    monkeypatch: pytest.MonkeyPatch,
    hits: list[bool],
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", backend)
    if not direct:
        _no_direct_calls(monkeypatch)
    if seed % 2:
        request.getfixturevalue("blocks_for_all")
    name = ("adam", "sgd", "momentum")[seed % 3]
    monkeypatch.setattr(steps, "_SETTLED", NEVER)
    expected = _train(name, seed, 100)
    assert not hits
    monkeypatch.setattr(steps, "_SETTLED", 1)
    assert_equal(_train(name, seed, 100), expected)
    assert sum(hits) > 10
    assert not all(hits)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name: str, monkeypatch: pytest.MonkeyPatch, hits: list[bool]) -> None:
    """Undisturbed, all of these go the quick way, and nothing is left of a step behind it."""
    monkeypatch.setattr(steps, "_SETTLED", 1)
    world = World(name, 20)
    for x, y in world.data:
        world.step(x, y)
    assert sum(hits) > 10
    assert all(hits)


def test_what_only_computes(monkeypatch: pytest.MonkeyPatch, hits: list[bool]) -> None:
    monkeypatch.setattr(steps, "_SETTLED", 1)
    weight = torch.randn(3, 3)

    @torch.compile
    def both(x: Any, k: float) -> Any:
        return x @ weight, {"k": x * k, "view": (x + 1)[0]}

    for turn in range(12):
        x = torch.randn(4, 3)
        product, rest = both(x, 2.0)
        assert torch.equal(product, x @ weight), turn
        assert torch.equal(rest["k"], x * 2)
        assert torch.equal(rest["view"], (x + 1)[0])
    assert sum(hits) > 8


def test_an_argument_that_is_written_by_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_SETTLED", 1)

    @torch.compile
    def double(x: Any) -> Any:
        x.mul_(2)
        return x

    for _ in range(8):
        x = torch.ones(3)
        assert double(x) is x
        assert x.tolist() == [2, 2, 2]


def test_a_parameter_as_argument(monkeypatch: pytest.MonkeyPatch, hits: list[bool]) -> None:
    """Its memory is written by the call: that would be seen through the argument."""
    monkeypatch.setattr(steps, "_SETTLED", 1)
    layer = nn.Linear(2, 2, bias=False)

    @torch.compile
    def step(x: Any) -> Any:
        with torch.no_grad():
            layer.weight.add_(1)
            return x + layer.weight

    for turn in range(8):
        x = layer.weight.detach() if turn == 6 else torch.zeros(2, 2)
        before = torch.tensor(layer.weight.tolist())
        result = step(x)
        assert torch.equal(result, (before + 1) * (2 if turn == 6 else 1))
    assert any(hits)


# -- what is done while a step is replayed, and memory that comes to be shared ---------------------


def _trainer(weight: Any) -> Any:
    optimizer = torch.optim.SGD([weight], lr=0.1)

    @torch.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (weight * x).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


WHILE_RUNNING: dict[str, Callable[[Any], Any]] = {
    "the gradient goes": lambda w: setattr(w, "grad", None),
    "NumPy sees the weight": lambda w: w.detach().numpy(),
    "NumPy sees the gradient": lambda w: w.grad.numpy(),
    "the weight gets other memory": lambda w: setattr(w, "data", torch.zeros(3)),
}


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("name", WHILE_RUNNING)
def test_what_is_done_while_the_program_runs(
    name: str, direct: bool, monkeypatch: pytest.MonkeyPatch, hits: list[bool]
) -> None:
    """As a signal handler may, or another thread: after the program, before all is stored."""
    monkeypatch.setattr(steps, "_SETTLED", 1)
    if not direct:
        _no_direct_calls(monkeypatch)
    weight = nn.Parameter(torch.ones(3))
    step = _trainer(weight)
    for _ in range(5):
        step(torch.ones(3))
    assert hits[-1]
    seen: list[Any] = []
    way = step._direct if direct else step._direct.quick
    slot = "_store" if direct else "store"
    plain = getattr(way, slot)

    def watched(*args: Any) -> Any:
        seen.append(WHILE_RUNNING[name](weight))
        return plain(*args)

    with monkeypatch.context() as patched:
        patched.setattr(way, slot, watched)
        step(torch.ones(3))
    assert seen and hits[-1]
    if name != "the weight gets other memory":  # whether before or after the update is open
        np.testing.assert_allclose(weight.tolist(), 0.4, rtol=1e-6)
    assert weight.grad.tolist() == [1, 1, 1]
    before = weight.tolist()[0]
    step(torch.ones(3))
    np.testing.assert_allclose(weight.tolist(), before - 0.1, rtol=1e-5)


def _updated(compiled: bool, tie: Callable[[Any, Any], None], both: bool) -> list[Any]:
    p, q = nn.Parameter(torch.ones(4)), nn.Parameter(torch.full((4,), 2.0))
    optimizer = torch.optim.SGD([p, q] if both else [p], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (p * q.square() * x).sum()
        loss.backward()
        optimizer.step()
        return loss.detach(), q.detach() * 2

    run = torch.compile(step) if compiled else step
    found = []
    for turn in range(30):
        if turn == 5:
            tie(p, q)
        found.append([t.tolist() for t in run(torch.full((4,), 0.01))])
    return [found, p.tolist(), q.tolist()]


TIES: dict[str, Callable[[Any, Any], None]] = {
    "one way": lambda p, q: setattr(p, "data", q.data),
    "the other": lambda p, q: setattr(q, "data", p.data),
}


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("name", TIES)
def test_parameters_that_come_to_share_memory(
    name: str, both: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_SETTLED", 8)  # reached after they have been tied
    assert_equal(_updated(True, TIES[name], both), _updated(False, TIES[name], both))


def test_an_argument_that_is_not_read_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_SETTLED", 1)
    first = torch.compile(lambda a, b: a * 2)
    for _ in range(4):
        first(torch.randn(2) + 1, torch.randn(3))
    faulty = F.embedding(torch.tensor([0, 1, 6]) + 1, torch.randn(3, 1)).sum(1)
    assert first(torch.ones(2) + 1, faulty).tolist() == [4, 4]


def test_a_twin_of_an_argument_is_that_of_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_SETTLED", 1)
    functions: list[Callable[[Any], Any]] = [
        lambda a: a.detach(),
        lambda a: a.data,
        lambda a: {"x": a.view(-1).detach()}["x"],
        lambda a: a.detach()[:1],
    ]
    for function in functions:
        compiled = torch.compile(function)
        for k in range(6):
            x = torch.full((1,), float(k))
            twin = compiled(x)
            assert twin.item() == k
            twin.add_(1)
            assert x.item() == k + 1  # the same memory


def test_a_twin_of_a_weight_is_of_its_present_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_SETTLED", 1)
    weight = torch.zeros(2)
    compiled = torch.compile(lambda x: (x + 1, weight.detach()))
    for k in range(6):
        weight.data = torch.full((2 + k // 4,), float(k))
        assert compiled(torch.ones(1))[1].tolist() == weight.tolist()


def test_an_argument_in_memory_that_is_written_but_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "_SETTLED", 1)
    buffer = torch.zeros(1)

    @torch.compile
    def write(x: Any) -> Any:
        buffer.copy_(torch.ones(1) * 5)
        return x + 1

    for _ in range(5):
        assert write(torch.zeros(1)).item() == 1
    buffer.zero_()
    assert write(buffer.detach()).item() == 6
