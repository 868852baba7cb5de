"""`zeros_like` and its kin of sparse tensors: sparse where PyTorch's are, or they say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plait


def _coo(t: Any) -> Any:
    return t.eye(3).to_sparse()


def _csr(t: Any) -> Any:
    return t.eye(3).to_sparse_csr()


def _rows(t: Any) -> Any:
    return t.sparse_coo_tensor([[0, 1]], t.ones(2, 4), (3, 4))


#: What is made; its layout, dtype, shape, number of entries and sparse axes.
MADE: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "zeros_like": (lambda t: t.zeros_like(_coo(t)), ["sparse_coo", "float32", [3, 3], 0, 2]),
    "zeros_like of rows": (
        lambda t: t.zeros_like(_rows(t)),
        ["sparse_coo", "float32", [3, 4], 0, 1],
    ),
    "zeros_like with a dtype": (
        lambda t: t.zeros_like(_coo(t), dtype=t.float64),
        ["sparse_coo", "float64", [3, 3], 0, 2],
    ),
    "empty_like": (lambda t: t.empty_like(_coo(t)), ["sparse_coo", "float32", [3, 3], 0, 2]),
    "zeros_like of csr": (lambda t: t.zeros_like(_csr(t)), ["sparse_csr", "float32", [3, 3], 0, 2]),
    "empty_like of csr": (lambda t: t.empty_like(_csr(t)), ["sparse_csr", "float32", [3, 3], 3, 2]),
    "ones_like of csr": (
        lambda t: t.ones_like(_csr(t), dtype=t.float64),
        ["sparse_csr", "float64", [3, 3], 3, 2],
    ),
    "full_like of csr": (
        lambda t: t.full_like(_csr(t), 2.5),
        ["sparse_csr", "float32", [3, 3], 3, 2],
    ),
    "csr as coordinates": (
        lambda t: t.zeros_like(_csr(t), layout=t.sparse_coo),
        ["sparse_coo", "float32", [3, 3], 0, 2],
    ),
    "new_zeros": (lambda t: _coo(t).new_zeros(2, 5), ["sparse_coo", "float32", [2, 5], 0, 2]),
    "new_empty": (lambda t: _rows(t).new_empty((2, 5)), ["sparse_coo", "float32", [2, 5], 0, 2]),
    "new_zeros of csr": (
        lambda t: _csr(t).new_zeros(2, 5),
        ["sparse_csr", "float32", [2, 5], 0, 2],
    ),
    "zeros": (
        lambda t: t.zeros(2, 5, layout=t.sparse_coo),
        ["sparse_coo", "float32", [2, 5], 0, 2],
    ),
    "zeros by rows": (
        lambda t: t.zeros(2, 5, layout=t.sparse_csr),
        ["sparse_csr", "float32", [2, 5], 0, 2],
    ),
    "of a dense one": (
        lambda t: t.zeros_like(t.ones(2, 5), layout=t.sparse_coo),
        ["sparse_coo", "float32", [2, 5], 0, 2],
    ),
}
DENSE: dict[str, Callable[[Any], Any]] = {
    "zeros_like": lambda t: t.zeros_like(_coo(t), layout=t.strided),
    "ones_like": lambda t: t.ones_like(_coo(t), layout=t.strided),
    "full_like": lambda t: t.full_like(_coo(t), 3.0, layout=t.strided),
    "rand_like": lambda t: t.rand_like(_coo(t), layout=t.strided),
    "new_ones": lambda t: _coo(t).new_ones(3, 3, layout=t.strided),
}
REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception]]] = {
    "ones_like": (lambda t: t.ones_like(_coo(t)), NotImplementedError),
    "full_like": (lambda t: t.full_like(_coo(t), 2.0), NotImplementedError),
    "rand_like": (lambda t: t.rand_like(_coo(t)), NotImplementedError),
    "new_ones": (lambda t: _coo(t).new_ones(2, 2), NotImplementedError),
    "new_full": (lambda t: _coo(t).new_full((2, 2), 1.0), NotImplementedError),
    "csr as a dense one": (lambda t: t.zeros_like(_csr(t), layout=t.strided), RuntimeError),
    "csr as coordinates": (lambda t: t.ones_like(_csr(t), layout=t.sparse_coo), RuntimeError),
}


def _described(made: Any) -> list[Any]:
    names = [str(part).removeprefix("torch.") for part in (made.layout, made.dtype)]
    return [*names, list(made.shape), made._nnz(), made.sparse_dim()]


def _assert_as_said(t: Any, name: str) -> None:
    made = MADE[name][0](t)
    assert _described(made) == MADE[name][1]
    if "empty_like" not in name:
        value = {"ones_like of csr": 1.0, "full_like of csr": 2.5}.get(name, 0.0)
        assert made.to_dense().sum().item() == value * made._nnz()


@pytest.mark.parametrize("name", MADE)
def test_what_is_made(name: str) -> None:
    _assert_as_said(plait, name)


@pytest.mark.parametrize("name", DENSE)
def test_a_dense_one_is_made_where_it_is_asked_for(name: str) -> None:
    made = DENSE[name](plait)
    assert made.layout is plait.strided and made.shape == (3, 3)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_made(name: str) -> None:
    call, kind = REFUSED[name]
    with pytest.raises(kind):
        call(plait)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_the_tables_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="compares with the real PyTorch")
    for name in MADE:
        _assert_as_said(torch, name)
    for call in DENSE.values():
        assert call(torch).layout is torch.strided
    for call, kind in REFUSED.values():
        with pytest.raises(kind):
            call(torch)


def test_zeros_are_the_start_of_a_sum() -> None:
    rows = _rows(plait)
    total = plait.zeros_like(rows)
    for _ in range(3):
        total = total + rows
    assert total.to_dense().tolist() == [[3.0] * 4, [3.0] * 4, [0.0] * 4]
    assert not isinstance(plait.zeros_like(rows, layout=plait.strided), type(rows))
