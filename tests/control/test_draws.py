"""Random draws in the bodies of control flow: as a loop of Python draws them, on both tiers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait._higher_order_ops import cond, scan, while_loop
from plait._higher_order_ops import map as map_slices
from plait.core.runtime import settling
from plait.nn import functional as F
from plait.utils._pytree import tree_flatten


@pytest.fixture(params=["reference", "compiled"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PLAIT_BACKEND", request.param)
    return request.param


def fixed(*shape: int, seed: int = 0) -> Any:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape).astype("f4"))


def arrays(result: Any) -> list[np.ndarray]:
    return [part.detach().numpy().copy() for part in tree_flatten(result)[0]]


def seeded(function: Callable[..., Any], *given: Any) -> list[np.ndarray]:
    """What it gives after a seed, and what is drawn after it, from both sources."""
    torch.manual_seed(3)
    result = function(*given)
    return arrays((result, torch.rand(3), F.dropout(torch.ones(64))))


def same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def masks(carry: Any, x: Any) -> tuple[Any, Any]:
    carry = F.dropout(torch.tanh(carry + x), 0.5)
    return carry, F.dropout(x, 0.3)


def numbers(carry: Any, x: Any) -> tuple[Any, Any]:
    """PyTorch's own numbers, all of one dtype."""
    return carry + torch.rand(4), torch.randn(2, 3) + x.sum()


def mixed(carry: Any, x: Any) -> tuple[Any, Any]:
    carry = F.dropout(carry + torch.rand(4))
    parts = (
        torch.randint(-(2**62), 2**62, (3,)),
        torch.randn(2, dtype=torch.float64),
        torch.randn(()),
        torch.randperm(5),
        x.clone().uniform_(1, 2),
    )
    return carry, (*parts, F.gumbel_softmax(x))


def by_chances(carry: Any, x: Any) -> tuple[Any, Any]:
    chances = torch.full((4, 16), 0.5)
    return carry + x, (torch.multinomial(chances, 8), torch.bernoulli(chances))


TURNS = {f.__name__: f for f in (masks, numbers, mixed)}


def by_hand(turn: Any, carry: Any, xs: Any, reverse: bool = False) -> Any:
    ys: list[Any] = [None] * len(xs)
    for i in reversed(range(len(xs))) if reverse else range(len(xs)):
        carry, ys[i] = turn(carry, xs[i])
    if isinstance(ys[0], tuple):
        return carry, tuple([torch.stack(list(part)) for part in zip(*ys)])
    return carry, torch.stack(ys)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("turn", [*TURNS.values(), by_chances])
def test_a_scan_draws_as_a_loop_does(turn: Any, reverse: bool, backend: str) -> None:
    found = seeded(lambda h, xs: scan(turn, h, xs, reverse=reverse), fixed(4), fixed(5, 4))
    expected = seeded(lambda h, xs: by_hand(turn, h, xs, reverse), fixed(4), fixed(5, 4))
    same(found, expected)
    rows = found[1]
    assert not any((rows[0] == row).all() for row in rows[1:])


@pytest.mark.parametrize("name", TURNS)
def test_each_call_of_a_compiled_scan_draws_anew(name: str, backend: str) -> None:
    turn = TURNS[name]
    step = torch.compile(lambda h, xs: scan(turn, h, xs), fullgraph=True)
    given = fixed(4), fixed(5, 4)

    def calls(function: Any) -> Any:
        return [arrays(function(*given)) for _ in range(4)]

    torch.manual_seed(3)
    found = calls(step)
    torch.manual_seed(3)
    for a, b in zip(found, calls(lambda h, xs: by_hand(turn, h, xs))):
        same(a, b)


@pytest.mark.parametrize("name", TURNS)
def test_scans_in_scans(name: str, backend: str) -> None:
    turn = TURNS[name]

    def outer(carry: Any, rows: Any) -> Any:
        return scan(turn, carry, rows)

    def outer_by_hand(carry: Any, rows: Any) -> Any:
        return by_hand(turn, carry, rows)

    xs = fixed(3, 2, 4)
    same(seeded(lambda h: scan(outer, h, xs), fixed(4)),
         seeded(lambda h: by_hand(outer_by_hand, h, xs), fixed(4)))  # fmt: skip


@pytest.mark.parametrize("name", TURNS)
def test_a_gradient_sees_the_draws_of_its_turn(name: str, backend: str) -> None:
    turn = TURNS[name]

    def loss(run: Any) -> Callable[..., Any]:
        def of(h: Any, xs: Any) -> Any:
            last, ys = run(turn, h, xs)
            return last.square().sum() + tree_flatten(ys)[0][-1].square().sum()

        return torch.func.grad(of, (0, 1))

    given = fixed(4), fixed(5, 4)
    same(seeded(loss(scan), *given), seeded(loss(by_hand), *given))
    h = fixed(4).requires_grad_()
    torch.manual_seed(3)
    last, ys = scan(turn, h, given[1])
    (last.square().sum() + tree_flatten(ys)[0][-1].square().sum()).backward()
    same(arrays(h.grad), seeded(loss(by_hand), *given)[:1])


def test_derivatives_in_a_body_that_draws(backend: str) -> None:
    """An epoch with dropout: the slope of each turn is that of its own mask."""

    def turn(w: Any, x: Any) -> tuple[Any, Any]:
        slope, loss = torch.func.grad_and_value(lambda w: F.dropout(x * w).square().sum())(w)
        return w - 0.1 * slope, loss

    given = fixed(4), fixed(6, 4)
    same(seeded(lambda *t: scan(turn, *t), *given), seeded(lambda *t: by_hand(turn, *t), *given))


