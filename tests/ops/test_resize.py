"""Interpolation and adaptive pooling: known values, moved values, gradients, error texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.autodiff.rules import vjp
from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import capture
from plait.core.ir.op import leaf
from plait.core.ops.numeric.resize import resize_matrix
from plait.core.ops.resize import adaptive_avg_pool, adaptive_max_pool, resize
from plait.core.reference.executor import run


def node(x: np.ndarray) -> Any:
    return leaf(x, x.shape, dtypes.dtype_of(x.dtype))


def compute(*results: Any) -> list[np.ndarray]:
    """The values of nodes over leaves that hold theirs."""
    captured = capture(list(results))
    return run(captured.graph, [held.value for held in captured.leaves])


def test_linear_by_hand() -> None:
    x = node(np.array([[[0.0, 4.0]]]))
    (y,) = compute(resize(x, (4,), "linear"))
    np.testing.assert_array_equal(y, [[[0, 1, 3, 4]]])
    (y,) = compute(resize(x, (5,), "linear", align_corners=True))
    np.testing.assert_array_equal(y, [[[0, 1, 2, 3, 4]]])


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("source", "target"), [(5, 9), (9, 5), (1, 4), (4, 1), (6, 6)])
def test_weights_of_each_element_add_to_one(
    mode: str, align_corners: bool, source: int, target: int
) -> None:
    matrix = resize_matrix(source, target, mode, align_corners, None, np.dtype(np.float64))
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-14)


@pytest.mark.parametrize("sizes", [(4, 6), (3, 5), (1, 2)])
def test_nearest_moves_any_value(sizes: tuple[int, int]) -> None:
    """inf and nan stay where they are, and integers are taken too."""
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    x[0, 0, 1, 1] = np.inf
    rows, columns = [np.arange(m) * n // m for n, m in zip((2, 3), sizes)]
    (y,) = compute(resize(node(x), sizes, "nearest"))
    np.testing.assert_array_equal(y, x[:, :, rows][..., columns])
    (y,) = compute(resize(node(x[:, :, :1].astype(np.uint8)), (1, 6), "nearest"))
    np.testing.assert_array_equal(y, [[[[0, 0, 1, 1, 2, 2]]]])


def test_same_size_is_the_input() -> None:
    x = node(np.ones((1, 2, 4, 3), np.float32))
    for mode in ("nearest", "bilinear", "bicubic"):
        assert resize(x, (4, 3), mode) is x


def test_adaptive_pools_by_hand() -> None:
    x = node(np.array([[[1.0, 2.0, 3.0, 9.0, 0.0]]]))  # ranges 0..2, 1..4, 3..5
    (mean,) = compute(adaptive_avg_pool(x, (3,)))
    np.testing.assert_allclose(mean, [[[1.5, 14 / 3, 4.5]]], rtol=1e-14)
    values, indices = compute(*adaptive_max_pool(x, (3,)))
    np.testing.assert_array_equal(values, [[[2, 9, 9]]])
    np.testing.assert_array_equal(indices, [[[1, 3, 3]]])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: resize(x, (5, 7), "bilinear"),
        lambda x: resize(x, (3, 8), "bicubic", align_corners=True),
        lambda x: resize(x, (8, 10), "nearest"),
        lambda x: resize(x, (3, 7), "nearest-exact"),
        lambda x: adaptive_avg_pool(x, (3, 2)),
        lambda x: adaptive_avg_pool(x, (2, 5)),
        lambda x: adaptive_max_pool(x, (3, 2))[0],
    ],
)
def test_gradient_is_the_transpose(function: Any) -> None:
    """<g, f(x)> = <vjp(g), x>, as each is linear (the maximum too, while the winners stay)."""
    rng = np.random.default_rng(5)
    x = node(rng.normal(size=(2, 3, 4, 5)))
    y = function(x)
    g = node(rng.normal(size=y.shape))
    (grad,) = vjp([y], [x], [g])
    result, slope = compute(y, grad)
    np.testing.assert_allclose(
        np.sum(result * g.value), np.sum(slope * x.value), rtol=1e-11, atol=1e-11
    )


def test_errors() -> None:
    x = node(np.ones((1, 2, 4, 3), np.float32))
    with pytest.raises(ValueError, match="unknown mode 'cubic'; expected one of: nearest"):
        resize(x, (2, 2), "cubic")
    with pytest.raises(ShapeError, match=r"mode 'trilinear' takes an input with 5 axes"):
        resize(x, (2, 2), "trilinear")
    with pytest.raises(ShapeError, match=r"received shape \[1, 2, 4, 3\] and sizes \(2,\)"):
        resize(x, (2,), "linear")
    with pytest.raises(ShapeError, match="must be positive"):
        adaptive_avg_pool(x, (0, 2))
    with pytest.raises(DTypeError, match="expected a floating point input, received int64"):
        resize(node(np.ones((1, 1, 2, 2), np.int64)), (4, 4), "bilinear")
