"""`gradcheck`: what it finds, by PyTorch's rules."""

from __future__ import annotations

import pytest

import plait as torch
from plait.autograd import Function, gradcheck, gradgradcheck


class Wrong(Function):
    """x * x with half its slope."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]


def leaf(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def test_right_and_wrong() -> None:
    assert gradcheck(torch.sin, leaf(0.3, 0.7))
    assert gradgradcheck(lambda x: x**3, leaf(0.3, 0.7))
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input"):
        gradcheck(Wrong.apply, leaf(0.3, 0.7))
    assert not gradcheck(Wrong.apply, leaf(0.3, 0.7), raise_exception=False)


def test_complex_numbers() -> None:
    z, x = leaf(1 + 2j, 0.5 - 1j, dtype=torch.complex128), leaf(0.3, 0.7)
    assert gradcheck(lambda z, x: (z * z.exp() * x, z.abs()), (z, x))
    assert gradcheck(lambda z: z.real * z.imag, z)
    assert gradcheck(lambda x: torch.complex(x, x * x), x)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        gradcheck(Wrong.apply, z)


def test_outputs_without_gradient() -> None:
    assert gradcheck(lambda x: (x * 2, torch.ones(2)), leaf(0.3))
    assert gradcheck(lambda x: x.round().long(), leaf(0.3))
    with pytest.raises(RuntimeError, match="Numerical gradient for function expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, leaf(0.3))


def test_inputs() -> None:
    with pytest.raises(ValueError, match="but none of them have requires_grad=True"):
        gradcheck(torch.sin, torch.ones(2, dtype=torch.float64))
    with (
        pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double"),
        pytest.raises(RuntimeError, match="Jacobian mismatch"),
    ):
        gradcheck(torch.sin, leaf(0.3, dtype=torch.float32))
