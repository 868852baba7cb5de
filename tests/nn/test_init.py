"""Initialisers: what they guarantee, and how they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

import plait
from plait import nn
from plait.nn import init


def test_they_write_in_place_without_recording() -> None:
    weight = nn.Parameter(plait.zeros(3, 4))
    assert init.uniform_(weight) is weight
    assert weight.is_leaf and weight.grad_fn is None
    assert float(weight.detach().abs().sum()) > 0


def test_bounds() -> None:
    weight = init.kaiming_uniform_(plait.empty(50, 40), a=math.sqrt(5))
    assert float(weight.abs().max()) <= 1 / math.sqrt(40)
    weight = init.trunc_normal_(plait.empty(50, 40), std=2.0, a=-1.0, b=0.5)
    assert float(weight.min()) >= -1 and float(weight.max()) <= 0.5
    assert init._calculate_fan_in_and_fan_out(plait.empty(2, 3, 4, 5)) == (60, 40)


def test_orthogonal_rows_and_columns() -> None:
    for shape in ((5, 3), (3, 5)):
        matrix = init.orthogonal_(plait.empty(shape)).numpy().astype(np.float64)
        product = matrix.T @ matrix if shape[0] > shape[1] else matrix @ matrix.T
        np.testing.assert_allclose(product, np.eye(3), atol=1e-6)  # float32 rounding of QR


def test_sparse_columns() -> None:
    weight = init.sparse_(plait.empty(10, 4), sparsity=0.3)
    assert ((weight == 0).sum(0) == 3).all()


def test_refusals() -> None:
    with pytest.raises(ValueError, match="Fan in and fan out can not be computed"):
        init.xavier_uniform_(plait.empty(3))
    with pytest.raises(ValueError, match="Unsupported nonlinearity nothing"):
        init.calculate_gain("nothing")
    with pytest.raises(ValueError, match="Mode fan not supported"):
        init.kaiming_normal_(plait.empty(2, 2), mode="fan")
    with pytest.raises(ValueError, match="Only tensors with 2 dimensions are supported"):
        init.eye_(plait.empty(3))
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        init.kaiming_uniform_(plait.empty(0, 3))


def test_old_names_warn() -> None:
    with pytest.warns(FutureWarning, match=r"`nn\.init\.constant` is now deprecated in favor of"):
        assert float(init.constant(plait.empty(2), 3.0).sum()) == 6
