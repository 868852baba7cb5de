"""Programs of several Python threads: tensors that one records and another uses.

Each scenario runs with a very short switch interval and with threads that stop now and then at any
line of the recorder, so that they interleave in the middle of what they record and launch; it is
repeated until the steps are known to replay.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.core import lazy
from plait.core.runtime import crowd
from plait.nn import functional as F

#: Adding in another order, or in kernels of other widths, moves a float32 of this size by less.
_CLOSE: Any = {"rtol": 1e-4, "atol": 1e-5}


_RECORDER = os.path.dirname(lazy.__file__)
_CELLS = (os.path.join(_RECORDER, "cell.py"), os.path.join(_RECORDER, "tensor.py"))


def _unsteady() -> Callable[..., Any]:
    """A trace function that lets other threads run at random lines of the recorder."""
    chance = random.Random(threading.get_ident())

    def line(frame: Any, event: str, arg: Any) -> Any:
        if chance.random() < 0.01:
            time.sleep(1e-5)
        return line

    def call(frame: Any, event: str, arg: Any) -> Any:
        name = frame.f_code.co_filename
        return line if name.startswith(_REPLAY) or name in _CELLS else None

    return call


_REPLAY = os.path.join(_RECORDER, "replay")


@pytest.fixture(autouse=True)
def _switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(*bodies: Callable[[], Any]) -> list[Any]:
    """What each body returns, all begun at once; the first exception is raised."""
    barrier = threading.Barrier(len(bodies))

    def begun(body: Callable[[], Any]) -> Any:
        barrier.wait()
        sys.settrace(_unsteady())
        try:
            return body()
        finally:
            sys.settrace(None)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return [made.result(timeout=120) for made in [pool.submit(begun, b) for b in bodies]]


def _array(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


def test_two_threads_read_what_the_main_one_recorded() -> None:
    for turn in range(40):
        a, b = _array(turn, 6, 5), _array(turn + 1000, 5, 4)
        x = torch.tensor(a) @ torch.tensor(b)
        y = torch.tanh(x) + x.sum(0)
        z = (y * x).sum(1)
        first, second = together(
            lambda y=y, z=z: ((y * 2).tolist(), z.tolist()),
            lambda y=y, z=z: ((z + 1).tolist(), y.tolist()),
        )
        ex = a @ b
        ey = np.tanh(ex) + ex.sum(0)
        ez = (ey * ex).sum(1)
        for found, expected in zip((*first, *second), (ey * 2, ez, ez + 1, ey)):
            np.testing.assert_allclose(found, expected, **_CLOSE)


def _trained(seed: int, steps: int, optimizer: str = "Adam") -> list[np.ndarray]:
    """Losses and parameters of a small training run that is the same each time."""
    net: Any = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    for number, parameter in enumerate(net.parameters()):
        parameter.data.copy_(torch.tensor(0.3 * _array(seed + number, *parameter.shape)))
    step_of = getattr(torch.optim, optimizer)(net.parameters(), lr=0.01)
    losses = []
    for step in range(steps):
        x = torch.tensor(_array(seed + 31 * step, 4 + step % 2, 6))
        y = torch.tensor(np.arange(4 + step % 2) % 3)
        step_of.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        step_of.step()
        losses.append(loss.item())
    return [np.array(losses), *(p.detach().numpy().copy() for p in net.parameters())]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_two_threads_train_models_of_their_own(optimizer: str) -> None:
    expected = [_trained(seed, 25, optimizer) for seed in (1, 2)]
    found = together(lambda: _trained(1, 25, optimizer), lambda: _trained(2, 25, optimizer))
    for one, other in zip(expected, found):
        for e, f in zip(one, other):
            np.testing.assert_allclose(f, e, **_CLOSE)


def test_a_thread_reads_losses_while_another_records_on() -> None:
    """The main thread hands each loss, not computed yet, to a logger and goes on."""
    import queue

    def program(read: Callable[[Any], None]) -> np.ndarray:
        net: Any = nn.Linear(5, 2)
        for number, parameter in enumerate(net.parameters()):
            parameter.data.copy_(torch.tensor(0.1 * _array(number, *parameter.shape)))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        for step in range(60):
            x = torch.tensor(_array(step, 4, 5))
            optimizer.zero_grad()
            loss = (net(x) - x[:, :2]).square().mean()
            read(loss)
            loss.backward()
            optimizer.step()
            read(loss.detach() * 2)
        return net.weight.detach().numpy().copy()

    expected: list[float] = []
    weight = program(lambda loss: expected.append(loss.item()))
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    found: list[float] = []

    def log() -> None:
        while (loss := waiting.get()) is not None:
            found.append(loss.item())

    def work() -> np.ndarray:
        try:
            return program(waiting.put)
        finally:
            waiting.put(None)

    for _ in range(3):
        found.clear()
        _, other = together(log, work)
        np.testing.assert_allclose(found, expected, **_CLOSE)
        np.testing.assert_allclose(other, weight, **_CLOSE)


def test_batches_come_from_threads() -> None:
    """What loader threads record is used by the main one before it is computed."""
    net: Any = nn.Linear(6, 1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.25)

    def batch(number: int) -> Any:
        x = torch.tensor(_array(number, 8, 6))
        return (x - x.mean(0)) / (x.std(0) + 1)

    losses = []
    with ThreadPoolExecutor(3) as pool:
        for number, x in enumerate(pool.map(batch, range(40))):
            net.zero_grad()
            loss = net(x).square().sum()
            loss.backward()
            a = _array(number, 8, 6)
            a = (a - a.mean(0)) / (a.std(0, ddof=1) + 1)
            out = a @ np.full(6, 0.25, "f4") + 0.25
            np.testing.assert_allclose(loss.item(), np.square(out).sum(), rtol=1e-4)
            np.testing.assert_allclose(
                net.weight.grad.tolist()[0], 2 * out @ a, rtol=1e-3, atol=1e-4
            )
            losses.append(loss)
    assert len({loss.item() for loss in losses}) == 40


def test_hogwild() -> None:
    """Threads that update one model without a lock: whatever is lost, it converges, and nothing is
    torn: as with PyTorch."""
    w = torch.nn.Parameter(torch.zeros(5))
    truth = torch.tensor([1.0, -2.0, 3.0, 0.5, -1.0])

    def work(seed: int) -> None:
        optimizer = torch.optim.SGD([w], lr=0.02)
        for step in range(150):
            x = torch.tensor(_array(1000 * seed + step, 16, 5))
            loss = (x @ w - x @ truth).square().mean()
            (grad,) = torch.autograd.grad(loss, [w])
            with torch.no_grad():
                w.sub_(grad, alpha=0.02)
            if step % 10 == 0:
                assert np.isfinite(loss.item())
        del optimizer

    together(lambda: work(1), lambda: work(2), lambda: work(3))
    np.testing.assert_allclose(w.detach().numpy(), truth.numpy(), atol=0.05)


def test_hogwild_with_optimizers_and_a_lock() -> None:
    """With the user's lock around reading, gradients and step, no update is lost."""
    w = torch.nn.Parameter(torch.zeros(3))
    lock = threading.Lock()

    def work() -> None:
        optimizer = torch.optim.SGD([w], lr=1.0)
        for _ in range(40):
            with lock:
                optimizer.zero_grad()
                (w * torch.tensor([1.0, 2.0, -1.0])).sum().backward()
                optimizer.step()

    together(work, work, work)
    assert w.tolist() == [-120.0, -240.0, 120.0]