def test_a_generator_of_its_own(backend: str) -> None:
    def run(loop: Any) -> Any:
        own = torch.Generator().manual_seed(5)

        def turn(carry: Any, x: Any) -> tuple[Any, Any]:
            a, b = torch.rand(2), torch.rand(2, generator=own)
            return carry + torch.randn(2, generator=own), a * b + x

        return (*loop(turn, torch.zeros(2), fixed(4, 2)), torch.rand(2, generator=own))

    same(seeded(lambda: run(scan)), seeded(lambda: run(by_hand)))


def test_map_draws(backend: str) -> None:
    found = seeded(lambda xs: map_slices(lambda x: F.dropout(x) + torch.rand(()), xs), fixed(4, 3))
    same(found, seeded(lambda xs: torch.stack([F.dropout(x) + torch.rand(()) for x in xs]),
                       fixed(4, 3)))  # fmt: skip


def test_a_loop_that_ends_by_its_condition(backend: str) -> None:
    xs = fixed(2, 4)

    def goes_on(i: Any, s: Any) -> Any:
        return i + 0 * F.dropout(s).sum() < 7

    def body(i: Any, s: Any) -> Any:
        return i + 1, F.dropout(s + 1) + scan(masks, s, xs)[0]

    def hand(i: Any, s: Any) -> Any:
        while goes_on(i, s):
            i, s = i + 1, F.dropout(s + 1) + by_hand(masks, s, xs)[0]
        return i, s

    given = torch.tensor(0.0), fixed(4)
    step = torch.compile(lambda *s: while_loop(goes_on, body, s), fullgraph=True)
    torch.manual_seed(3)
    expected = arrays(hand(*given))
    torch.manual_seed(3)
    first = arrays(step(*given))
    same(first, expected)
    assert (arrays(step(*given))[1] != first[1]).any()
    torch.manual_seed(3)
    same(arrays(while_loop(goes_on, body, given)), expected)


@pytest.mark.parametrize("way", ["plain", "compiled"])
@pytest.mark.parametrize("turn", [numbers, mixed, by_chances])
def test_a_loop_that_ends_by_its_condition_draws_pytorchs_numbers(
    turn: Any, way: str, backend: str
) -> None:
    """How many it draws is known when it has ended, and what is drawn after it follows them."""

    def goes_on(i: Any, s: Any) -> Any:
        return (i < 6) & (torch.rand(()) < 0.9)

    def body(i: Any, s: Any) -> Any:
        carry, drawn = turn(s, s)
        return i + 1, carry + sum(part.float().mean() for part in drawn)

    def hand(i: Any, s: Any) -> Any:
        while goes_on(i, s):
            i, s = body(i, s)
        return i, s

    def loop(*state: Any) -> Any:
        return while_loop(goes_on, body, state)

    step = torch.compile(loop) if way == "compiled" else loop
    given = torch.tensor(0), fixed(4)
    expected = seeded(lambda: [hand(*given) for _ in range(5)])
    same(seeded(lambda: [step(*given) for _ in range(5)]), expected)
    assert len({turns.item() for turns in expected[:10:2]}) > 1


def test_what_a_loop_that_draws_gives_is_not_what_it_was_given(backend: str) -> None:
    x = torch.zeros(2)
    (a,) = while_loop(lambda x: torch.rand(()) > 1, lambda x: (x + 1,), (x,))
    b, c = while_loop(lambda x, y: (x < torch.rand(())).all(), lambda x, y: (x + 1,) * 2, (x, x))
    a += 1
    b += 1
    assert (x.tolist(), b.tolist(), c.tolist()) == ([0, 0], [2, 2], [1, 1])


def test_branches_that_draw(backend: str) -> None:
    x = torch.ones(400)
    for sign in (1.0, -1.0):
        found = cond(sign * x.sum() > 0, lambda x: F.dropout(x), lambda x: torch.rand(400), (x,))
        kept = (found == 2).sum().item()
        assert 150 < kept < 250 if sign > 0 else kept == 0


def test_draws_per_sample(backend: str) -> None:
    xs = torch.ones(3, 4, 50)

    def run(xs: Any) -> Any:
        return scan(lambda c, x: (c, F.dropout(x) + torch.rand(())), xs[0], xs)[1]

    different = torch.vmap(run, randomness="different")(xs).numpy()
    assert len({row.tobytes() for row in different.reshape(12, 50)}) == 12
    equal = torch.vmap(run, randomness="same")(xs).numpy()
    assert len({row.tobytes() for row in equal.reshape(12, 50)}) == 4
    with pytest.raises(RuntimeError, match="randomness error mode"):
        torch.vmap(run)(xs)


def test_vmap_in_a_body_that_draws(backend: str) -> None:
    def turn(carry: Any, x: Any) -> Any:
        return carry, torch.vmap(F.dropout, randomness="different")(x)

    rows = scan(turn, torch.zeros(()), torch.ones(4, 3, 50))[1].numpy().reshape(12, 50)
    assert len({row.tobytes() for row in rows}) == 12


def test_masks_cost_no_python_per_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setenv("PLAIT_GUARD", "")  # each launch by itself: Python would run the turns
    counts = []
    for turns in (3, 60):
        step = torch.compile(lambda h, xs: scan(masks, h, xs), fullgraph=True)
        given = fixed(4), fixed(turns, 4)
        for _ in range(3 + settling.RUNS):
            arrays(step(*given))
        count = 0

        def note(frame: Any, event: str, argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            arrays(step(*given))
        finally:
            sys.setprofile(None)
        counts.append(count)
    assert counts[0] == counts[1]
