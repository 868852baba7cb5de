"""Sorting and its kin: values, places and shapes, without PyTorch at hand."""

from __future__ import annotations

import numpy as np
import pytest

import plait as torch


def test_named_results() -> None:
    x = torch.tensor([[3.0, 1.0, 2.0]])
    found = x.sort(1)
    assert found.values.tolist() == [[1.0, 2.0, 3.0]]
    assert found.indices.tolist() == [[1, 2, 0]]
    values, places = found
    assert values is found[0] and places is found[1]
    assert repr(torch.tensor([2, 1]).topk(1)) == (
        "torch.return_types.topk(\nvalues=tensor([2]),\nindices=tensor([0]))"
    )


def test_equal_values_keep_their_order_also_downwards() -> None:
    x = torch.tensor([1, 2, 1, 2])
    assert x.sort(descending=True).indices.tolist() == [1, 3, 0, 2]
    assert x.argsort().tolist() == [0, 2, 1, 3]


def test_results_are_written_to_out() -> None:
    values, places = torch.empty(3), torch.empty(3, dtype=torch.int64)
    torch.sort(torch.tensor([3.0, 1.0, 2.0]), out=(values, places))
    assert values.tolist() == [1.0, 2.0, 3.0]
    assert places.tolist() == [1, 2, 0]


def test_unique_of_16_bit_floats() -> None:
    x = torch.tensor([2.0, 1.0, 2.0]).bfloat16()
    values, counts = torch.unique(x, return_counts=True)
    assert values.dtype is torch.bfloat16
    assert values.tolist() == [1.0, 2.0] and counts.tolist() == [1, 2]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 100])
@pytest.mark.parametrize("right", [False, True])
def test_searchsorted_finds_what_numpy_finds(size: int, right: bool) -> None:
    rng = np.random.default_rng(size)
    line = np.sort(rng.integers(0, 20, size))
    values = np.arange(-1, 22)
    found = torch.searchsorted(torch.tensor(line), torch.tensor(values), right=right)
    expected = np.searchsorted(line, values, side="right" if right else "left")
    assert found.tolist() == expected.tolist()


def test_quantiles() -> None:
    x = torch.tensor([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]])
    assert torch.quantile(x, 0.5).item() == 3.5
    assert torch.quantile(x, torch.tensor([0.0, 1.0]), dim=1).tolist() == [[0.0, 4.0], [3.0, 7.0]]


def test_running_extremum_and_sums_along_no_axis_of_a_scalar() -> None:
    x = torch.tensor(3.0)
    assert torch.cumsum(x, 0).item() == 3.0
    assert torch.cummax(x, -1).indices.item() == 0


def test_errors_name_what_was_received() -> None:
    with pytest.raises(RuntimeError, match=r"k is 5, dimension 1 of shape \[2, 3\]"):
        torch.ones(2, 3).topk(5)
    with pytest.raises(IndexError, match="Dimension out of range"):
        torch.ones(2, 3).sort(2)
