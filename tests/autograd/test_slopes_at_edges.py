"""Gradients where a function has a corner, or an argument is nan or infinite: PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait

NAN, INF = math.nan, math.inf
X = [NAN, -INF, -2.0, -1.0, 0.0, 3.0, 4.0, INF]
LOW = [-1.0, NAN, -1.0, -1.0, 1.0, -1.0, 5.0, -1.0]
HIGH = [3.0, 3.0, 3.0, 3.0, NAN, 3.0, -5.0, 3.0]

#: (function of the framework and tensors, operands, gradients)
CASES: dict[str, tuple[Callable[..., Any], list[list[float]], list[list[float]]]] = {
    "clamp": (lambda t, x: x.clamp(-1, 3), [X], [[0, 0, 0, 1, 1, 1, 0, 0]]),
    "clip": (lambda t, x: t.clip(x, -1, 3), [X], [[0, 0, 0, 1, 1, 1, 0, 0]]),
    "clamp_min": (lambda t, x: x.clamp_min(-1), [X], [[0, 0, 0, 1, 1, 1, 1, 1]]),
    "clamp_max": (lambda t, x: x.clamp_max(3), [X], [[0, 1, 1, 1, 1, 1, 0, 0]]),
    "clamp_": (lambda t, x: (x * 1).clamp_(-1, 3), [X], [[0, 0, 0, 1, 1, 1, 0, 0]]),
    "crossed bounds": (lambda t, x: x.clamp(3, -1), [X], [[0] * 8]),
    "a bound that is nan": (lambda t, x: x.clamp(-1, NAN), [X], [[0] * 8]),
    "hardtanh": (lambda t, x: t.nn.functional.hardtanh(x), [X], [[1, 0, 0, 0, 1, 0, 0, 0]]),
    "relu6": (lambda t, x: t.nn.functional.relu6(x), [X], [[1, 0, 0, 0, 0, 1, 1, 0]]),
    "relu": (lambda t, x: x.relu(), [X], [[1, 0, 0, 0, 0, 1, 1, 1]]),
    "clamp by tensors": (
        lambda t, x, a, b: x.clamp(a, b),
        [X, LOW, HIGH],
        [
            [0, 0, 0, 1, 0, 1, 0, 0],
            [0, 0, 1, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 1, 1],
        ],
    ),
    "clamp from below by a tensor": (
        lambda t, x, a: x.clamp(min=a),
        [X, LOW],
        [[0, 0, 0, 1, 0, 1, 0, 1], [0, 0, 1, 0, 1, 0, 1, 0]],
    ),
    "clamp from above by a tensor": (
        lambda t, x, b: x.clamp(max=b),
        [X, HIGH],
        [[0, 1, 1, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1]],
    ),
    "maximum": (
        lambda t, a, b: t.maximum(a, b),
        [[1.0, 2.0, NAN, 1.0], [1.0, 1.0, 1.0, NAN]],
        [[0.5, 1, 1, 1], [0.5, 0, 1, 1]],
    ),
    "amax": (lambda t, x: x.amax(), [[1.0, 3.0, 3.0]], [[0, 0.5, 0.5]]),
    "max along an axis": (lambda t, x: x.max(0).values, [[1.0, 3.0, 3.0]], [[0, 1, 0]]),
    "std of what does not vary": (lambda t, x: x.std(), [[2.0, 2.0, 2.0]], [[0, 0, 0]]),
    "std_mean": (lambda t, x: t.std_mean(x)[0], [[2.0, 2.0]], [[0, 0]]),
    "std": (lambda t, x: x.std(), [[-1.0, 1.0]], [[-math.sqrt(0.5), math.sqrt(0.5)]]),
    "smooth_l1": (
        lambda t, a, b: t.nn.functional.smooth_l1_loss(a, b, reduction="none"),
        [[INF, 0.0, 1.0, 0.5, NAN], [0.0, -INF, 0.0, 0.0, 0.0]],
        [[1, 1, 1, 0.5, NAN], [-1, -1, -1, -0.5, NAN]],
    ),
    "huber": (
        lambda t, a, b: t.nn.functional.huber_loss(a, b, reduction="none"),
        [[INF, 0.0, 1.0, 0.5, NAN], [0.0, -INF, 0.0, 0.0, 0.0]],
        [[1, 1, 1, 0.5, NAN], [-1, -1, -1, -0.5, NAN]],
    ),
}


def _gradients(t: Any, name: str) -> list[np.ndarray]:
    function, operands, _ = CASES[name]
    tensors = [t.tensor(values).requires_grad_() for values in operands]
    function(t, *tensors).sum().backward()
    return [x.grad.numpy() for x in tensors]


@pytest.mark.parametrize("backend", ["reference", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_slopes(name: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", backend)
    for found, expected in zip(_gradients(plait, name), CASES[name][2], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_table_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    for found, expected in zip(_gradients(torch, name), CASES[name][2], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_bounds_that_the_dtype_cannot_hold() -> None:
    small = plait.tensor([1, 200], dtype=plait.uint8)
    assert small.clamp(-1, 100).tolist() == [100, 100]  # -1 is read as 255
    with pytest.raises(RuntimeError, match="300"):
        small.clamp(max=300)
    with pytest.raises(RuntimeError, match="overflow"):
        plait.ones(1, dtype=plait.float16).clamp(max=1e6)
