"""nn.functional against PyTorch: values and gradients in float64 over many parameter sets."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import plait.nn.functional as F
from plait._functions.creation import tensor as make_tensor
from plait._tensor import Tensor
from plait.core.lazy.cell import leaf_of
from tests.nn.functional_cases import CASES

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")


def _ours(array: np.ndarray) -> Any:
    tensor = Tensor.of_node(leaf_of(np.array(array)))
    return tensor.requires_grad_() if array.dtype.kind == "f" else tensor


def _theirs(array: np.ndarray) -> Any:
    return torch.from_numpy(np.array(array)).requires_grad_(array.dtype.kind == "f")


def _gradients(call: Any, tensors: list[Any], seed: Any) -> tuple[np.ndarray, list[Any]]:
    result = call(*tensors)
    value = np.array(result.detach().numpy())
    if result.requires_grad:
        result.backward(seed(np.random.default_rng(1).uniform(-1, 1, value.shape)))
    grads = [None if x.grad is None else np.array(x.grad.numpy()) for x in tensors]
    return value, grads


#: PyTorch computes these with constants in float32, also for float64.
_COARSE = {"hardsigmoid", "celu alpha"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].replace(" ", "-"))
def test_value_and_gradient(case: Any) -> None:
    name, call, arrays = case
    coarse = 1e-6 if name in _COARSE else 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the deprecations are PyTorch's and tested elsewhere
        value, grads = _gradients(
            lambda *xs: call(F, *xs),
            [_ours(x) for x in arrays],
            lambda x: Tensor.of_node(leaf_of(x)),
        )
        wanted, wanted_grads = _gradients(
            lambda *xs: call(torch.nn.functional, *xs),
            [_theirs(x) for x in arrays],
            torch.from_numpy,
        )
    assert value.dtype == wanted.dtype
    # Sums of some dozens of float64 terms of order 1, in another order.
    np.testing.assert_allclose(value, wanted, rtol=1e-9 + coarse, atol=1e-11)
    for ours, theirs in zip(grads, wanted_grads):
        if theirs is None:
            assert ours is None or not np.any(ours)
        elif ours is None:
            assert not theirs.any()  # PyTorch gives zeros where nothing depends on the operand
        else:
            np.testing.assert_allclose(ours, theirs, rtol=1e-8 + coarse, atol=1e-10)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(5, 7), (23, 9), (13, 17)])
def test_antialiased_resize(mode, size):
    x = np.random.default_rng(3).standard_normal((2, 3, 13, 17))
    ours = F.interpolate(make_tensor(x), size=size, mode=mode, antialias=True)
    theirs = torch.nn.functional.interpolate(torch.tensor(x), size=size, mode=mode, antialias=True)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-9)