def test_gradients_of_one_leaf_from_several_threads_add_up() -> None:
    """As PyTorch's AccumulateGrad, which holds a lock."""
    w = torch.nn.Parameter(torch.ones(4))

    def work() -> None:
        for _ in range(50):
            (w * w).sum().backward()

    together(work, work, work)
    assert w.grad is not None and w.grad.tolist() == [300.0] * 4


def test_one_model_serves_several_threads() -> None:
    net: Any = nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 2)).eval()
    inputs = [_array(seed, 3, 7) for seed in range(4)]

    def serve(x: np.ndarray) -> list[Any]:
        with torch.no_grad():
            return [net(torch.tensor(x)).tolist() for _ in range(60)]

    expected = [serve(x)[0] for x in inputs]
    for one, found in zip(expected, together(*[lambda x=x: serve(x) for x in inputs])):
        for result in found:
            np.testing.assert_allclose(result, one, **_CLOSE)


def test_a_compiled_step_is_called_by_several_threads() -> None:
    w = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([w], lr=0.5)

    @torch.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    lock = threading.Lock()

    def work() -> None:
        for _ in range(30):
            with lock:
                step(torch.tensor([1.0, 2.0, -4.0]))
            w.tolist()

    together(work, work)
    assert w.tolist() == [-30.0, -60.0, 120.0]


def test_draws_of_several_threads_are_distinct() -> None:
    torch.manual_seed(5)
    drawn = together(*[lambda: [torch.rand(3) for _ in range(50)]] * 3)
    values = {tuple(x.tolist()) for some in drawn for x in some}
    assert len(values) == 150


def test_a_fault_of_another_thread_is_raised_to_whoever_reads() -> None:
    """A label out of range, recorded here, is met by the thread that needs the value; it can be
    met again here, and the next step works."""
    table = torch.nn.Embedding(4, 2)
    for _ in range(3):
        wrong = table((torch.tensor([1.0, 7.0]) * torch.ones(2)).long()).sum()

        def read(value: Any = wrong) -> str:
            with pytest.raises(IndexError) as fault:
                value.item()
            return str(fault.value)

        assert all("7" in text for text in together(read, read))
        with pytest.raises(IndexError):
            wrong.item()
        assert np.isfinite(table(torch.tensor([1, 3])).sum().item())


def test_threads_that_ended_no_longer_count() -> None:
    torch.ones(2).sum().item()
    together(lambda: torch.ones(2).sum().item(), lambda: (torch.ones(2) + 1).tolist())
    assert not crowd.several()
