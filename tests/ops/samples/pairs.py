"""Samples of the composites of two operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, SampleMaker, values

ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 60000.0, -60000.0, 0.001)


def _pair(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    for shape in ((3, 4), (), (0, 3), (2, 3, 5)):
        made.append(Sample((values(rng, dtype, shape), values(rng, dtype, shape))))
    every = np.array([(a, b) for a in ODD for b in ODD], np.float64).astype(dtype.numpy)
    return [*made, Sample((every[:, 0].copy(), every[:, 1].copy()), grad=False)]


NAMES = ("hypot", "logaddexp", "logaddexp2")

SAMPLES: dict[str, SampleMaker] = dict.fromkeys(NAMES, _pair)


def _same(name: str) -> Any:
    return lambda torch, a, b: getattr(torch, name)(a, b)


TORCH = {name: _same(name) for name in NAMES}
