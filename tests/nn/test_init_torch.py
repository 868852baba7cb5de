"""Initialisers draw the numbers that PyTorch draws from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

import plait
from plait.nn import init

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

# Uniform draws are exact; normal ones and QR may differ in the last places (see the parity tests).
TOLERANCE = 2e-6

CALLS = [
    ("uniform_", (5, 7), {"a": -2.0, "b": 3.0}),
    ("normal_", (5, 7), {"mean": 1.0, "std": 0.5}),
    ("trunc_normal_", (9, 11), {}),
    ("trunc_normal_", (9, 11), {"std": 0.02}),
    ("trunc_normal_", (9, 11), {"a": 1.5, "b": 2.5}),
    ("constant_", (3, 4), {"val": 2.5}),
    ("ones_", (3, 4), {}),
    ("zeros_", (3, 4), {}),
    ("eye_", (3, 5), {}),
    ("dirac_", (4, 2, 3), {}),
    ("dirac_", (4, 2, 3, 3), {"groups": 2}),
    ("xavier_uniform_", (5, 7), {"gain": 2.0}),
    ("xavier_normal_", (5, 7, 3), {}),
    ("kaiming_uniform_", (5, 7), {"a": 0.3}),
    ("kaiming_uniform_", (5, 7, 3, 3), {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", (5, 7), {"nonlinearity": "relu"}),
    ("orthogonal_", (5, 3), {}),
    ("orthogonal_", (3, 2, 4), {"gain": 2.0}),
    ("sparse_", (6, 4), {"sparsity": 0.5}),
]


@pytest.mark.parametrize(("name", "shape", "options"), CALLS)
def test_same_values(name, shape, options) -> None:
    plait.manual_seed(3)
    ours = getattr(init, name)(plait.empty(shape), **options)
    torch.manual_seed(3)
    theirs = getattr(torch.nn.init, name)(torch.empty(shape), **options)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "selu"])
def test_gains(name) -> None:
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)
