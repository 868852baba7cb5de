"""The Python calls of a step that is known, and of one that is not: counted, not timed."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from bench.changing import PROGRAMS
from plait import nn
from plait.core.lazy.replay import block_backward, function
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.replay.unroll import Recipes
from plait.core.runtime.objects import machine
from plait.optim import _replay

#: Steps until everything is learned and unrolled, and compiled where it is due.
_WARM = 40


def _calls_per_step(make: Callable[[], Callable[[], Any]]) -> float:
    """Function calls, Python's and C's, of a steady step on a fresh thread."""
    counted: list[float] = []

    def count(step: Callable[[], Any], steps: int) -> float:
        calls = 0

        def note(frame: Any, event: str, argument: Any) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(note)
        for _ in range(steps):
            step()
        sys.setprofile(None)
        return calls / steps

    def body() -> None:
        torch.manual_seed(0)
        step = make()
        for _ in range(_WARM):
            step()
        counted.append(count(step, 10))

    on_a_fresh_thread(body)
    return counted[0]


def on_a_fresh_thread(body: Callable[[], None]) -> None:
    """Run something where nothing has been recorded before."""
    faults: list[BaseException] = []

    def guarded() -> None:
        try:
            body()
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    if faults:
        raise faults[0]


def _linear_regression() -> Callable[[], Any]:
    x, y = torch.randn(64, 3), torch.randn(64, 1)
    w, b = torch.zeros(3, 1, requires_grad=True), torch.zeros(1, requires_grad=True)

    def step() -> None:
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w.sub_(w.grad * 0.1)
            b.sub_(b.grad * 0.1)
        w.grad = b.grad = None

    return step


def _classifier(optimizer: Callable[[Any], Any]) -> Callable[[], Any]:
    model = nn.Sequential(
        nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)
    )
    x, y = torch.randn(64, 20), torch.randint(0, 4, (64,))
    criterion, opt = nn.CrossEntropyLoss(), optimizer(model.parameters())

    def step() -> None:
        opt.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        opt.step()
        loss.item()

    return step


def _adversarial() -> Callable[[], Any]:
    """The second backward pass reads values that the first one's launch has computed."""
    generator = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6))
    judge = nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    of_generator, of_judge = (torch.optim.Adam(m.parameters()) for m in (generator, judge))
    noise, real = torch.randn(5, 4), torch.randn(5, 6)

    def step() -> None:
        fake = generator(noise)
        of_judge.zero_grad()
        (judge(fake.detach()).mean() - judge(real).mean()).backward()
        of_judge.step()
        of_judge.zero_grad()
        of_generator.zero_grad()
        (-judge(fake)).mean().backward()
        of_generator.step()

    return step


def _adversarial_sums() -> Callable[[], Any]:
    """The second backward pass adds to the gradients of the first one, which nobody has dropped."""
    generator = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6))
    judge = nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    of_generator, of_judge = (torch.optim.Adam(m.parameters()) for m in (generator, judge))
    noise, real = torch.randn(5, 4), torch.randn(5, 6)
    loss = nn.functional.binary_cross_entropy_with_logits

    def step() -> Any:
        fake = generator(noise)
        of_judge.zero_grad()
        on_real, on_fake = judge(real), judge(fake.detach())
        judged = loss(on_real, torch.ones_like(on_real)) + loss(on_fake, torch.zeros_like(on_fake))
        judged.backward()
        of_judge.step()
        of_generator.zero_grad()
        on_fake = judge(fake)
        fooled = loss(on_fake, torch.ones_like(on_fake))
        fooled.backward()
        of_generator.step()
        return (judged + fooled).detach()

    return step


def _recommender() -> Callable[[], Any]:
    """Tables with sparse gradients and an optimizer of their own; what they give is joined."""
    tables = nn.ModuleList([nn.Embedding(9, 3, sparse=True) for _ in range(2)])
    head = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (head, tables)]
    index, y = [torch.randint(0, 9, (5,)) for _ in tables], torch.rand(5, 1)

    def step() -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        rows = [table(places) for table, places in zip(tables, index)]
        made = head(torch.cat(rows, dim=1))
        nn.functional.binary_cross_entropy_with_logits(made, y).backward()
        for optimizer in optimizers:
            optimizer.step()

    return step


def _inference() -> Callable[[], Any]:
    model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
    x = torch.randn(1, 20)

    def step() -> None:
        with torch.inference_mode():
            np.asarray(model(x))

    return step


def _convolutions() -> Callable[[], Any]:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4)
    )
    x, y = torch.randn(8, 1, 8, 8), torch.randint(0, 4, (8,))
    return _training(model, x, lambda made: nn.functional.cross_entropy(made, y))


