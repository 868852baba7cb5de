"""Sparse matrices by rows: parts, conversions, products and their gradients, what is refused.

The expected values are PyTorch 2.13's, or follow from the dense matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait as torch


def matrix(values: Any = (1.0, 2.0, 3.0, 4.0)) -> Any:
    return torch.sparse_csr_tensor([0, 2, 2, 4], [0, 2, 0, 1], values, (3, 3))


DENSE = [[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [3.0, 4.0, 0.0]]


def test_parts() -> None:
    made = matrix()
    assert made.layout is torch.sparse_csr
    assert (made.is_sparse_csr, made.is_sparse, made._nnz()) == (True, False, 4)
    assert made.crow_indices().tolist() == [0, 2, 2, 4]
    assert made.col_indices().tolist() == [0, 2, 0, 1]
    assert made.values().tolist() == [1.0, 2.0, 3.0, 4.0]
    assert made.to_dense().tolist() == DENSE
    assert repr(made) == (
        "tensor(crow_indices=tensor([0, 2, 2, 4]),\n"
        "       col_indices=tensor([0, 2, 0, 1]),\n"
        "       values=tensor([1., 2., 3., 4.]), size=(3, 3), nnz=4,\n"
        "       layout=torch.sparse_csr)"
    )


def test_the_least_size_is_taken() -> None:
    assert torch.sparse_csr_tensor([0, 1, 2], [4, 0], [1.0, 1.0]).shape == (2, 5)
    assert torch.sparse_csr_tensor(
        [0, 0], torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    ).shape == (1, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_conversions(dtype: Any) -> None:
    dense = torch.tensor(DENSE, dtype=dtype)
    for made in (
        dense.to_sparse_csr(),
        dense.to_sparse(layout=torch.sparse_csr),
        dense.to_sparse().to_sparse_csr(),
        matrix(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=dtype)).to_sparse_csr(),
    ):
        assert made.layout is torch.sparse_csr
        assert made.dtype is dtype
        assert made.crow_indices().tolist() == [0, 2, 2, 4]
        assert torch.equal(made.to_dense(), dense)
        by_places = made.to_sparse_coo()
        assert by_places.layout is torch.sparse_coo
        assert torch.equal(by_places.to_dense(), dense)
        assert made.to_sparse().layout is torch.sparse_coo


def test_entries_of_one_place_add_up() -> None:
    places = torch.sparse_coo_tensor([[0, 0, 1], [1, 1, 0]], [1.0, 2.0, 5.0], (2, 2))
    assert places.to_sparse_csr().to_dense().tolist() == [[0.0, 3.0], [5.0, 0.0]]


@pytest.mark.parametrize("seed", range(6))
def test_products(seed: int) -> None:
    random = np.random.RandomState(seed)
    rows, columns, wide = random.randint(1, 9, 3)
    dense = random.randn(rows, columns) * (random.rand(rows, columns) < 0.4)
    made, x = torch.tensor(dense).to_sparse_csr(), random.randn(columns, wide)
    given = torch.tensor(x)
    for product in (made @ given, torch.mm(made, given), torch.sparse.mm(made, given)):
        np.testing.assert_allclose(product.numpy(), dense @ x, rtol=1e-12, atol=1e-12)
    vector = torch.mv(made, given[:, 0])
    np.testing.assert_allclose(vector.numpy(), dense @ x[:, 0], rtol=1e-12, atol=1e-12)
    assert (made * 2).layout is torch.sparse_csr
    np.testing.assert_allclose((made * 2).to_dense().numpy(), 2 * dense)


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients(compiled: bool) -> None:
    values = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    x = torch.arange(6.0).reshape(3, 2).requires_grad_()

    def loss() -> Any:
        return (torch.sparse.mm(matrix(values), x) * torch.arange(6.0).reshape(3, 2)).sum()

    run = torch.compile(loss) if compiled else loss
    run().backward()
    assert values.grad.tolist() == [1.0, 5.0, 5.0, 23.0]
    assert x.grad.tolist() == [[12.0, 16.0], [16.0, 20.0], [0.0, 2.0]]
    assert matrix(values).requires_grad


MISTAKES = {
    "too many": (([0, 2, 3], [0, 1, 0, 1], [1.0, 2, 3, 4]), "crow_indices[..., -1] == nnz"),
    "the first": (([1, 2, 4], [0, 1, 0, 1], [1.0, 2, 3, 4]), "crow_indices[..., 0] == 0"),
    "backwards": (([0, 3, 2, 4], [0, 1, 2, 1], [1.0, 2, 3, 4]), "<= ncols"),
    "a column": (([0, 2, 4], [0, 5, 0, 1], [1.0, 2, 3, 4], (2, 2)), "0 <= col_indices < ncols"),
    "order": (([0, 2, 4], [1, 0, 0, 1], [1.0, 2, 3, 4]), "sorted and distinct"),
    "twice": (([0, 2, 4], [1, 1, 0, 1], [1.0, 2, 3, 4]), "sorted and distinct"),
    "rows": (([0, 2, 4], [0, 1, 0, 1], [1.0, 2, 3, 4], (3, 2)), "nrows + 1"),
    "values": (([0, 2, 4], [0, 1, 0, 1], [1.0, 2, 3]), "values.shape[0]"),
    "floats": (([0.0, 2, 4], [0, 1, 0, 1], [1.0, 2, 3, 4]), "int32 or int64"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    given, text = MISTAKES[name]
    with pytest.raises(RuntimeError) as fault:
        torch.sparse_csr_tensor(*given)
    assert text in str(fault.value)


def test_what_is_not_built_says_so() -> None:
    with pytest.raises(NotImplementedError, match="CSC"):
        matrix().t()
    with pytest.raises(NotImplementedError, match="two sparse"):
        _ = matrix() @ matrix()
    with pytest.raises(NotImplementedError, match="axes"):
        torch.zeros(2, 2, 2).to_sparse_csr()
