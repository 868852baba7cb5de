"""Products, norms and decompositions give PyTorch's values, gradients and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

PRODUCTS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((5, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
]

EQUATIONS: list[tuple[Any, ...]] = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("i,j->ij", (3,), (4,)),
    ("ij->", (2, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("b...,b...->...", (5, 2, 3), (5, 2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("ij,kj->ikj", (2, 3), (4, 3)),
    ("iij,jk->ik", (3, 3, 2), (2, 4)),
    ("ba, ca -> bc", (2, 3), (4, 3)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("...,...", (2, 3), (3,)),
    ("i,i,i->", (3,), (3,), (3,)),
    ("aB,Bc", (2, 3), (3, 4)),
]

CALLS: list[tuple[Any, ...]] = [
    (lambda m, a, b: m.tensordot(a, b, 2), (5, 2, 3), (2, 3, 4)),
    (lambda m, a, b: m.tensordot(a, b, dims=([2, 0], [1, 0])), (5, 2, 3), (5, 3, 4)),
    (lambda m, a, b: m.einsum(a, [0, 1], b, [1, 27], [27, 0]), (2, 3), (3, 4)),
    (lambda m, a, b: m.kron(a, b), (2, 3), (4,)),
    (lambda m, a, b, c: m.addmm(a, b, c, beta=0.5, alpha=2), (4,), (2, 3), (3, 4)),
    (lambda m, a, b, c: a.baddbmm(b, c, beta=0.5, alpha=2), (2, 1), (5, 2, 3), (5, 3, 4)),
    (lambda m, a, b, c: m.addbmm(a, b, c), (2, 1), (5, 2, 3), (5, 3, 4)),
    (lambda m, a, b, c: m.addr(a, b, c), (2, 3), (2,), (3,)),
    (lambda m, a, b, c: m.addmv(a, b, c), (2,), (2, 3), (3,)),
    (lambda m, a, b: m.outer(a, b), (2,), (3,)),
    (lambda m, a, b: m.inner(a, b), (2, 3), (4, 3)),
    (lambda m, a, b, c: m.chain_matmul(a, b, c), (2, 3), (3, 4), (4, 5)),
    (lambda m, a: m.tril(a, -1), (4, 5)),
    (lambda m, a: a.triu(1), (2, 4, 3)),
    (lambda m, a: m.diag(a, 1), (3,)),
    (lambda m, a: m.diag(a, -1), (3, 4)),
    (lambda m, a: m.diag_embed(a, -2), (2, 3)),
    (lambda m, a: m.diag_embed(a, 1, 0, 2), (2, 3)),
    (lambda m, a: m.diagflat(a), (2, 2)),
    (lambda m, a: m.trace(a), (3, 4)),
    (lambda m, a: m.norm(a), (3, 4)),
    (lambda m, a: a.norm(1, dim=1), (3, 4)),
    (lambda m, a: a.norm(p=3, dim=(0, 1), keepdim=True), (3, 4)),
    (lambda m, a: a.norm(float("inf"), 0), (3, 4)),
    (lambda m, a: m.norm(a, -float("inf")), (3, 4)),
    (lambda m, a: m.norm(a, 0.5), (3, 4)),
    (lambda m, a: m.norm(a, -2), (3, 4)),
    (lambda m, a: m.norm(a, "nuc"), (3, 4)),
    (lambda m, a, b: m.dist(a, b), (3, 4), (3, 4)),
    (lambda m, a: m.renorm(a, 2, 0, 1.5), (3, 4)),
    (lambda m, a, b: m.cdist(a, b), (3, 4), (5, 4)),
    (lambda m, a, b: m.cdist(a, b, p=1), (2, 3, 4), (2, 5, 4)),
    (lambda m, a, b: m.cdist(a, b), (30, 4), (5, 4)),
    (lambda m, a, b: m.cross(a, b, dim=1), (4, 3), (4, 3)),
    (lambda m, a: m.cov(a), (3, 7)),
    (lambda m, a: m.cov(a, correction=0), (7,)),
    (lambda m, a: m.corrcoef(a), (3, 7)),
    (lambda m, a: m.matrix_power(a, 5), (3, 3)),
    (lambda m, a: m.inverse(a), (2, 3, 3)),
    (lambda m, a: m.det(a), (2, 3, 3)),
    (lambda m, a: m.slogdet(a)[1], (3, 3)),
    (lambda m, a: m.logdet(a @ a.mT), (3, 3)),
    (lambda m, a: m.cholesky(a @ a.mT), (3, 3)),
    (lambda m, a: m.svd(a)[1], (4, 3)),
    (lambda m, a: m.qr(a)[1].abs(), (4, 3)),
    (lambda m, a: m.pinverse(a), (4, 3)),
    (lambda m, a: a.polygamma(1), (4,)),
    (lambda m, a: m.logit(a.sigmoid()), (4,)),
    (lambda m, a: m.mvlgamma(a.abs() + 2, 3), (4,)),
    (lambda m, a, b: m.xlogy(a, b.abs() + 0.1), (4,), (4,)),
    (lambda m, a: m.special.i1(a) + m.erf(a) + m.special.ndtr(a) + m.sinc(a), (4,)),
]


def _agree(call: Any, shapes: tuple[tuple[int, ...], ...]) -> None:
    """Values and gradients agree to float32's accuracy over a few steps: some hundred roundings."""
    rng = np.random.default_rng(11)
    arrays = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    weight = None
    found = []
    for module in (plait, torch):
        inputs = [module.tensor(array, requires_grad=True) for array in arrays]
        result = call(module, *inputs)
        if weight is None:
            weight = rng.standard_normal(tuple(result.shape)).astype("float32")
        (result * module.tensor(weight)).sum().backward()
        assert tuple(result.shape) == weight.shape
        found.append([result.detach().numpy(), *[x.grad.numpy() for x in inputs]])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=5e-4, atol=5e-5)


