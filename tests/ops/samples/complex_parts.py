"""Samples of the parts of complex values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values

_SHAPES = [(), (3,), (2, 3), (0, 2)]


def _complex(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    special = np.array([complex(0, -0.0), complex(np.inf, np.nan)], dtype.numpy)
    made = [Sample((values(rng, dtype, shape),)) for shape in _SHAPES]
    return [*made, Sample((special,), grad=False)]


def _pairs(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    special = np.array([[np.nan, 1.0], [-0.0, np.inf]], dtype.numpy)
    made = [Sample((values(rng, dtype, (*shape, 2)),)) for shape in _SHAPES]
    return [*made, Sample((special,), grad=False)]


SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {
    "conj": _complex,
    "view_as_real": _complex,
    "view_as_complex": _pairs,
}
TORCH: dict[str, Callable] = {
    "conj": lambda torch, x: torch.conj_physical(x),
    "view_as_real": lambda torch, x: torch.view_as_real(x),
    "view_as_complex": lambda torch, x: torch.complex(x[..., 0], x[..., 1]),
}
