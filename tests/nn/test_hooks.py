"""Hooks around forward and backward, of one module and of all."""

from __future__ import annotations

import copy

import pytest

import plait
from plait import nn
from plait.nn.modules import module as module_hooks


class Double(nn.Module):
    def forward(self, x, shift=0.0):
        return x * 2 + shift


def test_forward_hooks_replace_arguments_and_output() -> None:
    layer = Double()
    layer.register_forward_pre_hook(lambda m, args: args[0] + 1)
    layer.register_forward_hook(lambda m, args, out: out + args[0])
    assert layer(plait.tensor(1.0)).item() == 6


def test_order_prepend_and_removal() -> None:
    layer, order = Double(), []
    first = layer.register_forward_hook(lambda *a: order.append("first"))
    layer.register_forward_hook(lambda *a: order.append("second"))
    layer.register_forward_hook(lambda *a: order.append("zeroth"), prepend=True)
    layer(plait.tensor(1.0))
    assert order == ["zeroth", "first", "second"]
    first.remove()
    order.clear()
    layer(plait.tensor(1.0))
    assert order == ["zeroth", "second"]


def test_hooks_with_kwargs() -> None:
    layer = Double()

    def pre(m, args, kwargs):
        return args, {"shift": kwargs["shift"] + 1}

    layer.register_forward_pre_hook(pre, with_kwargs=True)
    layer.register_forward_hook(
        lambda m, args, kwargs, out: out + kwargs["shift"], with_kwargs=True
    )
    assert layer(plait.tensor(1.0), shift=1.0).item() == 6
    layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple"):
        layer(plait.tensor(1.0), shift=1.0)


def test_always_called_hook_runs_when_forward_raises() -> None:
    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("no")

    layer, seen = Fails(), []
    layer.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    layer.register_forward_hook(lambda m, args, out: seen.append("never"))
    with pytest.raises(KeyError):
        layer(1)
    assert seen == [None]


def test_global_hooks_run_first() -> None:
    order = []
    layer = Double()
    layer.register_forward_hook(lambda *a: order.append("own"))
    with module_hooks.register_module_forward_hook(lambda *a: order.append("all")):
        layer(plait.tensor(1.0))
    layer(plait.tensor(1.0))
    assert order == ["all", "own", "own"]


def test_registration_hooks() -> None:
    seen = []
    with module_hooks.register_module_parameter_registration_hook(
        lambda m, name, p: seen.append(name)
    ):
        nn.Linear(1, 1)
    assert seen == ["weight", "bias"]


def test_full_backward_hook_sees_and_replaces_gradients() -> None:
    layer, seen = Double(), []

    def hook(m, grad_input, grad_output):
        seen.append((grad_input[0].item(), grad_output[0].item()))
        return (grad_input[0] * 10,)

    layer.register_full_backward_hook(hook)
    x = plait.tensor(1.0, requires_grad=True)
    (layer(x) * 3).backward()
    assert seen == [(6.0, 3.0)] and x.grad.item() == 60


def test_backward_pre_hook_replaces_grad_output() -> None:
    layer = Double()
    layer.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] + 1,))
    x = plait.tensor(1.0, requires_grad=True)
    layer(x).backward()
    assert x.grad.item() == 4


def test_backward_hook_without_gradient_of_the_input() -> None:
    layer, seen = nn.Linear(1, 1), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].item())))
    layer(plait.ones(1, 1)).sum().backward()
    assert seen == [((None,), 1.0)] and layer.weight.grad is not None


def test_kinds_of_backward_hooks_do_not_mix() -> None:
    layer = Double()
    layer.register_full_backward_hook(lambda *a: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full"):
        layer.register_backward_hook(lambda *a: None)


def test_hooks_are_copied_with_the_module() -> None:
    layer = Double()
    layer.register_forward_hook(lambda m, args, out: out + 1)
    twin = copy.deepcopy(layer)
    assert twin(plait.tensor(1.0)).item() == 3


def test_full_backward_hooks_and_a_second_derivative() -> None:
    """It flows to inputs without passing the outputs: nothing is called, nothing is refused."""
    plait.manual_seed(0)
    first, second = nn.Linear(3, 4), nn.Linear(4, 1)
    calls: list[str] = []
    first.register_full_backward_hook(lambda module, given, taken: calls.append("first"))
    second.register_full_backward_hook(lambda module, given, taken: calls.append("second"))
    x = plait.ones(2, 3, requires_grad=True)
    out = second(plait.tanh(first(x))).sum()
    (slope,) = plait.autograd.grad(out, first.weight, create_graph=True)
    assert calls == ["second"]  # the input of the first is not asked for
    calls.clear()
    (curvature,) = plait.autograd.grad(slope.sum(), first.weight)
    assert not calls
    assert curvature.shape == first.weight.shape
    assert bool(curvature.abs().sum() > 0)
