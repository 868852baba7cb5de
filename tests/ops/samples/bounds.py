"""Samples of the check that elements lie in an interval."""

from __future__ import annotations

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values


def _check_range(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    attrs = {"low": -100, "high": 100, "fault": "ValueError", "message": "{value} is outside"}
    return [Sample((values(rng, dtype, shape),), attrs) for shape in ((), (0,), (2, 3))]


SAMPLES = {"check_range": _check_range}
