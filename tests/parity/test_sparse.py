"""Sparse tensors in coordinate form against the real PyTorch: values, gradients, parts, text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait
from tests.parity.compare import Hunt

TOLERANCE = 1e-12  # float64, sums of a few products
INDICES = [[0, 1, 1, 0, 2], [2, 0, 2, 2, 1]]


def parts(f: Any, dense: tuple[int, ...] = ()) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    values = f.from_numpy(rng.standard_normal((5, *dense))).requires_grad_()
    return f.tensor(INDICES), values


def matrix(f: Any) -> Any:
    indices, values = parts(f)
    return f.sparse_coo_tensor(indices, values, (3, 4)), values


def dense(f: Any, *shape: int) -> Any:
    return f.from_numpy(np.random.default_rng(1).standard_normal(shape)).requires_grad_()


def gradients(f: Any, result: Any, *sources: Any) -> list[Any]:
    weights = f.from_numpy(np.random.default_rng(2).standard_normal(tuple(result.shape)))
    found = f.autograd.grad((result * weights).sum(), sources)
    return [gradient.to_dense() for gradient in found]


def product(call: Any, *shape: int) -> Any:
    def scenario(f: Any) -> list[Any]:
        sparse, values = matrix(f)
        other = dense(f, *shape)
        result = call(f, sparse, other)
        return [result, *gradients(f, result, values, other)]

    return scenario


def changed(call: Any) -> Any:
    def scenario(f: Any) -> list[Any]:
        sparse, values = matrix(f)
        result = call(f, sparse).to_dense()
        return [result, *gradients(f, result, values)]

    return scenario


def converted(f: Any) -> list[Any]:
    table = dense(f, 3, 4, 2)
    table = table * f.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]).double()[..., None]
    sparse = table.to_sparse(2)
    return [sparse.indices(), sparse.values(), *gradients(f, sparse.to_dense(), table)]


def of_rows(f: Any) -> list[Any]:
    indices, values = parts(f, (2,))
    sparse = f.sparse_coo_tensor(indices, values).coalesce()
    facts = [sparse.sparse_dim(), sparse.dense_dim(), sparse._nnz(), *sparse.shape]
    return [f.tensor(facts), sparse.indices(), sparse.values()]


SCENARIOS = {
    "matmul": product(lambda f, s, d: s @ d, 4, 2),
    "mm": product(lambda f, s, d: f.mm(s, d), 4, 2),
    "sparse.mm": product(lambda f, s, d: f.sparse.mm(s, d), 4, 2),
    "spmm": product(lambda f, s, d: f.spmm(s, d), 4, 2),
    "of the coalesced": product(lambda f, s, d: s.coalesce() @ d, 4, 2),
    "transposed": product(lambda f, s, d: s.t() @ d, 3, 2),
    "vector": product(lambda f, s, d: s @ d, 4),
    "mv": product(lambda f, s, d: s.mv(d), 4),
    "on the right": product(lambda f, s, d: d @ s, 2, 3),
    "addmm": product(lambda f, s, d: f.sparse.addmm(f.ones(3, 2).double(), s, d, beta=2), 4, 2),
    "plus a product": product(lambda f, s, d: f.addmm(f.ones(3, 2).double(), s, d), 4, 2),
    "times dense": product(lambda f, s, d: (s * d).to_dense(), 3, 4),
    "dense plus": product(lambda f, s, d: d + s, 3, 4),
    "to_dense": changed(lambda f, s: s),
    "coalesce": changed(lambda f, s: s.coalesce()),
    "scaled": changed(lambda f, s: 2 * s / 3),
    "negative": changed(lambda f, s: -s),
    "sum": changed(lambda f, s: s + s),
    "difference": changed(lambda f, s: s - s * 3),
    "sum of coalesced": changed(lambda f, s: s.coalesce() + s.t().t().coalesce()),
    "clone": changed(lambda f, s: s.clone()),
    "t": changed(lambda f, s: s.t()),
    "double": changed(lambda f, s: s.to(f.float64)),
    "to_sparse": converted,
    "rows": of_rows,
    "all": lambda f: [matrix(f)[0].sum(), f.sparse.sum(matrix(f)[0])],
    "no entries": lambda f: [f.sparse_coo_tensor((2, 3)).to_dense()],
    "integers": lambda f: [f.sparse_coo_tensor([[0, 1], [1, 0]], [1, 2]).to_dense()],
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_values_and_gradients(name) -> None:
    hunt = Hunt("sparse", "values")
    hunt.check(name, SCENARIOS[name], tolerance=TOLERANCE)
    hunt.verdict()


MADE = [
    lambda f: f.sparse_coo_tensor(INDICES, [1.0, 2.0, 3.0, 4.0, 5.0], (3, 4)),
    lambda f: f.eye(3).to_sparse(),
    lambda f: f.ones(2, 2, 2).to_sparse(1),
    lambda f: f.sparse_coo_tensor(INDICES, [1, 2, 3, 4, 5]),
    lambda f: f.eye(2).double().to_sparse(),
    lambda f: f.sparse_coo_tensor((2, 3)),
]


def test_text() -> None:
    hunt = Hunt("sparse", "text")
    for number, make in enumerate(MADE):
        hunt.check(f"{number}", lambda f: repr(make(f)))  # noqa: B023 -- runs at once
    hunt.verdict()


def mistakes(f: Any) -> dict[str, Any]:
    indices, values = parts(f)
    sparse = matrix(f)[0]
    return {
        "negative index": lambda: f.sparse_coo_tensor(-indices, values),
        "one axis of indices": lambda: f.sparse_coo_tensor(indices[0], values),
        "count": lambda: f.sparse_coo_tensor(indices, values[:2], (3, 4)),
        "rank of the size": lambda: f.sparse_coo_tensor(indices, values, (3, 4, 1)),
        "outside": lambda: f.sparse_coo_tensor(indices, values, (3, 2), check_invariants=True),
        "product": lambda: f.mm(sparse, dense(f, 3, 2)),
        "dtype": lambda: f.mm(sparse, dense(f, 4, 2).float()),
        "indices": lambda: sparse.indices(),
        "values": lambda: sparse.values(),
        "plus dense": lambda: sparse + dense(f, 3, 4),
        "shapes": lambda: sparse + f.eye(2).double().to_sparse(),
        "dense values": lambda: f.ones(2).values(),
        "dense indices": lambda: f.ones(2).indices(),
        "dense coalesce": lambda: f.ones(2).coalesce(),
        "sparse axes": lambda: f.ones(2).to_sparse(3),
    }


@pytest.mark.plain
@pytest.mark.parametrize("name", mistakes(plait))
def test_mistakes_raise_alike(name) -> None:
    hunt = Hunt("sparse", "mistakes")
    hunt.check(name, lambda f: mistakes(f)[name]())
    hunt.verdict()
