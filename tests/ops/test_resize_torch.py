"""Interpolation and adaptive pooling against PyTorch: values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.autodiff.rules import vjp
from plait.core.ir import dtypes
from plait.core.ir.graph import capture
from plait.core.ir.op import leaf
from plait.core.ops.resize import adaptive_avg_pool, adaptive_max_pool, resize
from plait.core.reference.executor import run

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")
functional = torch.nn.functional

SPATIAL = {1: (7,), 2: (7, 10), 3: (4, 5, 6)}
SIZES = {
    1: [(7,), (14,), (21,), (3,), (11,), (1,), (100,)],
    2: [(14, 20), (3, 5), (9, 7), (1, 1), (7, 23), (28, 30), (6, 9)],
    3: [(8, 10, 12), (2, 3, 3), (5, 4, 9), (1, 1, 1)],
}
FACTORS = [0.5, 0.7, 1.3, 2.0, 2.6, 3.0]
# In float32 a source position below 30 carries an error of two steps, 4e-6, which meets differences
# of neighbours of about 3; float64 is as much finer.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def compare(x: np.ndarray, ours: Any, theirs: Any) -> None:
    """Value and gradient of two functions of one array."""
    held = leaf(x, x.shape, dtypes.dtype_of(x.dtype))
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    y, expected = ours(held), theirs(tensor)
    g = np.random.default_rng(7).normal(size=y.shape).astype(x.dtype)
    (grad,) = vjp([y], [held], [leaf(g, g.shape, y.dtype)])
    expected.backward(torch.from_numpy(g))
    captured = capture([y, grad])
    result, slope = run(captured.graph, [node.value for node in captured.leaves])
    tolerance = TOLERANCE[x.dtype.name]
    scale = np.abs(tensor.grad.numpy()).max()
    np.testing.assert_allclose(result, expected.detach().numpy(), rtol=0, atol=3 * tolerance)
    np.testing.assert_allclose(slope, tensor.grad.numpy(), rtol=0, atol=3 * tolerance * scale)


def sample(rank: int, dtype: str) -> np.ndarray:
    return np.random.default_rng(rank).uniform(-2, 2, (2, 3, *SPATIAL[rank])).astype(dtype)


MODES = [(m, r, None) for m in ("nearest", "nearest-exact", "area") for r in (1, 2, 3)] + [
    (mode, rank, align)
    for mode, rank in (("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3))
    for align in (False, True)
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("mode", "rank", "align"), MODES)
def test_interpolate_to_sizes(mode: str, rank: int, align: bool | None, dtype: str) -> None:
    for sizes in SIZES[rank]:
        compare(
            sample(rank, dtype),
            lambda x, s=sizes: resize(x, s, mode, bool(align)),
            lambda x, s=sizes: functional.interpolate(x, s, mode=mode, align_corners=align),
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("mode", "rank", "align"), [m for m in MODES if m[0] != "area"])
def test_interpolate_by_factors(mode: str, rank: int, align: bool | None, dtype: str) -> None:
    for factor in FACTORS:
        sizes = tuple(int(n * factor) for n in SPATIAL[rank])
        compare(
            sample(rank, dtype),
            lambda x, s=sizes, f=factor: resize(x, s, mode, bool(align), (f,) * rank),
            lambda x, f=factor: functional.interpolate(
                x, scale_factor=f, mode=mode, align_corners=align
            ),
        )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_adaptive_pools(rank: int) -> None:
    average = getattr(functional, f"adaptive_avg_pool{rank}d")
    largest = getattr(functional, f"adaptive_max_pool{rank}d")
    x = sample(rank, "float64")
    for sizes in SIZES[rank]:
        compare(x, lambda x, s=sizes: adaptive_avg_pool(x, s), lambda x, s=sizes: average(x, s))
        compare(x, lambda x, s=sizes: adaptive_max_pool(x, s)[0], lambda x, s=sizes: largest(x, s))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_adaptive_max_positions(rank: int) -> None:
    """Among ties the first of a range counts, and a nan above all."""
    function = getattr(functional, f"adaptive_max_pool{rank}d")
    x = np.round(sample(rank, "float32"))
    x[0, 0, 2] = np.nan
    held = leaf(x, x.shape, dtypes.float32)
    for sizes in SIZES[rank]:
        values, indices = function(torch.from_numpy(x), sizes, return_indices=True)
        captured = capture(list(adaptive_max_pool(held, sizes)))
        results = run(captured.graph, [node.value for node in captured.leaves])
        np.testing.assert_array_equal(results[0], values.numpy())
        np.testing.assert_array_equal(results[1], indices.numpy())
