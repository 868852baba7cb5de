"""User-defined functions (`autograd.Function`) inside of `vmap` and derivatives of functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait as torch
from plait.autograd import Function
from plait.func import grad, jacrev, vmap

X = torch.arange(6.0).reshape(2, 3) / 2
W = torch.tensor([1.0, 2.0, 3.0])


class Cube(Function):
    """w x^3, with a gradient that also reads the result, and is no double of the true one."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Any, w: Any) -> Any:
        return x**3 * w

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, w, y = ctx.saved_tensors
        return g * (30 * x**2 * w + 0 * y), g * y / w


class Sorted(Function):
    """The values in order, and where they were."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Any) -> Any:
        return tuple(x.sort())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, g: Any, _: Any) -> Any:
        (places,) = ctx.saved_tensors
        return torch.zeros_like(g).scatter(0, places, g)


class Exp(Function):
    """Its gradient is its result."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Any) -> Any:
        return x.exp()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved_tensors[0]


def same(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected)


def cubed(x: Any, w: Any) -> Any:
    return Cube.apply(x, w).sum()


def test_gradients_of_samples() -> None:
    same(vmap(grad(cubed), in_dims=(0, None))(X, W), 30 * X**2 * W)
    by_x, by_w = vmap(grad(cubed, argnums=(0, 1)), in_dims=(0, None))(X, W)
    same(by_x, 30 * X**2 * W)
    same(by_w, X**3)
    each = vmap(vmap(grad(lambda x, w: Cube.apply(x, w))), in_dims=(0, None))
    same(each(X, W), 30 * X**2 * W)


def test_gradients_of_all_samples() -> None:
    def total(x: Any, w: Any) -> Any:
        return vmap(lambda x: Cube.apply(x, w))(x).sum()

    same(grad(total)(X, W), 30 * X**2 * W)
    same(grad(total, argnums=1)(X, W), (X**3).sum(0))
    x = X.clone().requires_grad_()
    total(x, W).backward()
    same(x.grad, 30 * X**2 * W)


def test_second_derivatives_of_samples() -> None:
    curved = vmap(jacrev(jacrev(lambda x: Exp.apply(x).sum())))(X)
    same(curved, torch.diag_embed(X.exp()))


def test_results_without_gradients() -> None:
    mirrored = X.flip(1)
    same(vmap(grad(lambda x: (Sorted.apply(x)[0] * W).sum()))(mirrored), W.flip(0).expand(2, 3))
    same(vmap(lambda x: Sorted.apply(x)[1])(mirrored), torch.tensor([[2, 1, 0], [2, 1, 0]]))


def test_a_rule_of_its_own() -> None:
    calls = []

    class Sin(Function):
        """NumPy's, which one sample of many cannot be given to."""

        @staticmethod
        def forward(x: Any) -> Any:
            return torch.from_numpy(np.sin(x.numpy()))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0].cos()

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            calls.append((info.batch_size, info.randomness, in_dims))
            return Sin.apply(x), in_dims[0]

    same(vmap(Sin.apply)(X), X.sin())
    same(vmap(Sin.apply, in_dims=1, out_dims=1)(X), X.sin())
    assert calls == [(2, "error", (0,)), (3, "error", (0,))]
    with pytest.raises(RuntimeError, match="functions under vmap see all samples at once"):
        vmap(lambda x: Exp.apply(x).numpy())(X)
