"""Copying and scattering twins of views, named splits, powers of two, grids, `*_ex` solvers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import plait as torch

X = np.arange(24.0).reshape(2, 3, 4)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def test_copies_share_no_memory() -> None:
    x = torch.tensor(X)
    copies = [
        torch.select_copy(x, 0, 1), torch.transpose_copy(x, 0, 1), torch.view_copy(x, 24),
        torch.narrow_copy(x, 1, 0, 2), torch.alias_copy(x), *torch.unbind_copy(x, 0),
        *torch.split_with_sizes_copy(x, [1, 2], 1),
    ]  # fmt: skip
    kept = [c.clone() for c in copies]
    x.zero_()
    for copy, before in zip(copies, kept):
        assert torch.equal(copy, before)


def test_scattering_into_views() -> None:
    x = torch.tensor(X, requires_grad=True)
    src = torch.ones(2, 4, dtype=torch.float64, requires_grad=True)
    found = torch.select_scatter(x, src, 1, -1)
    expected = X.copy()
    expected[:, -1] = 1
    close(found, expected)
    found.sum().backward()
    assert src.grad.eq(1).all() and x.grad[:, -1].eq(0).all() and x.grad[:, 0].eq(1).all()
    expected = X.copy()
    expected[:, 0:3:2] = 7
    close(
        torch.slice_scatter(torch.tensor(X), torch.full((2, 2, 4), 7.0).double(), 1, 0, 3, 2),
        expected,
    )
    close(torch.diagonal_scatter(torch.zeros(3, 3), torch.ones(3)), np.eye(3))
    with pytest.raises(RuntimeError, match="src to have a size equal to the slice"):
        torch.select_scatter(x, torch.ones(3), 1, 0)


def test_named_splits() -> None:
    x = torch.tensor(X)
    for name, axis in (("vsplit", 0), ("hsplit", 1), ("dsplit", 2)):
        sections = {0: 2, 1: 3, 2: 2}[axis]
        for a, b in zip(getattr(torch, name)(x, sections), np.split(X, sections, axis)):
            close(a, b)
    with pytest.raises(RuntimeError, match="not divisible"):
        torch.hsplit(x, 2)
    assert [t.shape for t in torch.atleast_3d(torch.ones(()), torch.ones(2))] == [
        (1, 1, 1),
        (1, 2, 1),
    ]
    assert torch.atleast_2d(torch.ones(3)).shape == (1, 3)


def test_powers_of_two_and_neighbours() -> None:
    x = torch.tensor([0.0, 1.0, -0.75, 1024.0, 3e-5, math.inf, math.nan])
    mantissa, exponent = torch.frexp(x)
    wanted = np.frexp(x.numpy())
    np.testing.assert_array_equal(mantissa.numpy(), wanted[0])
    np.testing.assert_array_equal(exponent.numpy()[:5], wanted[1][:5])
    np.testing.assert_array_equal(torch.ldexp(mantissa, exponent)[:5].numpy(), x.numpy()[:5])
    a, b = torch.tensor([0.0, 0.0, 1.0, -1.0, 2.0]), torch.tensor([1.0, -1.0, 2.0, 0.0, 2.0])
    np.testing.assert_array_equal(torch.nextafter(a, b).numpy(), np.nextafter(a.numpy(), b.numpy()))
    big = torch.tensor([1e4, -math.inf, 3.0])
    np.testing.assert_allclose(
        torch.logaddexp2(big, big).numpy(), np.logaddexp2(big.numpy(), big.numpy()), rtol=1e-6
    )


@pytest.mark.parametrize("order", [1, 2])
def test_gradient_of_samples(order: int) -> None:
    places = np.array([0.0, 1.0, 3.0, 4.5])
    for spacing, args in ((1.0, ()), (2.0, (2.0,)), (places, (places,))):
        expected = np.gradient(X[0, 0], *args, edge_order=order)
        given = [torch.tensor(places)] if isinstance(spacing, np.ndarray) else spacing
        (found,) = torch.gradient(torch.tensor(X[0, 0]), spacing=given, edge_order=order)
        close(found, expected)
    for a, b in zip(torch.gradient(torch.tensor(X)), np.gradient(X)):
        close(a, b)


def test_combinations_and_reducing_by_index() -> None:
    x = torch.tensor([1, 2, 3])
    assert torch.combinations(x).tolist() == [[1, 2], [1, 3], [2, 3]]
    assert torch.combinations(x, 2, True).tolist()[:2] == [[1, 1], [1, 2]]
    found = torch.zeros(2, 2).index_reduce(
        0,
        torch.tensor([0, 0, 1]),
        torch.tensor([[1.0, 2], [3, 4], [5, 6]]),
        "mean",
        include_self=False,
    )
    assert found.tolist() == [[2, 3], [5, 6]]


def test_solvers_that_tell_instead_of_raising() -> None:
    good, bad = torch.eye(2) * 2, torch.zeros(2, 2)
    inverse, info = torch.linalg.inv_ex(good)
    assert inverse.tolist() == [[0.5, 0], [0, 0.5]] and info.item() == 0
    assert torch.linalg.inv_ex(bad).info.item() > 0
    with pytest.raises(torch.linalg.LinAlgError):
        torch.linalg.inv_ex(bad, check_errors=True)
    with pytest.raises(torch.linalg.LinAlgError):
        torch.linalg.inv(bad).sum().item()
    assert torch.linalg.cholesky_ex(-good).info.item() > 0
    a = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    close(torch.matrix_exp(a * 2), [[math.cos(2), math.sin(2)], [-math.sin(2), math.cos(2)]])


def test_parts_of_real_numbers() -> None:
    x = torch.tensor([1.0, -2.0, 0.0, math.nan])
    np.testing.assert_array_equal(torch.angle(x).numpy(), np.angle(x.numpy()).astype("f4"))
    assert torch.isreal(x).all() and torch.conj(x) is x
    assert torch.ones(2, 3).mH.shape == (3, 2)
    with pytest.raises(RuntimeError, match="imag is not implemented for tensors with non-complex"):
        torch.imag(x)


def test_new_axes_of_one_may_be_written_through():
    """As a buffer of `arange(n).expand((1, -1))` is when a checkpoint is loaded."""
    base = torch.arange(3)
    view = base.expand((1, -1))
    view.copy_(torch.tensor([[4, 5, 6]]))
    assert base.tolist() == [4, 5, 6]
    view[0, 1] = 7
    assert base.tolist() == [4, 7, 6]
    torch.ones(1).expand(0).fill_(2)  # no element is written
    with pytest.raises(RuntimeError, match="more than one element"):
        base.expand(2, 3).add_(1)


def test_as_strided_reads_memory_of_numpy_as_it_lies() -> None:
    array = np.asfortranarray(np.arange(16.0).reshape(4, 4))
    x = torch.from_numpy(array)
    assert x.as_strided((2, 2), (1, 2)).tolist() == [[0, 8], [4, 12]]
    x.t().as_strided((2,), (1,), 3).zero_()
    assert array[3, 0] == 0 == array[0, 1]
    apart = torch.from_numpy(np.arange(8.0)[::2])
    assert apart.as_strided((2,), (4,)).tolist() == [0, 4]
    with pytest.raises(NotImplementedError, match="between the elements"):
        apart.as_strided((2,), (1,))