@pytest.mark.parametrize("shapes", PRODUCTS)
def test_matmul(shapes: Any) -> None:
    _agree(lambda m, a, b: m.matmul(a, b), shapes)


@pytest.mark.parametrize("case", EQUATIONS, ids=[case[0] for case in EQUATIONS])
def test_einsum(case: Any) -> None:
    equation, *shapes = case
    _agree(lambda m, *x: m.einsum(equation, *x), tuple(shapes))


@pytest.mark.parametrize("case", CALLS)
def test_functions(case: Any) -> None:
    call, *shapes = case
    _agree(call, tuple(shapes))


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5, 2.0, 3.0])
def test_norms_have_the_subgradient_0_at_0(p: float) -> None:
    grads = []
    for module in (plait, torch):
        x = module.tensor([[0.0, 0.0], [0.0, 2.0]], requires_grad=True)
        x.norm(p, dim=1).sum().backward()
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.arange(6).reshape(2, 3) @ m.arange(6).reshape(3, 2),
        lambda m: m.tensor([2**53 + 1]) @ m.tensor([3]),
        lambda m: m.trace(m.ones(2, 3, dtype=m.int32)),
        lambda m: m.tril(m.ones(3, 3, dtype=m.bool)),
        lambda m: m.matrix_power(m.eye(2).long() * 2, 3),
        lambda m: m.matrix_power(m.ones(2, 2), 0),
        lambda m: m.ones(3, 4096).bfloat16() @ m.ones(4096, 2).bfloat16(),
        lambda m: m.full((4,), 300.0).half().norm(),
        lambda m: m.cov(
            m.tensor([[1.0, 2, 4], [3, 1, 1]]),
            fweights=m.tensor([1, 2, 3]),
            aweights=m.tensor([0.5, 1, 2]),
        ),
        lambda m: m.addmm(m.full((2,), float("nan")), m.ones(2, 2), m.ones(2, 2), beta=0),
        lambda m: m.ones(2, 2).addmm_(m.ones(2, 2), m.ones(2, 2)),
        lambda m: m.zeros(0, 3) @ m.zeros(3, 2),
        lambda m: m.zeros(2, 0) @ m.zeros(0, 2),
        lambda m: m.erf(m.tensor([1, 2])),
    ],
)
def test_values_and_dtypes(call: Any) -> None:
    ours, theirs = call(plait), call(torch)
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.float().numpy(), theirs.float().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.mm(m.ones(2, 3), m.ones(2, 3)),
        lambda m: m.mm(m.ones(3), m.ones(2, 3)),
        lambda m: m.matmul(m.ones(2, 3, 4), m.ones(3, 5)),
        lambda m: m.matmul(m.ones(2, 3, 4), m.ones(2, 3, 5)),
        lambda m: m.matmul(m.ones(2, 3, 4), m.ones(3, 4, 5)),
        lambda m: m.matmul(m.ones(2), m.ones(3, 2)),
        lambda m: m.matmul(m.ones(2, 3), m.ones(2)),
        lambda m: m.matmul(m.ones(4, 5), m.ones(3, 2, 6)),
        lambda m: m.matmul(m.ones(4), m.ones(3, 2, 6)),
        lambda m: m.matmul(m.tensor(1.0), m.ones(2)),
        lambda m: m.bmm(m.ones(2, 3, 4), m.ones(2, 3, 5)),
        lambda m: m.bmm(m.ones(2, 3), m.ones(2, 3)),
        lambda m: m.bmm(m.ones(1, 2, 3), m.ones(1, 3, 2).double()),
        lambda m: m.dot(m.ones(3), m.ones(2)),
        lambda m: m.dot(m.ones(3, 1), m.ones(2)),
        lambda m: m.dot(m.ones(3), m.ones(3).double()),
        lambda m: m.mv(m.ones(2, 3), m.ones(2)),
        lambda m: m.mm(m.ones(2, 3), m.ones(3, 2).double()),
        lambda m: m.matmul(m.ones(2, 2).half(), m.ones(2, 2).bfloat16()),
        lambda m: m.einsum("ij,jk->ik", m.ones(2, 3), m.ones(2, 3)),
        lambda m: m.einsum("ijk->i", m.ones(2, 3)),
        lambda m: m.einsum("ij->ik", m.ones(2, 3)),
        lambda m: m.einsum("ij,jk", m.ones(2, 3)),
        lambda m: m.einsum("ij", m.ones(2, 3), m.ones(2, 3)),
        lambda m: m.einsum("i1->i", m.ones(2, 3)),
        lambda m: m.einsum("ij->ijj", m.ones(2, 3)),
        lambda m: m.einsum("ij->i->j", m.ones(2, 3)),
        lambda m: m.einsum("ii->i", m.ones(2, 3)),
        lambda m: m.tensordot(m.ones(2, 3), m.ones(2, 3), 1),
        lambda m: m.outer(m.ones(2, 3), m.ones(2, 3)),
        lambda m: m.norm(m.ones(3).long()),
        lambda m: m.norm(m.ones(3, 3), p="none"),
        lambda m: m.cross(m.ones(2, 2), m.ones(2, 2)),
        lambda m: m.diag(m.ones(2, 2, 2)),
        lambda m: m.trace(m.ones(2, 2, 2)),
        lambda m: m.triu(m.ones(3)),
        lambda m: m.cdist(m.ones(2, 3), m.ones(4, 5)),
        lambda m: m.inverse(m.ones(2, 3)),
        lambda m: m.polygamma(-1, m.ones(2)),
    ],
)
def test_errors_say_the_same(call: Any) -> None:
    with pytest.raises(Exception) as theirs:  # whatever PyTorch raises
        call(torch)
    with pytest.raises(theirs.type) as ours:
        call(plait)
    expected = str(theirs.value).splitlines()[0].rstrip(".")[:60]
    assert str(ours.value).startswith(expected)


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["addmm", "addmv", "baddbmm", "addbmm"])
def test_16_bit_sums_with_a_product_are_rounded_once(name: str, kind: str) -> None:
    shapes = {
        "addmm": [(24, 20), (24, 32), (32, 20)],
        "addmv": [(24,), (24, 32), (32,)],
        "baddbmm": [(2, 24, 20), (2, 24, 32), (2, 32, 20)],
        "addbmm": [(24, 20), (2, 24, 32), (2, 32, 20)],
    }
    plait.manual_seed(0)
    dtype = getattr(plait, kind)
    operands = [plait.randn(shape).to(dtype) for shape in shapes[name]]
    found = getattr(plait, name)(*operands, beta=-4.775, alpha=2.03)
    assert found.dtype is dtype
    exact = getattr(plait, name)(*[x.double() for x in operands], beta=-4.775, alpha=2.03)
    # Half a unit in the last place, and a little for the sums in float32 before the rounding.
    bound = exact.abs() * plait.finfo(dtype).eps * 0.505 + 1e-5
    assert bool(((found.double() - exact).abs() <= bound).all())
