"""What belongs to the arguments of a call, or lies behind other compiled functions and hooks, is
never that of the call that was captured."""

from __future__ import annotations

from typing import Any

import pytest

import plait as torch

CALLS = 20


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * grad


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: x.sum(), lambda x: 1),
        (lambda x: (1 - x).sum(), lambda x: -1),
        (lambda x: torch.cat([x, x]).sum(), lambda x: 2),
        (lambda x: Square.apply(x).sum(), lambda x: 2 * x),
    ],
)
def test_the_gradient_of_a_result_goes_to_the_argument(function: Any, slope: Any) -> None:
    compiled = torch.compile(function)
    for number in range(CALLS):
        x = torch.full((2,), float(number), requires_grad=True)
        compiled(x).backward()
        assert x.grad is not None and x.grad.tolist() == [slope(float(number))] * 2


def test_a_result_has_a_graph_of_its_own() -> None:
    w = torch.ones(3, requires_grad=True)
    compiled = torch.compile(lambda: w.sum())
    for _ in range(CALLS):
        seen: list[Any] = []
        result = compiled()
        result.register_hook(seen.append)
        result.backward()
        assert len(seen) == 1
    assert w.grad is not None and w.grad.tolist() == [CALLS] * 3


def test_gradients_of_arguments() -> None:
    @torch.compile
    def passed_back(x: Any) -> None:
        (x**2).sum().backward()

    for number in range(CALLS):
        x = torch.full((1,), float(number), requires_grad=True)
        passed_back(x)
        assert x.grad is not None and x.grad.item() == 2 * number
        if number % 3 == 1:
            passed_back(x)
            assert x.grad.item() == 4 * number


def test_what_an_inner_compiled_function_reads() -> None:
    factor = [2.0]
    drop = torch.nn.Dropout(0.5)
    inner = torch.compile(lambda x: drop(x) * factor[0])
    outer = torch.compile(lambda x: inner(x) + 1)
    x = torch.ones(50)
    for _ in range(CALLS):
        assert 1.0 in outer(x).tolist()
    drop.eval()
    assert outer(x).eq(3).all()
    factor[0] = 3.0
    assert outer(x).eq(4).all()


def test_what_a_hook_reads() -> None:
    factor = [2.0]
    w = torch.ones(2, requires_grad=True)
    w.register_hook(lambda grad: grad * factor[0])

    @torch.compile
    def step() -> None:
        w.grad = None
        (w * 1.0).sum().backward()

    for number in range(CALLS):
        factor[0] = 2.0 if number < CALLS // 2 else 3.0
        step()
        assert w.grad is not None and w.grad.tolist() == [factor[0]] * 2


def test_a_compiled_function_under_vmap() -> None:
    compiled = torch.compile(lambda x: x * 2 + 1)
    for _ in range(5):
        compiled(torch.ones(3))
    x = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(torch.vmap(compiled)(x), x * 2 + 1)
