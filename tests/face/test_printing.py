"""What a tensor prints: values, dtype, autograd state, class."""

from __future__ import annotations

import plait as torch


def test_plain() -> None:
    assert repr(torch.tensor([1.0, 2.5])) == "tensor([1.0000, 2.5000])"
    assert repr(torch.tensor(3)) == "tensor(3)"
    assert repr(torch.tensor([1.5]).bfloat16()) == "tensor([1.5000], dtype=torch.bfloat16)"
    assert repr(torch.tensor([1.5]).half()) == "tensor([1.5000], dtype=torch.float16)"


def test_autograd_state() -> None:
    x = torch.tensor([1.0], requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2.], grad_fn=<MulBackward0>)"
    assert repr((x * 2).detach()) == "tensor([2.])"


def test_parameters_and_subclasses() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    assert repr(parameter) == "Parameter containing:\ntensor([0.], requires_grad=True)"

    class Named(torch.Tensor):
        pass

    assert repr(torch.zeros(1).as_subclass(Named)) == "Named([0.])"


def test_default_dtype_is_not_named() -> None:
    x = torch.tensor([1.0], dtype=torch.float64)
    assert repr(x) == "tensor([1.], dtype=torch.float64)"
    try:
        torch.set_default_dtype(torch.float64)
        assert repr(x) == "tensor([1.])"
    finally:
        torch.set_default_dtype(torch.float32)
