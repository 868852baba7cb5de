"""A compiled function with a sparse argument, whose count of rows is no part of its kind."""

from __future__ import annotations

import plait as torch


def test_a_sparse_argument_may_have_other_rows_each_time() -> None:
    torch.manual_seed(0)
    weight = torch.rand(4, 3, requires_grad=True)

    @torch.compile
    def total(matrix: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return (matrix @ weight).square().sum()

    for share in (0.2, 0.5, 0.5, 0.9, 0.0):
        dense = torch.rand(5, 4) * (torch.rand(5, 4) < share)
        found = total(dense.to_sparse(), weight)
        (gradient,) = torch.autograd.grad(found, weight)
        expected = (dense @ weight).square().sum()
        (wanted,) = torch.autograd.grad(expected, weight)
        assert torch.allclose(found, expected)
        assert torch.allclose(gradient, wanted)


def test_a_product_with_a_tensor_that_is_expanded() -> None:
    table = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    for other in (torch.tensor([1.0, 2.0, 3.0]), torch.tensor([[5.0], [7.0]])):
        found = table.to_sparse() * other
        assert found.is_sparse
        assert torch.equal(found.to_dense(), table * other)


def test_a_vector_without_sparse_axes_has_no_coordinates() -> None:
    total = torch.sparse_coo_tensor(torch.zeros(0, 2, dtype=torch.int64), [1.0, 2.0], ())
    assert total._indices().shape == (0, 2)
    assert total.to_dense().item() == 3.0
