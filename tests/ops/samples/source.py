"""Samples of the ops without inputs."""

from __future__ import annotations

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample


def _full(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = []
    for kind in dtypes.COMMON:
        for shape in ((2, 3), (), (0,)):
            samples.append(Sample((), {"value": 1, "shape": shape, "dtype": kind}))
    samples.append(Sample((), {"value": float("nan"), "shape": (2,), "dtype": dtypes.float32}))
    samples.append(Sample((), {"value": float("-inf"), "shape": (2,), "dtype": dtypes.bfloat16}))
    return samples


def _arange(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((), {"start": start, "step": step, "size": size, "dtype": kind})
        for start, step, size, kind in (
            (0, 1, 5, dtypes.int64),
            (3, -2, 4, dtypes.int32),
            (0.5, 0.1, 33, dtypes.float32),
            (-1.0, 0.25, 0, dtypes.float64),
            (2**60, 1, 3, dtypes.int64),
        )
    ]


SAMPLES = {"full": _full, "arange": _arange}

TORCH = {
    "full": lambda torch, *, value, shape, dtype: torch.full(
        shape, value, dtype=getattr(torch, dtype.name)
    ),
    "arange": lambda torch, *, start, step, size, dtype: (
        torch.arange(size, dtype=torch.float64 if dtype.kind == "f" else torch.int64) * step + start
    ).to(getattr(torch, dtype.name)),
}
