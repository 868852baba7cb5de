"""Pooling at special points: ties, nan, padding, fast path; and the error texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops.window import (
    CHECK_POOL_INDEX,
    FOLD,
    MAX_POOL,
    POOL_GATHER,
    POOL_SCATTER,
    UNFOLD,
    WINDOW_SUM,
)
from plait.core.reference.executor import OpFailure, run

F32 = dtypes.float32
TWO = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


def evaluate(function: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    specs = [Spec(x.shape, dtypes.dtype_of(x.dtype)) for x in arrays]
    return run(trace(function, specs), arrays)


def pooled(x: np.ndarray, **attrs: Any) -> list[np.ndarray]:
    return evaluate(lambda x: MAX_POOL(x, **attrs), x)


def test_max_pool_by_hand() -> None:
    x = np.array([[1, 5, 2, 2], [4, 3, 2, 2], [0, 0, 9, 8], [0, 7, 6, 9]], np.float32)
    values, indices = pooled(x, **TWO)
    np.testing.assert_array_equal(values, [[5, 2], [7, 9]])
    # The first of equal maxima counts: 2 at (0, 2), and 9 at (2, 2).
    np.testing.assert_array_equal(indices, [[1, 2], [13, 10]])


def test_fast_path_is_the_general_path() -> None:
    """An odd plane with ties; beside a channel of nan the same planes take the general path."""
    rng = np.random.default_rng(3)
    x = rng.integers(0, 3, (2, 3, 7, 9)).astype(np.float32)
    fast = pooled(x, **TWO)
    slow_input = np.concatenate([x, np.full((2, 1, 7, 9), np.nan, np.float32)], 1)
    slow = pooled(slow_input, **TWO)
    for quick, general in zip(fast, slow):
        np.testing.assert_array_equal(quick, general[:, :3])


def test_nan_is_above_everything() -> None:
    x = np.array([[1.0, np.nan, 3.0, np.inf]], np.float32)
    values, indices = pooled(
        x, window=(1, 4), strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1)
    )
    assert np.isnan(values[0, 0])
    assert indices[0, 0] == 1


def test_padding_never_wins() -> None:
    """Not even over a plane of -inf, or of the least integer: the index names a real element."""
    attrs = {"window": (2,), "strides": (1,), "padding": ((1, 1),), "dilation": (1,)}
    values, indices = pooled(np.full((1, 3), -np.inf, np.float32), **attrs)
    assert np.all(values == -np.inf)
    np.testing.assert_array_equal(indices, [[0, 0, 1, 2]])
    values, indices = pooled(np.full((1, 3), -128, np.int8), **attrs)
    assert np.all(values == -128)
    np.testing.assert_array_equal(indices, [[0, 0, 1, 2]])


def test_window_sum_by_hand() -> None:
    x = np.arange(6, dtype=np.float32)
    (sums,) = evaluate(
        lambda x: WINDOW_SUM(x, window=(2,), strides=(2,), padding=((1, 0),), dilation=(2,)), x
    )
    np.testing.assert_array_equal(sums, [1, 1 + 3, 3 + 5])


def test_fold_counts_what_unfold_read() -> None:
    attrs = {"kernel": (2, 2), "strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    (counts,) = evaluate(
        lambda x: FOLD(UNFOLD(x, **attrs), spatial=(3, 3), **attrs),
        np.ones((1, 1, 3, 3), np.float32),
    )
    np.testing.assert_array_equal(counts[0, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


def test_repeated_positions_add() -> None:
    g, indices = np.array([[1.0, 2.0, 4.0]]), np.array([[3, 0, 3]])
    (plane,) = evaluate(lambda g, i: POOL_SCATTER(g, i, spatial=(4,)), g, indices)
    np.testing.assert_array_equal(plane, [[2, 0, 0, 5]])


@pytest.mark.parametrize(("wrong", "named"), [(12, 12), (-1, -1)])
def test_positions_outside_the_plane_are_refused(wrong: int, named: int) -> None:
    with pytest.raises(OpFailure, match=rf"found an invalid max index: {named} .* 3 x 4") as caught:
        evaluate(lambda i: CHECK_POOL_INDEX(i, spatial=(3, 4)), np.array([[0, 11, wrong]]))
    assert isinstance(caught.value.fault, IndexError)


@pytest.mark.parametrize(
    ("shape", "changes", "words"),
    [
        ((4,), {}, "at least 2 spatial axes"),
        ((2, 1, 4), {}, "max_pool: the window can't be larger than the padded input"),
        ((2, 4, 4), {"dilation": (0, 1)}, "must be positive"),
        ((2, 4, 4), {"padding": ((0, 0), (-1, 0))}, "negative padding"),
        ((2, 0, 4), {"padding": ((1, 1), (0, 0))}, r"with elements, received shape \[2, 0, 4\]"),
    ],
)
def test_shape_errors(shape: Any, changes: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        trace(lambda x: MAX_POOL(x, **{**TWO, **changes})[0], [Spec(shape, F32)])


def test_operand_errors() -> None:
    places = Spec((2, 3), dtypes.int64)
    with pytest.raises(DTypeError, match="indices must be int64, received int32"):
        trace(
            lambda x, i: POOL_GATHER(x, i, rank=1), [Spec((2, 5), F32), Spec((2, 3), dtypes.int32)]
        )
    with pytest.raises(ShapeError, match="must agree in their axes before the last 1"):
        trace(lambda x, i: POOL_GATHER(x, i, rank=1), [Spec((4, 5), F32), places])
    with pytest.raises(ShapeError, match="must have one shape"):
        trace(lambda g, i: POOL_SCATTER(g, i, spatial=(9,)), [Spec((2, 4), F32), places])
    with pytest.raises(DTypeError, match="max_pool: dtype bool is not supported"):
        trace(lambda x: MAX_POOL(x, **TWO)[0], [Spec((4, 4), dtypes.bool_)])
    with pytest.raises(ShapeError, match=r"takes columns of shape \(N, C \* 2, 4\)"):
        trace(
            lambda x: FOLD(
                x, spatial=(5,), kernel=(2,), strides=(1,), padding=((0, 0),), dilation=(1,)
            ),
            [Spec((1, 3, 4), F32)],
        )
