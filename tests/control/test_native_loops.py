"""Loops and choices in native programs: the driver runs the turns, and Python none of them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait._higher_order_ops import cond, scan, while_loop
from plait._higher_order_ops import map as map_slices
from plait.core.runtime import control, profile, threads
from plait.nn import functional as F
from plait.utils._pytree import tree_flatten


@pytest.fixture(autouse=True)
def natively(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setenv("PLAIT_GUARD", "")  # each launch by itself: Python would run the turns


def drawn(*shape: int, seed: int = 0) -> Any:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape).astype("f4"))


def arrays(result: Any) -> list[np.ndarray]:
    return [part.detach().numpy().copy() for part in tree_flatten(result)[0]]


def bits(result: Any) -> list[tuple[Any, Any, bytes]]:
    return [(a.shape, a.dtype, a.tobytes()) for a in arrays(result)]


def python_calls(function: Callable[[], Any]) -> int:
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


# -- what is run, by the number of turns ------------------------------------------------------


def rnn(turns: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    def run(w: Any, h: Any, xs: Any) -> Any:
        return scan(lambda c, x: (torch.tanh(c @ w + x), c.sum()), h, xs)

    return run, (drawn(8, 8), drawn(2, 8, seed=1), drawn(turns, 2, 8, seed=2))


def gradient(turns: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    run, given = rnn(turns)

    def loss(*tensors: Any) -> Any:
        last, sums = run(*tensors)
        return last.square().sum() + sums.square().sum()

    return torch.func.grad(loss, (0, 1, 2)), given


def epoch(turns: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    def turn(w: Any, batch: Any) -> tuple[Any, Any]:
        slope, loss = torch.func.grad_and_value(lambda w, x, y: F.cross_entropy(x @ w, y))(
            w, *batch
        )
        return w - 0.1 * slope, loss

    labels = torch.tensor(np.arange(turns * 4).reshape(turns, 4) % 3)
    return lambda *tensors: scan(turn, tensors[0], tensors[1:]), (
        drawn(5, 3),
        drawn(turns, 4, 5, seed=1),
        labels,
    )


def backwards(turns: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Rows of 28 bytes, which lie on no 16-byte border; bools and integers."""

    def turn(carry: Any, x: Any) -> tuple[Any, Any]:
        total, count = carry
        return (total * 0.5 + x, count + 1), (x > 0, count, total)

    return lambda start, xs: scan(turn, (start, torch.tensor(0)), xs, reverse=True), (
        drawn(7),
        drawn(turns, 7, seed=1),
    )


