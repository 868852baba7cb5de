"""Samples of look-ups in tables."""

from __future__ import annotations

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values

#: (shape of the table, shape of the index).
_TABLES = [((5,), ()), ((5, 3), (4,)), ((5, 3), (2, 2)), ((5, 0), (3,)), ((0, 3), (0,))]


def _look_up(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, table, 0.5, 2.0), rng.integers(0, max(1, table[0]), index)), {})
        for table, index in _TABLES
    ]


def _rows_at(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (
                values(rng, dtype, (*index, *table[1:]), 0.5, 2.0),
                rng.integers(0, max(1, table[0]), index),
            ),
            {"rows": table[0]},
        )
        for table, index in _TABLES
    ]


SAMPLES = {"look_up": _look_up, "rows_at": _rows_at}


def _torch_rows_at(torch, rows, index, *, rows_of_table):
    flat = rows.reshape(index.numel(), *rows.shape[index.ndim :])
    base = torch.zeros(rows_of_table, *flat.shape[1:], dtype=rows.dtype)
    return base.index_add(0, index.reshape(-1), flat)


TORCH = {
    "look_up": lambda torch, table, index: table[index],
    "rows_at": lambda torch, values, index, *, rows: _torch_rows_at(
        torch, values, index, rows_of_table=rows
    ),
}
