"""Sparse gradients train a table as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import plait
from tests.optim.sparse_rules import RULES, table_of, trained

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

# A few roundings a step, of values of order one (maximizing by descent on squares grows them).
TOLERANCE = {"float64": 1e-13, "float32": 2e-6}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rule", RULES)
def test_six_steps(rule: str, dtype: str) -> None:
    ours, theirs = [trained(library, rule, dtype)[0] for library in (plait, torch)]
    bound = TOLERANCE[dtype]
    np.testing.assert_allclose(
        ours.weight.detach().numpy(), theirs.weight.detach().numpy(), bound, bound
    )


@pytest.mark.parametrize("calls", [1, 2])
def test_the_gradient_has_the_same_parts(calls: int) -> None:
    grads = []
    for library in (plait, torch):
        table = table_of(library)
        for places in ([[1, 2], [1, 9]], [[0, 1]])[:calls]:
            (table(library.tensor(places)) ** 2).sum().backward()
        grads.append(table.weight.grad)
    ours, theirs = grads
    if calls == 1:  # PyTorch merges some of the rows that accumulate
        assert ours._indices().tolist() == theirs._indices().tolist()
        np.testing.assert_allclose(ours._values().numpy(), theirs._values().numpy(), rtol=1e-6)
    assert ours.coalesce().indices().tolist() == theirs.coalesce().indices().tolist()
    np.testing.assert_allclose(ours.to_dense().numpy(), theirs.to_dense().numpy(), rtol=1e-6)