def shuffled(turns: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Carries that change places, results that are carries, operands or constants."""

    def turn(carry: Any, x: Any) -> tuple[Any, Any]:
        a, b, kept = carry
        return (b, a + x, kept), (a, a, x, kept, torch.ones(2))

    return lambda a, b, c, xs: scan(turn, (a, b, c), xs), (
        drawn(3),
        drawn(3, seed=1),
        drawn(2, seed=2),
        drawn(turns, 3, seed=3),
    )


def whiles(turns: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    def run(w: Any, s: Any, most: Any) -> Any:
        return while_loop(
            lambda i, s: i < most, lambda i, s: (i + 1, torch.tanh(s @ w)), (torch.tensor(0), s)
        )

    return run, (drawn(4, 4), drawn(3, 4, seed=1), torch.tensor(turns))


def nested(turns: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    def inner(a: Any, b: Any) -> tuple[Any, Any]:
        return cond(b.sum() > 0, lambda a: a + b, lambda a: a - 2 * b, (a,)), a

    def turn(carry: Any, x: Any) -> tuple[Any, Any]:
        carry = scan(inner, carry, x)[0]
        return carry, cond(carry.sum() > 0, lambda c: c, lambda c: 3 * c, (carry,))

    def loss(h: Any, xs: Any) -> Any:
        last, ys = scan(turn, h, xs)
        return last.sum() + ys.square().sum()

    return torch.func.grad_and_value(loss, (0, 1)), (drawn(5), drawn(turns, 4, 5, seed=1))


def mapped(turns: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return lambda xs, k: map_slices(lambda x, k: (x * k, k, x.sum()), xs, k), (
        drawn(turns, 3),
        drawn(3, seed=1),
    )


def halves(turns: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A carry in bfloat16, and a product under autocast."""

    def turn(carry: Any, x: Any) -> tuple[Any, Any]:
        h, w = carry
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = x @ w
        h = torch.tanh(h + y)
        return (h, w), (h, y.float())

    def loss(h: Any, w: Any, xs: Any) -> Any:
        (last, _), (hs, ys) = scan(turn, (h, w), xs)
        return last.float().sum() + hs.float().square().sum() + ys.square().sum()

    return torch.func.grad_and_value(loss, (1, 2)), (
        torch.zeros(4, 8, dtype=torch.bfloat16),
        drawn(6, 8),
        drawn(turns, 4, 6, seed=1),
    )


KINDS = {
    f.__name__: f
    for f in (rnn, gradient, epoch, backwards, shuffled, whiles, nested, mapped, halves)
}


@pytest.mark.parametrize("kind", KINDS)
def test_turns_cost_no_python(kind: str) -> None:
    counts = []
    for turns in (3, 40):
        function, given = KINDS[kind](turns)
        step = torch.compile(function, fullgraph=True)
        for _ in range(10):  # until most has been learned
            arrays(step(*given))
        calls = [python_calls(lambda: arrays(step(*given))) for _ in range(5)]  # noqa: B023  # at once
        counts.append(min(calls))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turns", [1, 2, 5])
def test_the_bits_are_those_of_turns_by_python(kind: str, turns: int) -> None:
    function, given = KINDS[kind](turns)
    step = torch.compile(function, fullgraph=True)
    found = [bits(step(*given)) for _ in range(3)]
    with profile.profile():  # each kernel by itself, and each turn by Python
        expected = bits(step(*given))
    assert found == [expected] * 3


def test_16_bit_floats_round_in_each_turn_as_on_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function, given = halves(20)
    found = arrays(torch.compile(function)(*given))
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    for a, b in zip(found, arrays(function(*given)), strict=True):
        # Sums of 20 turns in float32, of terms that were rounded alike.
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_loop_without_a_turn() -> None:
    function, given = whiles(0)
    count, state = torch.compile(function)(*given)
    assert count.item() == 0
    assert bits(state) == bits(given[1])


@pytest.fixture
def counted() -> Iterator[Callable[[int], None]]:
    before = threads.count()
    yield threads.set_count
    threads.set_count(before)


def test_any_number_of_threads_gives_the_same_bits(counted: Callable[[int], None]) -> None:
    w, h, xs = drawn(256, 256) * 0.06, drawn(64, 256, seed=1), drawn(9, 64, 256, seed=2)
    labels = torch.tensor(np.arange(9 * 64).reshape(9, 64) % 256)

    def turn(carry: Any, batch: Any) -> tuple[Any, Any]:
        x, y = batch
        w, h = carry
        slope, loss = torch.func.grad_and_value(lambda w: F.cross_entropy((h + x) @ w, y))(w)
        return (w - slope, torch.tanh(h @ w + x)), loss

    step = torch.compile(lambda w, h, xs, ys: scan(turn, (w, h), (xs, ys)), fullgraph=True)
    found = []
    for count in (1, 2, 4):
        counted(count)
        found += [bits(step(w, h, xs, labels)) for _ in range(3)]
    assert all(other == found[0] for other in found)


def test_python_threads_run_one_loop_side_by_side() -> None:
    function, given = rnn(50)
    step = torch.compile(function)
    expected = bits(step(*given))
    found: list[Any] = []

    def run() -> None:
        for _ in range(10):
            found.append(bits(step(*given)))

    workers = [threading.Thread(target=run) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 30


def test_what_a_turn_can_write_over_has_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update of parameters needs no second copy of them; a recurrent state has two places."""
    made: list[control.Control] = []
    make = control._MAKERS["scan"]

    def noted(*given: Any) -> Any:
        made.append(make(*given))
        return made[-1]

    monkeypatch.setitem(control._MAKERS, "scan", noted)
    function, given = epoch(3)
    torch.compile(function)(*given)[0].numpy()
    assert made[0].nbytes == 64  # the loss of a turn, whose row is not aligned
    function, given = rnn(3)
    torch.compile(function)(*given)[0].numpy()
    assert made[1].nbytes == 64 + 64


# -- faults -----------------------------------------------------------------------------------


def test_a_fault_in_a_turn_names_the_line_and_changes_nothing() -> None:
    p = torch.nn.Parameter(drawn(4, 3))
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)

    def turn(total: Any, batch: Any) -> tuple[Any, Any]:
        x, y = batch
        return total + F.cross_entropy(x @ p, y), x.sum()

    @torch.compile(fullgraph=True)
    def step(xs: Any, ys: Any) -> Any:
        optimizer.zero_grad()
        loss, _ = scan(turn, torch.zeros(()), (xs, ys))
        loss.backward()
        optimizer.step()
        return loss.detach()

    xs, good = drawn(5, 2, 4), torch.tensor(np.arange(10).reshape(5, 2) % 3)
    bad = good.clone()
    bad[3, 1] = 7
    for _ in range(3):
        step(xs, good).item()
    before = bits([p, optimizer.state[p]["momentum_buffer"]])
    line = turn.__code__.co_firstlineno + 2
    for _ in range(2):
        with pytest.raises(IndexError, match="Target 7 is out of bounds") as caught:
            step(xs, bad).item()
        assert f"test_native_loops.py:{line}" in str(caught.value)
        assert bits([p, optimizer.state[p]["momentum_buffer"]]) == before
    step(xs, good).item()
    assert bits([p]) != before[:1]


def test_a_fault_in_a_loop_in_a_loop() -> None:
    def inner(total: Any, batch: Any) -> tuple[Any, Any]:
        x, y = batch
        return total + cond(y.sum() > 0, F.cross_entropy, lambda x, y: x.sum(), (x, y)), x

    def outer(total: Any, batch: Any) -> tuple[Any, Any]:
        return scan(inner, total, batch)[0], total

    step = torch.compile(lambda xs, ys: scan(outer, torch.zeros(()), (xs, ys))[0])
    xs, ys = drawn(3, 2, 4, 5), torch.ones(3, 2, 4, dtype=torch.int64)
    expected = step(xs, ys).item()
    bad = ys.clone()
    bad[2, 1, 3] = 5
    with pytest.raises(IndexError, match="Target 5 is out of bounds"):
        step(xs, bad).item()
    assert step(xs, ys).item() == expected


def test_two_loops_of_one_graph_name_their_own_lines() -> None:
    def first(total: Any, batch: Any) -> tuple[Any, Any]:
        return total + F.cross_entropy(*batch), total

    def second(total: Any, batch: Any) -> tuple[Any, Any]:
        return total + F.cross_entropy(*batch), total

    xs, bad = drawn(3, 2, 4), torch.full((3, 2), 9)
    for turn in (first, second):
        step = torch.compile(lambda xs, ys, turn=turn: scan(turn, torch.zeros(()), (xs, ys))[0])
        with pytest.raises(IndexError, match=rf"test_native_loops.py:\d+ in {turn.__name__}"):
            step(xs, bad).item()


def test_a_body_with_an_op_of_the_reference_is_run_by_python() -> None:
    """What has no kernel is a host step, and so is the loop around it."""

    def turn(c: Any, x: Any) -> tuple[Any, Any]:
        return torch.linalg.solve(x, c), c.sum()

    xs = drawn(3, 4, 4) + 4 * torch.eye(4)
    step = torch.compile(lambda c, xs: scan(turn, c, xs))
    last, _ = step(torch.ones(4), xs)
    expected = torch.ones(4)
    for x in xs:
        expected = torch.linalg.solve(x, expected)
    np.testing.assert_allclose(last.numpy(), expected.numpy(), rtol=1e-5)


def test_a_loop_whose_kernels_are_refused_is_run_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any) -> Any:
        raise control.KernelRefused([])

    monkeypatch.setattr(control, "Program", refuse)
    function, given = rnn(4)
    found = torch.compile(function)(*given)
    h = given[1]
    for x in given[2]:
        h = torch.tanh(h @ given[0] + x)
    np.testing.assert_allclose(found[0].numpy(), h.numpy(), rtol=1e-5)
