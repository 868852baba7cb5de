"""What the body of control flow cannot keep is an error, and all else as the loop has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait._higher_order_ops import scan, while_loop
from plait.func import grad, grad_and_value, hessian, jacrev, jvp, vjp, vmap
from plait.utils.checkpoint import checkpoint

# `round`, with a gradient of its own.


class Thrice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        return a.round()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] * 3


def by_hand(turn: Callable[[Any, Any], Any], carry: Any, xs: Any) -> tuple[Any, Any]:
    ys = []
    for x in xs:
        carry, y = turn(carry, x)
        ys.append(y)
    return carry, torch.stack(ys)


def once(f: Callable[[Any], Any], v: Any) -> Any:
    """`f(v)` in the body of a scan of one turn."""
    return scan(lambda c, x: (c.clone(), f(x)), torch.zeros(1), v[None])[1][0]


def drawn(seed: int, *shape: int, dtype: Any = None) -> Any:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape)
    return torch.tensor(values + 1j * rng.standard_normal(shape) if dtype is complex else values)


def same(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)


# -- derivatives that are right -----------------------------------------------------------------


def without_recording(x: Any) -> Any:
    with torch.no_grad():
        k = x * x
    return (k * x).sum()


def in_inference_mode(x: Any) -> Any:
    with torch.inference_mode():
        k = x * x
    return (k * x).sum()


@torch.no_grad()
def weight_of(x: Any) -> Any:
    with torch.enable_grad():
        recorded = x.exp()
    return recorded * x.sin()


def detached_in_place(x: Any) -> Any:
    k = x * x
    k.detach_()
    return (k * x).sum()


SCALARS: dict[str, Callable[[Any], Any]] = {
    "no_grad": without_recording,
    "inference_mode": in_inference_mode,
    "decorator and enable_grad": lambda x: (weight_of(x) * x).sum(),
    "a view under no_grad": lambda x: (torch.no_grad()(lambda: x[:1])() * x).sum(),
    "no_grad and several results": lambda x: (torch.no_grad()(lambda: x.max(0))()[0] * x).sum(),
    "detach_": detached_in_place,
    "requires_grad": lambda x: (x * (2 if x.requires_grad else 5)).sum(),
    "requires_grad of a result": lambda x: (x * (2 if (x * 3).requires_grad else 5)).sum(),
    "requires_grad of a constant": lambda x: (x * (2 if x.detach().requires_grad else 5)).sum(),
    "is_leaf and grad_fn": lambda x: (x * (2 if x.detach().grad_fn is None else 5)).sum(),
    "fill": lambda x: (x * (x * 2).fill_(3)).sum(),
}


@pytest.mark.parametrize("name", SCALARS)
def test_gradients_in_a_body(name: str) -> None:
    f, x = SCALARS[name], drawn(0, 3)
    same(once(grad(f), x), grad(f)(x))
    same(once(lambda v: grad(lambda a: (grad(f)(a) * a).sum())(v), x),
         grad(lambda a: (grad(f)(a) * a).sum())(x))  # fmt: skip


@pytest.mark.parametrize("name", SCALARS)
def test_gradients_through_a_body(name: str) -> None:
    f, found = SCALARS[name], []
    for way in (scan, by_hand):
        xs = drawn(1, 4, 3).requires_grad_()
        last, ys = way(lambda c, x: (c * 0.5 + f(x), f(x) * c), torch.zeros(()).double(), xs)
        found.append(torch.autograd.grad((ys * ys).sum() + last, xs)[0])
    same(*found)


@pytest.mark.parametrize("start_tracked", [False, True])
def test_no_grad_on_what_gets_a_gradient_only_in_later_turns(start_tracked: bool) -> None:
    """The first carry has no gradient; those after it have one, through `w`."""
    found = []
    for way in (scan, by_hand):
        w, start = drawn(2, 3).requires_grad_(), drawn(3, 3).requires_grad_(start_tracked)

        def turn(c: Any, x: Any, w: Any = w) -> Any:
            with torch.no_grad():
                k = c * c
            return 0.3 * k * c + w * x, (k * c).sum()

        last, ys = way(turn, start, drawn(4, 5, 3))
        found.append(torch.autograd.grad(ys.sum() + last.sum(), w)[0])
    same(*found)


COMPLEX: dict[str, Callable[[Any], Any]] = {
    "abs": lambda z: (z.abs() ** 2).sum(),
    "real": lambda z: (z * z * (1 + 2j)).real.sum(),
    "imag of a power": lambda z: (z**3 * z.conj()).imag.sum(),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_derivatives(name: str) -> None:
    f, z, v = COMPLEX[name], drawn(5, 2, dtype=complex), drawn(6, 2, dtype=complex)
    same(once(grad(f), z), grad(f)(z))
    twice = lambda z: grad(lambda a: (grad(f)(a) * v).real.sum())(z)  # noqa: E731  # read as a formula
    same(once(twice, z), twice(z))
    pulled = lambda z: vjp(lambda a: a * a.conj() * v + a**2, z)[1](v)[0]  # noqa: E731  # likewise
    same(once(pulled, z), pulled(z))
    pushed = lambda z: jvp(lambda a: a * a.conj() * v + a**2, (z,), (v,))[1]  # noqa: E731  # likewise
    same(once(pushed, z), pushed(z))
    rows = lambda z: jacrev(lambda a: a**2 * v)(z)  # noqa: E731  # likewise
    same(once(rows, z), rows(z))


def test_a_complex_gradient_of_a_scan_with_a_gradient_in_it() -> None:
    found = []
    for way in (scan, by_hand):
        z = drawn(7, 3, 2, dtype=complex).requires_grad_()
        turn = lambda c, x: (c * 0.5 + grad(COMPLEX["imag of a power"])(x), c * x)  # noqa: E731  # likewise
        last, ys = way(turn, drawn(8, 2, dtype=complex), z)
        found.append(torch.autograd.grad((last * ys[1]).abs().sum(), z)[0])
    same(*found)


# -- what requires_grad says --------------------------------------------------------------------


def test_requires_grad_of_what_is_carried() -> None:
    def told(w: Any, start: Any, xs: Any) -> list[bool]:
        seen = []

        def turn(c: Any, x: Any) -> Any:
            seen[:] = [c.requires_grad, x.requires_grad, (w * x).requires_grad, c.is_leaf]
            return c * 0.5 + w * x, c.sum()

        scan(turn, start, xs)
        return seen

    x, t = torch.ones(3), torch.ones(3, requires_grad=True)
    assert told(x, x, x[None]) == [False, False, False, True]
    assert told(t, x, x[None])[:3] == [True, False, True]  # as all turns but the first
    assert told(x, t, x[None])[:3] == [True, False, False]
    assert told(x, x, t[None])[:3] == [True, True, True]
    with torch.no_grad():
        assert told(t, t, t[None])[:2] == [False, False]


def test_requires_grad_of_values_of_a_derivative() -> None:
    seen = []

    def turn(c: Any, x: Any) -> Any:
        found, value = grad_and_value(lambda a: (a * x).sum())(x)
        seen.append((found.requires_grad, value.requires_grad))
        return c.clone(), found

    scan(turn, torch.zeros(1), torch.ones(2, 3))
    scan(turn, torch.zeros(1), torch.ones(2, 3, requires_grad=True))
    assert seen == [(False, False), (True, True)]


def test_a_carry_that_has_a_gradient_because_it_has_none() -> None:
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="the turns would differ"):
        scan(lambda c, x: (c * 2 if c.requires_grad else c * w, c.sum()), torch.ones(3),
             torch.ones(4, 3))  # fmt: skip


# -- functions with a gradient of their own -----------------------------------------------------


def test_own_backward_is_refused_where_a_gradient_is_asked_for() -> None:
    f = lambda x: (Thrice.apply(x) * x).sum()  # noqa: E731  # read as a formula
    for derivative in (grad, jacrev, hessian, lambda f: lambda x: jvp(f, (x,), (x,))[1]):
        with pytest.raises(NotImplementedError, match=r"Thrice: the backward of an autograd\.Func"):
            once(derivative(f), torch.ones(2))
    with pytest.raises(NotImplementedError, match="Thrice: the backward"):
        once(f, torch.ones(2, requires_grad=True))
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(NotImplementedError, match="Thrice: the backward"):
        scan(lambda c, x: (Thrice.apply(c) + w * x, c.sum()), torch.zeros(2), torch.ones(3, 2))
    with pytest.raises(NotImplementedError, match="_Checkpointed: the backward"):
        once(lambda x: checkpoint(torch.sin, x, use_reentrant=True), w)


def test_own_backward_where_no_gradient_leads_through_it() -> None:
    f = lambda x: (Thrice.apply(x) * x).sum()  # noqa: E731  # read as a formula
    x = torch.tensor([1.2, 2.0])
    same(once(f, x), f(x))
    with torch.no_grad():
        same(once(f, x.clone().requires_grad_()), f(x))
    same(once(grad(lambda a: (Thrice.apply(x) * a).sum()), x), Thrice.apply(x))
    same(once(grad(lambda a: f(a.detach()) * a.sum()), x), f(x).expand(2))
    w, found = torch.tensor([1.5, 2.5]), []
    for way in (scan, by_hand):  # of what is outside, autograd keeps the rule
        given = w.clone().requires_grad_()
        turn = lambda c, v, w=given: (c + Thrice.apply(w) * v, c.sum())  # noqa: E731  # likewise
        found.append(torch.autograd.grad(way(turn, w * 0, torch.ones(3, 2))[0].sum(), given)[0])
    same(*found)


# -- writes -------------------------------------------------------------------------------------


def test_writes_that_nobody_else_sees() -> None:
    def turn(c: Any, x: Any) -> Any:
        a = x * c
        a.mul_(3).add_(c)
        assert a[0].shape == ()  # a view that is gone
        a.clamp_(min=0.1)
        b = a.detach().clone()
        b.unsqueeze_(0)
        b.sub_(1)
        buffer = torch.zeros(3).double()
        buffer.add_(2)
        buffer[1] = 7
        with torch.no_grad():
            k = c.clone()
            k.mul_(2)
        return a * 0.1 + buffer, (b * a * k).sum()

    found = []
    for way in (scan, by_hand):
        xs = drawn(0, 4, 3).requires_grad_()
        last, ys = way(turn, drawn(1, 3), xs)
        found.append((last, ys, torch.autograd.grad(last.sum() + ys.sum(), xs)[0]))
    for a, b in zip(*found):
        same(a, b)


def detach_then_write(v: Any) -> Any:
    a = v.clone()
    b = a.detach()
    a.mul_(5)
    return b * 1


def view_then_write(v: Any) -> Any:
    a = v.clone()
    b = a[0]
    a.mul_(5)
    return b * 1


def write_through_twin(v: Any) -> Any:
    a = v.clone()
    a.detach().mul_(5)
    return a * 1


def write_through_data(v: Any) -> Any:
    a = v.clone()
    a.data.mul_(5)
    return a * 1


def write_unrecorded(v: Any) -> Any:
    a = v * 2
    with torch.no_grad():
        a.mul_(5)
    return (a * a).sum()


def write_after_use(v: Any) -> Any:
    b = torch.zeros(2)
    y = v + b
    b.add_(1)
    return y + b * v


def write_in_an_inner_body(v: Any) -> Any:
    a = v.clone()
    return scan(lambda c, x: (c + a.add_(1), c.sum()), v, torch.ones(3, 2))[0]


def write_past_use(v: Any) -> Any:
    b = torch.zeros(2)
    y = v + b
    b.data.add_(1)
    return y


def write_into_constants(v: Any) -> Any:
    total = torch.zeros_like(v)
    total[1:] += v[1:]
    return total


def take_over(v: Any) -> Any:
    a = v.clone()
    a.data = v * 2
    return a


REFUSED_WRITES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "twin": (detach_then_write, "a view or a detached twin, taken before"),
    "view": (view_then_write, "a view or a detached twin, taken before"),
    "through a twin": (write_through_twin, "a view or a detached twin, taken before"),
    "through data": (write_through_data, "a view or a detached twin, taken before"),
    "input": (lambda v: v.mul_(5), "must not write to its inputs"),
    "input through a twin": (lambda v: v.detach().mul_(5), "must not write to its inputs"),
    "shape of an input": (lambda v: v.unsqueeze_(0), "must not write to its inputs"),
    "tracked argument": (
        lambda v: grad(lambda x: (x.mul_(2) ** 2).sum())(v), "a leaf Variable that requires grad"
    ),
    "unrecorded": (lambda v: grad(write_unrecorded)(v), "under no_grad() to a tensor that requir"),
    "after use": (write_after_use, "was written to after the body had used it"),
    "past use": (write_past_use, "was written to after the body had used it"),
    "into constants": (write_into_constants, "that the body has made of constants"),
    "inner body": (write_in_an_inner_body, "to a tensor from outside of it"),
    "memory of another": (take_over, "cannot take over the memory of another"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_WRITES)
def test_refused_writes(name: str) -> None:
    f, words = REFUSED_WRITES[name]
    with pytest.raises(RuntimeError, match=re.escape(words)):
        once(f, torch.ones(2))


def test_a_write_under_no_grad_where_nothing_has_a_gradient() -> None:
    def turn(c: Any, x: Any) -> Any:
        a = c * 2
        with torch.no_grad():
            a.mul_(5)
        return a * 0.1, a + x

    for a, b in zip(
        scan(turn, drawn(0, 3), drawn(1, 4, 3)), by_hand(turn, drawn(0, 3), drawn(1, 4, 3))
    ):
        same(a, b)
    w = torch.ones(3).double().requires_grad_()
    with pytest.raises(RuntimeError, match="under no_grad"):
        scan(turn, drawn(0, 3) * w, drawn(1, 4, 3))


def adds(buffer: Any) -> None:
    buffer.add_(1)


def stores(buffer: Any) -> None:
    buffer[0] = 3


def takes_over(buffer: Any) -> None:
    buffer.data = torch.ones(2)


def steps(buffer: Any) -> None:
    buffer.grad = torch.ones(2)
    torch.optim.SGD([buffer], lr=0.1).step()


@pytest.mark.parametrize("write", [adds, stores, takes_over, steps])
@pytest.mark.parametrize("shared", [False, True])
def test_writes_to_what_is_outside(write: Callable[[Any], None], shared: bool) -> None:
    array = np.zeros(2, np.float32)
    buffer = torch.from_numpy(array) if shared else torch.zeros(2)

    def turn(c: Any, x: Any) -> Any:
        write(buffer)
        return c + x, c.clone()

    with pytest.raises(RuntimeError, match="must not write to a tensor from outside of it"):
        scan(turn, torch.zeros(2), torch.ones(5, 2))
    assert buffer.tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="must not write to a tensor from outside of it"):
        while_loop(lambda c: c.sum() < 9, lambda c: turn(c, c + 1)[:1], (torch.zeros(2),))
    with pytest.raises(RuntimeError, match="must not write to a tensor from outside of it"):
        torch.cond(torch.tensor(True), lambda c: turn(c, c)[0], lambda c: c, (torch.zeros(2),))
    write(buffer)  # outside of bodies, all is as ever
    assert buffer.tolist() != [0, 0]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_that_is_known_is_refused_too(compiled: bool) -> None:
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)

    def step() -> None:
        optimizer.step()

    if compiled:
        step = torch.compile(step)
    for _ in range(6):
        optimizer.zero_grad()
        layer(torch.ones(1, 2)).sum().backward()
        step()

    def turn(c: Any, x: Any) -> Any:
        step()
        return c + x, layer(x)

    before = layer.weight.tolist()
    with pytest.raises(RuntimeError, match="must not write to a tensor from outside of it"):
        scan(turn, torch.zeros(2), torch.ones(5, 2))
    assert layer.weight.tolist() == before


# -- passes -------------------------------------------------------------------------------------


def test_backward_in_a_body() -> None:
    w = torch.ones(1, requires_grad=True)

    def of_outside(c: Any, x: Any) -> Any:
        (w * w).sum().backward()
        return c + x, c.clone()

    def of_the_body(c: Any, x: Any) -> Any:
        (c * w).sum().backward()
        return c + x, c.clone()

    def by_torch(c: Any, x: Any) -> Any:
        return c + torch.autograd.grad((c * c).sum(), c)[0], c.clone()

    for turn in (of_outside, of_the_body, by_torch):
        with pytest.raises(RuntimeError, match=r"(?s)body of control flow.*torch\.func\.grad"):
            scan(turn, torch.ones(1), torch.ones(5, 1))
    assert w.grad is None
    with pytest.raises(RuntimeError, match=r"torch\.func\.grad"):
        once(lambda v: v.detach().requires_grad_(), torch.ones(2))
    with pytest.raises(RuntimeError, match=r"torch\.func\.grad"):
        once(lambda v: (v * w).register_hook(print), torch.ones(2))


def test_gradients_of_what_is_outside_are_values() -> None:
    w, found = torch.tensor([2.0], requires_grad=True), []
    for way in (scan, by_hand):
        turn = lambda c, x: (c + torch.autograd.grad((w**3).sum(), w)[0] * x, c.sum())  # noqa: E731  # read as a formula
        found.append(way(turn, torch.zeros(1), torch.ones(3, 1))[0])
    same(*found)


def test_a_vector_of_a_body_pulled_back_to_what_is_outside() -> None:
    _, back = vjp(torch.sin, drawn(0, 3))
    turn = lambda c, v: (c + back(c * v)[0], c.sum())  # noqa: E731  # read as a formula
    start, xs = drawn(1, 3), drawn(2, 4, 3)
    same(scan(turn, start, xs)[0], by_hand(turn, start, xs)[0])


def test_no_grad_per_sample() -> None:
    xs = drawn(0, 4, 3)
    same(once(vmap(grad(without_recording)), xs), vmap(grad(without_recording))(xs))
    same(once(vmap(grad(without_recording)), xs), xs**2)
