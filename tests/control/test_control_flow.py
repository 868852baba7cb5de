"""Control flow as single operations, against Python's own, on both tiers and under `compile`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait._higher_order_ops import associative_scan, cond, scan, while_loop
from plait._higher_order_ops import map as map_slices


def drawn(*shape: int, seed: int = 0) -> Any:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


def same(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.fixture(params=["reference", "compiled"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PLAIT_BACKEND", request.param)
    return request.param


# -- cond -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cond_and_its_gradient(sign: float, backend: str) -> None:
    x, w = (drawn(3).abs() * sign).requires_grad_(), drawn(3, seed=1).requires_grad_()
    found = torch.cond(x.sum() > 0, lambda x: (x * w).sin(), lambda x: x - w, (x,))
    expected = (x * w).sin() if sign > 0 else x - w
    same(found, expected)
    grads = torch.autograd.grad(found.square().sum(), (x, w))
    for a, b in zip(grads, torch.autograd.grad(expected.square().sum(), (x, w))):
        same(a, b)


def test_only_the_branch_that_is_chosen_runs() -> None:
    index = torch.tensor([5])
    rows = drawn(3, 2)
    found = cond(
        torch.tensor(False), lambda i: rows[i], lambda i: torch.zeros(1, 2).double(), (index,)
    )
    assert found.tolist() == [[0, 0]]


def test_branches_nest() -> None:
    def size(x: Any) -> Any:
        return cond(x > 0, lambda x: cond(x > 10, lambda x: x * 0 + 2, lambda x: x * 0 + 1, (x,)),
                    lambda x: -x, (x,))  # fmt: skip

    assert [size(torch.tensor(v)).item() for v in (20.0, 3.0, -4.0)] == [2, 1, 4]


def test_trees_and_modules_in_branches(backend: str) -> None:
    layer = nn.Linear(3, 2).double()
    found = cond(
        torch.tensor([True]),
        lambda t: {"y": layer(t["x"]), "z": t["x"]},
        lambda t: {"y": t["x"][:2] * 0, "z": -t["x"]},
        ({"x": drawn(3)},),
    )
    same(found["y"], layer(drawn(3)))
    found["y"].sum().backward()
    assert layer.weight.grad is not None and layer.bias.grad.tolist() == [1, 1]


# -- while ------------------------------------------------------------------------------------


def test_while_loop(backend: str) -> None:
    step = drawn(2)
    count, total = while_loop(
        lambda i, s: i < 7, lambda i, s: (i + 1, s + i * step), (torch.tensor(0), drawn(2) * 0)
    )
    assert count.item() == 7
    same(total, 21 * step)


def test_a_loop_may_have_no_turn() -> None:
    start = drawn(2)
    found = torch.while_loop(lambda x: x.sum() > 1e9, lambda x: (x * 2,), (start,))
    same(found[0], start)


def test_a_gradient_through_a_while_loop_says_what_to_do() -> None:
    x = drawn(2).requires_grad_()
    (found,) = while_loop(lambda x: x.sum() < 10, lambda x: (x * 2 + 1,), (x,))
    with pytest.raises(RuntimeError, match="use `scan` with a fixed length"):
        found.sum().backward()


# -- scan -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("axis", "reverse"), [(0, False), (0, True), (1, False), (-1, True)])
def test_scan_and_its_gradient(axis: int, reverse: bool, backend: str) -> None:
    w = drawn(4, 4, seed=1).requires_grad_()
    xs = drawn(4, 4, seed=2).requires_grad_()
    start = drawn(4, seed=3).requires_grad_()

    def turn(carry: Any, x: Any) -> tuple[Any, Any]:
        carry = torch.tanh(w @ carry + x)
        return carry, {"double": carry * 2, "in": x}

    last, ys = scan(turn, start, xs, dim=axis, reverse=reverse)
    rows = list(xs.movedim(axis, 0))
    carry, expected = start, [{}] * 4
    for place in range(3, -1, -1) if reverse else range(4):
        carry, expected[place] = turn(carry, rows[place])
    same(last, carry)
    stacked = torch.stack([y["double"] for y in expected])
    same(ys["double"], stacked)
    same(ys["in"], torch.stack(rows))
    found = torch.autograd.grad((ys["double"] ** 2).sum() + last.sum(), (w, xs, start))
    wanted = torch.autograd.grad((stacked**2).sum() + carry.sum(), (w, xs, start))
    for a, b in zip(found, wanted):
        same(a, b)


def test_second_derivatives_through_a_scan() -> None:
    xs = drawn(5)
    f = lambda x: scan(lambda c, v: (c * v.sin() + v, c), x.sum() * 0 + 1, x)[0] ** 2  # noqa: E731  # read as a formula
    g = lambda x: _loop(x) ** 2  # noqa: E731  # likewise
    same(torch.func.grad(f)(xs), torch.func.grad(g)(xs))
    same(torch.func.jacrev(torch.func.grad(f))(xs), torch.func.jacrev(torch.func.grad(g))(xs))


def _loop(x: Any) -> Any:
    c = x.sum() * 0 + 1
    for v in x:
        c = c * v.sin() + v
    return c


def test_a_recurrent_cell_in_a_scan(backend: str) -> None:
    cell = nn.LSTMCell(3, 4).double()
    xs = drawn(6, 2, 3)
    state = (drawn(2, 4) * 0, drawn(2, 4) * 0)

    def turn(state: Any, x: Any) -> tuple[Any, Any]:
        h, c = cell(x, state)
        return (h, c), h.clone()

    (h, _), ys = scan(turn, state, xs)
    a = state
    for x in xs:
        a = cell(x, a)
    same(h, a[0])
    same(ys[-1], a[0])
    ys.sum().backward()
    assert all(p.grad is not None for p in cell.parameters())


def test_map_and_associative_scan(backend: str) -> None:
    xs = drawn(5, 3)
    same(map_slices(lambda x, k: x * k + 1, xs, torch.tensor(3.0).double()), xs * 3 + 1)
    same(associative_scan(lambda a, b: a + b, xs, 0), xs.cumsum(0))
    same(associative_scan(lambda a, b: a * b, xs, 1, reverse=True), xs.flip(1).cumprod(1).flip(1))
    pairs = associative_scan(
        lambda a, b: {"m": a["m"] * b["m"], "s": b["m"] * a["s"] + b["s"]}, {"m": xs, "s": xs}, 0
    )
    state = torch.zeros(3).double()
    for x in xs:
        state = x * state + x
    same(pairs["s"][-1], state)


def test_under_vmap() -> None:
    xs = drawn(3, 4)
    f = lambda x: scan(lambda c, v: (c + v, c * v), x[0] * 0, x)  # noqa: E731  # read as a formula
    found = torch.vmap(f)(xs)
    for i, row in enumerate(xs):
        last, ys = f(row)
        same(found[0][i], last)
        same(found[1][i], ys)


# -- one program ------------------------------------------------------------------------------


def test_an_epoch_as_one_program() -> None:
    """Training by hand in a scan, compiled: the same parameters as a loop gives."""
    w0, xs, ys = drawn(3, seed=1), drawn(10, 8, 3), drawn(10, 8, seed=4)

    def turn(w: Any, batch: Any) -> tuple[Any, Any]:
        x, y = batch
        error = x @ w - y
        return w - 0.1 * 2 * (x.T @ error) / 8, error.square().mean()

    epoch = torch.compile(lambda w, xs, ys: scan(turn, w, (xs, ys)), fullgraph=True)
    w, losses = w0, []
    for x, y in zip(xs, ys):
        w, loss = turn(w, (x, y))
        losses.append(loss)
    for _ in range(3):
        last, found = epoch(w0, xs, ys)
        same(last, w)
        same(found, torch.stack(losses))


def test_compiled_branches() -> None:
    f = torch.compile(
        lambda x: cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, (x,)), fullgraph=True
    )
    for sign in (1.0, -1.0, 1.0, -1.0):
        x = torch.full((3,), sign)
        same(f(x), x * 2 if sign > 0 else -x)


# -- faults -----------------------------------------------------------------------------------

ONE = torch.ones(())
WRONG: Any = 3
FAULTS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "pred": (lambda: cond(drawn(3) > 0, abs, abs, (ONE,)), RuntimeError, "single-element tensor"),
    "branches": (
        lambda: cond(ONE > 0, lambda x: x, lambda x: x[None], (ONE,)),
        RuntimeError,
        "gives (torch.float32[]), false_fn (torch.float32[1])",
    ),
    "callables": (lambda: cond(ONE > 0, WRONG, abs, (ONE,)), RuntimeError, "to be callable"),
    "operands": (lambda: cond(ONE > 0, abs, abs, ONE), RuntimeError, "operands to be a tuple"),
    "number": (lambda: cond(ONE > 0, lambda x: 1, lambda x: 1, (ONE,)), RuntimeError, "only"),
    "item": (lambda: cond(ONE > 0, lambda x: x.item(), abs, (ONE,)), RuntimeError, "no .item()"),
    "python_if": (
        lambda: cond(ONE > 0, lambda x: x if x > 0 else -x, abs, (ONE,)), RuntimeError, "torch.cond"
    ),
    "in_place": (
        lambda: cond(ONE > 0, lambda x: x.add_(1), abs, (ONE,)), RuntimeError, "not write to its"
    ),
    "random": (
        lambda: map_slices(
            lambda x: while_loop(lambda y: y > 0, lambda y: (y - torch.rand(()),), (x,))[0],
            drawn(3),
        ),
        NotImplementedError,
        "`scan` with a fixed length for the loop, or draw outside",
    ),
    "carry": (
        lambda: scan(lambda c, x: (c[None], x), ONE, drawn(3)), RuntimeError, "a carry as it is"
    ),
    "pair": (lambda: scan(lambda c, x: c, ONE, drawn(3)), RuntimeError, "must give (carry, y)"),
    "extents": (
        lambda: scan(lambda c, x: (c, x[0]), ONE, (drawn(3), drawn(2))), RuntimeError, "same number"
    ),
    "condition": (
        lambda: while_loop(lambda x: x, lambda x: (x,), (ONE,)), RuntimeError, "one bool tensor"
    ),
    "body": (
        lambda: while_loop(lambda x: x > 0, lambda x: (x.long(),), (ONE,)), RuntimeError, "is given"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    act, kind, words = FAULTS[name]
    with pytest.raises(kind, match=re.escape(words)):
        act()
