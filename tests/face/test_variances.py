"""Variances of 16-bit floats are computed in float32 and rounded once."""

from __future__ import annotations

import numpy as np

import plait as torch


def test_sums_and_counts_that_float16_does_not_hold() -> None:
    x = (torch.arange(70_001) % 5).to(torch.float16)
    assert x.var().item() == 2
    assert x.std(dim=0, keepdim=True).tolist() == [np.float16(2**0.5)]
    assert [v.item() for v in torch.var_mean(x)] == [2, 2]
    assert [v.dtype for v in torch.std_mean(x)] == [torch.float16] * 2


def test_a_deviation_whose_square_float16_does_not_hold() -> None:
    x = (300 * (torch.arange(700) % 5)).to(torch.float16).requires_grad_()
    found = x.std()
    wide = x.detach().to(torch.float32).requires_grad_()
    exact = wide.std()
    assert found.item() == np.float16(exact.item()) and np.isfinite(found.item())
    found.backward()
    exact.backward()
    np.testing.assert_allclose(x.grad.to(torch.float32).numpy(), wide.grad.numpy(), rtol=2e-2)
