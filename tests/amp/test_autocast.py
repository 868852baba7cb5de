"""`autocast`: dtypes of results and of gradients, the cache of casts, compiled steps."""

from __future__ import annotations

from typing import Any

import pytest

import plait as torch
from plait import nn
from plait.nn import functional as F
from tests.amp.cases import cases

CASES = {name: (call, dtype) for name, call, dtype in cases(torch)}


@pytest.mark.parametrize("name", CASES)
def test_dtype(name: str) -> None:
    call, expected = CASES[name]
    with torch.autocast("cpu"):
        assert str(call().dtype) == f"torch.{expected}"


def test_values_are_those_of_the_smaller_type() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(5, 7), torch.randn(3, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = F.linear(x, w)
    assert torch.equal(y, F.linear(x.bfloat16(), w.bfloat16()))


def test_a_region_within_a_region() -> None:
    x = torch.ones(2, 2)
    with torch.autocast("cpu"):
        with torch.autocast("cpu", enabled=False):
            assert (x @ x).dtype is torch.float32
        assert (x @ x).dtype is torch.bfloat16
        with torch.autocast("cpu", dtype=torch.float16):
            assert (x @ x).dtype is torch.float16
    assert (x @ x).dtype is torch.float32


def test_gradients_have_the_parameters_dtype() -> None:
    layer = nn.Linear(4, 4)
    x = torch.ones(3, 4)
    with torch.autocast("cpu"):
        loss = F.mse_loss(layer(layer(x)), torch.zeros(3, 4))
    loss.backward()
    assert loss.dtype is torch.float32
    assert layer.weight.grad.dtype is torch.float32
    assert layer.bias.grad.dtype is torch.float32


def test_a_parameter_is_cast_once_but_never_stale() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    x = torch.ones(1, 2)
    with torch.autocast("cpu"):
        first = x @ weight
        second = x @ weight
        assert first.grad_fn.next_functions[1][0] is second.grad_fn.next_functions[1][0]
        with torch.no_grad():
            assert not (x @ weight).requires_grad
            weight.mul_(3)
        assert (x @ weight).tolist() == [[6.0, 6.0]]
        assert (x @ weight).requires_grad


def test_out_and_in_place_keep_the_dtype_of_the_target() -> None:
    x = torch.ones(2, 2)
    with torch.autocast("cpu"):
        assert torch.mm(x, x, out=torch.empty(2, 2)).dtype is torch.float32
        assert x.clone().addmm_(x, x).dtype is torch.float32


def test_functions_of_the_user() -> None:
    seen = []

    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x, w)
            seen.append((x @ w).dtype)
            return x @ w

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx: Any, grad: Any) -> Any:
            x, w = ctx.saved_tensors
            seen.append((grad @ w.t()).dtype)
            return grad @ w.t(), x.t() @ grad

    x = torch.ones(2, 2, requires_grad=True)
    with torch.autocast("cpu"):
        y = Product.apply(x.bfloat16(), torch.ones(2, 2))
    y.sum().backward()
    assert seen == [torch.float32, torch.float32]


@pytest.mark.parametrize("outside", [False, True])
def test_compiled_steps(outside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")  # one executor: equal bits
    results = []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        optimizer = torch.optim.AdamW(model.parameters())

        def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            with torch.autocast("cpu", enabled=not outside or torch.is_autocast_enabled("cpu")):
                loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = torch.compile(step) if compiled else step
        x, y = torch.ones(5, 4), torch.tensor([0, 1, 2, 1, 0])
        losses = [run(x, y) for _ in range(3)]
        with torch.autocast("cpu", enabled=outside):
            losses += [run(x, y) for _ in range(3)]
        losses += [run(x, y) for _ in range(2)]
        results.append([*losses, *model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*results))
    assert sum(len(kind.steps) for kind in run._kinds.values()) == (2 if outside else 1)
