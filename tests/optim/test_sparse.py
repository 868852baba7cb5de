"""Sparse gradients of tables: what they are, who takes them, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

import plait
from plait import nn
from tests.optim.sparse_rules import RULES, table_of, trained


def looked_up(times: int = 1) -> nn.Embedding:
    table = table_of(plait)
    for _ in range(times):
        (table(plait.tensor([[1, 2], [1, 9]])) ** 2).sum().backward()
    return table


def test_the_gradient_is_rows_and_their_places() -> None:
    table = looked_up()
    grad = table.weight.grad
    assert grad.is_sparse and grad.layout is plait.sparse_coo and grad.shape == table.weight.shape
    assert grad._indices().tolist() == [[1, 2, 1, 9]] and grad._values().shape == (4, 3)
    assert (grad._nnz(), grad.sparse_dim(), grad.dense_dim()) == (4, 1, 1)
    with pytest.raises(RuntimeError, match="uncoalesced"):
        grad.indices()
    once = grad.coalesce()
    assert once.is_coalesced() and once.indices().tolist() == [[1, 2, 9]]
    whole = grad.to_dense()
    assert not whole.is_sparse and whole.equal(once.to_dense())
    assert "nnz=4" in repr(grad)


def test_accumulation_joins_rows_and_a_dense_gradient_makes_it_dense() -> None:
    table = looked_up(2)
    single = looked_up().weight.grad.to_dense()
    assert table.weight.grad._nnz() == 8
    assert table.weight.grad.to_dense().equal(2 * single)
    table.weight.sum().backward()
    grad = table.weight.grad
    assert not grad.is_sparse and grad.equal(2 * single + 1)
    table.zero_grad()
    (table(plait.tensor([3])).sum() + table.weight.sum()).backward()
    assert not table.weight.grad.is_sparse


def test_zeroing_and_scaling_in_place() -> None:
    grad = looked_up().weight.grad
    whole = grad.to_dense()
    assert grad.mul_(2.0).to_dense().equal(2 * whole)
    assert grad.mul_(plait.tensor(0.5)).to_dense().equal(whole)
    assert grad.zero_()._nnz() == 0 and not grad.to_dense().any()


def test_what_is_not_built_says_so() -> None:
    table = looked_up()
    assert table.weight.grad.sum() == table.weight.grad.to_dense().sum()
    with pytest.raises(RuntimeError, match=r"add\(sparse, dense\)"):
        table.weight.grad + 1
    for use in (lambda g: g.exp(), lambda g: g.max(), lambda g: g.numpy(), lambda g: g.add_(1)):
        with pytest.raises(NotImplementedError, match="to_dense"):
            use(table.weight.grad)
    with pytest.raises(NotImplementedError):
        nn.utils.clip_grad_norm_(table.parameters(), 1.0)
    with pytest.raises(NotImplementedError, match="momentum"):
        plait.optim.SGD(table.parameters(), momentum=0.9).step()
    with pytest.raises(RuntimeError, match="please consider SparseAdam"):
        plait.optim.Adam(table.parameters()).step()
    with pytest.raises(RuntimeError, match="weight_decay"):
        plait.optim.Adagrad(table.parameters(), weight_decay=0.1).step()
    table.weight.grad = table.weight.grad.to_dense()
    with pytest.raises(RuntimeError, match="dense gradients"):
        plait.optim.SparseAdam(table.parameters()).step()


@pytest.mark.parametrize("rule", RULES)
def test_rows_without_a_gradient_keep_their_bits(rule: str) -> None:
    table, before = trained(plait, rule, "float32")
    moved = (table.weight.detach().numpy() != before).any(1)
    assert moved.tolist() == [False, True, True, False, False, True, False, False, False, True]


def test_a_compiled_step_gives_the_same_rows() -> None:
    tables = [table_of(plait) for _ in range(2)]

    def step_of(table: nn.Embedding):
        optimizer = plait.optim.SGD(table.parameters(), lr=0.1)

        def step(index: plait.Tensor) -> plait.Tensor:
            optimizer.zero_grad()
            loss = (table(index) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    plain, compiled = step_of(tables[0]), plait.compile(step_of(tables[1]))
    for places in ([1, 2, 1], [3, 3, 3], [0, 9, 5], [1, 2, 1]):
        index = plait.tensor(places)
        np.testing.assert_allclose(float(plain(index)), float(compiled(index)), rtol=1e-6)
        assert tables[1].weight.grad.is_sparse
        assert tables[1].weight.grad._indices().tolist() == [places]
    first, second = [table.weight.detach().numpy() for table in tables]
    np.testing.assert_allclose(first, second, rtol=1e-6)
