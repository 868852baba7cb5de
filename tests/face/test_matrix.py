"""Products and einsum: identities that need no other library."""

from __future__ import annotations

import numpy as np
import pytest

import plait as torch
from plait.core.functional import einsum as summation


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape)


def test_matmul_against_numpy() -> None:
    for left, right in [
        ((3,), (3,)),
        ((2, 3), (3, 4)),
        ((7, 1, 2, 3), (5, 3, 4)),
        ((3,), (5, 3, 4)),
    ]:
        a, b = _random(*left), _random(*right)
        np.testing.assert_allclose(
            (torch.tensor(a) @ torch.tensor(b)).numpy(), a @ b, rtol=1e-12, atol=1e-14
        )


@pytest.mark.parametrize(
    "equation", ["ij,jk->ik", "ij,jk->ki", "ii,ij->j", "ij,ij->", "...i,i...->...", "ij,jk,kl->"]
)
def test_einsum_against_numpy(equation: str) -> None:
    operands = [_random(3, 3) for _ in range(equation.split("->")[0].count(",") + 1)]
    found = torch.einsum(equation, *[torch.tensor(x) for x in operands])
    np.testing.assert_allclose(
        found.numpy(), np.einsum(equation, *operands), rtol=1e-12, atol=1e-12
    )


def test_several_operands_are_contracted_in_the_cheapest_order() -> None:
    terms = [
        summation.Term(torch.ones(*shape), labels)
        for shape, labels in [((100, 2), "ij"), ((2, 100), "jk"), ((100, 3), "kl")]
    ]
    extents = {"i": 100, "j": 2, "k": 100, "l": 3}
    assert summation._cheapest(terms, extents) == (1, 2)


def test_parsing_names_the_place_of_a_wrong_letter() -> None:
    with pytest.raises(RuntimeError, match="invalid subscript given at index 4"):
        summation.parse("ij,k1->i")


def test_one_bfloat16_product_rounds_once() -> None:
    ones = torch.ones(1, 4096).bfloat16()
    assert (ones @ ones.T).item() == 4096.0


def test_integers_multiply_exactly() -> None:
    assert (torch.tensor([[2**53 + 1]]) @ torch.tensor([[3]])).item() == 3 * (2**53 + 1)


def test_identities_of_decompositions() -> None:
    a = torch.tensor(_random(4, 4))
    q, r = torch.qr(a)
    u, s, v = torch.svd(a)
    spd = a @ a.T + torch.eye(4, dtype=torch.float64)
    factor = torch.cholesky(spd)
    for found, expected in [
        (q @ r, a),
        (u @ torch.diag(s) @ v.T, a),
        (factor @ factor.T, spd),
        (torch.inverse(a) @ a, torch.eye(4, dtype=torch.float64)),
        (torch.matrix_power(a, -2) @ a @ a, torch.eye(4, dtype=torch.float64)),
        (torch.cholesky_solve(spd, factor), torch.eye(4, dtype=torch.float64)),
    ]:
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-9)


def test_triangles_in_place() -> None:
    a = torch.ones(3, 3)
    assert a.tril_() is a
    assert a.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_errors() -> None:
    with pytest.raises(RuntimeError, match=r"cannot be multiplied \(2x3 and 2x3\)"):
        torch.ones(2, 3) @ torch.ones(2, 3)
    with pytest.raises(RuntimeError, match="same dtype, but got: float != double"):
        torch.mm(torch.ones(2, 2), torch.ones(2, 2).double())


def test_einsum_sums_integers_in_int64() -> None:
    """What is summed alone is summed as `sum` does it, and does not run over; products keep their
    dtype."""
    x = torch.full((2, 200), 2, dtype=torch.uint8)
    assert torch.einsum("ij->", x).tolist() == 800
    assert torch.einsum("ij->i", x).dtype is torch.int64
    assert torch.einsum("ij->i", x > 1).tolist() == [200, 200]
    assert torch.einsum("ij,kl->ik", x, x).tolist() == [[160000] * 2] * 2
    assert torch.einsum("ij,ij->i", x.int(), x.int()).dtype is torch.int32
