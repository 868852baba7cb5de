"""Compiled functions that are given views of one shape but of several kinds, by turns."""

from __future__ import annotations

import numpy as np

import plait as torch
from plait import nn


def test_views_of_parameters_have_gradients_after_others() -> None:
    """What requires a gradient only as its base does is another kind of argument."""
    double = torch.compile(lambda x: x * 2)
    weight = nn.Parameter(torch.arange(6.0).reshape(2, 3))
    for _ in range(3):
        assert not double(torch.zeros(2, 3).t()).requires_grad
    for _ in range(3):
        (grad,) = torch.autograd.grad(double(weight.t()).sum(), weight)
        np.testing.assert_array_equal(grad.numpy(), np.full((2, 3), 2))
    assert not double(torch.zeros(2, 3).t()).requires_grad


def test_views_of_what_was_transposed_in_place() -> None:
    parts = torch.compile(lambda x: (x[1:], x.t()))
    given = torch.arange(16.0).reshape(4, 4)
    for kind in ("rows", "transposed", "transposed", "rows", "transposed"):
        x = torch.cat([given, given])[2:6] if kind == "rows" else given.clone().t_()
        expected = x.numpy().copy()
        tail, turned = parts(x)
        np.testing.assert_array_equal(tail.numpy(), expected[1:])
        np.testing.assert_array_equal(turned.numpy(), expected.T)
        tail.zero_()  # still views of the argument
        assert not x[1:].any() and not turned[:, 1:].any()


def test_what_the_first_call_gives_is_a_view_of_the_argument_too() -> None:
    parts = torch.compile(lambda x: (x[1:], x.detach(), x))
    for _ in range(3):
        x = torch.arange(16.0).reshape(4, 4)[:3]
        tail, twin, same = parts(x)
        assert same is x
        tail.zero_()
        twin[0].fill_(5)
        np.testing.assert_array_equal(x.numpy(), [[5] * 4, [0] * 4, [0] * 4])
