"""`_foreach_*`: what one function does to a list of tensors, and what lists it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import plait as torch


def lists():
    return [torch.tensor([1.0, 4.0]), torch.tensor([[9.0]])]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: torch._foreach_sqrt(x), [[1, 2], [3]]),
        (lambda x: torch._foreach_add(x, 1), [[2, 5], [10]]),
        (lambda x: torch._foreach_add(x, x, alpha=2), [[3, 12], [27]]),
        (lambda x: torch._foreach_sub(x, [1.0, 2.0]), [[0, 3], [7]]),
        (lambda x: torch._foreach_mul(x, torch.tensor(3.0)), [[3, 12], [27]]),
        (lambda x: torch._foreach_maximum(x, 2), [[2, 4], [9]]),
        (lambda x: torch._foreach_clamp_max(x, [3, 3]), [[1, 3], [3]]),
        (lambda x: torch._foreach_minimum(x, x), [[1, 4], [9]]),
        (lambda x: torch._foreach_pow(x, 2), [[1, 16], [81]]),
        (lambda x: torch._foreach_pow(2.0, x), [[2, 16], [512]]),
        (lambda x: torch._foreach_lerp(x, [y * 3 for y in x], 0.5), [[2, 8], [18]]),
        (lambda x: torch._foreach_addcmul(x, x, x, value=2), [[3, 36], [171]]),
        (lambda x: torch._foreach_addcmul(x, x, x, [1.0, 0.0]), [[2, 20], [9]]),
        (lambda x: torch._foreach_addcdiv(x, x, x, torch.tensor([1.0, 2.0])), [[2, 5], [11]]),
        (lambda x: torch._foreach_norm([y * 3 for y in x][1:], 1), [27]),
        (lambda x: torch._foreach_max(x), [4, 9]),
    ],
)
def test_values(call, expected) -> None:
    given = lists()
    found = call(given)
    assert isinstance(found, tuple)
    assert [y.reshape(-1).tolist() for y in found] == [np.ravel(e).tolist() for e in expected]
    assert [y.reshape(-1).tolist() for y in given] == [[1, 4], [9]]


def test_in_place() -> None:
    given = lists()
    assert torch._foreach_mul_(given, 2) is given
    torch._foreach_addcdiv_(given, lists(), lists(), value=-1)
    torch._foreach_maximum_(given, [2.0, 20.0])
    torch._foreach_round_(given)
    assert [y.reshape(-1).tolist() for y in given] == [[2, 7], [20]]
    torch._foreach_copy_(given, lists())
    torch._foreach_lerp_(given, lists(), 0.5)
    assert [y.reshape(-1).tolist() for y in given] == [[1, 4], [9]]
    torch._foreach_zero_(given)
    assert [y.reshape(-1).tolist() for y in given] == [[0, 0], [0]]


def test_gradients_flow() -> None:
    given = [y.requires_grad_() for y in lists()]
    total = sum(y.sum() for y in torch._foreach_mul(given, given))
    for y, gradient in zip(given, torch.autograd.grad(total, given)):
        assert torch.equal(gradient, 2 * y)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: torch._foreach_add([], 1), RuntimeError),
        (lambda: torch._foreach_add(lists(), lists()[:1]), RuntimeError),
        (lambda: torch._foreach_add(lists(), [1.0]), RuntimeError),
        (lambda: torch._foreach_add(torch.ones(2), 1), TypeError),
        (lambda: torch._foreach_sqrt([3]), TypeError),
        (lambda: torch._foreach_no_such, AttributeError),
    ],
)
def test_mistakes(call, kind) -> None:
    with pytest.raises(kind):
        call()
