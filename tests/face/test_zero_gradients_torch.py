"""Results that do not change with an argument give it PyTorch's gradient: zeros, not None."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with PyTorch")

X = np.array([[1.5, -2.0, 0.0], [4.0, 0.5, 3.0], [2.0, 1.0, -1.0]], np.float32)

FLAT = {
    "div floor": lambda m, x: m.div(x, 2.0, rounding_mode="floor"),
    "div trunc": lambda m, x: m.div(3.0, x + 0.25, rounding_mode="trunc"),
    "fill": lambda m, x: m.fill(x, 3.0),
    "norm 0": lambda m, x: m.norm(x, 0),
    "vector_norm 0": lambda m, x: m.linalg.vector_norm(x, 0, dim=1),
    "cdist 0": lambda m, x: m.cdist(x, x + 1, p=0.0),
    "pdist 0": lambda m, x: m.nn.functional.pdist(x, p=0.0),
    "matrix_power 0": lambda m, x: m.linalg.matrix_power(x, 0),
    "normal": lambda m, x: m.normal(x, 1.0),
    "normal of std": lambda m, x: m.normal(2.0, x.abs()),
    "bernoulli": lambda m, x: m.bernoulli(x.sigmoid()),
    "gather of nothing": lambda m, x: m.gather(x, 0, m.zeros(0, 3, dtype=m.uint8)),
}


@pytest.mark.parametrize("name", FLAT)
def test_gradient_is_zero(name: str) -> None:
    found = []
    for m in (plait, torch):
        m.manual_seed(0)
        x = m.tensor(X, requires_grad=True)
        y = FLAT[name](m, x)
        assert y.requires_grad
        (grad,) = m.autograd.grad((y * 2).sum(), x, allow_unused=True)
        found.append((y.detach().numpy(), None if grad is None else grad.numpy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    assert found[1][1] is None or not found[1][1].any()
    assert found[0][1].shape == X.shape and not found[0][1].any()


def _same(call: Any, *arrays: Any, gradients: int = 1) -> None:
    """The same value and first gradients in both libraries, in float64."""
    found = []
    for m in (plait, torch):
        given = [m.tensor(a, requires_grad=i < gradients) for i, a in enumerate(arrays)]
        y = call(m, *given)
        weight = m.tensor(np.cos(np.arange(y.numel())).reshape(tuple(y.shape)))
        grads = m.autograd.grad((y * weight.to(y.dtype)).sum(), given[:gradients])
        found.append([y.detach().numpy(), *[g.numpy() for g in grads]])
    for ours, theirs in zip(*found):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


WIDE = X.astype(np.float64)


def test_gradients_flow_to_values_and_fractions() -> None:
    _same(lambda m, v: m.fill(m.ones(2, 3), v), np.float64(2.5))
    index = [0, 2]
    _same(lambda m, x, v: m.index_fill(x, 0, m.tensor(index), v), WIDE, np.float64(7), gradients=2)
    points = np.array([0.1, 0.6, 1.0])
    _same(lambda m, x, q: m.quantile(x, q, dim=1), WIDE, points, gradients=2)
    _same(lambda m, x, q: m.nanquantile(x, q[1], dim=0), WIDE, points, gradients=2)


def test_scalars_count_as_vectors() -> None:
    F = lambda m: m.nn.functional  # noqa: E731 - a name for brevity
    scalar = np.float64(-1.5)
    _same(lambda m, a: F(m).cosine_similarity(a, a * 2 + 1, dim=0), scalar)
    _same(lambda m, a: F(m).multilabel_margin_loss(a, m.tensor(0)), scalar)
    _same(lambda m, w: F(m).batch_norm(m.zeros(0, 1), None, None, w, training=True), [1.0])


def test_inverses_of_rank_deficient_matrices() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((4, 2)), rng.standard_normal((3, 2))
    _same(lambda m, a, b: m.linalg.pinv(a @ b.mT), a, b, gradients=2)
    symmetric = a @ a.T + np.eye(4)
    _same(lambda m, a: m.linalg.pinv(a, hermitian=True), symmetric)
    spoilt = symmetric + np.triu(np.full((4, 4), 9.0), 1)  # only the lower triangle counts
    ours = plait.linalg.pinv(plait.tensor(spoilt), hermitian=True).numpy()
    np.testing.assert_allclose(ours, np.linalg.inv(symmetric), rtol=1e-10)
    _same(lambda m, a: m.linalg.matrix_norm(a * 0 + a.detach() * 0, "nuc"), np.eye(3) * 2.0)
    ranks = [m.linalg.matrix_rank(m.tensor(spoilt * 0 + np.tril(symmetric)), hermitian=True).item()
             for m in (plait, torch)]  # fmt: skip
    assert ranks == [4, 4]


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss", None])
def test_lstsq_gives_what_its_driver_gives(driver: str | None) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    ours, theirs = [
        tuple(m.linalg.lstsq(m.tensor(a), m.tensor(b), driver=driver)) for m in (plait, torch)
    ]
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.shape == wanted.shape and mine.numpy().dtype == wanted.numpy().dtype
        np.testing.assert_allclose(mine.numpy(), wanted.numpy(), rtol=1e-9)


@pytest.mark.parametrize("method", ["geometric_", "cauchy_", "log_normal_"])
@pytest.mark.parametrize("shape", [(), (5,), (3, 20)])
def test_draws_are_those_of_pytorch(method: str, shape: tuple[int, ...]) -> None:
    arguments = (0.3,) if method == "geometric_" else (0.5, 0.75)
    found = []
    for m in (plait, torch):
        m.manual_seed(3)
        found.append(getattr(m.empty(shape), method)(*arguments).numpy())
    # Logarithms and tangents of two libraries, rounded to float32.
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_masked_places_have_the_dtype_of_the_input() -> None:
    for name in ("argmax", "argmin"):
        ours = getattr(plait.masked, name)(plait.tensor(X), 1, mask=plait.tensor(X) > 0)
        theirs = getattr(torch.masked, name)(torch.tensor(X), 1, mask=torch.tensor(X) > 0)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        assert ours.numpy().dtype == theirs.numpy().dtype
    _same(lambda m, x: m.masked.logsumexp(x), WIDE)


def test_the_matrix_exponential_of_a_large_matrix() -> None:
    x = np.random.default_rng(4).standard_normal((6, 6)) * 6
    found = plait.matrix_exp(plait.tensor(x.astype(np.float32))).numpy()
    wanted = torch.matrix_exp(torch.tensor(x.astype(np.float32)).double()).numpy()
    # float64 inside: one rounding of the result.
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=1e-7 * np.abs(wanted).max())


def test_low_rank_decompositions() -> None:
    rng = np.random.default_rng(5)
    a = rng.standard_normal((7, 3)) @ rng.standard_normal((3, 5))
    for m in (plait, torch):
        m.manual_seed(0)
    for ours, theirs in (
        (plait.svd_lowrank(plait.tensor(a), q=3), torch.svd_lowrank(torch.tensor(a), q=3)),
        (plait.svd_lowrank(plait.tensor(a.T), q=2), torch.svd_lowrank(torch.tensor(a.T), q=2)),
        (plait.pca_lowrank(plait.tensor(a), q=3), torch.pca_lowrank(torch.tensor(a), q=3)),
    ):
        for mine, wanted in zip(ours, theirs, strict=True):  # the signs of vectors are free
            np.testing.assert_allclose(abs(mine.numpy()), abs(wanted.numpy()), atol=1e-8)
    with pytest.raises(ValueError, match="not greater than"):
        plait.pca_lowrank(plait.ones(3, 2), q=3)


def test_as_strided_of_a_leaf_in_memory_of_others() -> None:
    found = []
    for m in (plait, torch):
        memory = m.arange(12.0)
        leaf = memory[3:9].detach().requires_grad_()
        y = leaf.as_strided((3, 2), (2, 3), 1)
        (grad,) = m.autograd.grad((y * m.arange(6.0).reshape(3, 2)).sum(), leaf)
        found.append((y.detach().numpy(), grad.numpy()))
    for ours, theirs in zip(*found):
        np.testing.assert_array_equal(ours, theirs)
