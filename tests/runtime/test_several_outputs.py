"""Ops with several outputs whose results are asked for one after another."""

from __future__ import annotations

import numpy as np
import pytest

import plait


@pytest.mark.parametrize("backend", ["reference", "compiled"])
def test_outputs_in_two_runs(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", backend)
    x = np.array([3.0, 1.0, 2.0], np.float32)
    values, places = plait.sort(plait.tensor(x))
    assert values.tolist() == [1.0, 2.0, 3.0]
    assert (places + 0).tolist() == [1, 2, 0]
    assert places.tolist() == [1, 2, 0]


@pytest.mark.parametrize("backend", ["reference", "compiled"])
def test_backward_after_the_result_is_there(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", backend)
    x = plait.tensor([[0.0, 1.0, 2.0]]).requires_grad_()
    y = plait.nn.functional.scaled_dot_product_attention(x, x.detach(), x.detach())
    y.tolist()
    y.sum().backward()
    assert x.grad is not None
    # One key: the weight is 1 whatever the query.
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((1, 3), np.float32))
