"""Small things that everyday programs rely on and that no family of functions covers."""

from __future__ import annotations

import numpy as np
import pytest

import plait


def test_meshgrid_xy_has_rows_of_the_second_tensor() -> None:
    x, y = plait.meshgrid(plait.arange(2), plait.arange(3), indexing="xy")
    assert x.tolist() == [[0, 1], [0, 1], [0, 1]]
    assert y.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_meshgrid_xy_of_three_is_numpys() -> None:
    axes = [np.arange(n) for n in (2, 3, 4)]
    grids = plait.meshgrid([plait.from_numpy(a) for a in axes], indexing="xy")
    for grid, expected in zip(grids, np.meshgrid(*axes), strict=True):
        np.testing.assert_array_equal(grid.numpy(), expected)


@pytest.mark.parametrize("function", [np.sqrt, np.exp, np.negative])
def test_numpy_function_of_a_tensor_gives_a_tensor(function: np.ufunc) -> None:
    values = plait.tensor([[1.0, 4.0], [9.0, 16.0]])
    result = function(values)
    assert isinstance(result, plait.Tensor) and result.dtype is plait.float32
    np.testing.assert_array_equal(result.numpy(), function(values.numpy()))
    assert isinstance(function(values[0, 1]), plait.Tensor)


def test_numpy_test_of_a_tensor_gives_uint8_as_in_pytorch() -> None:
    result = np.isnan(plait.tensor([1.0, float("nan")]))
    assert result.dtype is plait.uint8 and result.tolist() == [0, 1]


def test_version_says_that_there_are_no_devices() -> None:
    assert plait.version.cuda is None and plait.version.hip is None