def _recurrent() -> Callable[[], Any]:
    lstm, last = nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 1)
    model = nn.ModuleList([lstm, last])
    model.forward = lambda x: last(lstm(x)[0][:, -1])  # type: ignore[method-assign]  # of this one
    x, y = torch.randn(3, 5, 4), torch.randn(3, 1)
    return _training(model, x, lambda made: nn.functional.mse_loss(made, y))


def _deep() -> Callable[[], Any]:
    """Its backward pass is thousands of instructions on thousands of objects."""
    model = nn.Sequential(*[layer for _ in range(40) for layer in (nn.Linear(2, 2), nn.Tanh())])
    x, y = torch.randn(3, 2), torch.randn(3, 2)
    return _training(model, x, lambda made: nn.functional.mse_loss(made, y))


def _training(
    model: nn.Module, x: torch.Tensor, loss_of: Callable[[Any], Any]
) -> Callable[[], Any]:
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(x)).backward()
        optimizer.step()

    return step


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        pytest.param(_linear_regression, 377, id="linreg"),
        pytest.param(lambda: _classifier(lambda p: torch.optim.SGD(p, lr=0.1)), 184, id="mlp"),
        pytest.param(lambda: _classifier(lambda p: torch.optim.Adam(p)), 213, id="mlp_adam"),
        pytest.param(_convolutions, 235, id="cnn"),
        pytest.param(_recurrent, 300, id="lstm"),
        pytest.param(_adversarial, 550, id="gan"),
        pytest.param(_adversarial_sums, 610, id="gan_sums"),
        pytest.param(_recommender, 384, id="recsys"),
        pytest.param(_inference, 97, id="inference"),
    ],
)
def test_calls_of_a_known_step(
    make: Callable[[], Callable[[], Any]], bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    assert _calls_per_step(make) <= bound


def test_replay_saves_most_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    with_replay = _calls_per_step(lambda: _classifier(torch.optim.Adam))
    monkeypatch.setenv("PLAIT_REPLAY", "0")
    assert with_replay < 0.15 * _calls_per_step(lambda: _classifier(torch.optim.Adam))


@pytest.mark.skipif(machine() is None, reason="this Python has no object machine to go by")
@pytest.mark.parametrize(
    ("name", "keys"),
    # Where a short block goes on over a decision, that is found by a key.
    [("random_depth", 0), ("early_exit", 0), ("stochastic_layers", 1.5), ("tree_lstm", 3)],
)
def test_known_blocks_go_by_the_object_machine(
    name: str, keys: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hardly a call is looked up by its key, and no backward pass over a block made in Python."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    gone = {"_key": 0, "_make": 0}

    def body() -> None:
        threads.keep_to_blocks()
        torch.manual_seed(0)
        _, step = PROGRAMS[name](torch, random.Random(0))
        for _ in range(300):
            step()
        for owner, called in ((function, "_key"), (block_backward, "_make")):
            before = getattr(owner, called)

            def noted(*args: Any, before: Any = before, called: str = called) -> Any:
                gone[called] += 1
                return before(*args)

            monkeypatch.setattr(owner, called, noted)
        for _ in range(40):
            step()

    on_a_fresh_thread(body)
    assert gone["_key"] <= 40 * keys
    assert gone["_make"] <= 2  # of a block that was not met before


@pytest.mark.skipif(machine() is None, reason="this Python has no object machine to go by")
@pytest.mark.parametrize(
    "make",
    [
        lambda: _classifier(torch.optim.SGD),
        _convolutions,
        _recurrent,
        _adversarial,
        _adversarial_sums,
        _recommender,
        _deep,
    ],
    ids=["mlp", "cnn", "lstm", "gan", "gan_sums", "recsys", "deep"],
)
def test_known_steps_go_by_the_object_machine(
    make: Callable[[], Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of its calls, passes and updates is looked up by its key, or made in Python."""
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    gone: list[str] = []

    def body() -> None:
        step = make()
        for _ in range(_WARM):
            step()
        for owner, name in ((function, "_key"), (Recipes, "make"), (_replay, "_made")):
            before = getattr(owner, name)

            def noted(*args: Any, before: Any = before, name: str = name) -> Any:
                gone.append(name)
                return before(*args)

            monkeypatch.setattr(owner, name, noted)
        step()
        step()

    on_a_fresh_thread(body)
    assert not gone


@pytest.mark.skipif(machine() is None, reason="this Python has no object machine to go by")
def test_an_update_is_expected_wherever_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that settles on another way after some steps is soon as fast as before."""
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    made: list[Any] = []

    def body() -> None:
        model = nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x = torch.randn(4, 3)

        def step(scale: float) -> None:
            optimizer.zero_grad()
            (model(x) * scale).sum().backward()
            optimizer.step()

        for scale in (2.0, 3.0):
            for _ in range(6):
                step(scale)
        before = _replay._made
        monkeypatch.setattr(_replay, "_made", lambda *args: made.append(args) or before(*args))
        step(3.0)

    on_a_fresh_thread(body)
    assert not made
