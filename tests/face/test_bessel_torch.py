"""Bessel and Airy functions: PyTorch's values at special points and over a range, in float32."""

from __future__ import annotations

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with PyTorch")

NAMES = [
    name for name in dir(torch.special) if "bessel" in name or name == "airy_ai"
]  # fmt: skip
POINTS = [0.0, -0.0, -1.0, np.inf, -np.inf, np.nan, 1e-30, 2.0, 3.0, 100.0]


@pytest.mark.parametrize("name", NAMES)
def test_values(name: str) -> None:
    x = np.concatenate([POINTS, np.linspace(-9, 9, 200)]).astype(np.float32)
    ours = getattr(plait.special, name)(plait.tensor(x)).numpy()
    theirs = getattr(torch.special, name)(torch.tensor(x)).numpy()
    # PyTorch computes in float32: some roundings of the function's size.
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)
    assert ours.dtype == theirs.dtype


def test_integers_and_out() -> None:
    found = plait.special.bessel_j0(plait.arange(3))
    assert found.dtype == plait.float32
    assert len(NAMES) == 12
