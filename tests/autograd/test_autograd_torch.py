"""The same programs under Plait and PyTorch: custom functions and products with Jacobians."""

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")


def lists(value):
    if isinstance(value, tuple | list):
        return [lists(part) for part in value]
    return value.tolist()


def products(framework):
    functional = framework.autograd.functional
    a = framework.tensor([1.0, 2.0], dtype=framework.float64)
    b = framework.tensor([3.0, -1.0, 0.5], dtype=framework.float64)
    v = framework.tensor([1.0, -1.0], dtype=framework.float64)

    def mixed(x, y):
        return (x * y.sum()).sum() + (x**3).sum()

    def curve(x):
        return x.exp() * x

    return [
        functional.hessian(mixed, (a, b)),
        functional.jacobian(lambda x, y: (x * 2, y.sum()), (a, b)),
        functional.jvp(curve, a, v),
        functional.vjp(curve, a, v),
        functional.vhp(lambda x: curve(x).sum(), a, v),
        functional.hvp(lambda x: curve(x).sum(), a, v),
    ]


def test_products():
    for ours, theirs in zip(products(plait), products(torch)):
        flat = np.concatenate([np.ravel(x) for x in leaves(lists(ours))])
        expected = np.concatenate([np.ravel(x) for x in leaves(lists(theirs))])
        np.testing.assert_allclose(flat, expected, rtol=1e-12)


def leaves(nested):
    if isinstance(nested, list):
        return [leaf for part in nested for leaf in leaves(part)]
    return [nested]


def swish(framework):
    class Swish(framework.autograd.Function):
        @staticmethod
        def forward(ctx, x, beta):
            gate = framework.sigmoid(beta * x)
            ctx.save_for_backward(x, gate)
            ctx.beta = beta
            return x * gate

        @staticmethod
        def backward(ctx, grad):
            x, gate = ctx.saved_tensors
            return grad * (gate + ctx.beta * x * gate * (1 - gate)), None

    x = framework.linspace(-3, 3, 7, dtype=framework.float64).requires_grad_()
    y = Swish.apply(x * 2, 1.5)
    (y * y).sum().backward()
    return y.tolist(), x.grad.tolist()


def test_custom_function():
    for ours, theirs in zip(swish(plait), swish(torch)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
